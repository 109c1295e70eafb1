//! obwarden's side.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use obwarden::sql::{Context, Database, Limits, plan_query};
use obwarden::table::{self, Value};
use obwarden::wire::answer::SqlError;

use crate::rows::{Cell, SERVER_ROWS, SESSION_ROWS, tables};
use crate::{Kind, Table, query};

/// 2024-07-22 18:01:39
pub(crate) const NOW: u64 = 1_721_671_299;

const LIMITS: Limits = Limits {
    rows_max: 100_000,
    timeout: Duration::from_secs(60),
};

/// Plans a statement and runs it on the rows.
pub(crate) fn run(text: &str) -> Result<Table, SqlError> {
    let context = Context {
        user: "root".to_owned(),
        connection_id: 1,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW),
        select_limit: None,
        backslash_escapes: true,
    };
    let plan = plan_query(&query(text), &tables(), &context)?;
    let mut database = Database::open(&plan, LIMITS)?;
    for (at, planned) in plan.tables.iter().enumerate() {
        let rows: Vec<&[Cell]> = match planned.table {
            0 => SESSION_ROWS.iter().map(|row| &row[..]).collect(),
            _ => SERVER_ROWS.iter().map(|row| &row[..]).collect(),
        };
        for row in rows {
            let values = planned.columns.iter().map(|column| value(row[*column]));
            database.insert(at, &values.collect::<Vec<_>>())?;
        }
    }
    let mut rows = Vec::new();
    database.run(1024, |batch| {
        let batch = batch.iter();
        rows.extend(batch.map(|row| row.values().map(text_of).collect()));
        ControlFlow::Continue(())
    })?;
    let kind = |column: &table::Column| match column.kind {
        table::Kind::Number | table::Kind::Integer | table::Kind::Decimal(0) => Kind::Whole,
        table::Kind::Decimal(scale) => Kind::Decimal(scale),
        table::Kind::Real => Kind::Real,
        table::Kind::Text | table::Kind::LongText => Kind::Text,
    };
    Ok(Table {
        names: plan
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect(),
        kinds: plan
            .columns
            .iter()
            .map(|column| Some(kind(column)))
            .collect(),
        rows,
    })
}

fn value(cell: Cell) -> Value<'static> {
    match cell {
        Cell::Null => Value::Null,
        Cell::Whole(number) => u64::try_from(number).map_or(Value::Integer(number), Value::Number),
        Cell::Real(number) => Value::Real(number),
        Cell::Text(text) => text.into(),
    }
}

fn text_of(value: Value<'_>) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(String::from_utf8(text.to_vec()).expect("UTF-8")),
        number => Some(number.to_string()),
    }
}
