//! Links that are slow, or too narrow for an answer.

use std::time::Duration;

use testkit::link::{Faults, Way};

use crate::scene::{Scene, Told};

/// The node's answer takes many times the deadline at this rate.
const TOO_NARROW_BYTES_PER_SECOND: u32 = 30_000;
const MANY_SESSIONS: u32 = 3000;

#[tokio::test]
async fn a_delay_is_waited_for_on_new_connections_and_on_open_ones() {
    let mut scene = Scene::new().await;
    let delay = Duration::from_millis(100);
    scene.link.set(Faults::both_ways(Way::delayed(delay)));
    let seen = scene.is_whole().await;
    assert!(seen.took >= 2 * delay, "{:?}", seen.took);

    scene.cluster.node(1).cut_connections();
    let seen = scene.is_whole().await;
    assert!(seen.took >= 2 * delay, "{:?}", seen.took);
}

#[tokio::test]
async fn an_answer_that_is_not_complete_by_the_deadline_is_dropped_and_that_is_said() {
    let mut scene = Scene::with_sessions(MANY_SESSIONS).await;
    let narrow = Way::narrow(TOO_NARROW_BYTES_PER_SECOND);
    scene.link.set(Faults::from_node(narrow));
    let told = Told {
        state: "NO ANSWER",
        code: 4012,
        info: "no answer after 1.0 s in reading the answer; the ",
    };
    for _ in 0..2 {
        let seen = scene.misses(&told).await;
        let why = seen.why(scene.link.addr());
        assert!(why.contains(" rows that had come are dropped"), "{why}");
    }
    scene.heals().await;
}
