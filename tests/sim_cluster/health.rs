//! A server that fails is probed in the background, and comes back by itself.

use std::time::Duration;

use testkit::sim::{Behaviour, SimCluster, SimNode};
use testkit::warden::Warden;

use crate::backends::served_by;
use crate::support::{SOON, connect, list, soon, until, warden};

/// The proxy's own connections to a node, at most.
const SLOTS: usize = 2;

/// The log's lines of `level` about a node that have `text` in them.
fn logged(warden: &Warden, level: &str, node: &SimNode, text: &str) -> usize {
    let log = warden.log();
    let server = format!("server={}", node.seed());
    let is_it = |line: &&str| {
        [level, &server, text]
            .iter()
            .all(|part| line.contains(part))
    };
    log.lines().filter(is_it).count()
}

async fn answers_again(warden: &Warden, node: &SimNode) {
    until("the server answers again", SOON, async || {
        match logged(warden, "INFO", node, "answers again") {
            1 => Ok(()),
            _ => Err(warden.log()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_back_gets_its_clients_again_without_anybody_asking() {
    for behaviour in [Behaviour::Refuse, Behaviour::AcceptNoGreeting] {
        let cluster = SimCluster::start(2).await.unwrap();
        // The topology is not read again: what brings the server back is the probe alone.
        let args = [
            "--connect-timeout",
            "300ms",
            "--node-timeout",
            "1s",
            "--topology-refresh-interval",
            "1h",
        ];
        let warden = warden(&cluster, &args).await;
        let node = cluster.node(0);
        node.set_behaviour(behaviour);
        for _ in 0..3 {
            assert_eq!(served_by(&warden, &cluster).await, 1);
        }
        assert_eq!(logged(&warden, "WARN", node, "does not answer"), 1);
        node.set_behaviour(Behaviour::Healthy);
        answers_again(&warden, node).await;
        assert_eq!(served_by(&warden, &cluster).await, 0);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_logged_once_and_not_at_each_list() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, &["--node-timeout", "300ms"]).await;
    let node = cluster.node(1);
    let mut conn = connect(&warden).await;
    node.set_behaviour(Behaviour::HangInQuery);
    for _ in 0..3 {
        assert_eq!(list(&mut conn).await.failed(), [(node.addr(), "NO ANSWER")]);
    }
    // A probe that fails changes nothing: it is a new login, and asks for sessions.
    node.forget_records();
    soon(
        "a probe",
        node.until(|node| node.session_lists_received() > 0),
    )
    .await;
    list(&mut conn).await;
    assert_eq!(
        logged(&warden, "WARN", node, "in query"),
        1,
        "{}",
        warden.log()
    );
    assert_eq!(logged(&warden, "INFO", node, ""), 0, "{}", warden.log());

    node.set_behaviour(Behaviour::Healthy);
    answers_again(&warden, node).await;
    assert_eq!(list(&mut conn).await.failed(), []);
    // It may notice late that one was closed, after the next was opened.
    let peak = node.connections_peak();
    assert!(peak <= SLOTS + 1, "{peak}");
}

#[tokio::test]
async fn a_server_whose_lists_work_but_whose_logins_hang_is_not_taken_for_well() {
    let cluster = SimCluster::start(2).await.unwrap();
    let args = ["--handshake-timeout", "500ms", "--node-timeout", "1s"];
    let warden = warden(&cluster, &args).await;
    let node = cluster.node(0);
    let mut conn = connect(&warden).await;
    assert_eq!(list(&mut conn).await.failed(), []);
    node.set_behaviour(Behaviour::HangInLogin);
    crate::support::try_connect(&warden, "root@sys")
        .await
        .unwrap_err();
    // On connections that are logged in already it answers.
    for _ in 0..3 {
        assert_eq!(list(&mut conn).await.failed(), []);
        assert_eq!(served_by(&warden, &cluster).await, 1);
    }
    assert_eq!(logged(&warden, "WARN", node, "does not answer"), 1);
    node.set_behaviour(Behaviour::Healthy);
    answers_again(&warden, node).await;
    assert_eq!(served_by(&warden, &cluster).await, 0);
}

#[tokio::test]
async fn the_service_account_shut_out_of_a_server_takes_no_clients_from_it() {
    let cluster = SimCluster::start(2).await.unwrap();
    let args = [
        "--topology-refresh-interval",
        "100ms",
        "--node-timeout",
        "1s",
    ];
    let warden = warden(&cluster, &args).await;
    let node = cluster.node(0);
    let mut conn = connect(&warden).await;
    node.set_behaviour(Behaviour::LoginDenied);
    // The client's own connection goes along.
    node.cut_connections();
    until("it is logged", SOON, async || {
        match logged(&warden, "WARN", node, "does not let the service account in") {
            1 => Ok(()),
            _ => Err(warden.log()),
        }
    })
    .await;
    assert!(crate::support::run(&mut conn, "SELECT 1").await.is_err());
    node.forget_records();
    crate::support::try_connect(&warden, "root@sys")
        .await
        .unwrap_err();
    assert!(
        node.logins().contains(&"root".to_owned()),
        "a client's own login is the server's to judge"
    );
    node.set_behaviour(Behaviour::Healthy);
    answers_again(&warden, node).await;
}

#[tokio::test]
async fn one_that_has_left_the_cluster_is_probed_no_more() {
    let cluster = SimCluster::start(2).await.unwrap();
    let seeds = &cluster.seeds()[..1];
    let args = [
        "--node-timeout",
        "300ms",
        "--topology-refresh-interval",
        "100ms",
    ];
    let started = crate::support::builder().servers(seeds).args(args).start();
    let warden = started.await.unwrap();
    let mut conn = connect(&warden).await;
    let node = cluster.node(1);
    node.set_behaviour(Behaviour::HangInQuery);
    list(&mut conn).await;
    node.forget_records();
    soon(
        "a probe",
        node.until(|node| node.session_lists_received() > 0),
    )
    .await;
    cluster.unlist_server(1);
    until("its connections are closed", SOON, async || {
        match node.connections_open() {
            0 => Ok(()),
            open => Err(open),
        }
    })
    .await;
    node.set_behaviour(Behaviour::Healthy);
    // Longer than the next pauses would be, were there any.
    let quiet = node.until(|node| node.connections_open() > 0);
    assert!(
        tokio::time::timeout(Duration::from_secs(3), quiet)
            .await
            .is_err()
    );
}
