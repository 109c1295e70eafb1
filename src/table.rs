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

/// A value: of its column's kind, or NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A whole number.
    Number(u64),
    /// Mostly UTF-8; what a server reports in other bytes stays as it is.
    Text(Vec<u8>),
}

impl Cell {
    /// A text.
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
