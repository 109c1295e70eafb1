//! KILL SERVER SESSION of what goes through a proxy: one's own session, a client that waits for a list, and the
//! service sessions of this proxy and of another one.

use testkit::sim::Behaviour;

use crate::kill::{QUICK, kill, kills_of, setup};
use crate::support::{RawClient, connect, full_list, list, run, server_error, soon, warden};

#[tokio::test]
async fn the_proxys_own_sessions_are_not_killed_through_it() {
    let (cluster, _warden, mut conn) = setup().await;
    let full = full_list(&mut conn).await;
    for node in cluster.nodes() {
        for id in full.service_ids(node.addr()) {
            let (code, text) = server_error(kill(&mut conn, node.addr(), id).await);
            assert!(
                code == 1095 && text.contains("obwarden itself"),
                "{code} {text}"
            );
        }
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn ones_own_session_ends_when_it_is_killed() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(0);
    let id = conn.id();
    // The server closes its end at once; whether the OK comes first is a matter of luck.
    _ = kill(&mut conn, node.addr(), id).await;
    assert!(run(&mut conn, "SELECT 1").await.is_err());
    assert_eq!(node.kills_received().len(), 1);
    soon(
        "its session is gone",
        node.until(|node| !node.has_session(id)),
    )
    .await;
}

#[tokio::test]
async fn a_session_that_waits_for_a_list_ends_with_its_list() {
    let (cluster, warden, _) = setup().await;
    let (node, hung) = (cluster.node(0), cluster.node(2));
    hung.set_behaviour(Behaviour::HangInQuery);
    let mut victim = RawClient::greeted(warden.addr()).await;
    victim.log_in("root", &[1; 20]).await;
    victim.send_query("SHOW SERVER SESSIONS").await;
    let asked = hung.until(|node| node.session_lists_received() > 0);
    soon("the list waits", asked).await;
    let mut second = connect(&warden).await;
    kill(&mut second, node.addr(), victim.thread_id)
        .await
        .unwrap();
    let (code, text) = victim.read_error().await;
    assert!(
        code == 1317 && text.contains("interrupted"),
        "{code} {text}"
    );
    assert!(victim.read().await.is_err(), "nothing more comes");
}

#[tokio::test]
async fn another_proxys_service_sessions_are_sessions_like_any_other_and_it_goes_on() {
    let (cluster, first, mut conn) = setup().await;
    let second = warden(&cluster, QUICK).await;
    let mut through_second = connect(&second).await;
    let full = full_list(&mut through_second).await;
    for node in cluster.nodes() {
        for id in full.service_ids(node.addr()) {
            assert!(
                list(&mut conn).await.ids(node.addr()).contains(&id),
                "{id} is hidden"
            );
            kill(&mut conn, node.addr(), id).await.unwrap();
            assert!(!node.has_session(id));
        }
    }
    let killed = kills_of(&cluster).len();
    assert!(killed >= 3, "one on each node at least: {killed}");
    let seen = full_list(&mut through_second).await;
    assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
    drop(first);
}
