//! Times: the statement's moment, intervals and differences. All of them are in UTC, to the second.

use sqlparser::ast::{DateTimeField, Expr, Interval};

use super::expression::bare;
use super::fragment::{Fragment, Type};
use super::planner::{Place, Planner};
use super::refusal::not_evaluated;
use crate::sql::moment::Moment;
use crate::wire::answer::SqlError;

impl Planner<'_> {
    /// A call of a function of times; `None` when the name is no such function's.
    pub(super) fn time_function(
        &mut self,
        place: Place<'_>,
        name: &str,
        arguments: &[&Expr],
    ) -> Result<Option<Fragment>, SqlError> {
        let now = Moment::of(self.context.now);
        let fragment = match (name, arguments) {
            (
                "NOW" | "CURRENT_TIMESTAMP" | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_TIMESTAMP",
                [],
            ) => Fragment::new(Fragment::text(&now.to_string()).sql, Type::Moment),
            ("UNIX_TIMESTAMP", []) => Fragment::new(now.seconds().to_string(), Type::Signed),
            ("UNIX_TIMESTAMP", [moment]) => {
                let moment = self.expression(place, moment)?;
                let seconds = format!("my_unix_timestamp({})", moment.as_moment()?);
                if moment.kind.is_text() {
                    let seconds = Fragment::new(seconds, Type::Signed);
                    Fragment::new(
                        seconds.as_decimal(MICROSECONDS)?,
                        Type::decimal(MICROSECONDS),
                    )
                } else {
                    Fragment::new(seconds, Type::Signed)
                }
            }
            ("FROM_UNIXTIME", [seconds]) => {
                let seconds = self.expression(place, seconds)?;
                if !matches!(seconds.kind, Type::Unsigned | Type::Signed | Type::Null) {
                    return Err(not_evaluated("FROM_UNIXTIME() of what is no whole number"));
                }
                Fragment::new(format!("my_from_unixtime({})", seconds.sql), Type::Moment)
            }
            ("TIMESTAMPDIFF", [unit, from, to]) => {
                let Expr::Identifier(unit) = bare(unit) else {
                    return Err(not_evaluated("TIMESTAMPDIFF() in such a unit"));
                };
                let unit = unit_named(&unit.value)?;
                let from = self.expression(place, from)?.as_moment()?;
                let to = self.expression(place, to)?.as_moment()?;
                Fragment::new(
                    format!("my_timestampdiff('{unit}',{from},{to})"),
                    Type::Signed,
                )
            }
            ("DATE_ADD" | "ADDDATE" | "DATE_SUB" | "SUBDATE", [moment, interval])
                if matches!(bare(interval), Expr::Interval(_)) =>
            {
                let moment = self.expression(place, moment)?;
                let is_back = name.contains("SUB");
                self.moved(place, &moment, interval_of(interval)?, is_back)?
            }
            _ => return Ok(None),
        };
        Ok(Some(fragment))
    }

    /// A time, and an interval later or, when `is_back`, earlier.
    pub(super) fn moved(
        &mut self,
        place: Place<'_>,
        moment: &Fragment,
        (amount, unit): (&Expr, &'static str),
        is_back: bool,
    ) -> Result<Fragment, SqlError> {
        let amount = self.expression(place, amount)?;
        if matches!(amount.kind, Type::Decimal { .. } | Type::Real) {
            return Err(not_evaluated("an INTERVAL that is no whole number"));
        }
        let amount = amount.as_whole()?;
        let amount = if is_back {
            format!("my_subtract(0,{amount},0)")
        } else {
            amount
        };
        let (function, kind) = match moment.kind {
            Type::Moment => ("my_moved", Type::Moment),
            Type::Text | Type::LongText => ("my_moved_text", Type::Text),
            Type::Null => return Ok(Fragment::null()),
            _ => return Err(not_evaluated("a number as a time")),
        };
        let sql = format!("{function}({},{amount},'{unit}')", moment.sql);
        Ok(Fragment::new(sql, kind))
    }
}

/// Digits behind the point of `UNIX_TIMESTAMP('…')`: a text may have microseconds.
const MICROSECONDS: u8 = 6;

/// `INTERVAL amount unit`
pub(super) fn interval_of(expr: &Expr) -> Result<(&Expr, &'static str), SqlError> {
    let Expr::Interval(Interval {
        value,
        leading_field: Some(unit),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }) = bare(expr)
    else {
        return Err(not_evaluated("such an INTERVAL"));
    };
    let unit = match unit {
        DateTimeField::Week(None) => "WEEK",
        unit => unit_named(&unit.to_string())?,
    };
    Ok((value, unit))
}

/// A unit of time.
fn unit_named(name: &str) -> Result<&'static str, SqlError> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SQL_TSI_").unwrap_or(&name);
    UNITS
        .iter()
        .find(|unit| **unit == name)
        .copied()
        .ok_or_else(|| not_evaluated(format_args!("the unit {name}")))
}

const UNITS: [&str; 8] = [
    "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR",
];
