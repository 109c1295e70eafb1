//! Tables: what servers answer, and what virtual statements give. Columns, values, and rows packed.

use std::fmt;

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

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A whole number.
    Number(u64),
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

/// Rows of one width, packed: all their values in one buffer, and where each of them ends. A million rows
/// cost a few large allocations, and what they take of memory is known.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rows {
    width: usize,
    bytes: Vec<u8>,
    /// For each value its kind in the two highest bits, and where it ends in the rest.
    ends: Vec<u32>,
}

/// The kinds of values, as the two highest bits of an end say them.
const TEXT: u32 = 0;
const NULL: u32 = 1 << 30;
const NUMBER: u32 = 2 << 30;
const KIND_MASK: u32 = 3 << 30;

/// How much rows that grow ask for at once, in bytes: the half of what they have, but no more than this.
const GROWTH_BYTES_MAX: usize = 256 * 1024;

impl Rows {
    /// The most that rows can hold, in bytes of values.
    pub const BYTES_MAX: usize = (1 << 30) - 1;

    /// No rows, of `width` values each.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// How many there are, whole ones.
    pub fn len(&self) -> usize {
        self.ends.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What their values take, in bytes.
    pub fn value_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What they take of memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Whether a row with `bytes` of values has room.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len().saturating_add(bytes) <= Self::BYTES_MAX
    }

    /// Adds a value to the last row, or begins the next one with it. One that has no room is NULL.
    pub fn push(&mut self, value: Value<'_>) {
        let kind = match value {
            Value::Text(text) if self.has_room(text.len()) => {
                self.grow(text.len());
                self.bytes.extend_from_slice(text);
                TEXT
            }
            Value::Number(number) if self.has_room(size_of::<u64>()) => {
                self.grow(size_of::<u64>());
                self.bytes.extend_from_slice(&number.to_le_bytes());
                NUMBER
            }
            _ => NULL,
        };
        self.ends.push(kind | self.bytes.len() as u32);
    }

    /// Makes room by little more than is needed: doubling would waste half of a long answer.
    fn grow(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            let some = (self.bytes.len() / 2).min(GROWTH_BYTES_MAX);
            self.bytes.reserve_exact(more.max(some));
        }
        if self.ends.capacity() == self.ends.len() {
            let some = (self.ends.len() / 2).min(GROWTH_BYTES_MAX / size_of::<u32>());
            self.ends.reserve_exact(some.max(self.width).max(1));
        }
    }

    /// Adds a row.
    pub fn push_row<'a>(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        for value in values {
            self.push(value);
        }
    }

    /// The row of this number.
    pub fn row(&self, number: usize) -> Row<'_> {
        Row {
            rows: self,
            first: number * self.width,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|number| self.row(number))
    }

    fn value(&self, at: usize) -> Value<'_> {
        let Some(&end) = self.ends.get(at) else {
            return Value::Null;
        };
        let position = |end: u32| (end & !KIND_MASK) as usize;
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let begin = before.map_or(0, |end| position(*end));
        let bytes = self.bytes.get(begin..position(end)).unwrap_or_default();
        match end & KIND_MASK {
            TEXT => Value::Text(bytes),
            NUMBER => bytes.first_chunk().map_or(Value::Null, |number| {
                Value::Number(u64::from_le_bytes(*number))
            }),
            _ => Value::Null,
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One of several rows.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    rows: &'a Rows,
    first: usize,
}

impl<'a> Row<'a> {
    /// The value of column number `column`; NULL where there is no such column.
    pub fn value(self, column: usize) -> Value<'a> {
        if column < self.rows.width {
            self.rows.value(self.first + column)
        } else {
            Value::Null
        }
    }

    /// The same as text: NULL and numbers have none.
    pub fn text(self, column: usize) -> Option<&'a [u8]> {
        match self.value(column) {
            Value::Text(text) => Some(text),
            Value::Null | Value::Number(_) => None,
        }
    }

    /// All its values.
    pub fn values(self) -> impl Iterator<Item = Value<'a>> {
        (0..self.rows.width).map(move |column| self.value(column))
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let mut rows = Rows::new(3);
        let long = vec![b'x'; 100_000];
        let first = [Value::Null, Value::Number(u64::MAX), Value::Text(b"")];
        let second = [Value::Text(&long), Value::Null, Value::Number(0)];
        rows.push_row(first);
        rows.push_row(second);
        assert_eq!(rows.len(), 2);
        let read: Vec<Vec<_>> = rows.iter().map(|row| row.values().collect()).collect();
        assert_eq!(read, [first, second]);
        assert_eq!(rows.row(1).text(0), Some(&long[..]));
        assert_eq!(rows.row(1).value(3), Value::Null);
        assert_eq!(rows.row(7).value(0), Value::Null);
    }

    #[test]
    fn a_row_that_is_not_all_there_does_not_count() {
        let mut rows = Rows::new(2);
        rows.push("a".into());
        assert!(rows.is_empty());
        rows.push("b".into());
        assert_eq!(rows.len(), 1);
        assert_eq!(Rows::new(0).len(), 0);
    }

    #[test]
    fn memory_is_little_more_than_what_is_in_it() {
        let mut rows = Rows::new(1);
        for _ in 0..100_000 {
            rows.push(Value::Text(&[b'x'; 46]));
        }
        let needed = 100_000 * (46 + 4);
        assert!(rows.memory_bytes() >= needed);
        assert!(rows.memory_bytes() <= needed + 2 * GROWTH_BYTES_MAX);
    }
}
