//! A column of every type, in text and binary, with and without a cursor: NULL, the least, the greatest, and
//! an ordinary value of each.

use std::ops::Deref;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;

use super::House;
use super::client::Profile;
use super::command::{Command, Named};
use super::play::same;
use super::statements::DATABASE;

/// A type, and the values of its column.
type Column = (&'static str, [&'static str; 3]);

const COLUMNS: &[Column] = &[
    ("BIT(1)", ["b'0'", "b'1'", "b'1'"]),
    ("BIT(64)", ["0", "18446744073709551615", "0x1234"]),
    ("TINYINT", ["-128", "127", "7"]),
    ("TINYINT UNSIGNED", ["0", "255", "7"]),
    ("SMALLINT", ["-32768", "32767", "7"]),
    ("SMALLINT UNSIGNED", ["0", "65535", "7"]),
    ("MEDIUMINT", ["-8388608", "8388607", "7"]),
    ("MEDIUMINT UNSIGNED", ["0", "16777215", "7"]),
    ("INT", ["-2147483648", "2147483647", "7"]),
    ("INT UNSIGNED", ["0", "4294967295", "7"]),
    ("INT(8) ZEROFILL", ["0", "99999999", "7"]),
    (
        "BIGINT",
        ["-9223372036854775808", "9223372036854775807", "7"],
    ),
    ("BIGINT UNSIGNED", ["0", "18446744073709551615", "7"]),
    ("BOOLEAN", ["FALSE", "TRUE", "TRUE"]),
    (
        "DECIMAL(65,30)",
        [
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "99999999999999999999999999999999999.999999999999999999999999999999",
            "1.5",
        ],
    ),
    ("DECIMAL(10,0) UNSIGNED", ["0", "9999999999", "7"]),
    ("FLOAT", ["-3.402823e38", "3.402823e38", "1.25"]),
    (
        "DOUBLE",
        ["-1.7976931348623157e308", "2.2250738585072014e-308", "1.25"],
    ),
    ("DATE", ["'1000-01-01'", "'9999-12-31'", "'2026-02-28'"]),
    ("TIME", ["'-838:59:59'", "'838:59:59'", "'00:00:00'"]),
    (
        "TIME(6)",
        [
            "'-838:59:58.999999'",
            "'838:59:58.999999'",
            "'12:34:56.000001'",
        ],
    ),
    (
        "DATETIME",
        [
            "'1000-01-01 00:00:00'",
            "'9999-12-31 23:59:59'",
            "'2026-02-28 00:00:00'",
        ],
    ),
    (
        "DATETIME(6)",
        [
            "'1000-01-01 00:00:00'",
            "'9999-12-31 23:59:59.999999'",
            "'2026-02-28 01:02:03.000004'",
        ],
    ),
    (
        "TIMESTAMP(6) NULL",
        [
            "'1980-01-01 00:00:01'",
            "'2038-01-18 03:14:07.999999'",
            "'2026-02-28 01:02:03.5'",
        ],
    ),
    ("YEAR", ["1901", "2155", "2026"]),
    ("CHAR(10)", ["''", "'ÿÿÿÿÿÿÿÿÿÿ'", "'ten'"]),
    ("VARCHAR(255)", ["''", "REPEAT('ü', 255)", "'some text'"]),
    ("BINARY(8)", ["X'00'", "X'ffffffffffffffff'", "X'fbfcfdfe'"]),
    ("VARBINARY(255)", ["''", "REPEAT(X'ff', 255)", "X'00ff'"]),
    ("TINYTEXT", ["''", "REPEAT('t', 255)", "'tiny'"]),
    ("TEXT", ["''", "REPEAT('t', 65535)", "'text'"]),
    ("MEDIUMTEXT", ["''", "REPEAT('t', 65536)", "'medium'"]),
    ("LONGTEXT", ["''", "REPEAT('t', 70000)", "'long'"]),
    ("TINYBLOB", ["''", "REPEAT(X'ff', 255)", "X'fe'"]),
    ("BLOB", ["''", "REPEAT(X'fe', 65535)", "X'fe00'"]),
    ("MEDIUMBLOB", ["''", "REPEAT(X'fb', 65536)", "X'fb'"]),
    ("LONGBLOB", ["''", "REPEAT(X'00', 70000)", "X'0000'"]),
    ("ENUM('', 'a', 'ß')", ["''", "'ß'", "'a'"]),
    ("SET('x', 'y', 'z')", ["''", "'x,y,z'", "'y'"]),
    (
        "JSON",
        ["'null'", "'{\"a\": [1, 2, {\"b\": null}]}'", "'\"text\"'"],
    ),
    (
        "POINT",
        ["POINT(0, 0)", "POINT(179, 89)", "POINT(1.5, -1.5)"],
    ),
    (
        "GEOMETRY",
        [
            "POINT(0, 0)",
            "ST_GeomFromText('POLYGON((0 0, 0 9, 9 9, 9 0, 0 0))')",
            "ST_GeomFromText('LINESTRING(0 0, 1 1)')",
        ],
    ),
];

/// Those of MariaDB alone.
const MARIADB_COLUMNS: &[Column] = &[
    (
        "UUID",
        [
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'123e4567-e89b-12d3-a456-426655440000'",
        ],
    ),
    (
        "INET6",
        [
            "'::'",
            "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
            "'2001:db8::7'",
        ],
    ),
    ("INET4", ["'0.0.0.0'", "'255.255.255.255'", "'192.0.2.7'"]),
    ("VARCHAR(20) CHARACTER SET gbk", ["''", "'縗縗'", "'中文'"]),
    ("VARCHAR(20) CHARACTER SET latin1", ["''", "'ÿ'", "'é'"]),
    (
        "VARCHAR(20) CHARACTER SET utf16",
        ["''", "'\u{1f980}'", "'é'"],
    ),
];

#[tokio::test]
async fn every_type_of_mariadb_comes_through_as_it_is() {
    let columns = [COLUMNS, MARIADB_COLUMNS].concat();
    let there = every_type(super::mariadb().await, &columns).await;
    assert_eq!(there, columns.len());
}

#[tokio::test]
async fn every_type_of_seekdb_comes_through_as_it_is() {
    let there = every_type(super::seekdb().await, COLUMNS).await;
    assert!(there >= COLUMNS.len() - 3, "{there} of {}", COLUMNS.len());
}

/// Compares all columns that the server takes, and says how many these are.
async fn every_type<C: Deref<Target = Cluster>>(house: &House<C>, columns: &[Column]) -> usize {
    let mut control = house.node().connect().await.unwrap();
    control.query_drop(format!("USE {DATABASE}")).await.unwrap();
    let mut there = Vec::new();
    for column in columns {
        if takes(&mut control, *column).await {
            there.push(*column);
        }
    }
    fill(&mut control, "every_type", &there).await.unwrap();
    control.disconnect().await.unwrap();

    let select = "SELECT * FROM every_type ORDER BY id";
    let first = Named::Id(1);
    let commands = [
        Command::query(select),
        Command::prepare(select),
        Command::execute(first, false, &[]),
        Command::execute(first, true, &[]),
        Command::fetch(first, 1),
        Command::fetch(first, 2),
        Command::fetch(first, 100),
        Command::reset(first),
        Command::close(first),
        Command::query("SHOW COLUMNS FROM every_type"),
        Command::field_list("every_type", "%"),
    ];
    let ordinary = Profile::ordinary(DATABASE);
    for profile in [ordinary.clone(), ordinary.with_deprecate_eof()] {
        let replies = same(house, &profile, &commands).await;
        let rows: Vec<usize> = replies.iter().map(|reply| reply.rows().len()).collect();
        // The rows of a result with a cursor come with the fetches.
        assert_eq!(rows[..7], [4, 0, 4, 0, 1, 2, 1], "{:?}", house.kind);
        let nulls = replies[0].rows()[0].iter().filter(|byte| **byte == 0xfb);
        assert_eq!(nulls.count(), there.len());
    }
    there.len()
}

async fn takes(control: &mut Conn, column: Column) -> bool {
    let filled = fill(control, "one_type", &[column]).await;
    control
        .query_drop("DROP TABLE IF EXISTS one_type")
        .await
        .unwrap();
    filled.is_ok()
}

/// A table with four rows: all NULL, least, greatest and ordinary values.
async fn fill(control: &mut Conn, table: &str, columns: &[Column]) -> mysql_async::Result<()> {
    let definitions = columns.iter().enumerate();
    let definitions: String = definitions
        .map(|(number, (kind, _))| format!(", c{number} {kind}"))
        .collect();
    let create = format!("CREATE TABLE {table} (id INT PRIMARY KEY{definitions})");
    control
        .query_drop(format!("DROP TABLE IF EXISTS {table}"))
        .await?;
    control.query_drop(create).await?;
    for row in 0..4 {
        let values = columns.iter().map(|(_, values)| match row {
            0 => "NULL",
            row => values[row - 1],
        });
        let values: String = values.map(|value| format!(", {value}")).collect();
        control
            .query_drop(format!("INSERT INTO {table} VALUES ({row}{values})"))
            .await?;
    }
    Ok(())
}
