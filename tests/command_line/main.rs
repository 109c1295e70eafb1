//! The command line: each mistake gets one clear line and a non-zero exit, and what is configured is what
//! happens.

mod check;
mod configured;
mod lifecycle;
mod mistakes;
#[path = "../support/mod.rs"]
mod support;

use std::process::Stdio;

use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use tokio::process::Command;
use tokio::sync::OnceCell;

use support::SOON;

/// One node is enough where obwarden only logs on.
async fn node() -> &'static Cluster {
    static CLUSTER: OnceCell<MariadbCluster> = OnceCell::const_new();
    let start = async || MariadbCluster::start(1).await.expect("a mariadb node");
    CLUSTER.get_or_init(start).await
}

/// What a run of obwarden that ends by itself has left behind.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs obwarden with these arguments and variables and no others of its own.
async fn run(args: &[&str], vars: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obwarden"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OBWARDEN_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .envs(vars.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output())
        .await
        .unwrap_or_else(|_| panic!("{args:?}: still running after {SOON:?}"))
        .expect("obwarden");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The service account's password is empty.
const NO_PASSWORD: (&str, &str) = ("OBWARDEN_PASSWORD", "");
