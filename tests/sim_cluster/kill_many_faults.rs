//! KILL SERVER {SESSIONS | QUERIES} WHERE when nodes fail, hang, refuse or lose connections, and when it is ended in the
//! middle: what became of each victim is told, and counted honestly.

use std::time::Duration;

use testkit::sim::{Behaviour, KillBehaviour, Linger, Reach, ServerError};
use testkit::warden::Warden;

use crate::kill::kills_of;
use crate::kill_many::{counts, kill, name, session, setup, told};
use crate::support::{RawClient, connect, list, run, server_error, soon};

/// A client that has sent a KILL of many and waits.
async fn killing(warden: &Warden) -> RawClient {
    let mut client = RawClient::greeted(warden.addr()).await;
    client.log_in("root", &[1; 20]).await;
    client
        .send_query("KILL SERVER SESSIONS WHERE User = 'app'")
        .await;
    client
}

/// What it is told when another client ends its statement.
async fn interrupted(mut client: RawClient, warden: &Warden) -> String {
    let mut second = connect(warden).await;
    run(&mut second, &format!("KILL QUERY {}", client.thread_id))
        .await
        .unwrap();
    let (code, text) = client.read_error().await;
    assert_eq!(code, 1317, "{text}");
    text
}

#[tokio::test]
async fn a_failed_node_is_a_warning_and_the_others_victims_die() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let failed = cluster.node(2);
    failed.set_behaviour(Behaviour::HangInQuery);
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(killed.unwrap(), counts(2, 2, 0));
    let said = told(&mut conn).await;
    let [('W', 4012, text)] = &said[..] else {
        panic!("{said:?}");
    };
    let begin = format!("{}: NO ANSWER: no answer after 1.", name(failed));
    assert!(
        text.starts_with(&begin) && text.ends_with("; nothing was killed there"),
        "{text}"
    );
    assert!(failed.has_session(101));
}

#[tokio::test]
async fn with_strict_listing_a_failed_node_keeps_all_alive() {
    let (cluster, _warden, mut conn) = setup(&["--strict-listing"]).await;
    let failed = cluster.node(2);
    failed.set_behaviour(Behaviour::Refuse);
    let (code, text) = server_error(kill(&mut conn, "SESSIONS WHERE User = 'app'").await);
    assert_eq!(code, 1105, "{text}");
    assert!(
        text.starts_with("strict_listing is set, so that nothing was killed: ")
            && text.contains(&name(failed)),
        "{text}"
    );
    assert_eq!(kills_of(&cluster), [""; 0]);
    failed.set_behaviour(Behaviour::Healthy);
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(killed.unwrap(), counts(3, 3, 0));
}

#[tokio::test]
async fn when_no_node_answers_it_is_an_error() {
    let (cluster, _warden, mut conn) = setup(&["--rights", "server"]).await;
    cluster.set_behaviour(Behaviour::HangInQuery);
    let (code, text) = server_error(kill(&mut conn, "SESSIONS WHERE User = 'app'").await);
    assert_eq!(code, 1105);
    for node in cluster.nodes() {
        assert!(text.contains(&node.seed()), "{text}");
    }
    assert!(text.ends_with("; nothing was killed"), "{text}");
}

#[tokio::test]
async fn what_was_only_seen_through_another_node_lives() {
    let (cluster, _warden, mut conn) = setup(&["--connect-timeout", "200ms"]).await;
    list(&mut conn).await;
    let far = cluster.node(1);
    far.set_behaviour(Behaviour::Refuse);
    far.set_reach(Some(Reach::Answers));
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(killed.unwrap(), counts(2, 2, 0));
    let said = told(&mut conn).await;
    let [('W', 1429, text)] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(
        text.starts_with(&name(far))
            && text.contains("were read through")
            && text.ends_with("; nothing was killed there"),
        "{text}"
    );
    assert!(far.has_session(101));
}

#[tokio::test]
async fn a_node_that_refuses_holds_up_no_other() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    let refusal = ServerError::new(4401, "Session is not from a proxy");
    node.set_kill_behaviour(KillBehaviour::Fail(refusal));
    let killed = kill(&mut conn, "SESSIONS WHERE User IN ('app', 'batch')").await;
    assert_eq!(killed.unwrap(), counts(6, 4, 2));
    let said = told(&mut conn).await;
    for ((level, code, text), victim) in said.iter().zip(["101 of app", "102 of batch"]) {
        assert_eq!((*level, *code), ('W', 4401));
        let begin = format!("{victim} on {}: ", name(node));
        assert!(
            text.starts_with(&begin) && text.contains("not from a proxy"),
            "{text}"
        );
    }
    assert_eq!((said.len(), node.kills_received().len()), (2, 2));
}

#[tokio::test]
async fn a_node_that_hangs_after_the_choosing_holds_up_no_other() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    list(&mut conn).await;
    let (hung, last) = (cluster.node(1), cluster.node(2));
    hung.forget_records();
    // The last node's answer ends the choosing, when the other one hangs already.
    last.set_behaviour(Behaviour::HangInQuery);
    let turn = async {
        hung.until(|node| node.session_lists_received() > 0).await;
        hung.set_behaviour(Behaviour::HangInQuery);
        last.set_behaviour(Behaviour::Healthy);
    };
    let killing = kill(&mut conn, "SESSIONS WHERE User = 'app'");
    let (killed, ()) = tokio::join!(killing, soon("it is asked", turn));
    assert_eq!(killed.unwrap(), counts(3, 2, 1));
    let said = told(&mut conn).await;
    let [('W', 4012, text)] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(
        text.starts_with(&format!("101 of app on {}: ", name(hung)))
            && text.ends_with("; nothing was killed"),
        "{text}"
    );
    assert_eq!(hung.kills_received(), [""; 0]);
}

#[tokio::test]
async fn one_that_outlives_its_kill_is_not_counted_as_killed() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::Forever));
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(killed.unwrap(), counts(3, 2, 1));
    let said = told(&mut conn).await;
    let text = format!(
        "101 of app on {}: 101 is still there 0.5 s after its KILL: still rolling back",
        name(node)
    );
    assert_eq!(said, [('W', 1105, text)]);
    let linger = Linger::For(Duration::from_millis(200));
    node.set_kill_behaviour(KillBehaviour::Linger(linger));
    let killed = kill(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(killed.unwrap(), counts(1, 1, 0), "it was waited for");
}

#[tokio::test]
async fn a_lost_connection_leaves_an_unknown_outcome_and_no_kill_is_repeated() {
    for behaviour in [
        KillBehaviour::CutConnection { obeyed: true },
        KillBehaviour::CutConnection { obeyed: false },
    ] {
        let (cluster, _warden, mut conn) = setup(&[]).await;
        let node = cluster.node(1);
        node.set_sessions((201..=204).map(|id| session(id, "app", 60)).collect());
        node.set_kill_behaviour(behaviour.clone());
        let killed = kill(&mut conn, "SESSIONS WHERE User = 'app' AND Time >= 60").await;
        assert_eq!(killed.unwrap(), counts(4, 0, 4), "{behaviour:?}");
        let said = told(&mut conn).await;
        let unknown = |text: &str| text.contains(": outcome unknown: KILL was sent to ");
        let not_sent = |text: &str| text.ends_with("; nothing was killed");
        let texts: Vec<_> = said.iter().map(|(_, _, text)| text.as_str()).collect();
        assert!(
            texts[..2].iter().all(|text| unknown(text))
                && texts[2..].iter().all(|text| not_sent(text)),
            "{texts:?}"
        );
        let kills = node.kills_received();
        assert!(
            kills.len() == 2
                && kills[0].starts_with("KILL 201 ")
                && kills[1].starts_with("KILL 202 "),
            "one connection, and one more: {kills:?}"
        );
    }
}

#[tokio::test]
async fn ended_in_the_choosing_it_kills_nothing() {
    let (cluster, warden, _conn) = setup(&[]).await;
    let hung = cluster.node(2);
    hung.set_behaviour(Behaviour::HangInQuery);
    let client = killing(&warden).await;
    let asked = hung.until(|node| node.session_lists_received() > 0);
    soon("it chooses", asked).await;
    let text = interrupted(client, &warden).await;
    assert!(text.ends_with("nothing was killed"), "{text}");
    let ours = kills_of(&cluster).into_iter();
    let ours = ours.filter(|kill| kill.contains("obwarden"));
    assert_eq!(
        ours.count(),
        0,
        "the other one is that of the second client"
    );
}

#[tokio::test]
async fn ended_in_the_middle_it_sends_no_further_kill_and_says_how_far_it_came() {
    let (cluster, warden, _conn) = setup(&[]).await;
    let node = cluster.node(1);
    for other in [0, 2] {
        cluster.node(other).set_sessions(Vec::new());
    }
    node.set_sessions((201..=203).map(|id| session(id, "app", 60)).collect());
    node.set_kill_behaviour(KillBehaviour::NeverAnswer);
    let client = killing(&warden).await;
    let sent = node.until(|node| !node.kills_received().is_empty());
    soon("the first KILL is sent", sent).await;
    let text = interrupted(client, &warden).await;
    let said = "interrupted: of 3 that match 0 were killed before, and to 2 no KILL was sent";
    assert!(text.ends_with(said), "{text}");
    assert_eq!(node.kills_received().len(), 1);
}
