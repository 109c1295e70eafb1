//! Batteries that are programs in other languages, each run to its end.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use testkit::paths::{RunDir, node_dir, python_dir, workspace_dir};
use testkit::process::Program;
use tokio::sync::OnceCell;

use crate::battery::{Run, Target};

/// What a battery may take; on a busy machine it takes a tenth of that.
const TIME_MAX: Duration = Duration::from_secs(180);

/// Where Debian puts MariaDB's Connector/J.
const CONNECTOR_J: &str = "/usr/share/java/mariadb-java-client.jar";

/// `tests/clients/python/<file>`.
pub(crate) fn python(file: &'static str, args: &'static [&'static str]) -> impl Fn(Target) -> Run {
    move |target| {
        let program = move |log: PathBuf| {
            Program::new("python3", log)
                .args(["-W", "ignore"])
                .args([folder("python").join(file)])
                .args(args)
                .env("PYTHONPATH", python_dir())
                .env("PYTHONDONTWRITEBYTECODE", "1") // nothing is written among the sources
        };
        Box::pin(async move { printed(program, &target).await })
    }
}

/// `tests/clients/node/<file>`.
pub(crate) fn node(file: &'static str) -> impl Fn(Target) -> Run {
    move |target| {
        let program = move |log: PathBuf| {
            Program::new("node", log)
                .args([folder("node").join(file)])
                .env("NODE_PATH", node_dir().join("node_modules"))
        };
        Box::pin(async move { printed(program, &target).await })
    }
}

/// `tests/clients/java/`, of which `class` is run.
pub(crate) fn java(class: &'static str) -> impl Fn(Target) -> Run {
    move |target| {
        Box::pin(async move {
            let classes = java_classes().await;
            let path = format!("{}:{CONNECTOR_J}", classes.display());
            // Memory and threads as for a small program: two cores run much else.
            let options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
            let program = move |log: PathBuf| {
                Program::new("java", log)
                    .args(options)
                    .args(["-cp", &path, class])
            };
            printed(program, &target).await
        })
    }
}

/// The compiled sources; the directory goes with the next run.
async fn java_classes() -> PathBuf {
    static CLASSES: OnceCell<RunDir> = OnceCell::const_new();
    let compile = async || {
        let dir = RunDir::create().expect("a directory for classes");
        let sources = std::fs::read_dir(folder("java")).expect("the Java sources");
        let mut javac = Command::new("javac");
        javac
            .args(["-d"])
            .arg(dir.path())
            .args(["-cp", CONNECTOR_J]);
        javac.args(sources.map(|source| source.expect("a source").path()));
        let output = javac.output();
        let output = output.expect("javac: `cargo xtask test` installs it");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "javac: {said}");
        dir
    };
    CLASSES.get_or_init(compile).await.path().to_owned()
}

fn folder(language: &str) -> PathBuf {
    workspace_dir().join("tests/clients").join(language)
}

/// Runs a program to its end, and returns all that it printed.
pub(crate) async fn printed(program: impl FnOnce(PathBuf) -> Program, target: &Target) -> String {
    let dir = RunDir::create().expect("a directory for a log");
    let mut program = program(dir.path().join("output.log"));
    for (key, value) in target.env() {
        program = program.env(key, value);
    }
    let process = program.start().expect("a client's program");
    let ended = tokio::time::timeout(TIME_MAX, process.exited()).await;
    let printed = process.log();
    match ended {
        Err(_) => panic!("not within {TIME_MAX:?}; it printed:\n{printed}"),
        Ok(status) => {
            let status = status.expect("its end");
            assert!(
                status.success(),
                "{status}; `cargo xtask test` installs all clients; it printed:\n{printed}"
            );
        }
    }
    printed
}
