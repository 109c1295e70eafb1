//! Which node a client is sent to: the first that greets, and never for long one that hangs.

use testkit::sim::{Behaviour, Garbage, SimCluster, SimNode};
use testkit::warden::Warden;

use crate::support::{RawClient, SOON, connect, server_error, soon, try_connect, until, warden};

#[tokio::test]
async fn a_login_that_hangs_ends_and_the_next_client_is_served_elsewhere() {
    let cluster = SimCluster::start(2).await.unwrap();
    let args = ["--connect-timeout", "300ms", "--handshake-timeout", "1s"];
    let warden = warden(&cluster, &args).await;
    let first = cluster.node(0);

    first.set_behaviour(Behaviour::HangInLogin);
    let (code, text) = server_error(try_connect(&warden, "root@sys").await);
    assert_eq!(code, 1430);
    assert!(
        text.contains(&first.seed()) && text.contains("connect again"),
        "{text}"
    );
    assert!(
        served_by(&warden, &cluster).await == 1,
        "it is sent elsewhere for a while"
    );
}

#[tokio::test]
async fn a_node_that_does_not_greet_is_passed_over() {
    for behaviour in [
        Behaviour::AcceptNoGreeting,
        Behaviour::Refuse,
        Behaviour::Garbage(Garbage::ShortPacket),
        Behaviour::Garbage(Garbage::Http),
    ] {
        let cluster = SimCluster::start(2).await.unwrap();
        let warden = warden(&cluster, &["--connect-timeout", "300ms"]).await;
        assert_eq!(served_by(&warden, &cluster).await, 0);
        cluster.node(0).set_behaviour(behaviour.clone());
        assert_eq!(served_by(&warden, &cluster).await, 1, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_lost_in_mid_login_is_told_to_the_client_and_the_log() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let node = cluster.node(0);
    node.set_behaviour(Behaviour::HangInLogin);
    let mut client = RawClient::greeted(warden.addr()).await;
    node.forget_records();
    client.send_login("root", &[]).await;
    soon(
        "the login is there",
        node.until(|node| !node.logins().is_empty()),
    )
    .await;
    node.cut_connections();
    let (code, text) = client.read_error().await;
    assert!(
        code == 1430 && text.contains(&node.seed()) && text.contains("connect again"),
        "{code} {text}"
    );
    until("it is logged", SOON, async || {
        let log = warden.log();
        let is_it = |line: &&str| line.contains("WARN") && line.contains("broke off the login");
        match log.lines().find(is_it) {
            Some(line) if line.contains(&node.seed()) => Ok(()),
            _ => Err(log),
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_login_leaves_nothing_behind_on_the_server_or_in_the_log() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let node = cluster.node(0);
    for half in [&b""[..], b"\x50\0", b"\x50\0\0\x01\x00\x82\x08"] {
        let mut client = RawClient::greeted(warden.addr()).await;
        client.send_bytes(half).await;
        let id = client.thread_id;
        drop(client);
        let gone = node.until(|node| node.connections_open() <= SLOTS && !node.has_session(id));
        soon("the server is rid of it", gone).await;
    }
    let log = warden.log();
    assert!(!log.contains("client="), "{log}");
}

/// The proxy's own connections to a node, at most.
const SLOTS: usize = 2;

/// The number of the node that a new client is sent to.
pub(crate) async fn served_by(warden: &Warden, cluster: &SimCluster) -> usize {
    let conn = connect(warden).await;
    let has = |node: &SimNode| node.has_session(conn.id());
    let found = cluster
        .nodes()
        .iter()
        .position(has)
        .expect("some node has its session");
    conn.disconnect().await.unwrap();
    found
}
