//! Links that stop passing bytes on, or end connections, in the middle of things.

use testkit::link::{Cut, CutEnd, FIRST_STATEMENT, Faults, Loss, Way};

use crate::scene::{Scene, Told};

const LISTS: usize = 3;
const MANY_SESSIONS: u32 = 500;
/// Column definitions take less, and so do the answers to all other statements; rows of so many sessions
/// take more.
const CUT_AFTER_BYTES: u64 = 16 * 1024;

fn cut_in_rows(then: CutEnd) -> Faults {
    Faults::cut(Cut {
        from_answer: FIRST_STATEMENT,
        after_bytes: CUT_AFTER_BYTES,
        then,
    })
}

/// Each list meets the fault anew, and says that rows were dropped.
async fn is_told_in_rows(then: CutEnd, told: Told<'_>) {
    let mut scene = Scene::with_sessions(MANY_SESSIONS).await;
    scene.link.set(cut_in_rows(then));
    for _ in 0..LISTS {
        let seen = scene.misses(&told).await;
        let why = seen.why(scene.link.addr());
        assert!(why.contains(" rows that had come are dropped"), "{why}");
    }
    scene.heals().await;
}

#[tokio::test]
async fn a_black_hole_in_the_middle_of_rows_is_named_in_time() {
    let told = Told {
        state: "NO ANSWER",
        code: 4012,
        info: "no answer after 1.0 s in reading the answer",
    };
    is_told_in_rows(CutEnd::Stall, told).await;
}

#[tokio::test]
async fn a_reset_in_the_middle_of_rows_is_named() {
    let told = Told {
        state: "BROKEN OFF",
        code: 1430,
        info: "in reading the answer: ",
    };
    is_told_in_rows(CutEnd::Reset, told).await;
}

#[tokio::test]
async fn an_end_in_the_middle_of_rows_is_named() {
    let told = Told {
        state: "BROKEN OFF",
        code: 1430,
        info: "in reading the answer: ",
    };
    is_told_in_rows(CutEnd::Close, told).await;
}

#[tokio::test]
async fn a_black_hole_in_either_direction_is_named_in_time() {
    for hole in [
        Faults::to_node(Way::stalled()),
        Faults::from_node(Way::stalled()),
        Faults::both_ways(Way::stalled()),
    ] {
        let mut scene = Scene::new().await;
        scene.warm_up().await;
        scene.link.set(hole);
        let told = |info| Told {
            state: "NO ANSWER",
            code: 4012,
            info,
        };
        scene.misses(&told("no answer after 1.0 s in ")).await;
        // All that were open have been given up.
        let in_login = told("no answer after 1.0 s in login");
        scene.misses(&in_login).await;
        scene.misses(&in_login).await;
        scene.heals().await;
    }
}

#[tokio::test]
async fn connections_that_were_reset_while_idle_cost_no_row() {
    let mut scene = Scene::new().await;
    for _ in 0..LISTS {
        scene.warm_up().await;
        scene.link.lose_connections(Loss::Reset);
        scene.is_whole().await;
    }
}
