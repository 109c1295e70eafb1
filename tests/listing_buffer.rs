//! A list longer than its buffer is complete all the same, and a client that reads slowly harms nobody.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use testkit::sim::SimCluster;
use testkit::warden::Warden;

/// Far less than one node's answer.
const BUFFER_BYTES: &str = "100000";

/// A cluster with many sessions, and obwarden before it with a buffer that holds few of them.
async fn start(nodes: usize, sessions_a_node: u32) -> (SimCluster, Warden) {
    let cluster = SimCluster::start(nodes).await.unwrap();
    for node in cluster.nodes() {
        node.hold_sessions(sessions_a_node);
    }
    let warden = Warden::builder(env!("CARGO_BIN_EXE_obwarden"))
        .servers(cluster.seeds())
        .args([
            "--listing-buffer-bytes",
            BUFFER_BYTES,
            "--node-timeout",
            "5s",
        ])
        .start()
        .await
        .unwrap();
    (cluster, warden)
}

async fn connect(warden: &Warden) -> Conn {
    let opts = OptsBuilder::default()
        .ip_or_hostname(warden.addr().ip().to_string())
        .tcp_port(warden.addr().port())
        .user(Some("root"))
        .prefer_socket(false);
    Conn::new(opts).await.unwrap()
}

/// How many of the held sessions are in the list, server by server.
fn held_sessions(rows: &[Row]) -> Vec<(String, usize)> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for row in rows {
        let ip: String = row.get("Ip").unwrap();
        match counted.last_mut() {
            Some((last, count)) if *last == ip => *count += 1,
            _ => counted.push((ip, 1)),
        }
    }
    counted
}

#[tokio::test]
async fn a_list_longer_than_its_buffer_has_every_session_and_each_servers_in_one_piece() {
    let (cluster, warden) = start(5, 1_000).await;
    let mut conn = connect(&warden).await;
    let rows: Vec<Row> = conn.query("SHOW SERVER SESSIONS").await.unwrap();
    assert_eq!(conn.get_warnings(), 0);
    let counted = held_sessions(&rows);
    assert_eq!(counted.len(), 5, "{counted:?}");
    let held: usize = counted.iter().map(|(_, count)| count).sum();
    let own = 1;
    assert_eq!(held, 5 * 1_000 + own, "{counted:?}");
    drop(cluster);
}

#[tokio::test]
async fn a_client_that_reads_slower_than_the_deadline_is_told_of_no_failed_server() {
    // More than the sockets' own buffers take, so that the servers really have to wait.
    let (cluster, warden) = start(2, 40_000).await;
    let mut conn = connect(&warden).await;
    let mut result = conn.query_iter("SHOW FULL SERVER SESSIONS").await.unwrap();
    assert!(result.next().await.unwrap().is_some());
    // Longer than --node-timeout: the very thing that is tested.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut rows = 1;
    while let Some(row) = result.next().await.unwrap() {
        let command: String = row.get("Command").unwrap();
        assert_ne!(command, "ERROR", "{row:?}");
        rows += 1;
    }
    drop(result);
    assert!(rows > 2 * 40_000);
    assert_eq!(conn.get_warnings(), 0);
    drop(cluster);
}
