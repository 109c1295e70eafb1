//! SHOW SERVERS.

use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use crate::support::real::{Stage, on_both, until};

on_both!(
    every_server_is_shown_and_answers,
    the_number_of_sessions_grows_with_them,
    a_prepared_list_of_servers_has_numbers,
);

async fn every_server_is_shown_and_answers(stage: &Stage) {
    let mut client = stage.client().await;
    let rows: Vec<Row> = client.query("SHOW SERVERS").await.unwrap();
    assert_eq!(rows.len(), stage.cluster.nodes().len());
    let text = |row: &Row, column: &str| row.get::<Option<String>, _>(column).unwrap();
    for (row, node) in rows.iter().zip(stage.cluster.nodes()) {
        assert_eq!(text(row, "Ip"), Some(node.ip().to_string()));
        assert_eq!(text(row, "Port"), Some(node.port().to_string()));
        assert_eq!(text(row, "Id"), Some(node.server().id.to_string()));
        assert_eq!(text(row, "Zone").as_ref(), Some(&node.server().zone));
        assert_eq!(text(row, "Status").as_deref(), Some("ACTIVE"));
        assert_eq!(
            text(row, "Build").as_ref(),
            Some(&node.server().build_version)
        );
        let root = if node.server().id == 1 { "YES" } else { "NO" };
        assert_eq!(text(row, "With_rootserver").as_deref(), Some(root));
        let started = text(row, "Start_service_time");
        assert_eq!(started.as_deref(), Some("2024-07-22 18:01:39"));
        assert_eq!(text(row, "Stop_time"), None);
        assert_eq!(text(row, "Reachable").as_deref(), Some("YES"));
        assert_eq!(text(row, "Error"), None);
        assert!(text(row, "Last_seen").is_some() && text(row, "Latency_ms").is_some());
    }
    let warnings: Vec<Row> = client.query("SHOW WARNINGS").await.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
}

async fn the_number_of_sessions_grows_with_them(stage: &Stage) {
    let mut client = stage.client().await;
    let mut sessions = async || -> u64 {
        let rows: Vec<Row> = client.query("SHOW SERVERS").await.unwrap();
        rows[1].get("Sessions").unwrap()
    };
    // Other tests come and go, but none opens so many.
    const MANY: usize = 60;
    let before = sessions().await;
    let mut open = Vec::new();
    for _ in 0..MANY {
        open.push(stage.session_on(1).await);
    }
    assert!(sessions().await + 20 >= before + MANY as u64);
    drop(open);
    until("they are gone", async || {
        sessions().await < before + MANY as u64 / 2
    })
    .await;
}

async fn a_prepared_list_of_servers_has_numbers(stage: &Stage) {
    let mut client = stage.client().await;
    let rows: Vec<Row> = client.exec("SHOW SERVERS", ()).await.unwrap();
    for (row, node) in rows.iter().zip(stage.cluster.nodes()) {
        assert_eq!(row["Port"], Value::Int(node.port().into()));
        assert!(matches!(row["Sessions"], Value::Int(1..)), "{row:?}");
        assert_eq!(row["Stop_time"], Value::NULL);
    }
}
