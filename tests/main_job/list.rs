//! SHOW SERVER SESSIONS.

use std::net::{Ipv4Addr, SocketAddr};

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket};

use crate::support::real::{Stage, find, list, on_both, through};

on_both!(
    sessions_of_all_nodes_stand_in_one_table,
    a_running_session_shows_its_statement,
    rows_are_ordered_by_zone_address_and_id,
    a_proxied_client_is_listed_with_its_own_address,
    service_sessions_are_in_the_full_list_only_and_marked,
    a_prepared_list_has_typed_binary_rows,
    letter_case_comments_and_semicolons_do_not_matter,
    a_list_without_failures_leaves_no_warning,
);

async fn sessions_of_all_nodes_stand_in_one_table(stage: &Stage) {
    let mut sessions = Vec::new();
    for (at, node) in stage.cluster.nodes().iter().enumerate() {
        let bare = stage.session_on(at).await;
        let with_db = Conn::new(node.opts().db_name(Some("oceanbase")))
            .await
            .unwrap();
        sessions.push((node, bare, with_db));
    }
    let list = stage.list().await;
    for (node, bare, with_db) in &sessions {
        let row = find(&list, node, bare.id()).unwrap();
        assert_eq!((row.port, &row.zone), (node.port(), &node.server().zone));
        assert_eq!((row.user.as_str(), row.command.as_str()), ("root", "Sleep"));
        assert_eq!((&row.db, &row.info), (&None, &None), "{row:?}");
        assert!(row.host.starts_with("127.0.0.1:"), "{row:?}");
        assert_eq!(row.client, row.host);
        let row = find(&list, node, with_db.id()).unwrap();
        assert_eq!(row.db.as_deref(), Some("oceanbase"));
    }
}

async fn a_running_session_shows_its_statement(stage: &Stage) {
    let node = stage.cluster.node(1);
    let statement = format!("SELECT SLEEP(30),\n\t  '{}'", "é".repeat(200));
    let running = stage.run(1, stage.session_on(1).await, &statement).await;

    let mut client = stage.client().await;
    let plain = list(&mut client, "SHOW SERVER SESSIONS").await;
    let row = find(&plain, node, running.id).unwrap();
    let shortened: String = format!("SELECT SLEEP(30), '{}'", "é".repeat(200))
        .chars()
        .take(100)
        .collect();
    assert_eq!(row.command, "Query");
    assert_eq!(row.info.as_deref(), Some(shortened.as_str()));

    let full = list(&mut client, "SHOW FULL SERVER SESSIONS").await;
    let row = find(&full, node, running.id).unwrap();
    assert_eq!(row.info.as_deref(), Some(statement.as_str()));
    client
        .query_drop(crate::support::real::kill(node, running.id))
        .await
        .unwrap();
    running.outcome().await.unwrap_err();
}

async fn rows_are_ordered_by_zone_address_and_id(stage: &Stage) {
    let mut open = Vec::new();
    for node in [2, 0, 1, 0, 2] {
        open.push(stage.session_on(node).await);
    }
    let keys: Vec<_> = stage
        .list()
        .await
        .into_iter()
        .map(|row| (row.zone, row.ip, row.port, row.id))
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
    assert!(keys.len() > open.len());
}

async fn a_proxied_client_is_listed_with_its_own_address(stage: &Stage) {
    let (door, client_address) = arrive_from(Ipv4Addr::new(127, 0, 0, 9), stage).await;
    let opts = through(&stage.warden).tcp_port(door.port());
    let mut client = Conn::new(opts).await.unwrap();
    let own_id: Option<u32> = client.query_first("SELECT CONNECTION_ID()").await.unwrap();
    assert_eq!(own_id, Some(client.id()));

    let list = list(&mut client, "SHOW SERVER SESSIONS").await;
    let row = find(&list, stage.backend(), client.id()).unwrap();
    assert_eq!(row.client, client_address.await.unwrap().to_string());
    assert_ne!(row.host, row.client);
}

/// An address that leads to obwarden; and, once somebody has used it, where obwarden sees them.
async fn arrive_from(
    ip: Ipv4Addr,
    stage: &Stage,
) -> (SocketAddr, tokio::task::JoinHandle<SocketAddr>) {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = door.local_addr().unwrap();
    let warden = stage.warden.addr();
    let arrived = tokio::spawn(async move {
        let (mut near, _) = door.accept().await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((ip, 0))).unwrap();
        let mut far = socket.connect(warden).await.unwrap();
        let local = far.local_addr().unwrap();
        tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        local
    });
    (address, arrived)
}

async fn service_sessions_are_in_the_full_list_only_and_marked(stage: &Stage) {
    let mut client = stage.client().await;
    let full = list(&mut client, "SHOW FULL SERVER SESSIONS").await;
    let service: Vec<_> = full
        .iter()
        .filter(|row| row.warden.as_deref() == Some("service"))
        .collect();
    for node in stage.cluster.nodes() {
        let on_node = service.iter().filter(|row| row.ip == node.ip().to_string());
        assert!((1..=2).contains(&on_node.count()), "{full:#?}");
    }
    let own = find(&full, stage.backend(), client.id()).unwrap();
    assert_eq!(own.warden.as_deref(), Some("client"));

    let plain = list(&mut client, "SHOW SERVER SESSIONS").await;
    for row in service {
        assert!(
            !plain
                .iter()
                .any(|other| (&other.ip, other.id) == (&row.ip, row.id)),
            "{row:?}"
        );
    }
}

async fn a_prepared_list_has_typed_binary_rows(stage: &Stage) {
    let victim = stage.session_on(2).await;
    let mut client = stage.client().await;
    let statement = client.prep("SHOW SERVER SESSIONS").await.unwrap();
    assert_eq!(statement.num_params(), 0);
    assert_eq!(statement.num_columns(), 13);
    let id = &statement.columns()[3];
    assert_eq!(id.column_type(), ColumnType::MYSQL_TYPE_LONGLONG);
    assert!(id.flags().contains(ColumnFlags::UNSIGNED_FLAG));
    for _ in 0..2 {
        let rows: Vec<Row> = client.exec(&statement, ()).await.unwrap();
        let row = rows
            .iter()
            .find(|row| {
                row["Ip"] == Value::from("127.0.0.3") && row["Id"] == Value::Int(victim.id().into())
            })
            .unwrap();
        assert_eq!(row["Port"], Value::Int(stage.cluster.node(2).port().into()));
        assert!(matches!(row["Time"], Value::Int(_)), "{row:?}");
        assert_eq!((&row["db"], &row["Info"]), (&Value::NULL, &Value::NULL));
    }
    client.close(statement).await.unwrap();
    let rows: Vec<Row> = client.exec("SHOW FULL SERVER SESSIONS", ()).await.unwrap();
    assert!(
        rows.iter()
            .any(|row| row["Warden"] == Value::from("service"))
    );
}

async fn letter_case_comments_and_semicolons_do_not_matter(stage: &Stage) {
    let mut client = stage.client().await;
    for sql in [
        "show server sessions",
        "SHOW  SERVER\n\tSESSIONS;",
        "/* ApplicationName=a */ Show Server Sessions ; ;",
        "-- what goes on?\nSHOW /* all */ SERVER SESSIONS # that is all",
    ] {
        let rows = list(&mut client, sql).await;
        assert!(find(&rows, stage.backend(), client.id()).is_some(), "{sql}");
    }
}

async fn a_list_without_failures_leaves_no_warning(stage: &Stage) {
    let mut client = stage.client().await;
    let result = client.query_iter("SHOW SERVER SESSIONS").await.unwrap();
    let (_, warnings): (Vec<Row>, u16) = {
        let mut result = result;
        let rows = result.collect().await.unwrap();
        (rows, result.warnings())
    };
    assert_eq!(warnings, 0);
    let warnings: Vec<Row> = client.query("SHOW WARNINGS").await.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
}
