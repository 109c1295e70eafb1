//! Which node a client is sent to: the first that greets, and never for long one that hangs.

use testkit::sim::{Behaviour, Garbage, SimCluster, SimNode};
use testkit::warden::Warden;

use crate::support::{connect, server_error, try_connect, warden};

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

/// The number of the node that a new client is sent to.
async fn served_by(warden: &Warden, cluster: &SimCluster) -> usize {
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
