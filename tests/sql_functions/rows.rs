//! The tables of both sides, and what is in them.

use obwarden::sql::{Shown, Table, TableColumn};
use obwarden::table::{Column, Kind};

/// A value of either side.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    Null,
    Whole(i64),
    Real(f64),
    Text(&'static str),
}

use Cell::{Null, Real, Text, Whole};

/// The columns of `server_sessions`, and how MariaDB declares them.
pub(crate) const SESSIONS: &[(&str, Kind, &str)] = &[
    ("id", Kind::Number, "BIGINT UNSIGNED"),
    ("ip", Kind::Text, "VARCHAR(100)"),
    ("port", Kind::Number, "BIGINT UNSIGNED"),
    ("user", Kind::Text, "VARCHAR(100)"),
    ("command", Kind::Text, "VARCHAR(100)"),
    ("time", Kind::Decimal(6), "DECIMAL(20,6)"),
    ("state", Kind::Text, "VARCHAR(100)"),
    ("info", Kind::LongText, "LONGTEXT"),
    ("digits", Kind::Text, "VARCHAR(100)"),
    ("delta", Kind::Integer, "BIGINT"),
    ("score", Kind::Real, "DOUBLE"),
    ("since", Kind::Text, "VARCHAR(100)"),
];

pub(crate) const SERVERS: &[(&str, Kind, &str)] = &[
    ("ip", Kind::Text, "VARCHAR(100)"),
    ("port", Kind::Number, "BIGINT UNSIGNED"),
    ("zone", Kind::Text, "VARCHAR(100)"),
    ("sessions", Kind::Number, "BIGINT UNSIGNED"),
];

pub(crate) const SESSION_ROWS: &[[Cell; 12]] = &[
    [
        Whole(1),
        Text("10.0.0.1"),
        Whole(2881),
        Text("root"),
        Text("Query"),
        Text("7.000000"),
        Text("ACTIVE"),
        Text("SELECT 1"),
        Text("12"),
        Whole(-5),
        Real(0.5),
        Text("2024-07-22 18:00:00"),
    ],
    [
        Whole(2),
        Text("10.0.0.1"),
        Whole(2881),
        Text("ROOT"),
        Text("Sleep"),
        Text("0.007838"),
        Text("SLEEP"),
        Null,
        Text("12abc"),
        Whole(0),
        Real(-1.25),
        Text("2024-07-22"),
    ],
    [
        Whole(3),
        Text("10.0.0.1"),
        Whole(2882),
        Text("app"),
        Text("Query"),
        Text("61.5"),
        Text("ACTIVE"),
        Text("UPDATE t SET a = 'x''y' WHERE b LIKE '50%'"),
        Text("-3.5"),
        Whole(7),
        Real(1e20),
        Text("2024-02-29 23:59:59"),
    ],
    [
        Whole(4),
        Text("10.0.0.2"),
        Whole(2881),
        Text("App"),
        Text("query"),
        Text("0"),
        Null,
        Text("select\\path"),
        Text(""),
        Whole(9_007_199_254_740_993),
        Null,
        Null,
    ],
    [
        Whole(5),
        Text("10.0.0.2"),
        Whole(2881),
        Text("report_1"),
        Text("Sleep"),
        Null,
        Text(""),
        Text(""),
        Text(" 8 "),
        Null,
        Real(3.0),
        Text("no time"),
    ],
    [
        Whole(6),
        Text("10.0.0.2"),
        Whole(2881),
        Text("reporter"),
        Text("Execute"),
        Text("3600.25"),
        Text("LOCK WAIT"),
        Text("Größe; DROP"),
        Text("1e3"),
        Whole(-7),
        Real(2.5),
        Text("2023-12-31 00:00:00"),
    ],
    [
        Whole(7),
        Null,
        Null,
        Null,
        Text("Ping"),
        Text("-1.5"),
        Text("INIT"),
        Text("a\nb\tc"),
        Null,
        Whole(100),
        Real(0.1),
        Text("2024-07-22T18:01:39"),
    ],
    [
        Whole(8),
        Text("fe80::1"),
        Whole(12881),
        Text("app "),
        Text("Query"),
        Text("7"),
        Text("active"),
        Text("100%_sure"),
        Text("0"),
        Whole(3),
        Real(0.0),
        Text("1999-01-01 01:02:03"),
    ],
    [
        Whole(4_294_967_295),
        Text("10.0.0.10"),
        Whole(2881),
        Text("zed"),
        Text("Quit"),
        Text("86400"),
        Text("KILLED"),
        Text("select 1"),
        Text("0x10"),
        Whole(2),
        Real(-0.75),
        Text("2024-12-31 23:59:59"),
    ],
    [
        Whole(10),
        Text("10.0.0.3"),
        Whole(2881),
        Text("[bracket"),
        Text("Query"),
        Text("12.345678"),
        Text("ACTIVE"),
        Text("INSERT INTO `t` VALUES (\"q\")"),
        Text("7.0"),
        Whole(1),
        Real(1234567.891),
        Text("2024-07-01 12:00:00"),
    ],
];

pub(crate) const SERVER_ROWS: &[[Cell; 4]] = &[
    [Text("10.0.0.1"), Whole(2881), Text("zone1"), Whole(12)],
    [Text("10.0.0.2"), Whole(2881), Text("zone2"), Whole(0)],
    [Text("10.0.0.3"), Whole(2881), Text("Zone1"), Whole(3)],
    [Text("10.0.0.4"), Whole(2881), Null, Null],
];

/// The tables as obwarden is told of them.
pub(crate) fn tables() -> Vec<Table> {
    let table = |name, columns: &[(&str, Kind, &str)]| Table {
        name,
        columns: columns
            .iter()
            .map(|(name, kind, _)| TableColumn {
                shown: Shown::Yes,
                ..TableColumn::of(Column {
                    name: (*name).to_owned(),
                    kind: *kind,
                })
            })
            .collect(),
    };
    vec![
        table("server_sessions", SESSIONS),
        table("servers", SERVERS),
    ]
}
