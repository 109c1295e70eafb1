//! Plans and databases together: names, errors, limits, and that no text makes the planner panic.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use sqlparser::ast::{Expr, Query, Statement};
use sqlparser::parser::Parser;

use super::*;
use crate::statement::Grammar;
use crate::table::{Rows, Value};
use crate::wire::answer::SqlError;

const GRAMMAR: Grammar = Grammar {
    backslash_escapes: true,
};

fn query(text: &str) -> Box<Query> {
    let mut statements =
        Parser::parse_sql(&GRAMMAR, text).unwrap_or_else(|e| panic!("{text}: {e}"));
    match statements.pop() {
        Some(Statement::Query(query)) => query,
        other => panic!("{text}: {other:?}"),
    }
}

fn filter(text: &str) -> Expr {
    let parser = Parser::new(&GRAMMAR).try_with_sql(text);
    parser
        .and_then(|mut p| p.parse_expr())
        .unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn table(name: &'static str, columns: &[(&str, Kind)]) -> Table {
    let columns = columns.iter().map(|(name, kind)| {
        TableColumn::of(Column {
            name: (*name).to_owned(),
            kind: *kind,
        })
    });
    Table {
        name,
        columns: columns.collect(),
    }
}

/// Sessions and servers, as statements name them.
fn tables() -> Vec<Table> {
    let mut sessions = table(
        "server_sessions",
        &[
            ("ip", Kind::Text),
            ("port", Kind::Number),
            ("id", Kind::Number),
            ("user", Kind::Text),
            ("time", Kind::Decimal(6)),
            ("info", Kind::LongText),
        ],
    );
    sessions.columns.push(TableColumn {
        name: "svr_ip".to_owned(),
        kind: Kind::Text,
        shown: Shown::AliasOf(0),
    });
    sessions.columns.push(TableColumn {
        name: "sql_id".to_owned(),
        kind: Kind::Text,
        shown: Shown::No,
    });
    let servers = table(
        "servers",
        &[
            ("ip", Kind::Text),
            ("port", Kind::Number),
            ("zone", Kind::Text),
        ],
    );
    vec![sessions, servers]
}

fn context() -> Context {
    Context {
        user: "root@10.0.0.9".to_owned(),
        connection_id: 7,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_721_671_299),
        select_limit: None,
        backslash_escapes: true,
    }
}

const LIMITS: Limits = Limits {
    rows_max: 1_000,
    timeout: Duration::from_secs(60),
};

/// A plan's tables, filled: each row has the columns of its table up to `info`, or all three of a server.
fn filled(plan: &Plan, limits: Limits) -> Database {
    let sessions: [[Value<'_>; 8]; 4] = [
        ["10.0.0.1", "root", "7", "SELECT 1"],
        ["10.0.0.1", "app", "0.5", "it's 50%"],
        ["10.0.0.2", "APP", "0.007838", "UPDATE t"],
        ["10.0.0.2", "report", "61", ""],
    ]
    .map(|[ip, user, time, info]| {
        [
            ip.into(),
            Value::Number(2881),
            Value::Number(u64::from(ip.as_bytes()[7] - b'0') * 100 + user.len() as u64),
            user.into(),
            time.into(),
            info.into(),
            Value::Null,
            "hidden".into(),
        ]
    });
    let servers: [[Value<'_>; 3]; 2] = [
        ["10.0.0.1".into(), Value::Number(2881), "z1".into()],
        ["10.0.0.2".into(), Value::Number(2881), "z2".into()],
    ];
    let mut database = Database::open(plan, limits).expect("a database");
    for (at, planned) in plan.tables.iter().enumerate() {
        let rows: Vec<&[Value<'_>]> = match planned.table {
            0 => sessions.iter().map(|row| &row[..]).collect(),
            _ => servers.iter().map(|row| &row[..]).collect(),
        };
        for row in rows {
            let values: Vec<Value<'_>> =
                planned.columns.iter().map(|column| row[*column]).collect();
            database.insert(at, &values).expect("a row");
        }
    }
    database
}

fn shown(rows: &Rows) -> Vec<String> {
    let row = |row: crate::table::Row<'_>| {
        let values: Vec<String> = row.values().map(|value| value.to_string()).collect();
        values.join("|")
    };
    rows.iter().map(row).collect()
}

fn run(plan: &Plan) -> Result<Vec<String>, SqlError> {
    let mut found = Vec::new();
    filled(plan, LIMITS).run(1, |rows| {
        found.extend(shown(&rows));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn select(text: &str) -> Result<Vec<String>, SqlError> {
    run(&plan_query(&query(text), &tables(), &context())?)
}

#[test]
fn a_select_gives_its_rows() {
    for (text, rows) in [
        (
            "SELECT user, COUNT(*) n FROM obwarden.server_sessions GROUP BY user ORDER BY n DESC, user",
            &["app|2", "report|1", "root|1"][..],
        ),
        (
            "SELECT * FROM obwarden.servers WHERE zone = 'Z1'",
            &["10.0.0.1|2881|z1"],
        ),
        (
            "SELECT id, time FROM obwarden.server_sessions WHERE time > 0.5 ORDER BY time",
            &["104|7.000000", "206|61.000000"],
        ),
        (
            "SELECT s.svr_ip, v.zone FROM obwarden.server_sessions s JOIN obwarden.servers v USING (ip, port) \
             WHERE info LIKE '%50\\%'",
            &["10.0.0.1|z1"],
        ),
        (
            "WITH a AS (SELECT ip, AVG(time) t FROM obwarden.server_sessions GROUP BY 1) \
             SELECT ip, t, RANK() OVER (ORDER BY t DESC) FROM a ORDER BY ip",
            &["10.0.0.1|3.7500000000|2", "10.0.0.2|30.5039190000|1"],
        ),
        (
            "SELECT 1 UNION SELECT '1' UNION ALL SELECT 2.50 ORDER BY 1 DESC LIMIT 1",
            &["2.50"],
        ),
        (
            "SELECT USER(), CONNECTION_ID(), NOW(), DATABASE()",
            &["root@10.0.0.9|7|2024-07-22 18:01:39|NULL"],
        ),
        (
            "SELECT (SELECT zone FROM obwarden.servers v WHERE v.ip = s.ip) z FROM obwarden.server_sessions s \
             WHERE EXISTS (SELECT 1 FROM obwarden.servers) HAVING z = 'z2' LIMIT 1",
            &["z2"],
        ),
    ] {
        let found = select(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found, rows, "{text}");
    }
}
