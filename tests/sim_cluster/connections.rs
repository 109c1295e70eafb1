//! The proxy's own connections to a node: never more than it may have, and none that nobody needs.

use futures_util::future::join_all;
use testkit::sim::{Behaviour, SimCluster};

use crate::support::{connect, list, soon, warden};

#[tokio::test]
async fn an_idle_service_connection_is_closed_and_the_next_list_opens_another() {
    let cluster = SimCluster::start(3).await.unwrap();
    let args = [
        "--node-idle-timeout",
        "300ms",
        "--topology-refresh-interval",
        "1h",
    ];
    let warden = warden(&cluster, &args).await;
    let mut conn = connect(&warden).await;
    let node = cluster.node(2);
    for _ in 0..2 {
        let logins = node.logins().len();
        assert_eq!(list(&mut conn).await.failed(), []);
        assert_eq!(node.logins().len(), logins + 1);
        soon(
            "it is closed",
            node.until(|node| node.connections_open() == 0),
        )
        .await;
    }
}

#[tokio::test]
async fn a_service_connection_in_use_is_kept() {
    let cluster = SimCluster::start(3).await.unwrap();
    let args = ["--node-idle-timeout", "1h"];
    let warden = warden(&cluster, &args).await;
    let mut conn = connect(&warden).await;
    let node = cluster.node(2);
    for _ in 0..5 {
        list(&mut conn).await;
    }
    assert_eq!(node.logins().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_connections_to_a_node_than_node_connections_max() {
    for most in [1, 3] {
        let cluster = SimCluster::start(3).await.unwrap();
        let args = [
            "--node-connections-max",
            &most.to_string(),
            "--node-timeout",
            "2s",
        ];
        let warden = warden(&cluster, &args).await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(connect(&warden).await);
        }
        for behaviour in [Behaviour::Healthy, Behaviour::HangInQuery] {
            cluster.node(1).set_behaviour(behaviour);
            for seen in join_all(clients.iter_mut().map(list)).await {
                assert!(
                    seen.failed()
                        .iter()
                        .all(|(addr, _)| *addr == cluster.node(1).addr())
                );
            }
        }
        let peak = cluster.node(2).connections_peak();
        assert!(peak <= most, "{peak} of {most}");
        // A hung node may notice late that a connection was closed, after the next was opened.
        let no_more = cluster
            .node(1)
            .until(|node| node.connections_open() <= most);
        soon("no more than it may have", no_more).await;
    }
}
