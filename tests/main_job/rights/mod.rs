//! Who may see and end whose sessions, on real accounts.

mod accounts;
mod anonymous;
mod matrix;
mod service_account;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;
use testkit::warden::Warden;

use crate::support::opts;
use crate::support::real::{Stage, kill};
use crate::support::sql_error;

/// Every account of these tests has it.
const PASSWORD: &str = "pass";

/// A text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Creates an account on every node, with rights such as `PROCESS, SUPER ON *.*`.
async fn create(cluster: &Cluster, name: &str, rights: &[&str]) {
    let account = quoted(name);
    let mut sql =
        format!("DROP USER IF EXISTS {account}; CREATE USER {account} IDENTIFIED BY '{PASSWORD}'");
    for right in rights {
        sql += &format!("; GRANT {right} TO {account}");
    }
    cluster.execute(&sql).await.unwrap();
}

/// Logs an account on through obwarden.
async fn log_on(warden: &Warden, name: &str) -> Conn {
    let login = Conn::new(opts(warden.addr(), name).pass(Some(PASSWORD)));
    login
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A session of an account, straight on a node.
async fn session_of(cluster: &Cluster, node: usize, name: &str) -> Conn {
    let opts = cluster
        .node(node)
        .opts()
        .user(Some(name))
        .pass(Some(PASSWORD));
    Conn::new(opts)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Creates an account on every node, and logs it on through obwarden.
async fn newcomer(stage: &Stage, name: &str, rights: &[&str]) -> Conn {
    create(stage.cluster, name, rights).await;
    log_on(&stage.warden, name).await
}

async fn warnings(conn: &mut Conn) -> Vec<(String, u16, String)> {
    conn.query("SHOW WARNINGS").await.unwrap()
}

/// Whether the last list has said that there is more than it shows; it must have said nothing else.
async fn sessions_are_hidden(conn: &mut Conn) -> bool {
    match &warnings(conn).await[..] {
        [] => false,
        [(level, 1227, text)] if level == "Note" && text.contains("needs PROCESS") => true,
        other => panic!("{other:?}"),
    }
}

/// The code that a kill ends with; 0 is OK.
async fn kill_code(conn: &mut Conn, cluster: &Cluster, node: usize, id: u32) -> u16 {
    match conn.query_drop(kill(cluster.node(node), id)).await {
        Ok(()) => 0,
        denied => sql_error(denied).code,
    }
}
