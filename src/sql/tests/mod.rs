//! Plans and databases together.

mod limits;
mod names;
mod soup;

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

/// Picks rows of sessions: their ids and users.
fn pick(filter_text: &str, order_by: &str, limit: Option<Limit>) -> Result<Vec<String>, SqlError> {
    let order_by = match order_by {
        "" => Vec::new(),
        by => {
            let query = query(&format!("SELECT 1 FROM t ORDER BY {by}"));
            match query.order_by.map(|by| by.kind) {
                Some(sqlparser::ast::OrderByKind::Expressions(by)) => by,
                other => panic!("{other:?}"),
            }
        }
    };
    let pick = Pick {
        filter: (!filter_text.is_empty()).then(|| filter(filter_text)),
        order_by,
        limit,
    };
    let output = [(2, Column::number("Id")), (3, Column::text("User"))];
    run(&plan_pick(&pick, &tables()[0], &output, &[2], &context())?)
}

#[test]
fn a_pick_filters_orders_and_limits_one_table() {
    let limit = |offset, rows| Some(Limit { offset, rows });
    for (filter, order, limit, rows) in [
        (
            "",
            "",
            None,
            &["103|app", "104|root", "203|APP", "206|report"][..],
        ),
        ("User = 'app'", "Id DESC", None, &["203|APP", "103|app"]),
        (
            "Server_Sessions.Time > 5",
            "obwarden.server_sessions.time",
            None,
            &["104|root", "206|report"],
        ),
        (
            "svr_ip = '10.0.0.2' && NOW() > '2024-01-01'",
            "",
            None,
            &["203|APP", "206|report"],
        ),
        ("", "User", limit(1, 2), &["203|APP", "206|report"]),
        ("sql_id = 'hidden'", "1", limit(0, 0), &[]),
        (
            "LENGTH(info) > 7",
            "",
            limit(0, u64::MAX),
            &["103|app", "104|root", "203|APP"],
        ),
    ] {
        assert_eq!(
            pick(filter, order, limit).as_deref(),
            Ok(&rows.iter().map(|row| row.to_string()).collect::<Vec<_>>()[..]),
            "{filter} {order}"
        );
    }
    for (filter, code) in [
        ("nope = 1", 1054),
        ("other.time > 1", 1054),
        ("COUNT(*) > 1", 1111),
        ("ROW_NUMBER() OVER () = 1", 3593),
        ("id IN (SELECT 1)", 1235),
        ("EXISTS (SELECT 1)", 1235),
        ("SOUNDEX(user) = 'x'", 1235),
        ("info REGEXP '('", 1139),
    ] {
        let error = pick(filter, "", None).expect_err(filter);
        assert_eq!(error.code, code, "{filter}: {error}");
    }
}

#[test]
fn a_select_without_a_limit_has_the_sessions() {
    let mut context = context();
    context.select_limit = Some(2);
    let count = |text: &str| {
        let plan = plan_query(&query(text), &tables(), &context).expect(text);
        run(&plan).expect(text).len()
    };
    assert_eq!(count("SELECT id FROM obwarden.server_sessions"), 2);
    assert_eq!(count("SELECT id FROM obwarden.server_sessions LIMIT 3"), 3);
    assert_eq!(count("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"), 2);
    let inside =
        "SELECT COUNT(*) FROM (SELECT id FROM obwarden.server_sessions) d HAVING COUNT(*) = 4";
    assert_eq!(count(inside), 1);
}

#[test]
fn without_backslash_escapes_like_has_none() {
    let mut context = context();
    context.backslash_escapes = false;
    let plan = plan_query(&query("SELECT '50%' LIKE '50\\%'"), &[], &context).expect("a plan");
    assert_eq!(run(&plan).as_deref(), Ok(&["0".to_owned()][..]));
}

#[test]
fn texts_that_are_no_utf8_are_read_as_far_as_they_are() {
    let plan = plan_query(
        &query("SELECT user, LENGTH(user) FROM obwarden.server_sessions WHERE user LIKE 'a%'"),
        &tables(),
        &context(),
    );
    let mut database = Database::open(&plan.expect("a plan"), LIMITS).expect("a database");
    database
        .insert(0, &[Value::Text(b"a\xff\0b")])
        .expect("a row");
    let mut found = Vec::new();
    let ended = database.run(1, |rows| {
        found.extend(shown(&rows));
        ControlFlow::Continue(())
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(found, ["a\u{fffd}\0b|6"]);
}
