//! What a list holds: every node's own sessions, each once, in one order, whatever the nodes' builds.

use std::time::Duration;

use futures_util::future::join_all;
use testkit::sim::{Behaviour, Build, SimCluster, SimSession, Topology};

use crate::support::{GRACE, SOON, connect, full_list, list, soon, until, warden};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_nodes_with_one_hung_cost_one_deadline() {
    let cluster = SimCluster::start(300).await.unwrap();
    for node in cluster.nodes() {
        node.hold_sessions(2);
    }
    let hung = cluster.node(150);
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    // So many logins at once are no measure of a deadline.
    assert_eq!(list(&mut conn).await.rows.len(), 300 * 2 + 1);
    hung.set_behaviour(Behaviour::HangInQuery);
    let mut fastest = Duration::MAX;
    for _ in 0..2 {
        let seen = list(&mut conn).await;
        fastest = fastest.min(seen.took);
        assert_eq!(
            (seen.failed(), seen.warnings),
            (vec![(hung.addr(), "NO ANSWER")], 1)
        );
        // Two of each other node, and the client.
        assert_eq!(seen.rows.len(), 299 * 2 + 1 + 1);
    }
    // Six hundred sockets on a busy machine: one of the two may be late for want of a processor.
    assert!(fastest <= Duration::from_secs(3) + GRACE, "{fastest:?}");
    for node in &cluster.nodes()[1..] {
        assert!(
            node.connections_peak() <= 2,
            "{node:?}: {}",
            node.connections_peak()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_many_clients_at_once_share_two_connections_to_a_node() {
    let cluster = SimCluster::start(3).await.unwrap();
    let held = cluster.node(2).hold_sessions(100);
    let warden = warden(&cluster, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(connect(&warden).await);
    }
    let hung = cluster.node(1);
    for behaviour in [Behaviour::Healthy, Behaviour::HangInQuery] {
        hung.set_behaviour(behaviour.clone());
        for seen in join_all(clients.iter_mut().map(list)).await {
            let failed = match behaviour {
                Behaviour::Healthy => vec![],
                _ => vec![(hung.addr(), "NO ANSWER")],
            };
            assert_eq!(
                (usize::from(seen.warnings), seen.failed()),
                (failed.len(), failed)
            );
            let ids = seen.ids(cluster.node(2).addr());
            assert_eq!(ids, held.clone().collect::<Vec<_>>(), "{behaviour:?}");
        }
    }
    // A hung node may notice late that a connection was closed, after the next was opened.
    for node in &cluster.nodes()[1..] {
        let two_at_most = node.until(|node| node.connections_open() <= 2);
        soon("two connections at most", two_at_most).await;
    }
}

#[tokio::test]
async fn rows_come_ordered_by_zone_address_and_id_with_failed_nodes_last() {
    let cluster = SimCluster::builder()
        .nodes(6)
        .zones(2)
        .start()
        .await
        .unwrap();
    for node in cluster.nodes() {
        for id in [900, 30, 200] {
            node.add_session(SimSession {
                id,
                ..SimSession::default()
            });
        }
    }
    cluster.node(2).set_behaviour(Behaviour::Refuse);
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let (first, second) = (list(&mut conn).await, list(&mut conn).await);
    assert_eq!(first.rows, second.rows, "two runs can be compared");

    let (failed, answered): (Vec<_>, Vec<_>) = first
        .rows
        .iter()
        .partition(|row| first.value(row, "Command") == Some("ERROR"));
    assert_eq!(first.rows.last(), failed.last().copied());
    let key = |row: &&Vec<_>| {
        let zone = first.value(row, "Zone").map(str::to_owned);
        (
            zone,
            first.addr(row),
            first.value(row, "Id").map(|id| id.parse::<u32>().unwrap()),
        )
    };
    assert_eq!((failed.len(), answered.len()), (1, 5 * 3 + 1));
    assert!(answered.is_sorted_by_key(key), "{answered:?}");
}

#[tokio::test]
async fn a_full_list_has_every_column_that_any_build_reports() {
    let cluster = SimCluster::builder()
        .nodes(4)
        .node_build(0, Build::V4_2)
        .node_build(1, Build::V3)
        .node_build(2, Build::V4_0)
        .node_build(3, Build::Mysql)
        .start()
        .await
        .unwrap();
    let session = |statement: &str| SimSession {
        id: 77,
        trace_id: Some("Y1".to_owned()),
        ..SimSession::running(statement, Duration::from_millis(61_500))
    };
    for node in cluster.nodes() {
        node.add_session(session(&"x".repeat(300)));
    }
    let warden = warden(&cluster, &["--node-timeout", "1s"]).await;
    let mut conn = connect(&warden).await;
    let full = full_list(&mut conn).await;
    assert_eq!((full.failed(), full.warnings), (vec![], 0));
    let columns = full.columns.clone();
    for column in [
        "Trans_state",
        "Out_bytes",
        "Trace_id",
        "Proxy_sessid",
        "Total_time",
        "Warden",
    ] {
        assert_eq!(
            columns.iter().filter(|name| *name == column).count(),
            1,
            "{column}: {columns:?}"
        );
    }
    for repeated in ["Svr_ip", "Sql_port"] {
        assert!(!columns.iter().any(|name| name == repeated), "{columns:?}");
    }
    let of = |number: usize| {
        let addr = cluster.node(number).addr();
        let is_it = |row: &&Vec<_>| full.addr(row) == addr && full.value(row, "Id") == Some("77");
        full.rows
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("session 77 of {addr}"))
    };
    for (number, trace, has_total) in [
        (0, Some("Y1"), true),
        (1, Some("Y1"), false),
        (2, Some("Y1"), true),
        (3, None, false),
    ] {
        let row = of(number);
        assert_eq!(full.value(row, "Time"), Some("61"), "node {number}");
        assert_eq!(
            full.value(row, "Info").map(str::len),
            Some(300),
            "node {number}"
        );
        assert_eq!(full.value(row, "Trace_id"), trace, "node {number}");
        assert_eq!(
            full.value(row, "Total_time").is_some(),
            has_total,
            "node {number}"
        );
    }
    assert_eq!(full.value(of(3), "Tenant"), None);

    // A node that has failed takes no column away.
    cluster.node(0).set_behaviour(Behaviour::HangInQuery);
    let failed = full_list(&mut conn).await;
    assert_eq!(failed.failed().len(), 1);
    assert_eq!(failed.columns, columns);

    let plain = list(&mut conn).await;
    assert_eq!(
        plain.columns.join(" "),
        "Ip Port Zone Id Tenant User Host Client db Command Time State Info"
    );
    let info = plain.rows.iter().filter_map(|row| plain.value(row, "Info"));
    assert!(
        info.filter(|info| info.starts_with("xxx"))
            .all(|info| info.len() == 100)
    );
}

#[tokio::test]
async fn the_proxys_own_sessions_show_in_full_lists_only() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let full = full_list(&mut conn).await;
    for node in cluster.nodes() {
        let own = full.service_ids(node.addr());
        assert!((1..=2).contains(&own.len()), "{node:?}: {own:?}");
    }
    let plain = list(&mut conn).await;
    let client = cluster.node(0).addr();
    assert_eq!(plain.rows.len(), 1, "the client's own session alone");
    assert_eq!(plain.ids(client), [conn.id()]);
    assert!(
        plain
            .value(&plain.rows[0], "Client")
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    let marked = full
        .rows
        .iter()
        .find(|row| full.value(row, "Warden") == Some("client"));
    assert_eq!(
        full.value(marked.unwrap(), "Id"),
        Some(&*conn.id().to_string())
    );
}

#[tokio::test]
async fn a_service_session_that_is_closed_during_a_list_does_not_show_in_it() {
    let cluster = SimCluster::start(2).await.unwrap();
    let warden = warden(&cluster, &["--node-timeout", "1s"]).await;
    let mut conn = connect(&warden).await;
    let first = cluster.node(0).addr();
    until("both service connections are open", SOON, async || {
        let own = full_list(&mut conn).await.service_ids(first);
        if own.len() == 2 { Ok(()) } else { Err(own) }
    })
    .await;
    // The question about the topology is given up after half a second, and its connection is closed. It
    // stands in the list that the first node has given before, and the other node delays to the end.
    cluster.set_topology(Topology::Hangs);
    cluster.node(1).set_behaviour(Behaviour::HangInQuery);
    let seen = list(&mut conn).await;
    assert_eq!(seen.failed(), [(cluster.node(1).addr(), "NO ANSWER")]);
    assert_eq!(seen.ids(first), [conn.id()]);
}
