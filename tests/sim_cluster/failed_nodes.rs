//! A failed node is never silent: it gives one row and one warning, in time, and takes no other node's
//! rows away.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use testkit::sim::{Behaviour, Garbage, Reach, ServerError, SimCluster};

use crate::support::{
    GRACE, List, SOON, connect, list, run, server_error, show_warnings, soon, try_connect,
    try_list, until, warden,
};

const NODE_TIMEOUT: Duration = Duration::from_secs(1);
const ONE_SECOND: &[&str] = &["--node-timeout", "1s"];

/// How a node fails, and what the list then says.
struct Fault {
    behaviour: Behaviour,
    /// Whether the proxy must log in anew to meet it.
    at_login: bool,
    state: &'static str,
    code: u16,
    info: &'static str,
}

fn fault(behaviour: Behaviour, state: &'static str, code: u16, info: &'static str) -> Fault {
    Fault {
        behaviour,
        at_login: false,
        state,
        code,
        info,
    }
}

fn fault_at_login(
    behaviour: Behaviour,
    state: &'static str,
    code: u16,
    info: &'static str,
) -> Fault {
    Fault {
        at_login: true,
        ..fault(behaviour, state, code, info)
    }
}

/// Node 2 shows each fault in turn, and is healthy in between. It is asked for nothing but lists: node 0 tells the
/// servers, node 1 the rights.
async fn each_is_told_in_time(faults: impl IntoIterator<Item = Fault>) {
    let cluster = SimCluster::start(3).await.unwrap();
    let held = cluster
        .nodes()
        .iter()
        .map(|node| node.hold_sessions(5))
        .collect::<Vec<_>>();
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    let node = cluster.node(2);
    // No other node knows of its sessions either.
    node.set_reach(Some(Reach::Gone));
    let healthy = list(&mut conn).await;
    assert_eq!(healthy.failed(), []);
    assert_eq!(
        healthy.ids(node.addr()),
        held[2].clone().collect::<Vec<_>>()
    );

    for Fault {
        behaviour,
        at_login,
        state,
        code,
        info,
    } in faults
    {
        let name = format!("{behaviour:?}, at login: {at_login}");
        node.set_behaviour(behaviour);
        if at_login {
            node.cut_connections();
        }
        let seen = list(&mut conn).await;
        assert!(seen.took <= NODE_TIMEOUT + GRACE, "{name}: {:?}", seen.took);
        assert_eq!(seen.failed(), [(node.addr(), state)], "{name}");
        assert_eq!(seen.ids(node.addr()), [0; 0], "{name}: no half nodes");
        for other in [0, 1] {
            let ids = seen.ids(cluster.node(other).addr());
            assert!(
                held[other].clone().all(|id| ids.contains(&id)),
                "{name}: {ids:?}"
            );
        }
        assert_eq!(seen.warnings, 1, "{name}");
        let why = seen.why(node.addr()).to_owned();
        assert!(why.contains(info), "{name}: {why}");
        assert!(
            why.ends_with("its sessions are NOT in this list"),
            "{name}: {why}"
        );
        let warning = format!("{} (z3): {state}: {why}", node.addr());
        let expected = [("Warning".to_owned(), code, warning)];
        assert_eq!(show_warnings(&mut conn).await, expected, "{name}");

        node.set_behaviour(Behaviour::Healthy);
        until("the node is back in the list", SOON, async || {
            let list = list(&mut conn).await;
            if list.failed().is_empty() {
                Ok(())
            } else {
                Err(list)
            }
        })
        .await;
    }
    let peaks = cluster.nodes().iter().map(|node| node.connections_peak());
    // The first one has the client's connection, too.
    assert!(
        peaks
            .clone()
            .zip([3, 2, 2])
            .all(|(peak, most)| peak <= most),
        "{:?}",
        peaks.collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_hung_node_is_named_at_every_stage_of_the_conversation() {
    use Behaviour::{AcceptNoGreeting, HangInLogin, HangInQuery, HangMidResult};
    each_is_told_in_time([
        fault_at_login(
            AcceptNoGreeting,
            "NO ANSWER",
            4012,
            "no answer after 1.0 s in login",
        ),
        fault_at_login(
            HangInLogin,
            "NO ANSWER",
            4012,
            "no answer after 1.0 s in login",
        ),
        fault(
            AcceptNoGreeting,
            "NO ANSWER",
            4012,
            "no answer after 1.0 s in ",
        ),
        fault(
            HangInQuery,
            "NO ANSWER",
            4012,
            "no answer after 1.0 s in query",
        ),
        fault(
            HangMidResult { after_rows: 3 },
            "NO ANSWER",
            4012,
            "in reading the answer; the 3 rows that had come are dropped",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_node_that_answers_wrongly_is_named_with_what_it_said() {
    let timeout = || ServerError::new(4012, "Timeout, query has reached the maximum");
    let garbage = |after_rows, garbage| Behaviour::GarbageInResult {
        after_rows,
        garbage,
    };
    each_is_told_in_time([
        fault(Behaviour::Refuse, "REFUSED", 1429, "in connect: "),
        fault(
            Behaviour::FailQuery(timeout()),
            "NODE ERROR",
            4012,
            " s in query: error 4012: Timeout, query",
        ),
        fault_at_login(
            Behaviour::LoginDenied,
            "LOGIN FAILED",
            1045,
            " s in login: error 1045: Access denied",
        ),
        fault(
            Behaviour::BreakOffMidResult { after_rows: 0 },
            "BROKEN OFF",
            1430,
            "",
        ),
        fault(
            Behaviour::BreakOffMidResult { after_rows: 3 },
            "BROKEN OFF",
            1430,
            "; the 3 rows that had come are dropped",
        ),
        fault_at_login(
            Behaviour::Garbage(Garbage::ShortPacket),
            "BROKEN OFF",
            1835,
            "in login is no MySQL: ",
        ),
        fault(
            garbage(None, Garbage::ShortPacket),
            "BROKEN OFF",
            1835,
            "in query is no MySQL: ",
        ),
        fault(
            garbage(Some(3), Garbage::ShortPacket),
            "BROKEN OFF",
            1835,
            "in reading the answer is no MySQL: ",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_node_that_speaks_another_protocol_is_named() {
    let http = |after_rows| Behaviour::GarbageInResult {
        after_rows,
        garbage: Garbage::Http,
    };
    each_is_told_in_time([
        fault_at_login(
            Behaviour::Garbage(Garbage::Http),
            "BROKEN OFF",
            1835,
            "in login is no MySQL: ",
        ),
        // Read as a packet, it promises megabytes that never come.
        fault(http(None), "NO ANSWER", 4012, "in query"),
        fault(http(Some(3)), "NO ANSWER", 4012, "in reading the answer"),
    ])
    .await;
}

#[tokio::test]
async fn reply_warnings_show_warnings_and_rows_agree() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    for failed in 0..3 {
        if failed > 0 {
            cluster.node(failed).set_behaviour(Behaviour::Refuse);
        }
        let seen = list(&mut conn).await;
        assert_eq!(
            (seen.failed().len(), seen.warnings),
            (failed, failed as u16)
        );
        agrees(&mut conn, failed).await;

        let statement = soon("prepare", conn.prep("SHOW SERVER SESSIONS"))
            .await
            .unwrap();
        let rows: Vec<Row> = soon("execute", conn.exec(&statement, ())).await.unwrap();
        let errors = rows
            .iter()
            .filter(|row| row.get::<String, _>("Command").unwrap() == "ERROR");
        assert_eq!(
            (errors.count(), conn.get_warnings()),
            (failed, failed as u16)
        );
        conn.close(statement).await.unwrap();
        agrees(&mut conn, failed).await;
    }
    // Another statement's diagnostics are its own server's.
    run(&mut conn, "SELECT 1").await.unwrap();
    assert_eq!(conn.get_warnings(), 0);
}

async fn agrees(conn: &mut Conn, failed: usize) {
    assert_eq!(show_warnings(conn).await.len(), failed);
    for statement in [
        "SHOW COUNT(*) WARNINGS",
        "SELECT @@warning_count",
        "select @@session.warning_count",
    ] {
        let count: Option<usize> = soon(statement, conn.query_first(statement)).await.unwrap();
        assert_eq!(count, Some(failed), "{statement}");
    }
    assert_eq!(
        show_warnings(conn).await.len(),
        failed,
        "asking changes nothing"
    );
}

#[tokio::test]
async fn when_no_node_answers_the_error_names_them_all() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    cluster.set_behaviour(Behaviour::HangInQuery);
    let began = std::time::Instant::now();
    let (code, text) = server_error(try_list(&mut conn, "SHOW SERVER SESSIONS").await);
    assert!(
        began.elapsed() <= NODE_TIMEOUT + GRACE,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(code, 1105);
    assert_names_all(&text, &cluster);
    let shown = show_warnings(&mut conn).await;
    assert_eq!(shown, [("Error".to_owned(), 1105, text)]);

    // A client that is logged in keeps its session as long as its own server does.
    cluster.node(1).set_behaviour(Behaviour::Refuse);
    cluster.node(2).set_behaviour(Behaviour::Refuse);
    let (_, text) = server_error(try_list(&mut conn, "SHOW SERVER SESSIONS").await);
    assert_names_all(&text, &cluster);
    run(&mut conn, "SELECT 1").await.unwrap();

    cluster.node(0).set_behaviour(Behaviour::Refuse);
    let (code, text) = server_error(try_connect(&warden, "root@sys").await);
    assert_eq!(code, 1429);
    assert_names_all(&text, &cluster);
}

fn assert_names_all(text: &str, cluster: &SimCluster) {
    for node in cluster.nodes() {
        assert!(text.contains(&node.seed()), "{}: {text}", node.seed());
    }
}

#[tokio::test]
async fn a_slow_node_is_waited_for() {
    let cluster = SimCluster::start(3).await.unwrap();
    let held = cluster.node(2).hold_sessions(5);
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    let delay = Duration::from_millis(300);
    cluster.node(2).set_behaviour(Behaviour::Slow(delay));
    for _ in 0..2 {
        let seen: List = list(&mut conn).await;
        assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
        assert_eq!(
            seen.ids(cluster.node(2).addr()),
            held.clone().collect::<Vec<_>>()
        );
        assert!(seen.took >= delay, "{:?}", seen.took);
    }
}
