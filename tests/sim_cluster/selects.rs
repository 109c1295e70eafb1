//! SELECTs over the proxy's own tables: sessions of all nodes, servers, clients and kills.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::sim::{Behaviour, SimAccount, SimCluster, SimSession};

use crate::support::{
    connect, connect_as, list, run, server_error, show_warnings, soon, try_list, warden,
};

/// Three nodes; on each two sessions of `app`, of which one runs, and on the last one of `batch`.
async fn cluster() -> SimCluster {
    let cluster = SimCluster::start(3).await.unwrap();
    for node in cluster.nodes() {
        let running = SimSession {
            id: 11,
            ..SimSession::running("UPDATE t SET a = 1", Duration::from_secs(70))
        };
        let idle = SimSession {
            id: 12,
            ..SimSession::default()
        };
        node.set_sessions(vec![running, idle]);
    }
    let mut batch = SimSession::running("LOAD", Duration::from_secs(5));
    (batch.id, batch.user) = (13, "batch".to_owned());
    cluster.node(2).add_session(batch);
    cluster
}

async fn rows(conn: &mut Conn, query: &str) -> Vec<String> {
    let selected = try_list(conn, query).await;
    let selected = selected.unwrap_or_else(|error| panic!("{query}: {error}"));
    let row = |row: &Vec<Option<String>>| {
        let values = row.iter().map(|value| value.as_deref().unwrap_or("NULL"));
        values.collect::<Vec<_>>().join(" ")
    };
    selected.rows.iter().map(row).collect()
}

#[tokio::test]
async fn sessions_of_the_whole_cluster_are_grouped() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let grouped = rows(
        &mut conn,
        "SELECT user, COUNT(*) total, SUM(command <> 'Sleep') active, MAX(time) FROM \
         obwarden.server_sessions WHERE user <> 'root' GROUP BY user ORDER BY total DESC",
    );
    assert_eq!(grouped.await, ["app 6 3 70", "batch 1 1 5"]);
}

#[tokio::test]
async fn tables_are_joined_with_one_another() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let joined = rows(
        &mut conn,
        "SELECT v.id, COUNT(s.id) FROM obwarden.servers v LEFT JOIN obwarden.server_sessions s \
         ON s.ip = v.ip AND s.sql_port = v.port AND s.user = 'batch' GROUP BY v.id ORDER BY v.id",
    );
    assert_eq!(joined.await, ["1 0", "2 0", "3 1"]);
    // The session that asks is a client of the proxy, and one of its server.
    let itself = rows(
        &mut conn,
        "SELECT s.user, s.warden, c.command FROM obwarden.clients c JOIN obwarden.server_sessions s \
         ON CONCAT(s.ip, ':', s.port) = c.server AND s.id = c.id WHERE c.id = CONNECTION_ID()",
    );
    assert_eq!(itself.await.len(), 1);
}

#[tokio::test]
async fn subqueries_ctes_windows_and_unions_are_evaluated() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    for (query, expected) in [
        (
            "WITH a AS (SELECT ip, user FROM obwarden.server_sessions WHERE user = 'batch') \
             SELECT COUNT(*) FROM a",
            vec!["1"],
        ),
        (
            "SELECT DISTINCT user FROM obwarden.server_sessions WHERE time = \
             (SELECT MAX(time) FROM obwarden.server_sessions)",
            vec!["app"],
        ),
        (
            "SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) r FROM obwarden.servers ORDER BY r",
            vec!["3 1", "2 2", "1 3"],
        ),
        (
            "SELECT 'servers' what, COUNT(*) n FROM obwarden.servers UNION ALL \
             SELECT 'busy', COUNT(*) FROM obwarden.server_sessions WHERE user = 'app' AND command = 'Query' ORDER BY n, what",
            vec!["busy 3", "servers 3"],
        ),
    ] {
        assert_eq!(rows(&mut conn, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_failed_node_is_a_warning_and_counts_nothing() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    cluster.node(2).set_behaviour(Behaviour::Refuse);
    let count = "SELECT COUNT(*) FROM obwarden.server_sessions WHERE user = 'app'";
    assert_eq!(rows(&mut conn, count).await, ["4"]);
    let warnings = show_warnings(&mut conn).await;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].2.contains(&cluster.node(2).addr().to_string())
            && warnings[0].2.contains("NOT in this list"),
        "{warnings:?}"
    );
    let failed = "SELECT id FROM obwarden.servers WHERE reachable = 'NO'";
    assert_eq!(rows(&mut conn, failed).await, ["3"]);
}

#[tokio::test]
async fn nothing_but_an_error_is_given_when_no_node_answers() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &["--rights", "server"]).await;
    let mut conn = connect(&warden).await;
    list(&mut conn).await;
    for node in cluster.nodes() {
        node.set_behaviour(Behaviour::HangInQuery);
    }
    let count = try_list(&mut conn, "SELECT COUNT(*) FROM obwarden.server_sessions");
    let (code, text) = server_error(count.await);
    assert_eq!(code, 1105, "{text}");
    for node in cluster.nodes() {
        assert!(text.contains(&node.addr().to_string()), "{text}");
    }
    // The table of servers is one also then.
    let servers = "SELECT COUNT(*) FROM obwarden.servers WHERE reachable = 'NO'";
    assert_eq!(rows(&mut conn, servers).await, ["3"]);
}

#[tokio::test]
async fn an_account_without_rights_selects_its_own_sessions_and_is_told() {
    let cluster = cluster().await;
    cluster.set_accounts(vec![SimAccount::root(), SimAccount::new("app")]);
    let mine = SimSession {
        tenant: "sys".to_owned(),
        ..SimSession::default()
    };
    cluster.node(1).add_session(mine);
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect_as(&warden, "app@sys").await;
    let all = rows(
        &mut conn,
        "SELECT DISTINCT user FROM obwarden.server_sessions",
    );
    assert_eq!(all.await, ["app"]);
    let notes = show_warnings(&mut conn).await;
    assert!(notes[0].2.contains("needs PROCESS"), "{notes:?}");
}

#[tokio::test]
async fn the_last_kills_are_a_table() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let kill = format!(
        "KILL SERVER SESSION {} 12 COMMENT 'why'",
        cluster.node(1).addr()
    );
    run(&mut conn, &kill).await.unwrap();
    let log = "SELECT account, kind, id, victim_user, reason, code, outcome FROM obwarden.kill_log";
    assert_eq!(
        rows(&mut conn, log).await,
        ["root SESSION 12 app why 0 killed"]
    );
}

#[tokio::test]
async fn what_is_not_there_or_not_evaluated_is_named() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    for (query, code, named) in [
        ("SELECT nothing FROM obwarden.servers", 1054, "nothing"),
        ("SELECT * FROM obwarden.sessions", 1146, "sessions"),
        (
            "SELECT * FROM obwarden.servers s JOIN oceanbase.__all_server a ON a.id = s.id",
            1235,
            "__all_server",
        ),
        (
            "SELECT SOUNDEX(zone) FROM obwarden.servers",
            1235,
            "SOUNDEX",
        ),
        ("SELECT * FROM obwarden.servers WHERE", 1064, ""),
        ("SELECT id FROM obwarden.servers WHERE id = ?", 1064, ""),
    ] {
        let (seen, text) = server_error(try_list(&mut conn, query).await);
        assert_eq!(seen, code, "{query}: {text}");
        assert!(
            text.to_lowercase().contains(&named.to_lowercase()),
            "{query}: {text}"
        );
    }
}

#[tokio::test]
async fn a_client_that_asks_for_kinds_gets_numbers_as_numbers() {
    let cluster = cluster().await;
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    let query = "SELECT user, COUNT(*), AVG(time), MIN(id) / 2 FROM obwarden.server_sessions \
                 WHERE user = ? AND time >= ? GROUP BY user";
    let selected: Vec<(String, u64, String, String)> =
        soon("a prepared SELECT", conn.exec(query, ("app", 70)))
            .await
            .unwrap();
    let expected = (
        "app".to_owned(),
        3,
        "70.0000".to_owned(),
        "5.5000".to_owned(),
    );
    assert_eq!(selected, [expected]);
}
