//! What WHERE, ORDER BY, LIMIT and FROM pick of a list, and what they never leave out.

use std::time::Duration;

use mysql_async::Conn;
use testkit::sim::{Behaviour, Build, SimCluster, SimSession};

use crate::support::{List, connect, list, server_error, show_warnings, try_list, warden};

/// A session of `user` that has run for so many seconds.
fn session(id: u32, user: &str, seconds: u64) -> SimSession {
    SimSession {
        id,
        user: user.to_owned(),
        ..SimSession::running("SELECT 1", Duration::from_secs(seconds))
    }
}

/// Three nodes: on each a session of `app` that is 10, 20 or 30 s old, one of `batch` of 100, 200 or 300 s, and
/// one of `web` that sleeps.
async fn cluster() -> SimCluster {
    let cluster = SimCluster::start(3).await.unwrap();
    for (node, seconds) in cluster.nodes().iter().zip([10, 20, 30]) {
        node.set_sessions(vec![
            session(101, "app", seconds),
            session(102, "batch", seconds * 10),
            SimSession {
                id: 103,
                user: "web".to_owned(),
                ..SimSession::default()
            },
        ]);
    }
    cluster
}

async fn picked(conn: &mut Conn, what: &str) -> List {
    let statement = format!("SHOW SERVER SESSIONS {what}");
    let listed = try_list(conn, &statement).await;
    listed.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

/// Ids and users, in the list's order.
fn ids_and_users(list: &List) -> Vec<(&str, &str)> {
    let rows = list.rows.iter();
    rows.map(|row| {
        let value = |column| list.value(row, column).unwrap_or("NULL");
        (value("Id"), value("User"))
    })
    .collect()
}

#[tokio::test]
async fn where_order_by_and_limit_pick_of_the_whole_cluster() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let oldest = picked(
        &mut conn,
        "WHERE Time > 15 AND User <> 'root' ORDER BY Time DESC LIMIT 3",
    )
    .await;
    let times: Vec<_> = oldest
        .rows
        .iter()
        .map(|row| (oldest.addr(row), oldest.value(row, "Time")))
        .collect();
    let expected = [
        (cluster.node(2).addr(), Some("300")),
        (cluster.node(1).addr(), Some("200")),
        (cluster.node(0).addr(), Some("100")),
    ];
    assert_eq!(times, expected);
    assert_eq!(oldest.columns.len(), 13);
    let second = picked(
        &mut conn,
        "WHERE User = 'app' ORDER BY Time LIMIT 1 OFFSET 1",
    )
    .await;
    assert_eq!(second.rows.len(), 1);
    assert_eq!(second.value(&second.rows[0], "Time"), Some("20"));
}

#[tokio::test]
async fn rows_that_nothing_tells_apart_come_as_a_plain_list_has_them() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let plain = list(&mut conn).await;
    let all = picked(&mut conn, "WHERE Id IS NOT NULL").await;
    assert_eq!(all.columns, plain.columns);
    assert_eq!(ids_and_users(&all), ids_and_users(&plain));
    let by_user = picked(&mut conn, "WHERE Id > 100 AND User <> 'root' ORDER BY User").await;
    let addrs: Vec<_> = by_user.rows.iter().map(|row| by_user.addr(row)).collect();
    let nodes: Vec<_> = cluster.nodes().iter().map(|node| node.addr()).collect();
    assert_eq!(addrs, nodes.repeat(3));
}

#[tokio::test]
async fn a_failed_node_is_in_every_list_whatever_is_picked() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    cluster.node(1).set_behaviour(Behaviour::Refuse);
    let listed = picked(&mut conn, "WHERE User = 'app' ORDER BY Time DESC LIMIT 1").await;
    assert_eq!(ids_and_users(&listed), [("101", "app"), ("NULL", "NULL")]);
    assert_eq!(listed.failed(), [(cluster.node(1).addr(), "REFUSED")]);
    assert_eq!(listed.warnings, 1);
    let none = picked(&mut conn, "WHERE User = 'nobody'").await;
    assert_eq!(none.failed().len(), 1);
}

#[tokio::test]
async fn active_leaves_sleepers_out_and_full_shows_more() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    for (statement, web) in [
        ("SHOW ACTIVE SERVER SESSIONS", 0),
        ("SHOW ACTIVE SERVER SESSIONS WHERE Id > 100", 0),
        ("SHOW SERVER SESSIONS WHERE Id > 100", 3),
        ("SHOW FULL SERVER SESSIONS WHERE Id > 100", 3),
    ] {
        let listed = try_list(&mut conn, statement).await.unwrap();
        let users = ids_and_users(&listed);
        assert_eq!(
            users.iter().filter(|(_, user)| *user == "web").count(),
            web,
            "{statement}"
        );
        assert!(users.contains(&("101", "app")), "{statement}");
    }
    let by_trace = try_list(
        &mut conn,
        "SHOW FULL SERVER SESSIONS WHERE Total_time >= 100 AND Warden IS NULL",
    );
    assert_eq!(by_trace.await.unwrap().rows.len(), 3);
}

#[tokio::test]
async fn what_only_a_full_list_shows_picks_rows_of_a_plain_one() {
    let cluster = SimCluster::builder()
        .nodes(3)
        .node_build(1, Build::V4_0)
        .start()
        .await
        .unwrap();
    for node in cluster.nodes() {
        node.set_sessions(vec![
            SimSession {
                sql_id: Some("A1".into()),
                ..session(7, "app", 1)
            },
            SimSession {
                sql_id: Some("B2".into()),
                ..session(8, "app", 1)
            },
        ]);
    }
    // Nothing is known of the nodes' columns yet.
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    for _ in 0..2 {
        let listed = picked(&mut conn, "WHERE Sql_id = 'a1'").await;
        assert_eq!(ids_and_users(&listed), [("7", "app"); 3]);
    }
    let error = try_list(&mut conn, "SHOW SERVER SESSIONS WHERE Nothing = 1").await;
    let (code, text) = server_error(error);
    assert_eq!(code, 1054, "{text}");
    assert!(text.to_lowercase().contains("nothing"), "{text}");
}

#[tokio::test]
async fn a_long_statement_is_found_by_its_end_and_shown_by_its_head() {
    let cluster = SimCluster::start(1).await.unwrap();
    let statement = format!("SELECT '{}' FROM the_end", "x".repeat(500));
    let mut running = SimSession::running(&statement, Duration::from_secs(1));
    running.id = 9;
    cluster.node(0).set_sessions(vec![running]);
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let listed = picked(&mut conn, "WHERE Info LIKE '%from THE\\_end'").await;
    assert_eq!(listed.rows.len(), 1);
    let info = listed.value(&listed.rows[0], "Info").unwrap();
    assert_eq!(info.chars().count(), 100);
}

#[tokio::test]
async fn from_asks_only_the_servers_that_it_names() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    for node in cluster.nodes() {
        node.forget_records();
    }
    cluster.node(2).set_behaviour(Behaviour::HangInQuery);
    let [one, two] = [0, 1].map(|number| cluster.node(number));
    let from = format!("FROM {}, \"{}:{}\"", one.addr(), two.ip(), two.rpc_port());
    let listed = picked(&mut conn, &from).await;
    assert_eq!((listed.failed(), listed.warnings), (vec![], 0));
    assert_eq!(listed.ids(two.addr()), [101, 102, 103]);
    let picked_there = picked(&mut conn, &format!("IN {} WHERE User = 'app'", one.ip())).await;
    assert_eq!(ids_and_users(&picked_there), [("101", "app")]);
    assert_eq!(cluster.node(2).session_lists_received(), 0);
    let (code, text) = server_error(try_list(&mut conn, "SHOW SERVER SESSIONS FROM 9.9.9.9").await);
    assert_eq!(code, 1210, "{text}");
    assert!(
        text.contains("9.9.9.9 is no server of this cluster"),
        "{text}"
    );
}

#[tokio::test]
async fn a_condition_on_the_server_spares_the_other_servers_the_question() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    let [one, two, three] = [0, 1, 2].map(|number| cluster.node(number));
    for condition in [
        format!("Ip = '{}'", two.ip()),
        format!("svr_ip IN ('{}', '10.9.9.9') AND User = 'app'", two.ip()),
        format!("Zone = '{}'", two.zone()),
    ] {
        for node in cluster.nodes() {
            node.forget_records();
        }
        let listed = picked(&mut conn, &format!("WHERE {condition}")).await;
        assert!(listed.rows.iter().all(|row| listed.addr(row) == two.addr()));
        assert!(!listed.rows.is_empty(), "{condition}");
        let asked = [one, two, three].map(|node| node.session_lists_received());
        assert_eq!(asked, [0, 1, 0], "{condition}");
    }
    // A server that would not be asked has not failed.
    three.set_behaviour(Behaviour::HangInQuery);
    let listed = picked(&mut conn, &format!("WHERE Ip = '{}'", two.ip())).await;
    assert_eq!((listed.failed(), listed.warnings), (vec![], 0));
}

#[tokio::test]
async fn a_timeout_of_its_own_ends_the_waiting_for_a_hung_node() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &["--node-timeout", "60s"]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    cluster.node(2).set_behaviour(Behaviour::HangInQuery);
    for what in ["TIMEOUT 0.5", "WHERE User = 'app' TIMEOUT 0.5"] {
        let listed = picked(&mut conn, what).await;
        assert_eq!(
            listed.failed(),
            [(cluster.node(2).addr(), "NO ANSWER")],
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_sql_may_take_has_limits() {
    let cluster = cluster().await;
    cluster.node(0).hold_sessions(100);
    let warden = warden(&cluster, &["--sql-rows-max", "50"]).await;
    let mut conn = connect(&warden).await;
    let (code, text) = server_error(try_list(&mut conn, "SHOW SERVER SESSIONS WHERE Id > 0").await);
    assert_eq!(code, 1104, "{text}");
    // A plain list takes none of it.
    assert!(list(&mut conn).await.rows.len() > 100);
}

#[tokio::test]
async fn only_columns_that_are_needed_are_asked_for() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    // Until then it is not known which there are.
    list(&mut conn).await;
    cluster.node(1).forget_records();
    try_list(
        &mut conn,
        "SELECT user, COUNT(*) FROM obwarden.server_sessions GROUP BY user",
    )
    .await
    .unwrap();
    let asked: Vec<_> = cluster.node(1).statements();
    let asked: Vec<_> = asked
        .iter()
        .filter(|statement| statement.contains("V$OB_PROCESSLIST"))
        .collect();
    assert_eq!(
        asked,
        ["SELECT ID, USER, TENANT FROM oceanbase.V$OB_PROCESSLIST"]
    );
}

#[tokio::test]
async fn servers_and_clients_are_picked_alike() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    cluster.node(1).set_behaviour(Behaviour::Refuse);
    let failed = try_list(
        &mut conn,
        "SHOW SERVERS WHERE Reachable = 'NO' ORDER BY Ip LIMIT 5",
    );
    let failed = failed.await.unwrap();
    assert_eq!(failed.rows.len(), 1);
    assert_eq!(failed.addr(&failed.rows[0]), cluster.node(1).addr());
    assert_eq!(show_warnings(&mut conn).await.len(), 1);
    let clients = try_list(&mut conn, "SHOW WARDEN CLIENTS WHERE User = 'root'").await;
    assert_eq!(clients.unwrap().rows.len(), 1);
    let status = try_list(&mut conn, "SHOW WARDEN STATUS LIKE 'clients\\_conn%'").await;
    let status = status.unwrap();
    assert_eq!(
        status.rows,
        [[Some("Clients_connected".to_owned()), Some("1".to_owned())]]
    );
}

#[tokio::test]
async fn a_list_that_names_a_server_says_nothing_of_kills_when_nobody_tells_the_topology() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &["--rights", "server", "--node-timeout", "1s"]).await;
    let mut conn = connect(&warden).await;
    cluster.set_behaviour(Behaviour::AcceptNoGreeting);
    for node in &cluster.nodes()[1..] {
        node.cut_connections();
    }
    let (code, text) = server_error(try_list(&mut conn, "SHOW SERVER SESSIONS FROM 9.9.9.9").await);
    assert_eq!(code, 1105, "{text}");
    assert!(!text.contains("killed"), "{text}");
}
