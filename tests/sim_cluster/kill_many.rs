//! KILL SERVER {SESSIONS | QUERIES} WHERE: all that is meant dies, on every node, once each, and nothing else.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use testkit::sim::{Behaviour, SimAccount, SimCluster, SimNode, SimSession};
use testkit::warden::Warden;

use crate::kill::{QUICK, kills_of};
use crate::support::{
    RawClient, connect, connect_as, full_list, list, run, server_error, show_warnings, soon, warden,
};

/// A session of `user` that has run for so many seconds.
pub(crate) fn session(id: u32, user: &str, seconds: u64) -> SimSession {
    SimSession {
        id,
        user: user.to_owned(),
        trace_id: Some(format!("Y-{id}")),
        ..SimSession::running("SELECT 1", Duration::from_secs(seconds))
    }
}

/// Three nodes: on each one of `app` that is 10, 20 or 30 s old, one of `batch` of 100, 200 or 300 s, and an idle one
/// of `web`.
pub(crate) async fn three_nodes() -> SimCluster {
    let accounts = vec![
        SimAccount::root(),
        SimAccount {
            process_priv: true,
            ..SimAccount::new("app")
        },
        SimAccount::new("web"),
    ];
    let cluster = SimCluster::builder().accounts(accounts).start();
    let cluster = cluster.await.unwrap();
    for (node, seconds) in cluster.nodes().iter().zip([10, 20, 30]) {
        let idle = SimSession {
            id: 103,
            user: "web".to_owned(),
            ..SimSession::default()
        };
        node.set_sessions(vec![
            session(101, "app", seconds),
            session(102, "batch", seconds * 10),
            idle,
        ]);
    }
    cluster
}

pub(crate) async fn setup(more: &[&str]) -> (SimCluster, Warden, Conn) {
    let cluster = three_nodes().await;
    let warden = warden(&cluster, &[QUICK, more].concat()).await;
    let conn = connect(&warden).await;
    (cluster, warden, conn)
}

/// Runs a KILL of many, and gives what the client is told: affected rows and counts.
pub(crate) async fn kill(conn: &mut Conn, what: &str) -> Result<(u64, String), Error> {
    let killed = soon("it is over", conn.query_iter(format!("KILL SERVER {what}"))).await?;
    let told = (killed.affected_rows(), killed.info().into_owned());
    killed.drop_result().await?;
    Ok(told)
}

pub(crate) fn counts(matched: u64, killed: u64, failed: u64) -> (u64, String) {
    let info = format!("Matched: {matched}  Killed: {killed}  Failed: {failed}");
    (killed, info)
}

/// The codes and texts of the messages that the last statement left, and of each its level's first letter.
pub(crate) async fn told(conn: &mut Conn) -> Vec<(char, u16, String)> {
    let shown = show_warnings(conn).await.into_iter();
    shown
        .map(|(level, code, text)| (level.chars().next().unwrap(), code, text))
        .collect()
}

pub(crate) fn name(node: &SimNode) -> String {
    format!("{} ({})", node.addr(), node.zone())
}

#[tokio::test]
async fn those_that_are_meant_die_on_every_node_by_one_kill_each_and_the_others_live() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app' COMMENT 'the load'").await;
    assert_eq!(killed.unwrap(), counts(3, 3, 0));
    assert_eq!(conn.get_warnings(), 0);
    for node in cluster.nodes() {
        assert!(!node.has_session(101) && node.has_session(102) && node.has_session(103));
        let kills = node.kills_received();
        let [sent] = &kills[..] else {
            panic!("once: {kills:?}");
        };
        assert!(
            sent.starts_with("KILL 101 /* obwarden: KILL SERVER by root from ")
                && sent.ends_with(": the load */"),
            "{sent}"
        );
    }
    let none = kill(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(none.unwrap(), counts(0, 0, 0));
    assert_eq!(kills_of(&cluster).len(), 3);
}

#[tokio::test]
async fn order_by_and_limit_pick_among_all_nodes_and_what_is_spared_takes_no_place() {
    let (cluster, _warden, mut conn) = setup(&["--protected-user", "batch"]).await;
    let killed = kill(
        &mut conn,
        "SESSIONS WHERE Time > 5 ORDER BY Time DESC LIMIT 2",
    )
    .await;
    assert_eq!(killed.unwrap(), counts(2, 2, 0));
    let left = cluster.nodes().iter().map(|node| node.has_session(101));
    assert_eq!(left.collect::<Vec<_>>(), [true, false, false]);
    assert!(cluster.nodes().iter().all(|node| node.has_session(102)));
    let said = told(&mut conn).await;
    let spared = "left alone: 3 sessions of batch, which is one of protected_users";
    assert_eq!(said, [('N', 1105, spared.to_owned())]);
}

#[tokio::test]
async fn fifty_victims_on_a_node_are_looked_for_together() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    node.set_sessions((201..=250).map(|id| session(id, "app", 60)).collect());
    list(&mut conn).await;
    cluster.node(0).set_sessions(Vec::new());
    cluster.node(2).set_sessions(Vec::new());
    node.forget_records();
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app' AND Time >= 60").await;
    assert_eq!(killed.unwrap(), counts(50, 50, 0));
    assert_eq!(node.kills_received().len(), 50);
    let lists = node.session_lists_received();
    // To choose, before the first KILL, after the last; and now and then between, on a machine that is slow.
    assert!((3..25).contains(&lists), "{lists}");
    assert!(node.connections_peak() <= 2);
}

#[tokio::test]
async fn ones_own_session_and_the_proxys_and_protected_ones_are_spared() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    let monitor = node.add_session(session(0, "proxyro", 60));
    let services: usize = {
        let full = full_list(&mut conn).await;
        let on = |node: &SimNode| full.service_ids(node.addr()).len();
        cluster.nodes().iter().map(on).sum()
    };
    assert!(services >= 3);
    let killed = kill(
        &mut conn,
        "SESSIONS WHERE User IN ('root', 'proxyro', 'app')",
    )
    .await;
    assert_eq!(killed.unwrap(), counts(3, 3, 0));
    let said = told(&mut conn).await;
    let texts: Vec<_> = said.iter().map(|(_, _, text)| text.as_str()).collect();
    assert!(said.iter().all(|(level, ..)| *level == 'N'), "{said:?}");
    let [protected, own, service] = texts[..] else {
        panic!("{texts:?}");
    };
    assert_eq!(
        protected,
        "left alone: 1 session of proxyro, which is one of protected_users"
    );
    assert_eq!(own, "left alone: your own session");
    assert!(service.ends_with("of obwarden itself"), "{service}");
    run(&mut conn, "SELECT 1").await.unwrap();

    assert!(node.has_session(monitor));
    let by_id = format!("KILL SERVER SESSION {} {monitor}", node.ip());
    run(&mut conn, &by_id).await.unwrap();
    assert!(!node.has_session(monitor), "by its id it is killed");
}

#[tokio::test]
async fn an_empty_list_of_protected_users_protects_nobody() {
    let (cluster, _warden, mut conn) = setup(&["--protected-user", ""]).await;
    cluster.node(1).add_session(session(0, "proxyro", 60));
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'proxyro'").await;
    assert_eq!(killed.unwrap(), counts(1, 1, 0));
}

#[tokio::test]
async fn more_than_anybody_means_is_an_error_that_kills_nothing() {
    let (cluster, _warden, mut conn) = setup(&["--kill-victims-max", "2"]).await;
    let (code, text) = server_error(kill(&mut conn, "SESSIONS WHERE User = 'app'").await);
    assert_eq!(code, 1210);
    let said = "3 sessions match; kill_victims_max is 2: nothing was killed; add a LIMIT";
    assert!(text.starts_with(said), "{text}");
    assert_eq!(kills_of(&cluster), [""; 0]);
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app' LIMIT 3").await;
    assert_eq!(killed.unwrap(), counts(3, 3, 0));
}

#[tokio::test]
async fn what_cannot_be_evaluated_kills_nothing() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    for (what, code) in [
        ("SESSIONS WHERE Nonsense = 1", 1054),
        ("SESSIONS WHERE SLEEP(1)", 1235),
    ] {
        let (answered, text) = server_error(kill(&mut conn, what).await);
        assert_eq!(answered, code, "{what}: {text}");
        assert!(text.ends_with("; nothing was killed"), "{text}");
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn one_that_is_not_meant_any_more_at_the_last_look_lives() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    for (now, why) in [
        (
            vec![session(101, "app", 0)],
            "it is not what the WHERE picks any more",
        ),
        (Vec::new(), "it has ended by itself"),
        (
            vec![session(101, "proxyro", 20)],
            "its id is another session's by now",
        ),
    ] {
        node.set_sessions(vec![session(101, "app", 20)]);
        node.set_sessions_after_list(now);
        let killed = kill(&mut conn, "SESSIONS WHERE Time BETWEEN 15 AND 25").await;
        assert_eq!(killed.unwrap(), counts(1, 0, 0), "{why}");
        let said = told(&mut conn).await;
        let text = format!("101 of app on {}: {why}", name(node));
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!((said[0].0, &said[0].2), ('N', &text));
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn statements_end_and_their_sessions_live() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let killed = kill(&mut conn, "QUERIES WHERE User IN ('app', 'web')").await;
    assert_eq!(killed.unwrap(), counts(3, 3, 0));
    for node in cluster.nodes() {
        assert!(node.has_session(101) && node.has_session(103));
        let kills = node.kills_received();
        assert!(
            kills.len() == 1 && kills[0].starts_with("KILL QUERY 101 "),
            "{kills:?}"
        );
    }
    let said = told(&mut conn).await;
    let idle = "left alone: 3 sessions that run no statement".to_owned();
    assert_eq!(said, [('N', 1105, idle)]);
}

#[tokio::test]
async fn the_next_statement_is_not_hit_also_if_it_is_picked_too() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    let next = SimSession {
        trace_id: Some("Y-next".to_owned()),
        ..session(101, "app", 20)
    };
    let idle = SimSession {
        id: 101,
        ..SimSession::default()
    };
    for (now, why) in [
        (next, "it has ended its statement and runs another one"),
        (idle, "it has ended its statement and runs none"),
    ] {
        node.set_sessions(vec![session(101, "app", 20)]);
        node.set_sessions_after_list(vec![now]);
        let killed = kill(&mut conn, "QUERIES WHERE User = 'app' AND Zone = 'z2'").await;
        assert_eq!(killed.unwrap(), counts(1, 0, 0), "{why}");
        let said = told(&mut conn).await;
        assert!(said.len() == 1 && said[0].2.ends_with(why), "{said:?}");
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn a_trace_is_asked_for_also_by_a_statement_that_began_before_any_server_had_told_of_one() {
    let cluster = three_nodes().await;
    let late = cluster.node(1);
    late.set_behaviour(Behaviour::HangInLogin);
    let warden = warden(&cluster, &["--node-timeout", "5s"]).await;
    let mut conn = connect(&warden).await;
    late.set_sessions(vec![session(101, "app", 20)]);
    let next = SimSession {
        trace_id: Some("Y-next".to_owned()),
        ..session(101, "app", 20)
    };
    late.set_sessions_after_list(vec![next]);
    let first = cluster.node(0);
    let turn = async {
        // The late one is of the same build, whose columns are known by then.
        first.until(|node| node.session_lists_received() > 0).await;
        let mut second = connect(&warden).await;
        list_of(&mut second, first).await;
        late.set_behaviour(Behaviour::Healthy);
    };
    let killing = kill(&mut conn, "QUERIES WHERE User = 'app' AND Zone = 'z2'");
    let (killed, ()) = tokio::join!(killing, soon("it is late", turn));
    assert_eq!(killed.unwrap(), counts(1, 0, 0));
    assert_eq!(kills_of(&cluster), [""; 0]);
}

/// Waits until a node has told its sessions to a client.
async fn list_of(conn: &mut Conn, node: &SimNode) {
    let statement = format!("SHOW SERVER SESSIONS FROM {}", node.ip());
    run(conn, &statement).await.unwrap();
}

#[tokio::test]
async fn what_one_may_not_kill_is_counted_and_what_one_may_not_see_is_not() {
    let (cluster, warden, _root) = setup(&[]).await;
    let own = SimSession {
        tenant: "sys".to_owned(),
        ..session(104, "app", 60)
    };
    cluster.node(0).add_session(own);
    let mut app = connect_as(&warden, "app").await;
    let killed = kill(&mut app, "SESSIONS WHERE Id IN (102, 104)").await;
    assert_eq!(killed.unwrap(), counts(4, 1, 3));
    assert!(!cluster.node(0).has_session(104));
    let said = told(&mut app).await;
    assert_eq!(said.len(), 3, "{said:?}");
    for ((level, code, text), node) in said.iter().zip(cluster.nodes()) {
        assert_eq!((*level, *code), ('W', 1095));
        let begin = format!("102 of batch on {}: You are not owner", name(node));
        assert!(text.starts_with(&begin), "{text}");
    }

    let mut web = connect_as(&warden, "web").await;
    let killed = kill(&mut web, "SESSIONS WHERE Id = 102").await;
    assert_eq!(killed.unwrap(), counts(0, 0, 0));
    let said = told(&mut web).await;
    assert_eq!((said.len(), said[0].1), (1, 1227), "{said:?}");
    assert_eq!(kills_of(&cluster).len(), 1);
}

#[tokio::test]
async fn a_client_session_of_odp_is_killed_once_and_the_other_nodes_are_named() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    for (node, user) in cluster.nodes().iter().zip(["odp", "odp", "other"]) {
        node.set_sessions(vec![SimSession {
            proxy_sessid: Some(7_000_000_000),
            ..session(77, user, 60)
        }]);
    }
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'odp'").await;
    assert_eq!(killed.unwrap(), counts(1, 1, 0));
    let said = told(&mut conn).await;
    let text = format!(
        "77 is a client session of ODP and ends on {}, {}, too",
        name(cluster.node(1)),
        name(cluster.node(2))
    );
    assert_eq!(said, [('N', 1105, text)]);
    assert_eq!(kills_of(&cluster).len(), 1);
}

#[tokio::test]
async fn a_virtual_statement_is_what_its_session_runs() {
    let cluster = three_nodes().await;
    let warden = warden(&cluster, &["--node-timeout", "60s"]).await;
    let mut conn = connect(&warden).await;
    let hung = cluster.node(2);
    list(&mut conn).await;
    hung.forget_records();
    hung.set_behaviour(Behaviour::HangInQuery);
    let mut victim = RawClient::greeted(warden.addr()).await;
    victim.log_in("root", &[1; 20]).await;
    victim.send_query("SHOW SERVER SESSIONS").await;
    let asked = hung.until(|node| node.session_lists_received() > 0);
    soon("the list waits", asked).await;
    // Out of the cluster, the hung node does not hold up the choosing.
    cluster.unlist_server(2);
    let what = format!("QUERIES WHERE Id = {} AND Zone = 'z1'", victim.thread_id);
    let killed = kill(&mut conn, &what).await;
    assert_eq!(killed.unwrap(), counts(1, 1, 0));
    assert_eq!(victim.read_error().await.0, 1317);
    assert_eq!(kills_of(&cluster), [""; 0], "the server runs nothing of it");
}
