//! Prepared statements of the proxy's own, with values of the types that clients send; and cursors over lists that
//! are longer than anybody wants to keep.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};
use testkit::sim::{SimCluster, SimSession};
use testkit::warden::Warden;

use crate::kill::{QUICK, kills_of};
use crate::support::{RawClient, SOON, connect, run, server_error, soon, until, warden};

async fn setup() -> (SimCluster, Warden, Conn) {
    let cluster = SimCluster::start(3).await.unwrap();
    let warden = warden(&cluster, QUICK).await;
    let conn = connect(&warden).await;
    (cluster, warden, conn)
}

#[tokio::test]
async fn a_prepared_kill_takes_server_id_and_reason_of_every_type_that_a_driver_may_choose() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let kill = conn.prep("KILL SERVER SESSION ? ?").await.unwrap();
    assert_eq!((kill.num_params(), kill.num_columns()), (2, 0));
    let address = node.addr().to_string();
    for of_type in [
        |id: u32| Value::UInt(id.into()),
        |id: u32| Value::Int(id.into()),
        |id: u32| Value::Double(id.into()),
        |id: u32| Value::Bytes(id.to_string().into_bytes()),
    ] {
        let id = node.add_session(SimSession::default());
        let parameters = vec![Value::from(&address), of_type(id)];
        conn.exec_drop(&kill, parameters).await.unwrap();
        assert!(!node.has_session(id));
    }
    assert_eq!(kills_of(&cluster).len(), 4);

    let id = node.add_session(SimSession::default());
    let reason = "it's */ the ? one";
    let parameters: Params = (node.ip().to_string(), id, reason).into();
    let statement = "KILL SERVER SESSION ? ? COMMENT ?";
    conn.exec_drop(statement, parameters).await.unwrap();
    let kills = kills_of(&cluster);
    let sent = kills.last().unwrap();
    assert!(sent.ends_with(": its  the ? one */"), "{sent}");
}

#[tokio::test]
async fn the_record_of_a_prepared_kill_has_its_values() {
    let (cluster, warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let id = node.add_session(SimSession::default());
    let ip = node.ip().to_string();
    let parameters: Params = (&ip, id).into();
    let statement = "KILL SERVER SESSION ? ?";
    conn.exec_drop(statement, parameters).await.unwrap();
    until("the kill is recorded with its values", SOON, async || {
        let log = warden.log();
        let expected = format!("KILL SERVER SESSION '{ip}' {id}");
        if log.contains(&expected) {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
}

#[tokio::test]
async fn values_that_are_no_server_and_no_id_kill_nothing() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    let ip = node.ip().to_string();
    let id = node.add_session(SimSession::default());
    let mut kill = async |server: Value, id: Value| {
        let result = conn
            .exec_drop("KILL SERVER SESSION ? ?", vec![server, id])
            .await;
        server_error(result).0
    };
    for (server, id) in [
        (Value::from(&ip), Value::NULL),
        (Value::from(&ip), Value::Int(-1)),
        (Value::from(&ip), Value::from("7 OR 1 = 1")),
        (Value::from(&ip), Value::UInt(u64::MAX)),
        (Value::NULL, Value::UInt(id.into())),
        (Value::from(format!("{ip} {id} --")), Value::UInt(id.into())),
        (Value::from("localhost"), Value::UInt(id.into())),
    ] {
        assert_eq!(kill(server, id).await, 1210);
    }
    assert!(kills_of(&cluster).is_empty() && node.has_session(id));
}

#[tokio::test]
async fn a_list_asks_the_servers_that_are_given_as_parameters() {
    let (cluster, _warden, mut conn) = setup().await;
    for node in cluster.nodes() {
        node.add_session(SimSession::default());
    }
    let [one, two] = [1, 2].map(|at| cluster.node(at).addr().to_string());
    let statement = "SHOW SERVER SESSIONS FROM ?, ?";
    let rows: Vec<mysql_async::Row> = conn.exec(statement, (&one, &two)).await.unwrap();
    let addr = |row: &mysql_async::Row| {
        let ip: String = row.get("Ip").unwrap();
        let port: u16 = row.get("Port").unwrap();
        format!("{ip}:{port}")
    };
    let mut asked: Vec<String> = rows.iter().map(addr).collect();
    asked.dedup();
    assert_eq!(asked, [one, two]);
}

#[tokio::test]
async fn a_placeholder_has_no_value_in_a_plain_query() {
    let (cluster, _warden, mut conn) = setup().await;
    let result = conn.query_drop("KILL SERVER SESSION ? 7").await;
    assert_eq!(server_error(result).0, 1064);
    assert!(kills_of(&cluster).is_empty());
}

/// Any password will do for a simulated node.
const SCRAMBLED: &[u8] = &[1; 20];

/// The flags at the end of rows, without CLIENT_DEPRECATE_EOF.
fn end_flags(packet: &[u8]) -> Option<u16> {
    match *packet {
        [0xfe, _, _, low, high] => Some(u16::from_le_bytes([low, high])),
        _ => None,
    }
}

#[tokio::test]
async fn a_cursor_gives_a_long_list_piece_by_piece_and_to_its_last_row() {
    const CURSOR_EXISTS: u16 = 0x40;
    const LAST_ROW_SENT: u16 = 0x80;
    const ROWS: u32 = 20_000;
    let cluster = SimCluster::start(1).await.unwrap();
    cluster.node(0).hold_sessions(ROWS);
    let warden = warden(&cluster, &[]).await;
    let mut client = RawClient::greeted(warden.addr()).await;
    client.log_in("root", SCRAMBLED).await;
    client.send(0, b"\x16SHOW SERVER SESSIONS").await;
    let prepared = client.read().await.unwrap();
    let id = prepared[1..5].to_vec();
    while end_flags(&client.read().await.unwrap()).is_none() {}
    let execute = [&[0x17], &id[..], &[1, 1, 0, 0, 0]].concat();
    client.send(0, &execute).await;
    let opened = async {
        loop {
            if let Some(flags) = end_flags(&client.read().await.unwrap()) {
                return flags;
            }
        }
    };
    assert_ne!(soon("the cursor is open", opened).await & CURSOR_EXISTS, 0);
    let mut rows = 0_u32;
    loop {
        let fetch = [&[0x1c], &id[..], &777_u32.to_le_bytes()].concat();
        client.send(0, &fetch).await;
        let mut fetched = 0;
        let flags = loop {
            match end_flags(&client.read().await.unwrap()) {
                Some(flags) => break flags,
                None => fetched += 1,
            }
        };
        rows += fetched;
        if flags & LAST_ROW_SENT != 0 {
            assert_eq!(flags & CURSOR_EXISTS, 0);
            break;
        }
        assert_eq!(fetched, 777);
        // Other statements come between two fetches.
        client.send(0, &[0x0e]).await;
        assert_eq!(client.read().await.unwrap()[0], 0);
    }
    assert!(rows >= ROWS, "{rows}");
}

#[tokio::test]
async fn rows_are_picked_by_parameters_in_lists_and_in_selects() {
    let (cluster, _warden, mut conn) = setup().await;
    let node = cluster.node(1);
    for id in 11..=14 {
        node.add_session(SimSession {
            id,
            ..SimSession::default()
        });
    }
    let listed = "SHOW SERVER SESSIONS FROM ? WHERE Id > ? AND User = ? ORDER BY Id LIMIT ?";
    let selected = "SELECT id FROM obwarden.server_sessions WHERE ip = ? AND id > ? AND user = ? \
                    ORDER BY id LIMIT ?";
    for statement in [listed, selected] {
        let prepared = conn.prep(statement).await.unwrap();
        assert_eq!(prepared.num_params(), 4, "{statement}");
        for (above, expected) in [
            (Value::Int(11), [12, 13]),
            (Value::Double(12.0), [13, 14]),
            (Value::from("11.5"), [12, 13]),
        ] {
            let ip = Value::from(node.ip().to_string());
            let parameters = vec![ip, above, "app".into(), Value::UInt(2)];
            let rows: Vec<mysql_async::Row> = conn.exec(&prepared, parameters).await.unwrap();
            let ids: Vec<u64> = rows
                .iter()
                .map(|row| row.get("id").or_else(|| row.get("Id")).unwrap())
                .collect();
            assert_eq!(ids, expected, "{statement}");
        }
        let nobody = "app' OR '1' = '1";
        let ip = Value::from(node.ip().to_string());
        let parameters = vec![ip, Value::Int(0), nobody.into(), Value::UInt(2)];
        let rows: Vec<mysql_async::Row> = conn.exec(&prepared, parameters).await.unwrap();
        assert!(rows.is_empty());
    }
}

#[tokio::test]
async fn the_sessions_limit_of_rows_counts_for_the_proxys_own_tables() {
    let (_cluster, _warden, mut conn) = setup().await;
    let three = "SELECT ip FROM obwarden.servers";
    for (set, rows) in [
        ("SET SQL_SELECT_LIMIT=2", 2),
        ("SET autocommit=1, SQL_SELECT_LIMIT=0", 0),
        ("SET SQL_SELECT_LIMIT=DEFAULT", 3),
        ("SET @@session.SQL_SELECT_LIMIT=1", 1),
    ] {
        run(&mut conn, set).await.unwrap();
        let listed: Vec<String> = conn.query(three).await.unwrap();
        assert_eq!(listed.len(), rows, "{set}");
        let limited: Vec<String> = conn.query(format!("{three} LIMIT 3")).await.unwrap();
        assert_eq!(limited.len(), 3, "{set}");
        let shown: Vec<mysql_async::Row> = conn.query("SHOW SERVERS").await.unwrap();
        assert_eq!(shown.len(), 3, "it is for SELECT");
    }
    conn.reset().await.unwrap();
    let listed: Vec<String> = conn.query(three).await.unwrap();
    assert_eq!(listed.len(), 3);
}

#[tokio::test]
async fn every_kind_of_column_is_the_same_in_both_protocols() {
    use mysql_async::consts::{ColumnFlags, ColumnType};
    let (_cluster, _warden, mut conn) = setup().await;
    let statement = "SELECT id, -id, id / 4, id * 1e0, zone, MAX(-id), AVG(id), 1e300, 1.50, NULL \
                     FROM obwarden.servers WHERE id = 1 GROUP BY id, zone";
    let text: Vec<mysql_async::Row> = conn.query(statement).await.unwrap();
    let binary: Vec<mysql_async::Row> = conn.exec(statement, ()).await.unwrap();
    let as_text = |row: &mysql_async::Row| -> Vec<Option<String>> {
        let values = (0..row.len()).map(|at| match row.as_ref(at).unwrap() {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
            Value::Double(number) if number.abs() >= 1e15 => Some(format!("{number:e}")),
            Value::Double(number) => Some(number.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::UInt(number) => Some(number.to_string()),
            other => panic!("{other:?}"),
        });
        values.collect()
    };
    let expected = [
        "1", "-1", "0.2500", "1", "z1", "-1", "1.0000", "1e300", "1.50",
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|text| Some((*text).to_owned()))
        .collect();
    for rows in [&text, &binary] {
        let [row] = &rows[..] else {
            panic!("{rows:?}");
        };
        assert_eq!(as_text(row)[..9], expected);
        assert_eq!(as_text(row)[9], None);
        let columns = row.columns_ref();
        for (at, kind, decimals) in [
            (0, ColumnType::MYSQL_TYPE_LONGLONG, 0),
            (1, ColumnType::MYSQL_TYPE_LONGLONG, 0),
            (2, ColumnType::MYSQL_TYPE_NEWDECIMAL, 4),
            (3, ColumnType::MYSQL_TYPE_DOUBLE, 31),
            (5, ColumnType::MYSQL_TYPE_LONGLONG, 0),
            (6, ColumnType::MYSQL_TYPE_NEWDECIMAL, 4),
            (7, ColumnType::MYSQL_TYPE_DOUBLE, 31),
            (8, ColumnType::MYSQL_TYPE_NEWDECIMAL, 2),
        ] {
            let column = &columns[at];
            let told = (column.column_type(), column.decimals());
            assert_eq!(told, (kind, decimals), "column {at}");
            assert_eq!(column.character_set(), 63, "column {at}");
            assert!(column.flags().contains(ColumnFlags::BINARY_FLAG));
        }
        let is_unsigned = |at: usize| columns[at].flags().contains(ColumnFlags::UNSIGNED_FLAG);
        assert!(is_unsigned(0) && !is_unsigned(1) && !is_unsigned(5));
        assert_eq!(columns[4].character_set(), 45);
    }
}
