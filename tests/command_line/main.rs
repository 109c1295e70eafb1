//! The command line: each mistake gets one clear line and a non-zero exit, and what is configured is what
//! happens.

mod check;
mod configured;
mod execute;
mod lifecycle;
mod mistakes;
#[path = "../support/mod.rs"]
mod support;

use std::process::Output;

use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use tokio::sync::OnceCell;

use support::{SOON, obwarden};

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
    let output = tokio::time::timeout(SOON, obwarden(args, vars).output())
        .await
        .unwrap_or_else(|_| panic!("{args:?}: still running after {SOON:?}"));
    Ended::with(output.expect("obwarden"))
}

impl Ended {
    fn with(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// The service account's password is empty.
const NO_PASSWORD: (&str, &str) = ("OBWARDEN_PASSWORD", "");
