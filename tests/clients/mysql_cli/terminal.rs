//! What a DBA does with the mysql client at a terminal: list, kill, Ctrl-C.

use std::net::SocketAddr;
use std::process::Stdio;

use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdout, Command};

use super::{INSTALL, finish, options, text};
use crate::support::SOON;
use crate::support::real::{Stage, kill, lives, on_both, until, warden_for};
use crate::virtual_statements::{WHO_RUNS_ENDLESS, endless};

on_both!(
    mysql_lists_and_kills,
    mysql_shows_an_error_and_goes_on,
    ctrl_c_on_a_terminal_ends_the_statement_and_not_the_session,
    ctrl_c_on_a_terminal_ends_a_statement_of_the_proxys_own,
    sigint_ends_a_statement_given_by_option,
);

/// What the mysql client says to these statements, as on a terminal: tables, counts and warnings.
async fn mysql(server: SocketAddr, sql: &str) -> Result<String, String> {
    let mut command = Command::new("mysql");
    command
        .args(options(server))
        .args(["-vvv", "--table", "-e", sql])
        .stdin(Stdio::null());
    let output = finish(&mut command, INSTALL).await;
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

async fn mysql_lists_and_kills(stage: &Stage) {
    let node = stage.cluster.node(1);
    let mut victim = stage.session_on(1).await;
    let _third = stage.session_on(2).await;
    let warden = stage.warden.addr();
    let list = mysql(warden, "SHOW SERVER SESSIONS").await.unwrap();
    for node in stage.cluster.nodes() {
        let port = node.port().to_string();
        let cells = [&node.ip().to_string(), &port, &node.server().zone];
        assert!(has_row(&list, &cells.map(String::as_str)), "{list}");
    }
    assert!(
        has_row(&list, &["127.0.0.2", &victim.id().to_string(), "root"]),
        "{list}"
    );
    assert!(
        list.contains("rows in set") && !list.contains("warning"),
        "{list}"
    );

    let killed = mysql(warden, &format!("{};", kill(node, victim.id())))
        .await
        .unwrap();
    assert!(killed.contains("Query OK, 0 rows affected"), "{killed}");
    assert!(!lives(&mut victim).await);
    let full = mysql(warden, "show full server sessions\\G").await.unwrap();
    assert!(
        full.contains("Warden: service") && full.contains("Warden: client"),
        "{full}"
    );
}

/// Whether a line of a table has all of these cells.
fn has_row(table: &str, cells: &[&str]) -> bool {
    table.lines().any(|line| {
        let row: Vec<_> = line.split('|').map(str::trim).collect();
        cells.iter().all(|cell| row.contains(cell))
    })
}

async fn mysql_shows_an_error_and_goes_on(stage: &Stage) {
    let said = mysql(stage.warden.addr(), "KILL SERVER SESSION 10.99.99.99 5")
        .await
        .unwrap_err();
    assert!(
        said.contains("ERROR 1210 (HY000)") && said.contains("is no server of this cluster"),
        "{said}"
    );

    let mut client = Command::new("mysql")
        .args(options(stage.warden.addr()))
        .args(["--force", "--table"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect(INSTALL);
    // A statement a line: after an error mysql forgets the rest of the line.
    let statements = b"KILL SERVER SESSION 127.0.0.1 0;\nSHOW WARNINGS;\nSELECT 'still', 'here';\n";
    let mut keyboard = client.stdin.take().unwrap();
    keyboard.write_all(statements).await.unwrap();
    drop(keyboard);
    let output = tokio::time::timeout(SOON, client.wait_with_output()).await;
    let output = output.expect("mysql does not exit").unwrap();
    assert!(text(&output.stderr).contains("ERROR 1210"), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        has_row(&said, &["Error", "1210"]) && has_row(&said, &["still", "here"]),
        "{said}"
    );
}

/// A statement that tells by its text which test runs it.
fn sleep(test: &str) -> String {
    format!("SELECT SLEEP(30) AS {test}")
}

/// Waits until the node that serves the clients runs `sql`.
async fn runs(stage: &Stage, sql: &str) {
    let mut watcher = stage.session_on(0).await;
    let running = format!(
        "SELECT 1 FROM oceanbase.V$OB_PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO = '{sql}'"
    );
    until("the statement runs", async || {
        let found: Option<u8> = watcher.query_first(&running).await.unwrap();
        found.is_some()
    })
    .await;
}

async fn ctrl_c_on_a_terminal_ends_the_statement_and_not_the_session(stage: &Stage) {
    let mut outcomes = Vec::new();
    for (server, sql) in [
        (stage.backend().addr(), sleep("on_a_direct_terminal")),
        (stage.warden.addr(), sleep("on_a_proxied_terminal")),
    ] {
        outcomes.push(interrupted_on_a_terminal(server, &sql, runs(stage, &sql)).await);
    }
    assert_eq!(outcomes[0], outcomes[1], "not as on a direct connection");
    assert!(
        outcomes[1].contains("query killed") && outcomes[1].contains("ERROR 1317"),
        "{outcomes:?}"
    );
}

async fn ctrl_c_on_a_terminal_ends_a_statement_of_the_proxys_own(stage: &Stage) {
    let mut watcher = stage.client().await;
    let runs = until("the statement runs", async || {
        let running: Option<u32> = watcher.query_first(WHO_RUNS_ENDLESS).await.unwrap();
        running.is_some()
    });
    let outcome = interrupted_on_a_terminal(stage.warden.addr(), &endless(), runs).await;
    assert!(
        outcome.contains("query killed") && outcome.contains("ERROR 1317"),
        "{outcome}"
    );
}

/// What a terminal tells of the end of `sql`, which is interrupted as soon as `it_runs`; the session goes on.
async fn interrupted_on_a_terminal(
    server: SocketAddr,
    sql: &str,
    it_runs: impl Future<Output = ()>,
) -> String {
    // `script` gives it a terminal, so that byte 3 is Ctrl-C.
    let mut terminal = Command::new("script")
        .args([
            "-qec",
            &format!("mysql {}", options(server).join(" ")),
            "/dev/null",
        ])
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("script (Debian: apt-get install bsdutils)");
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard
        .write_all(format!("{sql};\n").as_bytes())
        .await
        .unwrap();
    it_runs.await;
    keyboard.write_all(b"\x03").await.unwrap();
    let mut said = String::new();
    let mut screen = terminal.stdout.take().unwrap();
    let answered = read_until(&mut screen, &mut said, "interrupted");
    assert!(answered.await, "nothing was interrupted; it said: {said}");
    let typed = "SELECT 'still', 'here';";
    let keys = format!("{typed}\nexit\n");
    keyboard.write_all(keys.as_bytes()).await.unwrap();
    let answered = read_until(&mut screen, &mut said, "| still | here |");
    assert!(answered.await, "the session has ended; it said: {said}");
    // A terminal shows what is typed behind whatever it shows already.
    let said = said.replace(typed, "");
    let told = said
        .lines()
        .filter(|line| line.contains("Ctrl-C") || line.contains("ERROR"));
    told.map(str::trim).collect::<Vec<_>>().join("\n")
}

async fn sigint_ends_a_statement_given_by_option(stage: &Stage) {
    let sql = sleep("given_by_option");
    let client = Command::new("mysql")
        .args(options(stage.warden.addr()))
        .args(["-e", &sql])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect(INSTALL);
    runs(stage, &sql).await;
    let pid = client.id().unwrap().to_string();
    let sent = Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
    let output = tokio::time::timeout(SOON, client.wait_with_output()).await;
    let output = output.expect("mysql does not exit").unwrap();
    assert!(text(&output.stderr).contains("ERROR 1317"), "{output:?}");
}

/// Reads until `wanted` has come; false at the end or when nothing comes any more.
async fn read_until(from: &mut ChildStdout, said: &mut String, wanted: &str) -> bool {
    let mut bytes = [0; 4096];
    while !said.contains(wanted) {
        match tokio::time::timeout(SOON, from.read(&mut bytes)).await {
            Ok(Ok(n)) if n > 0 => said.push_str(&text(&bytes[..n])),
            _ => return false,
        }
    }
    true
}

#[tokio::test]
async fn a_seekdb_node_that_is_down_makes_one_warning_in_mysql() {
    a_node_down_makes_one_warning(&SeekdbCluster::start(2).await.unwrap()).await;
}

#[tokio::test]
async fn a_mariadb_node_that_is_down_makes_one_warning_in_mysql() {
    a_node_down_makes_one_warning(&MariadbCluster::start(2).await.unwrap()).await;
}

async fn a_node_down_makes_one_warning(cluster: &Cluster) {
    let warden = warden_for(cluster).start().await.unwrap();
    let both = mysql(warden.addr(), "SHOW SERVER SESSIONS").await.unwrap();
    assert!(!both.contains("warning"), "{both}");
    cluster.node(1).process().kill().unwrap();
    let statements = "SHOW SERVER SESSIONS; SHOW WARNINGS; SHOW COUNT(*) WARNINGS; SELECT 1";
    let said = mysql(warden.addr(), statements).await.unwrap();
    assert!(said.contains("rows in set, 1 warning"), "{said}");
    assert!(
        has_row(&said, &["127.0.0.2", "z2", "ERROR", "REFUSED", "NULL"]),
        "{said}"
    );
    assert!(has_row(&said, &["127.0.0.1", "z1", "root"]), "{said}");
    assert!(has_row(&said, &["Warning", "1429"]), "{said}");
    assert!(said.contains("its sessions are NOT in this list"), "{said}");
    assert!(has_row(&said, &["@@session.warning_count"]), "{said}");

    let id_there = format!("KILL SERVER SESSION {} 5", cluster.node(1).ip());
    let error = mysql(warden.addr(), &id_there).await.unwrap_err();
    assert!(
        error.contains("ERROR 1429") && error.contains("nothing was killed"),
        "{error}"
    );

    cluster.node(0).process().kill().unwrap();
    let error = mysql(warden.addr(), "SELECT 1").await.unwrap_err();
    assert!(error.contains("1429"), "{error}");
    for node in cluster.nodes() {
        assert!(error.contains(&node.addr().to_string()), "{error}");
    }
}
