//! PyMySQL, a client in Python alone.

use testkit::paths::python_dir;
use tokio::process::Command;

use crate::support::real::{Stage, lives, on_both};
use crate::{finish, text};

on_both!(pymysql_lists_kills_and_works_as_on_a_direct_connection);

async fn pymysql_lists_kills_and_works_as_on_a_direct_connection(stage: &Stage) {
    let node = stage.cluster.node(1);
    let mut victim = stage.session_on(1).await;
    let mut other = stage.session_on(1).await;
    let warden = stage.warden.addr();
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", python_dir())
        .args(["-c", include_str!("pymysql_session.py")])
        .args([
            warden.port().to_string(),
            node.ip().to_string(),
            victim.id().to_string(),
        ]);
    let install = "no python3: `cargo xtask test` installs it (Debian: apt-get install python3)";
    let output = finish(&mut python, install).await;
    let (said, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        !error.contains("No module named 'pymysql'"),
        "no PyMySQL in {}: `cargo xtask test` installs it",
        python_dir().display()
    );
    assert!(
        output.status.success() && said.trim() == "done",
        "{said}\n{error}"
    );
    assert!(!lives(&mut victim).await);
    assert!(lives(&mut other).await);
}
