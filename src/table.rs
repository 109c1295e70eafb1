//! Tables: what servers answer, and what virtual statements give. Columns, values, and rows packed.

mod rows;

use std::fmt;

pub use rows::{Place, Row, Rows};

/// How a column's values are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, BIGINT UNSIGNED.
    Number,
    /// A whole number that may be below zero, BIGINT.
    Integer,
    /// A number with so many digits behind its point, DECIMAL. Its values are texts, such as `3.5000`.
    Decimal(u8),
    /// A number of binary precision, DOUBLE.
    Real,
    /// A text of ordinary length, VARCHAR.
    Text,
    /// A text that may be very long, TEXT.
    LongText,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As the client reads it.
    pub name: String,
    /// How its values are sent.
    pub kind: Kind,
}

impl Column {
    /// A column of whole numbers.
    pub fn number(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Number,
        }
    }

    /// A column of texts.
    pub fn text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Text,
        }
    }

    /// A column of long texts.
    pub fn long_text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::LongText,
        }
    }
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A whole number.
    Number(u64),
    /// A whole number that may be below zero.
    Integer(i64),
    /// A number of binary precision.
    Real(f64),
    /// Mostly UTF-8; what a server reports in other bytes stays as it is.
    Text(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text, or NULL for none.
    pub fn text_or_null(text: Option<&'a (impl AsRef<[u8]> + ?Sized)>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.as_ref()))
    }

    /// The number, or NULL for none.
    pub fn number_or_null(number: Option<u64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.as_bytes())
    }
}

/// As a terminal shows it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Number(number) => number.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Real(number) => fmt_real(*number, f),
            Self::Text(text) => String::from_utf8_lossy(text).fmt(f),
        }
    }
}

/// A number of binary precision in the fewest digits, as servers write it: with an exponent where the point would
/// be far from the digits.
fn fmt_real(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const WITHOUT_EXPONENT: std::ops::Range<f64> = 1e-15..1e15;
    let size = number.abs();
    if size == 0.0 {
        f.write_str("0")
    } else if WITHOUT_EXPONENT.contains(&size) {
        write!(f, "{number}")
    } else {
        write!(f, "{number:e}")
    }
}
