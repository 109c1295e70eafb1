//! `--execute`: the main job without a daemon.

use std::process::Output;

use serde_json::Value;
use testkit::cluster::Cluster;

use crate::support::real::{Stage, kill, lives, on_both};
use crate::support::{obwarden, soon};

on_both!(sessions_of_all_nodes_are_found_and_one_is_ended);

/// Runs a statement as `account`, and has its rows as JSON.
pub(crate) async fn execute(
    cluster: &Cluster,
    (account, password): (&str, &str),
    statement: &str,
) -> Output {
    let seed = &cluster.seeds()[0];
    let args = [
        "--server",
        seed,
        "--user",
        account,
        "--execute",
        statement,
        "--format",
        "json",
    ];
    let mut command = obwarden(&args, &[("OBWARDEN_PASSWORD", password)]);
    soon(statement, command.output()).await.expect("obwarden")
}

const ROOT: (&str, &str) = ("root@sys", "");

async fn sessions_of_all_nodes_are_found_and_one_is_ended(stage: &Stage) {
    let mut sessions = Vec::new();
    for node in 0..3 {
        sessions.push(stage.session_on(node).await);
    }
    let listed = execute(stage.cluster, ROOT, "SHOW SERVER SESSIONS").await;
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    let rows: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    for (node, session) in stage.cluster.nodes().iter().zip(&sessions) {
        let (ip, id) = (node.ip().to_string(), session.id());
        let is_it = |row: &&Value| row["Ip"] == *ip && row["Id"] == id;
        let row = rows.iter().find(is_it).expect("each node's session");
        assert_eq!((&row["User"], &row["Info"]), (&"root".into(), &Value::Null));
    }
    let statement = kill(stage.cluster.node(1), sessions[1].id());
    let killed = execute(stage.cluster, ROOT, &statement).await;
    assert_eq!(killed.status.code(), Some(0), "{killed:?}");
    for (node, session) in sessions.iter_mut().enumerate() {
        assert_eq!(lives(session).await, node != 1);
    }
}
