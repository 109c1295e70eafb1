//! Everything that is no virtual statement: as on a direct connection.

use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use crate::support::real::{Stage, on_both};
use crate::support::sql_error;

on_both!(
    answers_are_those_of_a_direct_connection,
    a_scratch_database_is_filled_read_and_dropped,
    a_transaction_rolls_back_and_commits,
    the_connection_id_is_the_servers,
    prepared_statements_are_the_servers,
    bytes_that_are_no_utf8_pass_unchanged,
    errors_are_the_servers_own,
);

async fn answers_are_those_of_a_direct_connection(stage: &Stage) {
    let (mut direct, mut proxied) = (stage.session_on(0).await, stage.client().await);
    for sql in [
        "SELECT 1",
        "SHOW DATABASES LIKE 'oceanbase'",
        "SELECT VERSION(), @@version_comment",
        "SHOW TABLES FROM oceanbase LIKE '%server%'",
        "SELECT svr_ip, inner_port FROM oceanbase.__all_server ORDER BY id",
        "SELECT USER(), CURRENT_USER()",
        "SHOW GRANTS",
        "SHOW VARIABLES LIKE 'character_set%'",
        "SELECT NULL, '', 0",
    ] {
        let expected: Vec<Row> = direct.query(sql).await.expect(sql);
        let rows: Vec<Row> = proxied.query(sql).await.expect(sql);
        assert_eq!(values(rows), values(expected), "{sql}");
    }
}

fn values(rows: Vec<Row>) -> Vec<Vec<Value>> {
    rows.into_iter().map(Row::unwrap).collect()
}

async fn a_scratch_database_is_filled_read_and_dropped(stage: &Stage) {
    let mut client = stage.client().await;
    client.query_drop("CREATE DATABASE scratch").await.unwrap();
    let databases: Vec<String> = client.query("SHOW DATABASES").await.unwrap();
    assert!(
        databases.iter().any(|name| name == "scratch"),
        "{databases:?}"
    );
    client.query_drop("USE scratch").await.unwrap();
    let database: Option<String> = client.query_first("SELECT DATABASE()").await.unwrap();
    assert_eq!(database.as_deref(), Some("scratch"));
    client
        .query_drop("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))")
        .await
        .unwrap();
    let inserted = client
        .query_iter("INSERT INTO t VALUES (1, 'a'), (2, 'ü')")
        .await
        .unwrap();
    assert_eq!(inserted.affected_rows(), 2);
    drop(inserted);
    client
        .query_drop("UPDATE t SET name = 'b' WHERE id = 1")
        .await
        .unwrap();
    let rows: Vec<(u32, String)> = client.query("SELECT * FROM t ORDER BY id").await.unwrap();
    assert_eq!(rows, [(1, "b".into()), (2, "ü".into())]);

    // What the proxied session has done is where its backend is, and its `db` is listed.
    let list = crate::support::real::list(&mut client, "SHOW SERVER SESSIONS").await;
    let own = crate::support::real::find(&list, stage.backend(), client.id()).unwrap();
    assert_eq!(own.db.as_deref(), Some("scratch"));
    client.query_drop("DROP DATABASE scratch").await.unwrap();
}

async fn a_transaction_rolls_back_and_commits(stage: &Stage) {
    let mut client = stage.client().await;
    client
        .query_drop("CREATE DATABASE IF NOT EXISTS bank")
        .await
        .unwrap();
    client
        .query_drop("CREATE TABLE bank.t (id INT PRIMARY KEY)")
        .await
        .unwrap();
    for (end, left) in [("ROLLBACK", 0), ("COMMIT", 1)] {
        client.query_drop("BEGIN").await.unwrap();
        client
            .query_drop("INSERT INTO bank.t VALUES (1)")
            .await
            .unwrap();
        // A virtual statement in between is no part of it.
        client.query_drop("SHOW SERVER SESSIONS").await.unwrap();
        let other: Option<u32> = stage
            .client()
            .await
            .query_first("SELECT COUNT(*) FROM bank.t")
            .await
            .unwrap();
        assert_eq!(other, Some(0), "before {end}");
        client.query_drop(end).await.unwrap();
        let count: Option<u32> = client
            .query_first("SELECT COUNT(*) FROM bank.t")
            .await
            .unwrap();
        assert_eq!(count, Some(left), "after {end}");
    }
    client.query_drop("DROP DATABASE bank").await.unwrap();
}

async fn the_connection_id_is_the_servers(stage: &Stage) {
    let mut client = stage.client().await;
    let id: Option<u32> = client.query_first("SELECT CONNECTION_ID()").await.unwrap();
    assert_eq!(id, Some(client.id()), "the handshake says another id");
    let list = crate::support::real::list(&mut client, "SHOW SERVER SESSIONS").await;
    assert!(crate::support::real::find(&list, stage.backend(), client.id()).is_some());
}

async fn prepared_statements_are_the_servers(stage: &Stage) {
    let mut client = stage.client().await;
    let sum = client.prep("SELECT ? + 1, UPPER(?)").await.unwrap();
    for n in [1_i64, -5] {
        // Between the server's own statements one of the console's, with an id of its own.
        let rows: Vec<Row> = client.exec("SHOW SERVER SESSIONS", ()).await.unwrap();
        assert!(!rows.is_empty());
        let row: Option<(i64, String)> = client.exec_first(&sum, (n, "abc")).await.unwrap();
        assert_eq!(row, Some((n + 1, "ABC".to_owned())));
    }
}

async fn bytes_that_are_no_utf8_pass_unchanged(stage: &Stage) {
    let sql = b"SELECT HEX(_binary'\xff\xfe\x80') /* \xe9t\xe9 */";
    let (mut direct, mut proxied) = (stage.session_on(0).await, stage.client().await);
    let expected: Option<String> = direct.query_first(&sql[..]).await.unwrap();
    let hex: Option<String> = proxied.query_first(&sql[..]).await.unwrap();
    assert_eq!(hex, expected);
    assert_eq!(hex.as_deref(), Some("FFFE80"));

    let error = sql_error(
        proxied
            .query_drop(&b"SHOW SERVER SESSIONS '\xff'"[..])
            .await,
    );
    assert_eq!(error.code, 1300, "{error}");
}

async fn errors_are_the_servers_own(stage: &Stage) {
    let (mut direct, mut proxied) = (stage.session_on(0).await, stage.client().await);
    for sql in [
        "SELEKT 1",
        "SELECT * FROM no_such_database.t",
        "KILL 4294967290",
        "SHOW SERVER STATUS OF ALL",
        "KILL",
    ] {
        let expected = sql_error(direct.query_drop(sql).await);
        let error = sql_error(proxied.query_drop(sql).await);
        assert_eq!(error, expected, "{sql}");
    }
}
