//! KILL SERVER QUERY on real servers: the statement ends, its session lives.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Node;

use crate::support::real::{Stage, lives, on_both};
use crate::support::{show_warnings, sql_error};

on_both!(
    a_running_statement_ends_and_its_session_lives,
    an_idle_session_is_left_alone_and_its_next_statement_runs,
    a_statement_of_a_transaction_ends_and_the_transaction_goes_on,
    a_proxied_clients_statement_ends,
);

fn kill_query(node: &Node, id: u32) -> String {
    format!("KILL SERVER QUERY {} {id} COMMENT 'too long'", node.ip())
}

async fn a_running_statement_ends_and_its_session_lives(stage: &Stage) {
    let session = stage.session_on(2).await;
    let running = stage.run(2, session, "SELECT SLEEP(30)").await;
    let mut client = stage.client().await;
    let statement = kill_query(stage.cluster.node(2), running.id);
    client.query_drop(&statement).await.unwrap();
    assert_eq!(client.get_warnings(), 0);
    let (ended, mut session) = running.ended().await;
    assert_eq!(sql_error(ended).code, 1317);
    assert!(lives(&mut session).await);
}

async fn an_idle_session_is_left_alone_and_its_next_statement_runs(stage: &Stage) {
    let node = stage.cluster.node(1);
    let mut idle = stage.session_on(1).await;
    let mut client = stage.client().await;
    client
        .query_drop(kill_query(node, idle.id()))
        .await
        .unwrap();
    assert_eq!(client.get_warnings(), 1);
    let shown = show_warnings(&mut client).await;
    let said = format!("nothing was killed: {} on {}", idle.id(), node.addr());
    assert!(
        shown[0].2.starts_with(&said) && shown[0].2.ends_with("runs no statement"),
        "{shown:?}"
    );
    let one: Option<u8> = idle.query_first("SELECT 1").await.unwrap();
    assert_eq!(one, Some(1));
}

async fn a_statement_of_a_transaction_ends_and_the_transaction_goes_on(stage: &Stage) {
    let mut session = stage.session_on(1).await;
    session
        .query_drop(
            "CREATE DATABASE IF NOT EXISTS kill_query;
             CREATE TABLE IF NOT EXISTS kill_query.stock (id INT PRIMARY KEY, left_over INT);
             REPLACE INTO kill_query.stock VALUES (1, 10)",
        )
        .await
        .unwrap();
    session.query_drop("BEGIN").await.unwrap();
    session
        .query_drop("UPDATE kill_query.stock SET left_over = 7 WHERE id = 1")
        .await
        .unwrap();
    let running = stage.run(1, session, "SELECT SLEEP(30)").await;
    let mut client = stage.client().await;
    let statement = kill_query(stage.cluster.node(1), running.id);
    client.query_drop(&statement).await.unwrap();
    let (ended, mut session) = running.ended().await;
    assert_eq!(sql_error(ended).code, 1317);
    session.query_drop("COMMIT").await.unwrap();
    let mut other: Conn = stage.session_on(1).await;
    let left: Option<u8> = other
        .query_first("SELECT left_over FROM kill_query.stock WHERE id = 1")
        .await
        .unwrap();
    assert_eq!(left, Some(7));
}

async fn a_proxied_clients_statement_ends(stage: &Stage) {
    let running = stage.run(0, stage.client().await, "SELECT SLEEP(30)").await;
    let mut client = stage.client().await;
    let statement = kill_query(stage.backend(), running.id);
    client.query_drop(&statement).await.unwrap();
    assert_eq!(client.get_warnings(), 0);
    let (ended, mut session) = running.ended().await;
    assert_eq!(sql_error(ended).code, 1317);
    assert!(lives(&mut session).await);
}
