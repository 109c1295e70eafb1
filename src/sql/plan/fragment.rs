//! A piece of SQLite's text, and the type that MySQL gives its value.
//!
//! MySQL decides by type what `=`, `+` or CASE mean; SQLite decides by value. So each piece is written together
//! with its type, and where two meet they are first brought to common ground: both whole numbers, both decimals
//! of one scale, both numbers of binary precision, or both texts.

use std::fmt::Write as _;

use super::refusal::{not_evaluated, out_of_range};
use crate::sql::decimal::{self, SCALE_MAX};
use crate::table::Kind;
use crate::wire::answer::SqlError;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Type {
    /// NULL, and nothing else.
    Null,
    /// BIGINT UNSIGNED, an INTEGER.
    Unsigned,
    /// BIGINT, an INTEGER.
    Signed,
    /// DECIMAL, a blob as [`decimal`] has it. The client sees `scale` digits behind the point; the value has
    /// `carried`, as a quotient has more until it is shown.
    Decimal { scale: u8, carried: u8 },
    /// DOUBLE, a REAL.
    Real,
    /// VARCHAR, a TEXT.
    Text,
    /// TEXT, a TEXT.
    LongText,
    /// DATETIME, a TEXT such as `2024-07-22 18:01:39`.
    Moment,
}

impl Type {
    /// The type of a column's values.
    pub(in crate::sql) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Unsigned,
            Kind::Integer => Self::Signed,
            Kind::Decimal(scale) => Self::decimal(scale),
            Kind::Real => Self::Real,
            Kind::Text => Self::Text,
            Kind::LongText => Self::LongText,
        }
    }

    /// How the client sees it.
    pub(in crate::sql) fn kind(self) -> Kind {
        match self {
            Self::Unsigned => Kind::Number,
            Self::Signed => Kind::Integer,
            Self::Decimal { scale, .. } => Kind::Decimal(scale),
            Self::Real => Kind::Real,
            Self::Null | Self::Text | Self::Moment => Kind::Text,
            Self::LongText => Kind::LongText,
        }
    }

    pub(super) fn decimal(scale: u8) -> Self {
        Self::Decimal {
            scale,
            carried: scale,
        }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::LongText)
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Unsigned | Self::Signed)
    }

    /// Digits that are carried behind the point; none for whole numbers.
    pub(super) fn carried(self) -> u8 {
        match self {
            Self::Decimal { carried, .. } => carried,
            _ => 0,
        }
    }

    /// Digits that are shown behind the point.
    pub(super) fn scale(self) -> u8 {
        match self {
            Self::Decimal { scale, .. } => scale,
            _ => 0,
        }
    }

    /// The type of what is either of one type or of the other, as CASE and UNION give it.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Moment, Self::Moment) => Self::Moment,
            (Self::LongText, _) | (_, Self::LongText) => Self::LongText,
            (Self::Text | Self::Moment, _) | (_, Self::Text | Self::Moment) => Self::Text,
            (Self::Real, _) | (_, Self::Real) => Self::Real,
            (Self::Decimal { .. }, _) | (_, Self::Decimal { .. }) => Self::Decimal {
                scale: self.scale().max(other.scale()),
                carried: self.carried().max(other.carried()),
            },
            (Self::Unsigned, Self::Unsigned) => Self::Unsigned,
            (Self::Signed | Self::Unsigned, Self::Signed | Self::Unsigned) => Self::Signed,
        }
    }

    /// As a table keeps it: nothing is carried that is not shown.
    pub(super) fn settled(self) -> Self {
        match self {
            Self::Decimal { scale, .. } => Self::decimal(scale),
            other => other,
        }
    }
}

/// As what two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// As they are: whole numbers, or NULL.
    Whole,
    /// As decimals with so many digits behind the point.
    Decimal(u8),
    Real,
    Text,
    Moment,
}

impl Ground {
    /// As what MySQL compares values of two types.
    pub(super) fn between(left: Type, right: Type) -> Result<Self, SqlError> {
        Ok(match (left, right) {
            (Type::Null, Type::Null) => Self::Whole,
            (Type::Null, one) | (one, Type::Null) => Self::of(one),
            (Type::Moment, other) | (other, Type::Moment) => {
                if other != Type::Moment && !other.is_text() {
                    return Err(not_evaluated("a comparison of a time with a number"));
                }
                Self::Moment
            }
            (left, right) if left.is_text() && right.is_text() => Self::Text,
            (left, right) if left.is_text() || right.is_text() => Self::Real,
            (Type::Real, _) | (_, Type::Real) => Self::Real,
            (left, right) if left.is_whole() && right.is_whole() => Self::Whole,
            (left, right) => Self::Decimal(left.carried().max(right.carried())),
        })
    }

    /// As what values of one type are compared.
    pub(super) fn of(one: Type) -> Self {
        match one {
            Type::Null | Type::Unsigned | Type::Signed => Self::Whole,
            Type::Decimal { carried, .. } => Self::Decimal(carried),
            Type::Real => Self::Real,
            Type::Text | Type::LongText => Self::Text,
            Type::Moment => Self::Moment,
        }
    }
}

/// A piece of SQLite's text, which stands for itself: a name, a literal, a call, or in parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) sql: String,
    pub(super) kind: Type,
}

impl Fragment {
    pub(super) fn new(sql: impl Into<String>, kind: Type) -> Self {
        Self {
            sql: sql.into(),
            kind,
        }
    }

    pub(super) fn null() -> Self {
        Self::new("NULL", Type::Null)
    }

    /// What is true (1), false (0) or NULL.
    pub(super) fn truth_of(sql: impl Into<String>) -> Self {
        Self::new(sql, Type::Signed)
    }

    /// A text as a literal.
    pub(super) fn text(text: &str) -> Self {
        Self::new(quoted(text), Type::Text)
    }

    /// A decimal as a literal.
    pub(super) fn decimal(units: decimal::Units, scale: u8) -> Self {
        Self::new(blob(units), Type::decimal(scale))
    }

    /// As a number: texts have the one that they begin with.
    pub(super) fn into_number(self) -> Result<Self, SqlError> {
        match self.kind {
            Type::Text | Type::LongText => Ok(Self::new(self.as_real()?, Type::Real)),
            Type::Moment => Err(not_evaluated("arithmetic on a time without INTERVAL")),
            _ => Ok(self),
        }
    }

    /// As DOUBLE.
    pub(super) fn as_real(&self) -> Result<String, SqlError> {
        let sql = &self.sql;
        Ok(match self.kind {
            Type::Null | Type::Real => sql.clone(),
            Type::Unsigned | Type::Signed => format!("CAST({sql} AS REAL)"),
            Type::Decimal { carried, .. } => format!("my_decimal_real({sql},{carried})"),
            Type::Text | Type::LongText => format!("my_real({sql})"),
            Type::Moment => return Err(not_evaluated("a time as a number")),
        })
    }

    /// As a whole number: rounded, but a text is cut.
    pub(super) fn as_whole(&self) -> Result<String, SqlError> {
        let sql = &self.sql;
        Ok(match self.kind {
            Type::Null | Type::Unsigned | Type::Signed => sql.clone(),
            Type::Decimal { carried, .. } => format!("my_decimal_whole({sql},{carried})"),
            Type::Real => format!("my_rounded({sql})"),
            Type::Text | Type::LongText => format!("my_whole({sql})"),
            Type::Moment => return Err(not_evaluated("a time as a number")),
        })
    }

    /// As a decimal with so many digits behind its point.
    pub(super) fn as_decimal(&self, carried: u8) -> Result<String, SqlError> {
        if carried > SCALE_MAX {
            return Err(out_of_range("DECIMAL"));
        }
        let sql = &self.sql;
        Ok(match self.kind {
            Type::Null => sql.clone(),
            Type::Unsigned | Type::Signed => format!("my_decimal({sql},{carried})"),
            Type::Decimal { carried: from, .. } if from == carried => sql.clone(),
            Type::Decimal { carried: from, .. } => {
                format!("my_decimal_rescale({sql},{from},{carried})")
            }
            Type::Real => format!("my_decimal_of_real({sql},{carried})"),
            Type::Text | Type::LongText => format!("my_decimal_of_text({sql},{carried})"),
            Type::Moment => return Err(not_evaluated("a time as a number")),
        })
    }

    /// As the text that a client would see.
    pub(super) fn as_text(&self) -> String {
        let sql = &self.sql;
        match self.kind {
            Type::Unsigned | Type::Signed => format!("CAST({sql} AS TEXT)"),
            Type::Decimal { scale, carried } => {
                format!("my_decimal_text({sql},{carried},{scale})")
            }
            Type::Real => format!("my_real_text({sql})"),
            Type::Null | Type::Text | Type::LongText | Type::Moment => sql.clone(),
        }
    }

    /// As a time; NULL for a text that is none.
    pub(super) fn as_moment(&self) -> Result<String, SqlError> {
        match self.kind {
            Type::Null | Type::Moment => Ok(self.sql.clone()),
            Type::Text | Type::LongText => Ok(format!("my_moment({})", self.sql)),
            _ => Err(not_evaluated("a number as a time")),
        }
    }

    /// As a condition: what is not zero is true.
    pub(super) fn as_truth(&self) -> Result<String, SqlError> {
        Ok(match self.kind {
            Type::Null | Type::Unsigned | Type::Signed | Type::Real => self.sql.clone(),
            Type::Decimal { .. } => format!("({}<>{})", self.sql, blob(0)),
            Type::Text | Type::LongText => self.as_real()?,
            Type::Moment => return Err(not_evaluated("a time as a condition")),
        })
    }

    /// Ready to be compared, ordered or grouped.
    pub(super) fn on(&self, ground: Ground) -> Result<String, SqlError> {
        match ground {
            Ground::Whole => Ok(self.sql.clone()),
            Ground::Decimal(carried) => self.as_decimal(carried),
            Ground::Real => self.as_real(),
            Ground::Text => Ok(format!("({} COLLATE NOCASE)", self.as_text())),
            Ground::Moment => self.as_moment(),
        }
    }

    /// Ready to be ordered or grouped by itself.
    pub(super) fn key(&self) -> String {
        if self.kind.is_text() {
            format!("({} COLLATE NOCASE)", self.sql)
        } else {
            self.sql.clone()
        }
    }

    /// As a value of another type, which [`Type::or`] has given.
    pub(super) fn into_kind(self, kind: Type) -> Result<Self, SqlError> {
        let sql = match kind {
            Type::Null | Type::Moment => self.sql,
            Type::Unsigned | Type::Signed => self.as_whole()?,
            Type::Decimal { carried, .. } => self.as_decimal(carried)?,
            Type::Real => self.as_real()?,
            Type::Text | Type::LongText => self.as_text(),
        };
        Ok(Self { sql, kind })
    }
}

/// A text in SQLite's quotes. Its text ends at the first NUL, so that one with such bytes is written as bytes.
fn quoted(text: &str) -> String {
    if !text.contains('\0') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    format!("CAST({} AS TEXT)", hex(text.as_bytes()))
}

fn blob(units: decimal::Units) -> String {
    hex(&decimal::to_blob(units))
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2 + 3);
    hex.push_str("x'");
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.push('\'');
    hex
}
