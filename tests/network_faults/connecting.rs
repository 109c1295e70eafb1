//! Links that fail while the proxy connects or logs in: each is told apart.

use testkit::link::{Cut, CutEnd, Entrance, Faults, Loss};

use crate::scene::{Scene, Told};

const GREETING: u64 = 0;
const LOGIN: u64 = 1;

/// A node whose connections were all lost, and that new ones meet this fault.
async fn is_told(faults: Faults, told: Told<'_>) {
    let mut scene = Scene::new().await;
    scene.warm_up().await;
    scene.link.set(faults);
    scene.link.lose_connections(Loss::Reset);
    for _ in 0..2 {
        scene.misses(&told).await;
    }
    scene.heals().await;
}

fn cut(from_answer: u64, after_bytes: u64, then: CutEnd) -> Faults {
    Faults::cut(Cut {
        from_answer,
        after_bytes,
        then,
    })
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let told = Told {
        state: "REFUSED",
        code: 1429,
        info: "in connect: ",
    };
    is_told(Faults::entrance(Entrance::Refuse), told).await;
}

#[tokio::test]
async fn a_connect_that_is_never_answered_is_told_apart_from_a_login_that_hangs() {
    let told = Told {
        state: "NO ANSWER",
        code: 1429,
        info: "no connection after 1.0 s in connect",
    };
    is_told(Faults::entrance(Entrance::Deaf), told).await;
}

#[tokio::test]
async fn a_connection_that_is_taken_and_left_alone_hangs_in_login() {
    let told = Told {
        state: "NO ANSWER",
        code: 4012,
        info: "no answer after 1.0 s in login",
    };
    is_told(Faults::entrance(Entrance::Hold), told).await;
}

#[tokio::test]
async fn a_login_that_is_never_answered_hangs_in_login() {
    let told = Told {
        state: "NO ANSWER",
        code: 4012,
        info: "no answer after 1.0 s in login",
    };
    is_told(cut(LOGIN, 0, CutEnd::Stall), told).await;
}

#[tokio::test]
async fn a_reset_right_after_connecting_is_named() {
    let told = Told {
        state: "BROKEN OFF",
        code: 1430,
        info: "broken off after 0.",
    };
    is_told(Faults::entrance(Entrance::Reset), told).await;
}

#[tokio::test]
async fn a_reset_in_the_greeting_is_named() {
    let told = Told {
        state: "BROKEN OFF",
        code: 1430,
        info: "in login: ",
    };
    is_told(cut(GREETING, 20, CutEnd::Reset), told).await;
}

#[tokio::test]
async fn a_reset_in_the_login_is_named() {
    let told = Told {
        state: "BROKEN OFF",
        code: 1430,
        info: "in login: ",
    };
    is_told(cut(LOGIN, 0, CutEnd::Reset), told).await;
}
