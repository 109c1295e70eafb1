//! MariaDB's command line: `battery.sql`, and what needs a terminal.

mod terminal;
mod virtual_statements;

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::battery::Target;
use crate::support::SOON;

const BATTERY: &str = include_str!("battery.sql");
const INSTALL: &str = "`cargo xtask test` installs it (Debian: apt-get install mariadb-client)";
/// Of an outcome; longer ones are told by their length and digest.
const SHOWN_BYTES_MAX: usize = 20_000;
/// Asked at the end of each step.
const STILL: &str = "SELECT 'still', 'here'";

/// A step as `battery.sql` has it.
struct Step<'b> {
    name: &'b str,
    /// The program and its options.
    words: Vec<String>,
    sql: &'b str,
}

/// Runs the battery.
pub(crate) async fn run(target: Target) -> String {
    let mut printed = String::new();
    let mut count = 0;
    let mut say = |name: &str, outcome: &str| {
        let outcome = outcome.replace(&target.addr.to_string(), "HOST:PORT");
        printed += &format!("{name}: {}\n", outcome.replace('\n', "\\n"));
        count += 1;
    };
    let filled = fill(BATTERY, &target);
    for step in steps(&filled) {
        say(step.name, &outcome(&step, &target).await);
    }
    if let Some(victims) = &target.victims {
        for (name, outcome) in virtual_statements::outcomes(&target, victims).await {
            say(name, &outcome);
        }
    }
    printed + &format!("done: {count}\n")
}

fn fill(battery: &str, target: &Target) -> String {
    battery
        .replace("{database}", &target.database)
        .replace("{password}", "pass\\ word")
        .replace("{files}", &target.files.display().to_string())
}

fn steps(battery: &str) -> impl Iterator<Item = Step<'_>> {
    battery.split("\n-- step ").skip(1).map(|step| {
        let (header, sql) = step.split_once('\n').unwrap_or((step, ""));
        let (name, command) = header.split_once(": ").expect("a step's program");
        // A space after a backslash is no end of a word.
        let words = command.replace("\\ ", "\u{a0}");
        Step {
            name,
            words: words
                .split(' ')
                .map(|word| word.replace('\u{a0}', " "))
                .collect(),
            sql,
        }
    })
}

async fn outcome(step: &Step<'_>, target: &Target) -> String {
    let is_mysql = step.words[0] == "mysql";
    let mut command = Command::new(&step.words[0]);
    command.args(options(target.addr)).args(tls(target));
    if is_mysql {
        command.args([
            "--force",
            "--table",
            "-vv",
            "--default-character-set=utf8mb4",
        ]);
        command.args(["-D", &target.database]);
    }
    command.args(&step.words[1..]);
    let output = finish(command.stdin(typed(step.sql, target)), INSTALL).await;
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let has_an_id = |line: &&str| !line.starts_with("Connection id:");
    let said: String = said.split_inclusive('\n').filter(has_an_id).collect();
    let alive = !is_mysql || said.contains("still") && said.contains("here");
    let failed = errors.lines().any(|line| line.contains("ERROR")) || !output.status.success();
    format!(
        "{} {} {} | {}",
        if failed { "error" } else { "ok" },
        errors.trim(),
        short(&said),
        if alive { "alive" } else { "lost" }
    )
}

/// Statements as if somebody typed them: with --force the client goes on after an error, with the next
/// line.
fn typed(sql: &str, target: &Target) -> Stdio {
    let path = target.files.join("typed.sql");
    std::fs::write(&path, format!("{sql}\n{STILL};\n")).expect("typed.sql");
    File::open(&path).expect("typed.sql").into()
}

fn short(said: &str) -> String {
    if said.len() <= SHOWN_BYTES_MAX {
        return said.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    format!("<{} bytes, {:x}>", said.len(), hasher.finish())
}

/// What the client prints, line by line and cell by cell.
async fn rows(target: &Target, sql: &str) -> Vec<Vec<String>> {
    let output = finish(
        mysql(target).args(["-e", sql]).stdin(Stdio::null()),
        INSTALL,
    )
    .await;
    assert!(output.status.success(), "{output:?}");
    let line = |line: &str| line.split('\t').map(str::to_owned).collect();
    text(&output.stdout).lines().map(line).collect()
}

fn mysql(target: &Target) -> Command {
    let mut command = Command::new("mysql");
    command
        .args(options(target.addr))
        .args(tls(target))
        .args(["--batch", "--force"]);
    command
}

fn options(server: SocketAddr) -> [String; 4] {
    let (host, port) = (server.ip(), server.port());
    [
        "--no-defaults".into(),
        format!("-h{host}"),
        format!("-P{port}"),
        "-uroot".into(),
    ]
}

/// What makes a client use TLS, where there is to be TLS.
fn tls(target: &Target) -> Vec<String> {
    let options = |ca: &PathBuf| {
        let ca = format!("--ssl-ca={}", ca.display());
        vec![ca, "--ssl-verify-server-cert".into()]
    };
    target.ca.as_ref().map(options).unwrap_or_default()
}

/// Runs a client to its end. That it is missing fails the test and says how to install it.
async fn finish(command: &mut Command, install: &str) -> Output {
    command.kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output())
        .await
        .unwrap_or_else(|_| panic!("{command:?}: still running after {SOON:?}"));
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{command:?}: {install}"),
        output => output.expect("a client"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
