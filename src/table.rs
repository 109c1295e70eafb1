//! Results of virtual statements: columns, rows, and how many of which kind.

/// How a column's values are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, BIGINT UNSIGNED.
    Number,
    /// A text of ordinary length, VARCHAR.
    Text,
    /// A text that may be very long, TEXT.
    LongText,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

impl Column {
    pub fn number(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Number,
        }
    }

    pub fn text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Text,
        }
    }

    pub fn long_text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::LongText,
        }
    }
}

/// A value: of its column's kind, or NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Number(u64),
    /// Mostly UTF-8; what a server reports in other bytes stays as it is.
    Text(Vec<u8>),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    /// The text, or NULL for none.
    pub fn text_or_null(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

/// A row: one cell for each column.
pub type Row = Vec<Cell>;
