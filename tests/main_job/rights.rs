//! What an account may see and end, on real accounts.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::support::real::{Stage, find, kill, list, lives, on_both};
use crate::support::sql_error;

on_both!(
    an_account_without_rights_sees_and_ends_its_own_sessions_only,
    process_shows_all_sessions_and_ends_none,
    super_ends_others_sessions,
    the_right_to_read_the_views_shows_all_sessions,
    a_right_that_is_taken_away_counts_no_more,
);

/// Creates an account on every node and logs it on through obwarden.
async fn log_on(stage: &Stage, user: &str, grants: &str) -> Conn {
    let sql =
        format!("DROP USER IF EXISTS {user}; CREATE USER {user} IDENTIFIED BY 'pass'; {grants}");
    stage.cluster.execute(&sql).await.unwrap();
    let opts = stage.opts().user(Some(user)).pass(Some("pass"));
    Conn::new(opts).await.unwrap()
}

async fn warnings(conn: &mut Conn) -> Vec<(String, u16, String)> {
    conn.query("SHOW WARNINGS").await.unwrap()
}

async fn an_account_without_rights_sees_and_ends_its_own_sessions_only(stage: &Stage) {
    let mut plain = log_on(stage, "plain", "").await;
    let node = stage.cluster.node(1);
    let mut others = stage.session_on(1).await;
    let own = node.opts().user(Some("plain")).pass(Some("pass"));
    let mut own = Conn::new(own).await.unwrap();

    let rows = list(&mut plain, "SHOW FULL SERVER SESSIONS").await;
    assert!(rows.iter().all(|row| row.user == "plain"), "{rows:#?}");
    assert!(find(&rows, node, own.id()).is_some());
    assert!(find(&rows, stage.backend(), plain.id()).is_some());
    let [(level, _, text)] = &warnings(&mut plain).await[..] else {
        panic!("nothing says that sessions are hidden");
    };
    assert_eq!(level, "Note");
    assert!(
        text.contains("not shown") && text.contains("PROCESS"),
        "{text}"
    );

    // What it may not see it is not told about.
    let error = sql_error(plain.query_drop(kill(node, others.id())).await);
    assert_eq!(error.code, 1094, "{error}");
    assert!(lives(&mut others).await);
    plain.query_drop(kill(node, own.id())).await.unwrap();
    assert!(!lives(&mut own).await);
}

async fn process_shows_all_sessions_and_ends_none(stage: &Stage) {
    let mut watcher = log_on(stage, "watcher", "GRANT PROCESS ON *.* TO watcher").await;
    let mut others = stage.session_on(2).await;
    let node = stage.cluster.node(2);
    let rows = list(&mut watcher, "SHOW SERVER SESSIONS").await;
    assert!(find(&rows, node, others.id()).is_some());
    assert_eq!(warnings(&mut watcher).await, []);

    let error = sql_error(watcher.query_drop(kill(node, others.id())).await);
    assert_eq!(
        (error.code, error.state.as_str()),
        (1095, "HY000"),
        "{error}"
    );
    assert!(error.message.contains("SUPER"), "{error}");
    assert!(lives(&mut others).await);
}

async fn super_ends_others_sessions(stage: &Stage) {
    let mut boss = log_on(stage, "boss", "GRANT PROCESS, SUPER ON *.* TO boss").await;
    let mut others = stage.session_on(2).await;
    boss.query_drop(kill(stage.cluster.node(2), others.id()))
        .await
        .unwrap();
    assert!(!lives(&mut others).await);
}

async fn the_right_to_read_the_views_shows_all_sessions(stage: &Stage) {
    let grant = "GRANT SELECT ON oceanbase.* TO reader";
    let mut reader = log_on(stage, "reader", grant).await;
    let mut others = stage.session_on(1).await;
    let rows = list(&mut reader, "SHOW SERVER SESSIONS").await;
    assert!(find(&rows, stage.cluster.node(1), others.id()).is_some());
    let error = sql_error(
        reader
            .query_drop(kill(stage.cluster.node(1), others.id()))
            .await,
    );
    assert_eq!(error.code, 1095, "{error}");
    assert!(lives(&mut others).await);
}

async fn a_right_that_is_taken_away_counts_no_more(stage: &Stage) {
    let mut former = log_on(stage, "former", "GRANT PROCESS ON *.* TO former").await;
    let others = stage.session_on(1).await;
    let rows = list(&mut former, "SHOW SERVER SESSIONS").await;
    assert!(find(&rows, stage.cluster.node(1), others.id()).is_some());
    stage
        .cluster
        .execute("REVOKE PROCESS ON *.* FROM former")
        .await
        .unwrap();
    let rows: Vec<Row> = former.query("SHOW SERVER SESSIONS").await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
}
