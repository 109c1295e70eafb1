//! KILL SERVER QUERY ends the statement that was seen, and never the next one.

use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::{Conn, Error};
use testkit::sim::{
    Behaviour, Build, KillBehaviour, Linger, ServerError, SimAccount, SimCluster, SimSession,
};
use testkit::warden::Warden;

use crate::kill::{QUICK, kills_of, setup};
use crate::support::{
    RawClient, connect, connect_as, full_list, opts, run, server_error, show_warnings, soon, warden,
};

async fn kill_query(conn: &mut Conn, addr: SocketAddr, id: u32) -> Result<(), Error> {
    run(conn, &format!("KILL SERVER QUERY {} {id}", addr.ip())).await
}

/// The one warning that the last statement left.
async fn warning(conn: &mut Conn) -> String {
    let counted = conn.get_warnings();
    let shown = show_warnings(conn).await;
    match &shown[..] {
        [(level, 1105, text)] if level == "Warning" && counted == 1 => text.clone(),
        other => panic!("{counted}: {other:?}"),
    }
}

/// A session that runs something, with its trace as the server tells it.
fn running(id: u32, statement: &str, trace_id: Option<&str>) -> SimSession {
    SimSession {
        id,
        trace_id: trace_id.map(str::to_owned),
        ..SimSession::running(statement, Duration::from_secs(7))
    }
}

const ID: u32 = 3_221_749_999;

#[tokio::test]
async fn the_statement_ends_and_its_session_lives() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let mut victim = Conn::new(opts(node.addr(), "root@sys")).await.unwrap();
    let id = victim.id();
    let sleeping = tokio::spawn(async move {
        let ended = run(&mut victim, "SELECT SLEEP(600)").await;
        (ended, victim)
    });
    let runs = node.until(|node| node.statements().iter().any(|text| text.contains("SLEEP")));
    soon("it runs", runs).await;
    let statement = format!("KILL SERVER QUERY {} {id} COMMENT 'too long'", node.ip());
    run(&mut conn, &statement).await.unwrap();
    assert_eq!((conn.affected_rows(), conn.get_warnings()), (0, 0));
    let (ended, mut victim) = sleeping.await.unwrap();
    assert_eq!(server_error(ended).0, 1317);
    run(&mut victim, "SELECT 1").await.unwrap();
    let kills = kills_of(&cluster);
    let [sent] = &kills[..] else {
        panic!("once, and to that node alone: {kills:?}");
    };
    assert!(
        sent.starts_with(&format!(
            "KILL QUERY {id} /* obwarden: KILL SERVER by root from "
        )) && sent.ends_with(": too long */"),
        "{sent}"
    );
}

#[tokio::test]
async fn a_session_that_runs_nothing_is_left_alone_and_that_is_said() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = node.add_session(SimSession::default());
    kill_query(&mut conn, node.addr(), id).await.unwrap();
    let text = warning(&mut conn).await;
    let said = format!(
        "nothing was killed: {id} on {} (z2) runs no statement",
        node.addr()
    );
    assert_eq!(text, said);
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn the_next_statement_of_a_session_is_not_hit() {
    let next = "UPDATE accounts SET balance = 0";
    for (build, before, after, said) in [
        (
            Build::V4_2,
            running(ID, "SELECT 1", Some("Y1")),
            running(ID, "SELECT 1", Some("Y2")),
            "runs another one",
        ),
        (
            Build::Mysql,
            running(ID, "SELECT 1", None),
            running(ID, next, None),
            "runs another one",
        ),
        (
            Build::Mysql,
            running(ID, "SELECT 1", None),
            SimSession {
                time: Duration::ZERO,
                total_time: Duration::ZERO,
                ..running(ID, "SELECT 1", None)
            },
            "runs another one",
        ),
        (
            Build::V4_0,
            running(ID, "SELECT 1", Some("Y1")),
            SimSession {
                id: ID,
                ..SimSession::default()
            },
            "runs none",
        ),
    ] {
        let cluster = SimCluster::builder()
            .node_build(1, build)
            .start()
            .await
            .unwrap();
        let warden = warden(&cluster, QUICK).await;
        let mut conn = connect(&warden).await;
        let node = cluster.node(1);
        node.set_sessions(vec![before.clone()]);
        node.set_sessions_after_list(vec![after.clone()]);
        kill_query(&mut conn, node.addr(), ID).await.unwrap();
        let text = warning(&mut conn).await;
        assert!(
            text.starts_with("nothing was killed: ") && text.ends_with(said),
            "{before:?} {after:?}: {text}"
        );
        assert_eq!(kills_of(&cluster), [""; 0], "{before:?} {after:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_gone_at_the_second_look_is_unknown() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    node.set_sessions(vec![running(ID, "SELECT 1", Some("Y1"))]);
    node.set_sessions_after_list(Vec::new());
    let (code, text) = server_error(kill_query(&mut conn, node.addr(), ID).await);
    assert!(
        code == 1094 && text.ends_with("any more: it ended by itself"),
        "{code} {text}"
    );
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn a_statement_that_the_server_tries_again_is_still_the_same() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let before = running(ID, "SELECT 1", Some("Y1"));
    node.set_sessions(vec![before.clone()]);
    node.set_sessions_after_list(vec![SimSession {
        time: Duration::ZERO,
        ..before
    }]);
    kill_query(&mut conn, node.addr(), ID).await.unwrap();
    assert_eq!(conn.get_warnings(), 0);
    assert_eq!(kills_of(&cluster).len(), 1);
    assert!(node.has_session(ID));
}

#[tokio::test]
async fn a_statement_that_outlives_its_kill_is_a_warning_and_another_one_is_none() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let running = |trace| vec![running(ID, "SELECT 1", Some(trace))];
    node.set_sessions(running("Y1"));
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::Forever));
    kill_query(&mut conn, node.addr(), ID).await.unwrap();
    let text = warning(&mut conn).await;
    let said = format!("the statement of {ID} still runs 0.5 s after its KILL QUERY");
    assert_eq!(text, said);

    // Seen twice before the KILL; then the session has gone on.
    node.set_sessions_after_list(running("Y1"));
    node.set_sessions_after_list(running("Y2"));
    kill_query(&mut conn, node.addr(), ID).await.unwrap();
    assert_eq!(conn.get_warnings(), 0, "what runs now is another one");
    assert_eq!(node.kills_received().len(), 2);

    let linger = Linger::For(Duration::from_millis(200));
    node.set_kill_behaviour(KillBehaviour::Linger(linger));
    kill_query(&mut conn, node.addr(), ID).await.unwrap();
    assert_eq!(conn.get_warnings(), 0, "it was waited for");
}

#[tokio::test]
async fn a_kill_query_fails_as_a_kill_does() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    node.set_sessions(vec![running(ID, "SELECT 1", Some("Y1"))]);
    let (code, text) = server_error(kill_query(&mut conn, cluster.node(2).addr(), ID).await);
    let seen = format!("(that id was seen on {} (z2))", node.addr());
    assert!(code == 1094 && text.ends_with(&seen), "{code} {text}");
    for (behaviour, code) in [
        (Behaviour::HangInQuery, 4012),
        (Behaviour::Refuse, 1429),
        (Behaviour::BreakOffMidResult { after_rows: 0 }, 1430),
    ] {
        node.set_behaviour(behaviour);
        let (answered, text) = server_error(kill_query(&mut conn, node.addr(), ID).await);
        assert_eq!(answered, code, "{text}");
        assert!(text.ends_with("; nothing was killed"), "{text}");
        node.set_behaviour(Behaviour::Healthy);
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
    for (behaviour, code, said) in [
        (
            KillBehaviour::Fail(ServerError::new(4401, "not from a proxy")),
            4401,
            "not from a proxy",
        ),
        (
            KillBehaviour::Fail(ServerError::new(1094, "Unknown thread id")),
            1094,
            "it ended by itself",
        ),
        (
            KillBehaviour::CutConnection { obeyed: false },
            1105,
            "outcome unknown",
        ),
        (KillBehaviour::NeverAnswer, 1105, "outcome unknown"),
    ] {
        node.set_kill_behaviour(behaviour);
        let before = node.kills_received().len();
        let (answered, text) = server_error(kill_query(&mut conn, node.addr(), ID).await);
        assert!(answered == code && text.contains(said), "{answered} {text}");
        assert_eq!(node.kills_received().len(), before + 1, "{text}");
    }
}

#[tokio::test]
async fn the_right_to_see_is_no_right_to_end_a_statement() {
    let watcher = SimAccount {
        process_priv: true,
        ..SimAccount::new("app")
    };
    let cluster = SimCluster::builder()
        .accounts(vec![SimAccount::root(), watcher])
        .start()
        .await
        .unwrap();
    let warden = warden(&cluster, QUICK).await;
    let mut conn = connect_as(&warden, "app").await;
    let node = cluster.node(1);
    let own = SimSession {
        tenant: "sys".to_owned(),
        ..running(ID + 1, "SELECT 1", Some("Y2"))
    };
    node.set_sessions(vec![running(ID, "SELECT 1", Some("Y1")), own]);
    assert_eq!(
        server_error(kill_query(&mut conn, node.addr(), ID).await).0,
        1095
    );
    assert_eq!(kills_of(&cluster), [""; 0]);
    kill_query(&mut conn, node.addr(), ID + 1).await.unwrap();
    assert_eq!((conn.get_warnings(), kills_of(&cluster).len()), (0, 1));
}

#[tokio::test]
async fn what_the_proxy_itself_asks_is_not_ended_through_it() {
    let (cluster, _warden, mut conn) = setup().await;
    let full = full_list(&mut conn).await;
    for node in cluster.nodes() {
        for id in full.service_ids(node.addr()) {
            let (code, text) = server_error(kill_query(&mut conn, node.addr(), id).await);
            assert!(
                code == 1095 && text.contains("obwarden itself"),
                "{code} {text}"
            );
        }
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

/// A client that waits for a list, which node 2 holds up.
async fn waiting(cluster: &SimCluster, warden: &Warden) -> RawClient {
    let hung = cluster.node(2);
    hung.set_behaviour(Behaviour::HangInQuery);
    let mut client = RawClient::greeted(warden.addr()).await;
    client.log_in("root", &[1; 20]).await;
    client.send_query("SHOW SERVER SESSIONS").await;
    let asked = hung.until(|node| node.session_lists_received() > 0);
    soon("the list waits", asked).await;
    client
}

#[tokio::test]
async fn a_virtual_statement_is_what_its_session_runs() {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, &["--node-timeout", "60s"]).await;
    let mut victim = waiting(&cluster, &warden).await;
    let mut conn = connect(&warden).await;
    let addr = cluster.node(0).addr();
    kill_query(&mut conn, addr, victim.thread_id).await.unwrap();
    assert_eq!(conn.get_warnings(), 0);
    let (code, _) = victim.read_error().await;
    assert_eq!(code, 1317);
    assert_eq!(kills_of(&cluster), [""; 0], "the server runs nothing of it");
    victim.send(0, &[0x0e]).await;
    assert_eq!(victim.read().await.unwrap()[0], 0, "the session goes on");
}

#[tokio::test]
async fn a_session_that_ends_its_own_statement_ends_this_very_one() {
    let (cluster, _warden, mut conn) = setup().await;
    let id = conn.id();
    let (code, _) = server_error(kill_query(&mut conn, cluster.node(0).addr(), id).await);
    assert_eq!(code, 1317);
    run(&mut conn, "SELECT 1").await.unwrap();
    assert_eq!(kills_of(&cluster), [""; 0]);
}
