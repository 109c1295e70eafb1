//! `SHOW SERVERS`: the topology, and whether each server answers now.

use std::time::{Duration, SystemTime};

use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use obwarden::utc::utc;
use testkit::sim::{Behaviour, Build, ServerError, SimAccount, SimCluster, SimNode, Topology};

use crate::support::{
    GRACE, List, RawClient, builder, connect, connect_as, full_list, list, run, show_warnings,
    soon, try_list, warden,
};

const NODE_TIMEOUT: Duration = Duration::from_secs(1);
const ONE_SECOND: &[&str] = &["--node-timeout", "1s"];

async fn servers(conn: &mut mysql_async::Conn) -> List {
    try_list(conn, "SHOW SERVERS").await.expect("a list")
}

/// The value of a column for one node.
fn of<'l>(list: &'l List, node: &SimNode, column: &str) -> Option<&'l str> {
    let row = list.rows.iter().find(|row| list.addr(row) == node.addr());
    list.value(row.expect("each node has a row"), column)
}

#[tokio::test]
async fn each_server_is_shown_with_what_the_topology_says_and_what_it_answers() {
    let cluster = SimCluster::start(3).await.unwrap();
    cluster.node(1).hold_sessions(1000);
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let seen = servers(&mut conn).await;
    assert_eq!(
        seen.columns.join(" "),
        "Ip Port Svr_port Id Zone Status With_rootserver Start_service_time Stop_time Build \
         Sessions Reachable Latency_ms Error Last_seen Topology_age_s"
    );
    let addrs: Vec<_> = seen.rows.iter().map(|row| seen.addr(row)).collect();
    let expected: Vec<_> = cluster.nodes().iter().map(SimNode::addr).collect();
    assert_eq!((addrs, seen.warnings), (expected, 0));
    for (number, node) in cluster.nodes().iter().enumerate() {
        let value = |column| of(&seen, node, column);
        assert_eq!(value("Svr_port"), Some("2882"));
        assert_eq!(value("Id"), Some((number + 1).to_string().as_str()));
        assert_eq!(value("Zone"), Some(node.zone()));
        assert_eq!(value("Status"), Some("ACTIVE"));
        let expected = if number == 0 { "YES" } else { "NO" };
        assert_eq!(value("With_rootserver"), Some(expected));
        assert_eq!(value("Start_service_time"), Some("2023-11-14 22:13:20"));
        assert_eq!(value("Stop_time"), None);
        assert_eq!(value("Build"), Some(node.build().version()));
        assert_eq!((value("Reachable"), value("Error")), (Some("YES"), None));
        assert!(value("Latency_ms").unwrap().parse::<u64>().unwrap() < 10_000);
        let last_seen = value("Last_seen").unwrap();
        let before = utc(SystemTime::now() - Duration::from_secs(60)).unwrap();
        let after = utc(SystemTime::now()).unwrap();
        assert!(
            (&*before..=&*after).contains(&last_seen),
            "{last_seen} as a text, {after} now"
        );
        assert!(value("Topology_age_s").unwrap().parse::<u64>().unwrap() < 10);
    }
    let sessions: usize = of(&seen, cluster.node(1), "Sessions")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1001..=1002).contains(&sessions), "{sessions}");
}

#[tokio::test]
async fn the_count_is_that_of_a_full_list_on_every_build() {
    let builds = [Build::V4_2, Build::V4_0, Build::V3, Build::Mysql];
    for build in builds {
        let built = SimCluster::builder().nodes(2).build(build);
        let cluster = built.start().await.unwrap();
        for node in cluster.nodes() {
            node.hold_sessions(7);
        }
        let args = ["--topology-refresh-interval", "1h"];
        let warden = builder().servers(cluster.seeds()).args(args).start().await;
        let warden = warden.unwrap();
        let mut conn = connect(&warden).await;
        // Before the build is known, and after a list has made it known.
        for _ in 0..2 {
            let seen = servers(&mut conn).await;
            let listed = full_list(&mut conn).await;
            for row in &seen.rows {
                let sessions = seen.value(row, "Sessions").unwrap();
                let addr = seen.addr(row);
                let own = listed.service_ids(addr).len();
                let ids = listed.ids(addr).len();
                // The proxy's own connections may come in between.
                let counts = (ids - own + 1..=ids - own + 2).map(|count| count.to_string());
                assert!(
                    counts.collect::<Vec<_>>().contains(&sessions.to_owned()),
                    "{build:?}: {sessions} of {ids}, {own} own"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_fails_is_named_in_its_row_and_in_a_warning_in_time() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    assert_eq!(servers(&mut conn).await.warnings, 0);
    for (behaviour, code, kind) in [
        (
            Behaviour::HangInQuery,
            4012,
            "NO ANSWER: no answer after 1.0 s",
        ),
        (Behaviour::Refuse, 1429, "REFUSED: not reached after "),
        (
            Behaviour::FailQuery(ServerError::new(4012, "Timeout")),
            4012,
            "NODE ERROR: it answered after ",
        ),
        (
            Behaviour::BreakOffMidResult { after_rows: 0 },
            1430,
            "BROKEN OFF: ",
        ),
    ] {
        let node = cluster.node(1);
        node.set_behaviour(behaviour.clone());
        let seen = servers(&mut conn).await;
        assert!(seen.took <= NODE_TIMEOUT + GRACE, "{:?}", seen.took);
        for other in [0, 2] {
            assert_eq!(of(&seen, cluster.node(other), "Reachable"), Some("YES"));
        }
        assert_eq!(of(&seen, node, "Reachable"), Some("NO"), "{behaviour:?}");
        assert_eq!(of(&seen, node, "Sessions"), None);
        assert_eq!(of(&seen, node, "Latency_ms"), None);
        assert!(of(&seen, node, "Last_seen").is_some(), "it was seen before");
        let error = of(&seen, node, "Error").unwrap().to_owned();
        assert!(error.starts_with(kind), "{behaviour:?}: {error}");
        let warning = format!("{} (z2): {error}", node.addr());
        let expected = [("Warning".to_owned(), code, warning)];
        assert_eq!(show_warnings(&mut conn).await, expected);
        node.set_behaviour(Behaviour::Healthy);
    }
}

#[tokio::test]
async fn when_no_server_answers_the_list_says_so_of_each() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    cluster.set_behaviour(Behaviour::AcceptNoGreeting);
    let seen = servers(&mut conn).await;
    assert!(seen.took <= NODE_TIMEOUT + GRACE, "{:?}", seen.took);
    for node in cluster.nodes() {
        assert_eq!(of(&seen, node, "Reachable"), Some("NO"));
    }
    // One for each server, and that the topology is old.
    assert_eq!(seen.warnings, 4);
}

#[tokio::test]
async fn an_old_topology_and_its_age_are_told() {
    let cluster = SimCluster::start(2).await.unwrap();
    let args = ["--node-timeout", "1s", "--topology-refresh-interval", "1h"];
    let warden = warden(&cluster, &args).await;
    let mut conn = connect(&warden).await;
    cluster.set_topology(Topology::Fails(ServerError::new(4012, "Timeout")));
    let aged = crate::support::until("it ages", crate::support::SOON, async || {
        let seen = servers(&mut conn).await;
        match of(&seen, cluster.node(1), "Topology_age_s") {
            Some("0") | None => Err(seen),
            Some(_) => Ok(seen),
        }
    });
    let seen = aged.await;
    assert_eq!(of(&seen, cluster.node(1), "Reachable"), Some("YES"));
    let shown = show_warnings(&mut conn).await;
    let [(_, 1105, text)] = &shown[..] else {
        panic!("{shown:?}");
    };
    assert!(text.starts_with("the topology is "), "{text}");
    cluster.set_topology(Topology::Listed);
    let seen = servers(&mut conn).await;
    assert_eq!(of(&seen, cluster.node(1), "Topology_age_s"), Some("0"));
    assert_eq!(seen.warnings, 0);
}

#[tokio::test]
async fn who_may_not_see_others_sessions_is_not_told_their_number() {
    let accounts = vec![SimAccount::root(), SimAccount::new("app")];
    let started = SimCluster::builder().accounts(accounts).start().await;
    let cluster = started.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect_as(&warden, "app@sys").await;
    let seen = servers(&mut conn).await;
    for node in cluster.nodes() {
        assert_eq!(of(&seen, node, "Sessions"), None);
        assert_eq!(of(&seen, node, "Reachable"), Some("YES"));
    }
    let hidden = "the numbers of sessions are not shown (needs PROCESS)";
    let note = ("Note".to_owned(), 1227, hidden.to_owned());
    assert_eq!(show_warnings(&mut conn).await, [note]);
}

#[tokio::test]
async fn as_a_prepared_statement_its_numbers_are_numbers() {
    let cluster = SimCluster::start(2).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let statement = soon("prepare", conn.prep("SHOW SERVERS")).await.unwrap();
    assert_eq!(statement.columns().len(), 16);
    let rows: Vec<Row> = soon("execute", conn.exec(&statement, ())).await.unwrap();
    assert_eq!(rows.len(), 2);
    for (row, node) in rows.iter().zip(cluster.nodes()) {
        let number = |column| row.get::<u64, _>(column).unwrap();
        assert_eq!(number("Port"), u64::from(node.sql_port()));
        assert_eq!(number("Svr_port"), 2882);
        assert!(number("Sessions") >= 1 && number("Latency_ms") < 10_000);
        assert_eq!(row.get("Stop_time"), Some(Value::NULL));
    }
}

#[tokio::test]
async fn kill_query_and_the_clients_leaving_end_it() {
    let cluster = SimCluster::start(2).await.unwrap();
    let args = ["--node-timeout", "60s", "--topology-refresh-interval", "1h"];
    let warden = warden(&cluster, &args).await;
    let node = cluster.node(1);
    for leaves in [false, true] {
        let mut client = RawClient::greeted(warden.addr()).await;
        client.log_in("root", &[1; 20]).await;
        node.set_behaviour(Behaviour::HangInQuery);
        node.forget_records();
        client.send_query("SHOW SERVERS").await;
        let asked = node.until(|node| node.session_lists_received() == 1);
        soon("the node is asked", asked).await;
        let open = node.connections_open();
        let mut second = connect(&warden).await;
        if leaves {
            drop(client);
        } else {
            let kill = format!("KILL QUERY {}", client.thread_id);
            run(&mut second, &kill).await.unwrap();
            assert_eq!(client.read_error().await.0, 1317);
        }
        let closed = node.until(|node| node.connections_open() < open);
        soon("the hung node's connection is closed", closed).await;
        node.set_behaviour(Behaviour::Healthy);
        assert_eq!(list(&mut second).await.failed(), []);
    }
}
