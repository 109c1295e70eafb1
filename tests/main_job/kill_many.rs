//! KILL SERVER {SESSIONS | QUERIES} WHERE, and what EXPLAIN says of it, on real servers.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::support::real::{Stage, lives, on_both};
use crate::support::sql_error;

on_both!(
    all_sessions_of_a_user_on_three_nodes_are_gone_and_others_live,
    statements_that_are_picked_end_on_three_nodes_and_their_sessions_live,
);

/// A session of `user`'s on each node; the account is made there.
async fn one_on_each(stage: &Stage, user: &str) -> Vec<Conn> {
    stage
        .cluster
        .execute(&format!("CREATE USER IF NOT EXISTS {user}"))
        .await
        .unwrap();
    let mut sessions = Vec::new();
    for node in stage.cluster.nodes() {
        let opts = crate::support::opts(node.addr(), user);
        sessions.push(Conn::new(opts).await.expect("a login"));
    }
    sessions
}

/// Runs a KILL of many, and gives affected rows, warnings and counts.
async fn kill(client: &mut Conn, what: &str) -> (u64, u16, String) {
    let sql = format!("KILL SERVER {what}");
    let killed = client.query_iter(&sql).await.expect(&sql);
    let told = (
        killed.affected_rows(),
        killed.warnings(),
        killed.info().into_owned(),
    );
    killed.drop_result().await.unwrap();
    told
}

async fn all_sessions_of_a_user_on_three_nodes_are_gone_and_others_live(stage: &Stage) {
    let mut victims = one_on_each(stage, "many_sleepers").await;
    let mut others = one_on_each(stage, "many_others").await;
    let mut client = stage.client().await;
    let what = "SESSIONS WHERE User = 'many_sleepers' AND Command = 'Sleep' ORDER BY Time DESC";
    let explained: Vec<Row> = client
        .query(format!("EXPLAIN KILL SERVER {what}"))
        .await
        .unwrap();
    let verdicts = explained.iter().map(|row| row.get::<String, _>("Verdict"));
    assert!(verdicts.eq(vec![Some("killable".to_owned()); 3]));
    for victim in &mut victims {
        assert!(lives(victim).await, "EXPLAIN has killed it");
    }

    let info = "Matched: 3  Killed: 3  Failed: 0".to_owned();
    assert_eq!(kill(&mut client, what).await, (3, 0, info));
    for victim in &mut victims {
        assert!(!lives(victim).await);
    }
    for other in &mut others {
        assert!(lives(other).await);
    }
}

async fn statements_that_are_picked_end_on_three_nodes_and_their_sessions_live(stage: &Stage) {
    let mut running = Vec::new();
    for node in 0..3 {
        let session = stage.session_on(node).await;
        let statement = "SELECT SLEEP(30) /* many of them */";
        running.push(stage.run(node, session, statement).await);
    }
    let mut client = stage.client().await;
    let what = "QUERIES WHERE Info LIKE '%/* many of them%' AND Info LIKE 'SELECT SLEEP%' COMMENT 'too many'";
    let info = "Matched: 3  Killed: 3  Failed: 0".to_owned();
    assert_eq!(kill(&mut client, what).await, (3, 0, info));
    for statement in running {
        let (ended, mut session) = statement.ended().await;
        assert_eq!(sql_error(ended).code, 1317);
        assert!(lives(&mut session).await);
    }
}
