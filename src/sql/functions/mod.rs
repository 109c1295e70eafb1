//! MySQL's functions, as SQLite is taught them. Plans call them `my_…`; each gets values of the types that its
//! plan has seen to.

mod aggregate;
mod decimal;
mod number;
mod pattern;
mod text;
mod time;

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

use super::decimal::{Units, of_blob, to_blob};
use crate::wire::answer::SqlError;

pub(super) use number::real_text;
pub(super) use text::{number_prefix, whole_prefix};

/// The error of a function. SQLite itself carries only a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<SqlError>>>);

impl Fault {
    fn put(&self, error: SqlError) -> rusqlite::Error {
        let text = error.text.clone();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        rusqlite::Error::UserFunctionError(text.into())
    }

    /// The error, if there was one.
    pub(super) fn take(&self) -> Option<SqlError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a function gives.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Null,
    Whole(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Answer {
    fn decimal(units: Units) -> Self {
        Self::Blob(to_blob(units).to_vec())
    }

    fn truth(truth: bool) -> Self {
        Self::Whole(truth.into())
    }
}

impl ToSql for Answer {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Whole(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What a function is given. What is not of the type that is asked for is nothing of it: the plan sees to types.
struct Arguments<'a, 'c>(&'a Context<'c>);

impl Arguments<'_, '_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn value(&self, at: usize) -> ValueRef<'_> {
        if at < self.0.len() {
            self.0.get_raw(at)
        } else {
            ValueRef::Null
        }
    }

    fn is_null(&self, at: usize) -> bool {
        self.value(at) == ValueRef::Null
    }

    fn text(&self, at: usize) -> &str {
        match self.value(at) {
            ValueRef::Text(text) => std::str::from_utf8(text).unwrap_or_default(),
            _ => "",
        }
    }

    fn whole(&self, at: usize) -> i64 {
        match self.value(at) {
            ValueRef::Integer(number) => number,
            _ => 0,
        }
    }

    fn real(&self, at: usize) -> f64 {
        match self.value(at) {
            ValueRef::Real(number) => number,
            ValueRef::Integer(number) => number as f64,
            _ => 0.0,
        }
    }

    fn decimal(&self, at: usize) -> Units {
        match self.value(at) {
            ValueRef::Blob(blob) => of_blob(blob).unwrap_or_default(),
            _ => 0,
        }
    }

    /// A number of digits.
    fn scale(&self, at: usize) -> u8 {
        u8::try_from(self.whole(at)).unwrap_or(u8::MAX)
    }
}

type Body = fn(&Arguments<'_, '_>) -> Result<Answer, SqlError>;

/// A function: its name, how many arguments it has (-1 for any number), and what it does.
type Definition = (&'static str, i32, Body);

/// Teaches a database all of them.
pub(super) fn register(connection: &Connection, fault: &Fault) -> rusqlite::Result<()> {
    let of_values = [
        text::FUNCTIONS,
        number::FUNCTIONS,
        decimal::FUNCTIONS,
        time::FUNCTIONS,
    ];
    for (name, count, body) in of_values.into_iter().flatten() {
        define(connection, fault, name, *count, true, *body)?;
    }
    for (name, count, body) in text::FUNCTIONS_OF_NULLS {
        define(connection, fault, name, *count, false, *body)?;
    }
    pattern::register(connection, fault)?;
    aggregate::register(connection, fault)
}

fn define(
    connection: &Connection,
    fault: &Fault,
    name: &str,
    count: i32,
    null_is_null: bool,
    body: Body,
) -> rusqlite::Result<()> {
    let fault = fault.clone();
    connection.create_scalar_function(name, count, flags(), move |context| {
        let arguments = Arguments(context);
        if null_is_null && (0..arguments.len()).any(|at| arguments.is_null(at)) {
            return Ok(Answer::Null);
        }
        body(&arguments).map_err(|error| fault.put(error))
    })
}

fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC
}
