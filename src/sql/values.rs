//! Values on their way into SQLite's columns and out of its results: each as its column's type.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Error, ToSql};

use super::decimal;
use super::functions::{number_prefix, real_text, whole_prefix};
use super::plan::{Type, out_of_range};
use crate::table::{Rows, Value};
use crate::wire::answer::SqlError;

/// How a column of a type is declared.
pub(super) fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Unsigned | Type::Signed => "INTEGER",
        Type::Decimal { .. } | Type::Null => "BLOB",
        Type::Real => "REAL",
        Type::Text | Type::LongText | Type::Moment => "TEXT COLLATE NOCASE",
    }
}

/// A value as SQLite keeps it in a column.
pub(super) enum Stored<'a> {
    Null,
    Whole(i64),
    Real(f64),
    Text(&'a [u8]),
    Made(String),
    Decimal([u8; 16]),
    TooLarge(&'static str),
}

impl<'a> Stored<'a> {
    /// The value as one of the column's type, whatever a node has given: `7` or `'0.0078'`.
    pub(super) fn new(value: Value<'a>, kind: Type) -> Self {
        match kind {
            Type::Unsigned | Type::Signed => Self::whole(value),
            Type::Decimal { carried, .. } => Self::decimal(value, carried),
            Type::Real => match value {
                Value::Null => Self::Null,
                Value::Number(number) => Self::Real(number as f64),
                Value::Integer(number) => Self::Real(number as f64),
                Value::Real(number) => Self::Real(number),
                Value::Text(text) => Self::Real(number_prefix(&String::from_utf8_lossy(text))),
            },
            _ => match value {
                Value::Null => Self::Null,
                Value::Text(text) if std::str::from_utf8(text).is_ok() => Self::Text(text),
                Value::Text(text) => Self::Made(String::from_utf8_lossy(text).into_owned()),
                Value::Real(number) => Self::Made(real_text(number)),
                number => Self::Made(number.to_string()),
            },
        }
    }

    fn whole(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Number(number) => match i64::try_from(number) {
                Ok(number) => Self::Whole(number),
                Err(_) => Self::TooLarge("BIGINT"),
            },
            Value::Integer(number) => Self::Whole(number),
            Value::Real(number) => Self::Whole(number.round_ties_even() as i64),
            Value::Text(text) => Self::Whole(whole_prefix(&String::from_utf8_lossy(text))),
        }
    }

    fn decimal(value: Value<'_>, scale: u8) -> Self {
        let units = match value {
            Value::Null => return Self::Null,
            Value::Number(number) => decimal::rescale(number.into(), 0, scale),
            Value::Integer(number) => decimal::rescale(number.into(), 0, scale),
            Value::Real(number) => decimal::parse(&real_text(number), scale),
            Value::Text(text) => decimal::parse(&String::from_utf8_lossy(text), scale),
        };
        units.map_or(Self::TooLarge("DECIMAL"), |units| {
            Self::Decimal(decimal::to_blob(units))
        })
    }
}

impl ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Whole(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Made(text) => ValueRef::Text(text.as_bytes()),
            Self::Decimal(blob) => ValueRef::Blob(blob),
            Self::TooLarge(kind) => {
                return Err(Error::ToSqlConversionFailure((*kind).into()));
            }
        }))
    }
}

/// Adds one of SQLite's values to a row as one of the result's type.
pub(super) fn push(rows: &mut Rows, value: ValueRef<'_>, kind: Type) -> Result<(), SqlError> {
    match (value, kind) {
        (ValueRef::Null, _) => rows.push(Value::Null),
        (ValueRef::Integer(number), Type::Unsigned) => rows.push(match u64::try_from(number) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Integer(number),
        }),
        (ValueRef::Integer(number), _) => rows.push(Value::Integer(number)),
        (ValueRef::Real(number), _) if number.is_finite() => rows.push(Value::Real(number)),
        (ValueRef::Real(_), _) => return Err(out_of_range("DOUBLE")),
        (ValueRef::Blob(blob), Type::Decimal { scale, carried }) => {
            let units = decimal::of_blob(blob).unwrap_or_default();
            let units = decimal::rescale(units, carried, scale);
            let units = units.ok_or_else(|| out_of_range("DECIMAL"))?;
            rows.push(Value::Text(decimal::text(units, scale).as_bytes()));
        }
        (ValueRef::Text(text) | ValueRef::Blob(text), _) => rows.push(Value::Text(text)),
    }
    Ok(())
}
