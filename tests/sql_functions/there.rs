//! MariaDB's side.

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};
use testkit::mariadb::MariadbCluster;
use tokio::sync::OnceCell;

use crate::here::NOW;
use crate::rows::{Cell, SERVER_ROWS, SERVERS, SESSION_ROWS, SESSIONS};
use crate::{Kind, Table};

/// A session on a server that has the tables.
pub(crate) async fn connect() -> Conn {
    static SERVER: OnceCell<MariadbCluster> = OnceCell::const_new();
    let server = SERVER
        .get_or_init(async || {
            let server = MariadbCluster::start(1).await.expect("a mariadb node");
            let mut conn = server.node(0).connect().await.expect("a login");
            fill(&mut conn).await;
            server
        })
        .await;
    let mut conn = server.node(0).connect().await.expect("a login");
    for setting in [
        "SET NAMES utf8mb4 COLLATE utf8mb4_general_nopad_ci".to_owned(),
        "SET time_zone = '+00:00'".to_owned(),
        format!("SET timestamp = {NOW}"),
    ] {
        conn.query_drop(setting).await.expect("a setting");
    }
    conn
}

async fn fill(conn: &mut Conn) {
    conn.query_drop("CREATE DATABASE obwarden")
        .await
        .expect("a database");
    let sessions: Vec<&[Cell]> = SESSION_ROWS.iter().map(|row| &row[..]).collect();
    let servers: Vec<&[Cell]> = SERVER_ROWS.iter().map(|row| &row[..]).collect();
    for (name, columns, rows) in [
        ("server_sessions", SESSIONS, sessions),
        ("servers", SERVERS, servers),
    ] {
        let declared: Vec<String> = columns
            .iter()
            .map(|(name, _, sql)| format!("`{name}` {sql}"))
            .collect();
        let create = format!(
            "CREATE TABLE obwarden.{name} ({}) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_nopad_ci",
            declared.join(",")
        );
        conn.query_drop(create).await.expect("a table");
        let marks = vec!["?"; columns.len()].join(",");
        for row in rows {
            let values: Vec<Value> = row.iter().map(|cell| value(*cell)).collect();
            let insert = format!("INSERT INTO obwarden.{name} VALUES ({marks})");
            conn.exec_drop(insert, Params::Positional(values))
                .await
                .expect("a row");
        }
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Whole(number) => number.into(),
        Cell::Real(number) => number.into(),
        Cell::Text(text) => text.into(),
    }
}

/// Runs a statement.
pub(crate) async fn run(conn: &mut Conn, text: &str) -> mysql_async::Result<Table> {
    let mut result = conn.query_iter(text).await?;
    let columns = result.columns().expect("a result set");
    let rows: Vec<mysql_async::Row> = result.collect().await?;
    let kinds = columns.iter().map(|column| match column.column_type() {
        ColumnType::MYSQL_TYPE_NULL => None,
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG => Some(Kind::Whole),
        ColumnType::MYSQL_TYPE_NEWDECIMAL if column.decimals() == 0 => Some(Kind::Whole),
        ColumnType::MYSQL_TYPE_NEWDECIMAL => Some(Kind::Decimal(column.decimals())),
        ColumnType::MYSQL_TYPE_DOUBLE | ColumnType::MYSQL_TYPE_FLOAT => Some(Kind::Real),
        _ => Some(Kind::Text),
    });
    Ok(Table {
        names: columns
            .iter()
            .map(|column| column.name_str().into_owned())
            .collect(),
        kinds: kinds.collect(),
        rows: rows
            .into_iter()
            .map(|row| row.unwrap().into_iter().map(text_of).collect())
            .collect(),
    })
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("UTF-8")),
        other => panic!("{other:?} in a text result"),
    }
}
