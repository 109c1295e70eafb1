//! Kill is honest: it ends what was named and seen there, sends KILL once, and tells what became of it.
//! Here: a session on a named server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mysql_async::{Conn, Error};
use testkit::sim::{
    Behaviour, KillBehaviour, Linger, ServerError, SimCluster, SimNode, SimSession,
};
use testkit::warden::Warden;

use crate::support::{
    GRACE, SOON, connect, list, opts, run, server_error, show_warnings, until, warden,
};

const NODE_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const QUICK: &[&str] = &["--node-timeout", "1s", "--kill-verify-timeout", "500ms"];

pub(crate) async fn setup() -> (SimCluster, Warden, Conn) {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, QUICK).await;
    let conn = connect(&warden).await;
    (cluster, warden, conn)
}

pub(crate) async fn kill(
    conn: &mut Conn,
    addr: SocketAddr,
    id: impl std::fmt::Display,
) -> Result<(), Error> {
    let ip = addr.ip();
    run(conn, &format!("KILL SERVER SESSION {ip} {id}")).await
}

pub(crate) fn kills_of(cluster: &SimCluster) -> Vec<String> {
    cluster
        .nodes()
        .iter()
        .flat_map(SimNode::kills_received)
        .collect()
}

/// A session that was scripted is there as long as nobody has killed it.
fn idle_session(node: &SimNode) -> u32 {
    node.add_session(SimSession::default())
}

#[tokio::test]
async fn the_right_session_on_the_right_node_is_gone_by_one_kill_that_says_who_sent_it() {
    let (cluster, warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let mut victim = Conn::new(opts(node.addr(), "root@sys")).await.unwrap();
    let id = victim.id();
    assert!(list(&mut conn).await.ids(node.addr()).contains(&id));
    kill(&mut conn, node.addr(), id).await.unwrap();
    assert_eq!((conn.affected_rows(), conn.get_warnings()), (0, 0));
    assert!(!node.has_session(id));
    assert!(matches!(
        run(&mut victim, "SELECT 1").await,
        Err(Error::Io(_) | Error::Driver(_))
    ));
    assert!(!list(&mut conn).await.ids(node.addr()).contains(&id));

    let sent = kills_of(&cluster);
    let [sent] = &sent[..] else {
        panic!("once, and to that node alone: {sent:?}");
    };
    let comment = sent.strip_prefix(&format!(
        "KILL {id} /* obwarden: KILL SERVER by root from 127.0.0.1:"
    ));
    let port = comment.and_then(|rest| rest.strip_suffix(" */"));
    assert!(
        port.is_some_and(|port| port.parse::<u16>().is_ok()),
        "{sent}"
    );
    until("the kill is recorded", SOON, async || {
        let log = warden.log();
        let recorded = log
            .lines()
            .any(|line| line.contains("kill: done") && line.contains(&id.to_string()));
        if recorded { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test]
async fn a_reason_goes_along_with_the_kill_and_into_the_record() {
    let (cluster, warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = idle_session(node);
    let statement = format!(
        "KILL SERVER SESSION {} {id} COMMENT 'blocks */ KILL 1; /* the load'",
        node.ip()
    );
    run(&mut conn, &statement).await.unwrap();
    assert!(!node.has_session(id));
    let kills = kills_of(&cluster);
    let [sent] = &kills[..] else {
        panic!("{kills:?}");
    };
    assert!(
        sent.starts_with(&format!("KILL {id} /* obwarden: "))
            && sent.ends_with(": blocks  KILL 1;  the load */"),
        "{sent}"
    );
    until("both records have it", SOON, async || {
        let log = warden.log();
        let with_reason = log.lines().filter(|line| {
            line.contains("kill: ") && line.contains("reason=\"blocks */ KILL 1; /* the load\"")
        });
        if with_reason.count() == 2 {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;

    let long = "x".repeat(257);
    let statement = format!("KILL SERVER SESSION {} 1 COMMENT '{long}'", node.ip());
    let (code, text) = server_error(run(&mut conn, &statement).await);
    assert!(code == 1210 && text.contains("256"), "{code} {text}");
}

#[tokio::test]
async fn what_is_no_form_of_it_is_told_the_right_one() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = idle_session(node);
    for statement in [
        format!("KILL SERVER {} {id}", node.ip()),
        format!("KILL SERVER STATEMENT {} {id}", node.ip()),
        format!("KILL SERVER QUERY {}", node.ip()),
        format!("KILL SERVER SESSION {} {id} BECAUSE 'x'", node.ip()),
        format!("KILL SERVER SESSION {} {id} COMMENT x", node.ip()),
    ] {
        let (code, text) = server_error(run(&mut conn, &statement).await);
        let form = "KILL SERVER {SESSION | CONNECTION | QUERY} server id [COMMENT 'reason']";
        assert!(
            code == 1064 && text.ends_with(form),
            "{statement}: {code} {text}"
        );
    }
    assert!(node.has_session(id));
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn every_form_of_server_and_id_is_understood() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(2);
    let (ip, port, rpc) = (node.ip(), node.sql_port(), node.rpc_port());
    for server in [
        format!("{ip}"),
        format!("'{ip}'"),
        format!("{ip}:{port}"),
        format!("\"{ip}:{rpc}\""),
    ] {
        for quote in ["", "'"] {
            let id = idle_session(node);
            let word = if quote.is_empty() {
                "session"
            } else {
                "CONNECTION"
            };
            let statement = format!("kill server {word} {server} {quote}{id}{quote};");
            run(&mut conn, &statement)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
            assert!(!node.has_session(id), "{statement}");
        }
    }
}

#[tokio::test]
async fn on_the_wrong_node_it_is_unknown_and_lives() {
    let (cluster, _warden, mut conn) = setup().await;
    let (right, wrong) = (cluster.node(2), cluster.node(1));
    let id = idle_session(right);
    let (code, text) = server_error(kill(&mut conn, wrong.addr(), id).await);
    assert_eq!(code, 1094);
    let seen = format!("(that id was seen on {} (z3))", right.addr());
    assert!(
        text.contains(&format!("{id} on {}", wrong.addr())) && text.contains(&seen),
        "{text}"
    );
    assert!(right.has_session(id));

    let (code, text) = server_error(kill(&mut conn, wrong.addr(), 4_000_000_000_u32).await);
    assert!(code == 1094 && !text.contains("seen on"), "{code} {text}");
    let (_, text) = server_error(kill(&mut conn, "192.0.2.7:1".parse().unwrap(), id).await);
    for node in cluster.nodes() {
        assert!(text.contains(&node.seed()), "it lists the servers: {text}");
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn an_id_that_is_none_is_an_error_and_nothing_is_sent() {
    let cluster = SimCluster::builder()
        .first_session_id(1)
        .start()
        .await
        .unwrap();
    let warden = warden(&cluster, QUICK).await;
    let mut conn = connect(&warden).await;
    let node = cluster.node(1);
    let id = node.add_session(SimSession {
        id: 3,
        ..SimSession::default()
    });
    let cut_to_it = (1_u64 << 32) + u64::from(id);
    for id in [
        "0",
        "-1",
        "'abc'",
        "abc",
        "4294967296",
        "1e3",
        "3.0",
        "'3 '",
        &cut_to_it.to_string(),
    ] {
        let (code, text) = server_error(kill(&mut conn, node.addr(), id).await);
        assert_ne!(code, 1094, "{id}: no server was to be asked: {text}");
        assert!(text.contains(id.trim_matches('\'')), "{id}: {text}");
    }
    assert!(node.has_session(id));
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn a_kill_that_the_server_refuses_is_the_servers_own_error() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = idle_session(node);
    let refusal = ServerError::new(4401, "Session is not from a proxy");
    node.set_kill_behaviour(KillBehaviour::Fail(refusal));
    let (code, text) = server_error(kill(&mut conn, node.addr(), id).await);
    assert_eq!(code, 4401);
    assert!(
        text.contains("Session is not from a proxy") && text.contains(&node.seed()),
        "{text}"
    );
    assert_eq!(node.kills_received().len(), 1);
}

#[tokio::test]
async fn a_session_that_ends_between_the_look_and_its_kill_is_unknown() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = idle_session(node);
    node.set_sessions_after_list(Vec::new());
    let (code, text) = server_error(kill(&mut conn, node.addr(), id).await);
    assert_eq!(code, 1094);
    assert!(text.ends_with("any more: it ended by itself"), "{text}");
    assert_eq!(node.kills_received().len(), 1);
    assert!(node.connections_peak() <= 2);
}

#[tokio::test]
async fn a_kill_without_an_answer_has_an_unknown_outcome_and_is_not_repeated() {
    for behaviour in [
        KillBehaviour::CutConnection { obeyed: true },
        KillBehaviour::CutConnection { obeyed: false },
        KillBehaviour::NeverAnswer,
    ] {
        let (cluster, _warden, mut conn) = setup().await;
        let node = cluster.node(1);
        let id = idle_session(node);
        node.set_kill_behaviour(behaviour.clone());
        let began = Instant::now();
        let (code, text) = server_error(kill(&mut conn, node.addr(), id).await);
        assert!(
            began.elapsed() <= NODE_TIMEOUT + GRACE,
            "{behaviour:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(code, 1105, "{behaviour:?}");
        assert!(
            text.starts_with("outcome unknown: ") && text.contains(&node.seed()),
            "{text}"
        );
        assert_eq!(node.kills_received().len(), 1, "{behaviour:?}");
        assert!(node.connections_peak() <= 2, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_session_that_outlives_its_kill_is_a_warning() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = idle_session(node);
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::Forever));
    kill(&mut conn, node.addr(), id).await.unwrap();
    assert_eq!(conn.get_warnings(), 1);
    let shown = show_warnings(&mut conn).await;
    assert!(
        shown[0]
            .2
            .contains(&format!("{id} is still there 0.5 s after its KILL")),
        "{shown:?}"
    );

    node.set_kill_behaviour(KillBehaviour::Linger(Linger::For(Duration::from_millis(
        200,
    ))));
    kill(&mut conn, node.addr(), id).await.unwrap();
    assert_eq!(conn.get_warnings(), 0, "it was waited for");
    assert!(!node.has_session(id));
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_gets_no_kill() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = idle_session(node);
    for (behaviour, code) in [
        (Behaviour::HangInQuery, 4012),
        (Behaviour::HangMidResult { after_rows: 0 }, 4012),
        (
            Behaviour::FailQuery(ServerError::new(1142, "SELECT denied")),
            1142,
        ),
        (Behaviour::BreakOffMidResult { after_rows: 0 }, 1430),
        (Behaviour::AcceptNoGreeting, 4012),
        (Behaviour::Refuse, 1429),
    ] {
        node.set_behaviour(behaviour.clone());
        let began = Instant::now();
        let (answered, text) = server_error(kill(&mut conn, node.addr(), id).await);
        assert!(
            began.elapsed() <= NODE_TIMEOUT + GRACE,
            "{behaviour:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(answered, code, "{behaviour:?}: {text}");
        assert!(
            text.ends_with("; nothing was killed") && text.contains(&node.seed()),
            "{text}"
        );
        node.set_behaviour(Behaviour::Healthy);
    }
    assert!(list(&mut conn).await.ids(node.addr()).contains(&id));
    assert_eq!(kills_of(&cluster), [""; 0]);
}
