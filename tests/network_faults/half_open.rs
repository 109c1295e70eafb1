//! Connections that only the proxy still believes in: the node was restarted, or a firewall has forgotten
//! them.

use testkit::link::Loss;

use crate::scene::{Scene, Told};

const TIMES: usize = 3;

#[tokio::test]
async fn idle_connections_that_the_node_has_forgotten_are_replaced_without_a_failed_row() {
    let mut scene = Scene::new().await;
    for _ in 0..TIMES {
        scene.warm_up().await;
        scene.link.lose_connections(Loss::ForgottenByNode);
        scene.is_whole().await;
        scene.is_whole().await;
    }
}

#[tokio::test]
async fn idle_connections_that_never_answer_cost_one_deadline_and_the_next_list_is_whole() {
    let mut scene = Scene::new().await;
    for _ in 0..TIMES {
        scene.warm_up().await;
        scene.link.lose_connections(Loss::SwallowedByNetwork);
        let told = Told {
            state: "NO ANSWER",
            code: 4012,
            info: "no answer after 1.0 s in query",
        };
        scene.misses(&told).await;
        scene.is_whole().await;
    }
}
