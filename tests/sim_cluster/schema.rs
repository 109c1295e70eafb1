//! What consoles ask of a database to draw its tables, for the proxy's own.

use testkit::sim::SimCluster;

use crate::support::{connect, list, server_error, try_list, warden};

#[tokio::test]
async fn tables_and_columns_are_told_and_what_they_tell_can_be_selected() {
    let cluster = SimCluster::start(2).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    let tables = try_list(&mut conn, "SHOW TABLES FROM obwarden")
        .await
        .unwrap();
    let names: Vec<_> = tables
        .rows
        .iter()
        .map(|row| row[0].clone().unwrap())
        .collect();
    assert_eq!(names, ["clients", "kill_log", "server_sessions", "servers"]);
    for table in names {
        let columns = try_list(&mut conn, &format!("DESCRIBE obwarden.{table}"))
            .await
            .unwrap();
        let described: Vec<_> = columns
            .rows
            .iter()
            .map(|row| row[0].clone().unwrap())
            .collect();
        assert_eq!(columns.columns[0], "Field");
        let select = format!("SELECT * FROM obwarden.{table}");
        let selected = try_list(&mut conn, &select);
        assert_eq!(selected.await.unwrap().columns, described, "{table}");
        let statement = format!("SHOW CREATE TABLE obwarden.{table}");
        let create = try_list(&mut conn, &statement);
        let create = create.await.unwrap().rows[0][1].clone().unwrap();
        assert!(
            described.iter().all(|name| create.contains(name)),
            "{create}"
        );
    }
}

#[tokio::test]
async fn questions_are_narrowed_by_like_and_where() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    for (question, count) in [
        ("SHOW FULL TABLES FROM `obwarden` LIKE 'server%'", 2),
        (
            "SHOW TABLES FROM obwarden WHERE Tables_in_obwarden = 'clients'",
            1,
        ),
        ("SHOW COLUMNS FROM servers FROM obwarden LIKE 'zo%'", 1),
        (
            "SHOW FULL COLUMNS FROM obwarden.servers WHERE Field = 'ip'",
            1,
        ),
        ("DESC obwarden.servers zone", 1),
        ("SHOW INDEX FROM obwarden.servers", 0),
        ("SHOW TABLE STATUS FROM obwarden LIKE 'kill%'", 1),
    ] {
        let answer = try_list(&mut conn, question).await;
        let answer = answer.unwrap_or_else(|error| panic!("{question}: {error}"));
        assert_eq!(answer.rows.len(), count, "{question}");
    }
}

#[tokio::test]
async fn it_is_no_database_to_use() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let (code, text) = server_error(try_list(&mut conn, "USE obwarden").await);
    assert_eq!(code, 1049, "{text}");
    assert!(text.contains("obwarden.server_sessions"), "{text}");
}
