//! Statements of the proxy's own: any text is read or refused, and what is read is planned, and run over a few rows,
//! or refused.

#![no_main]

use std::mem::discriminant;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use obwarden::cluster::Cluster;
use obwarden::sql::{
    Context, Database, Limits, Pick, Plan, Table, TableColumn, names, plan_pick, plan_query,
};
use obwarden::statement::{Grammar, Parameters, ParseError, Statement, parse_prepared, parse_with};
use obwarden::table::{Column, Kind, Value};
use obwarden::wire::answer::SqlError;
use obwarden::wire::parameter::Parameter;

fuzz_target!(|text: &str| {
    for backslash_escapes in [true, false] {
        let grammar = Grammar { backslash_escapes };
        plan(parse_with(text, grammar, Parameters::None), grammar);
        execute(text, grammar);
    }
});

/// Runs a statement as a prepared one. What stands for its placeholders makes no other statement of it.
fn execute(text: &str, grammar: Grammar) {
    let Ok(prepared) = parse_prepared(text, grammar) else {
        return;
    };
    let values = [
        Parameter::Text("' OR 1 = 1 \\ -- /*".to_owned()),
        Parameter::Null,
        Parameter::Number("-1.5e3".to_owned()),
    ];
    let count = usize::from(prepared.placeholders);
    let parameters: Vec<_> = values.iter().cycle().take(count).cloned().collect();
    let executed = parse_with(text, grammar, Parameters::Known(&parameters));
    if let Ok(executed) = &executed {
        assert_eq!(discriminant(executed), discriminant(&prepared.statement));
    }
    plan(executed, grammar);
}

fn plan(read: Result<Statement, ParseError>, grammar: Grammar) {
    let statement = match read {
        Ok(statement) => statement,
        Err(error) => return check(&error.to_sql()),
    };
    let (tables, context) = (tables(), context(grammar));
    match statement {
        Statement::ShowServerSessions(show) => pick(&show.pick, &tables[0], &context),
        Statement::ShowServers(show) => pick(&show.pick, &tables[1], &context),
        Statement::KillMany(kill) => pick(&kill.pick, &tables[0], &context),
        Statement::Select(select) => {
            names(&select.query);
            run(plan_query(&select.query, &tables, &context));
        }
        _ => {}
    }
}

/// The code of what nobody has thought of.
const NOT_COMPUTED: u16 = 1105;

fn pick(pick: &Pick, table: &Table, context: &Context) {
    let column = |column: &TableColumn| Column {
        name: column.name.clone(),
        kind: column.kind,
    };
    let output: Vec<(usize, Column)> = table.columns.iter().map(column).enumerate().collect();
    run(plan_pick(pick, table, &output, &[0], context));
}

fn run(plan: Result<Plan, SqlError>) {
    let done = plan.and_then(|plan| {
        let limits = Limits {
            rows_max: 1000,
            timeout: Duration::from_secs(1),
        };
        let mut database = Database::open(&plan, limits)?;
        for (at, table) in plan.tables.iter().enumerate() {
            for row in 0..3 {
                let values: Vec<Value<'_>> = table
                    .columns
                    .iter()
                    .map(|column| value(row, *column))
                    .collect();
                database.insert(at, &values)?;
            }
        }
        database.run(4096, |rows| {
            for row in rows.iter() {
                assert_eq!(row.values().count(), plan.columns.len());
            }
            ControlFlow::Continue(())
        })
    });
    if let Err(error) = done {
        check(&error);
        // What was planned, SQLite understands.
        assert_ne!(error.code, NOT_COMPUTED, "{error}");
    }
}

/// Clients must be able to read an error.
fn check(error: &SqlError) {
    assert!(!(2000..3000).contains(&error.code), "{error}");
    assert!(!error.text.is_empty());
}

fn value(row: usize, column: usize) -> Value<'static> {
    match (row + column) % 5 {
        0 => Value::Null,
        1 => Value::Number(u64::MAX),
        2 => Value::Text(b"10.0.0.1"),
        3 => Value::Text(b"a\\b'\xff%_"),
        _ => Value::Integer(-7),
    }
}

fn context(grammar: Grammar) -> Context {
    Context {
        user: "root".to_owned(),
        connection_id: 7,
        now: SystemTime::UNIX_EPOCH,
        select_limit: None,
        backslash_escapes: grammar.backslash_escapes,
    }
}

fn tables() -> [Table; 2] {
    let sessions = [
        ("Ip", Kind::Text),
        ("Port", Kind::Number),
        ("Id", Kind::Number),
        ("User", Kind::Text),
        ("Time", Kind::Decimal(6)),
        ("Info", Kind::LongText),
    ];
    let sessions = sessions.map(|(name, kind)| Column {
        name: name.to_owned(),
        kind,
    });
    [
        table("server_sessions", sessions.to_vec()),
        table("servers", Cluster::server_list_columns()),
    ]
}

fn table(name: &'static str, columns: Vec<Column>) -> Table {
    Table {
        name,
        columns: columns.into_iter().map(TableColumn::of).collect(),
    }
}
