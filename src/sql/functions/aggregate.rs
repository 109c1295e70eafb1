//! Aggregates: exact sums, collected texts, and the only row.

use std::panic::{RefUnwindSafe, UnwindSafe};

use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

use super::text::{TEXT_BYTES_MAX, too_long};
use super::{Answer, Arguments, Fault, flags};
use crate::sql::decimal::Units;
use crate::sql::plan::out_of_range;
use crate::wire::answer::SqlError;

pub(super) fn register(connection: &Connection, fault: &Fault) -> Result<()> {
    connection.create_window_function("my_sum", 1, flags(), Sum(fault.clone()))?;
    let collected = Collected(fault.clone());
    connection.create_aggregate_function("my_collected", 1, flags(), collected)?;
    connection.create_aggregate_function("my_only", 1, flags(), Only(fault.clone()))
}

/// The sum of decimals; NULL of none. Rows that leave a window are taken off again.
struct Sum(Fault);

/// What has been added up, and of how many.
#[derive(Default)]
struct Added {
    sum: Units,
    rows: u64,
}

impl Sum {
    fn change(
        &self,
        context: &Context<'_>,
        added: &mut Added,
        change: fn(Units, Units) -> Option<Units>,
        rows: fn(u64) -> u64,
    ) -> Result<()> {
        let arguments = Arguments(context);
        if arguments.is_null(0) {
            return Ok(());
        }
        let sum = change(added.sum, arguments.decimal(0));
        added.sum = sum.ok_or_else(|| self.0.put(out_of_range("DECIMAL")))?;
        added.rows = rows(added.rows);
        Ok(())
    }
}

fn sum_of(added: Option<&Added>) -> Answer {
    match added {
        Some(added) if added.rows > 0 => Answer::decimal(added.sum),
        _ => Answer::Null,
    }
}

impl Aggregate<Added, Answer> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Added> {
        Ok(Added::default())
    }

    fn step(&self, context: &mut Context<'_>, added: &mut Added) -> Result<()> {
        self.change(context, added, Units::checked_add, |rows| rows + 1)
    }

    fn finalize(&self, _: &mut Context<'_>, added: Option<Added>) -> Result<Answer> {
        Ok(sum_of(added.as_ref()))
    }
}

impl WindowAggregate<Added, Answer> for Sum {
    fn value(&self, added: Option<&mut Added>) -> Result<Answer> {
        Ok(sum_of(added.as_deref()))
    }

    fn inverse(&self, context: &mut Context<'_>, added: &mut Added) -> Result<()> {
        self.change(context, added, Units::checked_sub, |rows| {
            rows.saturating_sub(1)
        })
    }
}

/// The texts of a group, each behind its length; NULL of none. `my_joined` puts a separator between them.
struct Collected(Fault);

impl Aggregate<Vec<u8>, Answer> for Collected {
    fn init(&self, _: &mut Context<'_>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn step(&self, context: &mut Context<'_>, collected: &mut Vec<u8>) -> Result<()> {
        let arguments = Arguments(context);
        if arguments.is_null(0) {
            return Ok(());
        }
        let text = arguments.text(0);
        if collected.len() + text.len() > TEXT_BYTES_MAX {
            return Err(self.0.put(too_long()));
        }
        // No longer than the most that fits into it.
        collected.extend_from_slice(&(text.len() as u32).to_be_bytes());
        collected.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, collected: Option<Vec<u8>>) -> Result<Answer> {
        Ok(match collected {
            Some(collected) if !collected.is_empty() => Answer::Blob(collected),
            _ => Answer::Null,
        })
    }
}

/// The value of the only row; NULL of none, and an error where there are more.
struct Only(Fault);

impl Aggregate<Option<Value>, Value> for Only
where
    Option<Value>: RefUnwindSafe + UnwindSafe,
{
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, only: &mut Option<Value>) -> Result<()> {
        if only.is_some() {
            let error = SqlError::new(1242, "Subquery returns more than 1 row");
            return Err(self.0.put(error));
        }
        *only = Some(match Arguments(context).value(0) {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
        });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, only: Option<Option<Value>>) -> Result<Value> {
        Ok(only.flatten().unwrap_or(Value::Null))
    }
}
