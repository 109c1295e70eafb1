//! Rows packed into blocks of memory.

use std::fmt;

use super::Value;

/// Rows of one width, packed into a few blocks of memory: a million rows cost no million allocations, and what
/// they take is known. A row is where each of its values ends, and then the values.
#[derive(Clone, Default)]
pub struct Rows {
    width: usize,
    len: usize,
    /// Each holds whole rows, and is never made longer than it was made for.
    blocks: Vec<Vec<u8>>,
    memory_bytes: usize,
    /// The row that is being put together: the ends of its values, and these.
    ends: Vec<u32>,
    values: Vec<u8>,
}

/// The kinds of values, as the three highest bits of an end say them.
const TEXT: u32 = 0;
const NULL: u32 = 1 << 29;
const NUMBER: u32 = 2 << 29;
const INTEGER: u32 = 3 << 29;
const REAL: u32 = 4 << 29;
const KIND_MASK: u32 = 7 << 29;

/// The bytes of one end.
const END_BYTES: usize = size_of::<u32>();

/// The most that a row can hold, in bytes.
const ROW_BYTES_MAX: usize = (1 << 29) - 1;

/// Memory is taken in blocks of this size, but for the first few, which are smaller, and for a row that is
/// larger: of one size, so that what one answer gives back is good for the next.
const BLOCK_BYTES: usize = 16 * 1024;
const FIRST_BLOCK_BYTES: usize = 1024;

impl Rows {
    /// No rows, of `width` values each.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// How many there are, whole ones.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What they take of memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Adds a value to the last row, or begins the next one with it. One that has no room in a row is NULL.
    pub fn push(&mut self, value: Value<'_>) {
        let kind = match value {
            Value::Text(text) if self.values.len() + text.len() <= ROW_BYTES_MAX => {
                self.values.extend_from_slice(text);
                TEXT
            }
            Value::Number(number) => {
                self.values.extend_from_slice(&number.to_le_bytes());
                NUMBER
            }
            Value::Integer(number) => {
                self.values.extend_from_slice(&number.to_le_bytes());
                INTEGER
            }
            Value::Real(number) => {
                self.values.extend_from_slice(&number.to_le_bytes());
                REAL
            }
            Value::Text(_) | Value::Null => NULL,
        };
        self.ends.push(kind | self.values.len() as u32);
        if self.ends.len() == self.width {
            self.end_row();
        }
    }

    fn end_row(&mut self) {
        let needed = self.ends.len() * END_BYTES + self.values.len();
        let last = self.blocks.last();
        if last.is_none_or(|last| last.capacity() - last.len() < needed) {
            let before = last.map_or(0, Vec::capacity);
            let usual = (2 * before).clamp(FIRST_BLOCK_BYTES, BLOCK_BYTES);
            let block = Vec::with_capacity(usual.max(needed));
            self.memory_bytes += block.capacity();
            self.blocks.push(block);
        }
        if let Some(block) = self.blocks.last_mut() {
            for end in &self.ends {
                block.extend_from_slice(&end.to_le_bytes());
            }
            block.extend_from_slice(&self.values);
        }
        self.len += 1;
        self.ends.clear();
        self.values.clear();
    }

    /// Adds a row.
    pub fn push_row<'a>(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        for value in values {
            self.push(value);
        }
    }

    /// The same rows with these columns only, in this order.
    #[must_use]
    pub fn project(&self, columns: &[usize]) -> Self {
        let mut rows = Self::new(columns.len());
        for row in self.iter() {
            rows.push_row(columns.iter().map(|column| row.value(*column)));
        }
        rows
    }

    /// The row at a place that [`Row::place`] has given.
    pub fn at(&self, place: Place) -> Row<'_> {
        let block = self.blocks.get(place.block as usize);
        Row {
            width: self.width,
            bytes: block
                .and_then(|block| block.get(place.offset as usize..))
                .unwrap_or_default(),
            place,
        }
    }

    /// The first of them; one of NULLs where there is none.
    pub fn first(&self) -> Row<'_> {
        self.at(Place::default())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let mut place = Place::default();
        (0..self.len).map(move |_| {
            let block = self.blocks.get(place.block as usize);
            if block.is_some_and(|block| block.len() <= place.offset as usize) {
                place = Place {
                    block: place.block + 1,
                    offset: 0,
                };
            }
            let row = self.at(place);
            place.offset += row.len() as u32;
            row
        })
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.width == other.width
            && self.len == other.len
            && self
                .iter()
                .zip(other.iter())
                .all(|(a, b)| a.values().eq(b.values()))
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    block: u32,
    offset: u32,
}

/// One of several rows.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    width: usize,
    /// From its beginning on, and what follows it.
    bytes: &'a [u8],
    place: Place,
}

impl<'a> Row<'a> {
    /// Where it stands among its rows.
    pub fn place(self) -> Place {
        self.place
    }

    /// What it takes, in bytes.
    fn len(self) -> usize {
        let last = self.width.checked_sub(1).and_then(|last| self.end(last));
        self.width * END_BYTES + last.map_or(0, position)
    }

    fn end(self, column: usize) -> Option<u32> {
        let end = self.bytes.get(column * END_BYTES..)?.first_chunk()?;
        Some(u32::from_le_bytes(*end))
    }

    /// The value of column number `column`; NULL where there is no such column.
    pub fn value(self, column: usize) -> Value<'a> {
        let end = if column < self.width {
            self.end(column)
        } else {
            None
        };
        let Some(end) = end else {
            return Value::Null;
        };
        let before = column.checked_sub(1).and_then(|before| self.end(before));
        let values = self.width * END_BYTES;
        let (begin, end_at) = (before.map_or(0, position), position(end));
        let bytes = self.bytes.get(values + begin..values + end_at);
        match (end & KIND_MASK, bytes.unwrap_or_default()) {
            (TEXT, bytes) => Value::Text(bytes),
            (kind, bytes) => bytes
                .first_chunk()
                .map_or(Value::Null, |number| match kind {
                    NUMBER => Value::Number(u64::from_le_bytes(*number)),
                    INTEGER => Value::Integer(i64::from_le_bytes(*number)),
                    REAL => Value::Real(f64::from_le_bytes(*number)),
                    _ => Value::Null,
                }),
        }
    }

    /// The same as text: NULL and numbers have none.
    pub fn text(self, column: usize) -> Option<&'a [u8]> {
        match self.value(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// All its values.
    pub fn values(self) -> impl Iterator<Item = Value<'a>> {
        (0..self.width).map(move |column| self.value(column))
    }
}

/// Where a value ends, in its row's values.
fn position(end: u32) -> usize {
    (end & !KIND_MASK) as usize
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
        let second = [Value::Text(&long), Value::Integer(-1), Value::Real(0.5)];
        for row in [first, second, first] {
            rows.push_row(row);
        }
        assert_eq!(rows.len(), 3);
        let read: Vec<Vec<_>> = rows.iter().map(|row| row.values().collect()).collect();
        assert_eq!(read, [first, second, first]);
        let places: Vec<Place> = rows.iter().map(Row::place).collect();
        assert_eq!(rows.at(places[1]).text(0), Some(&long[..]));
        assert_eq!(rows.at(places[1]).value(3), Value::Null);
        assert_eq!(Rows::new(2).first().value(0), Value::Null);
    }

    /// As MariaDB 10.11 writes them.
    #[test]
    fn a_number_of_binary_precision_is_written_as_servers_write_it() {
        for (number, text) in [
            (-0.0, "0"),
            (0.5, "0.5"),
            (-2.0, "-2"),
            (100_000_000_000_000.0, "100000000000000"),
            (1e15, "1e15"),
            (-1.5e300, "-1.5e300"),
            (1e-15, "0.000000000000001"),
            (1.25e-16, "1.25e-16"),
        ] {
            assert_eq!(Value::Real(number).to_string(), text);
        }
    }

    #[test]
    fn a_row_that_is_not_all_there_does_not_count() {
        let mut rows = Rows::new(2);
        rows.push("a".into());
        assert!(rows.is_empty() && rows.iter().next().is_none());
        rows.push("b".into());
        assert_eq!(rows.len(), 1);
        assert_eq!(Rows::new(0).len(), 0);
    }

    #[test]
    fn rows_are_equal_when_their_values_are() {
        let rows = |texts: &[&str]| {
            let mut rows = Rows::new(1);
            rows.push_row(texts.iter().map(|text| (*text).into()));
            rows
        };
        assert_eq!(rows(&["a", "b"]), rows(&["a", "b"]));
        assert_ne!(rows(&["a", "b"]), rows(&["a", "c"]));
        assert_ne!(rows(&["a"]), rows(&["a", "b"]));
    }

    #[test]
    fn memory_is_little_more_than_what_is_in_it() {
        let mut rows = Rows::new(1);
        for _ in 0..100_000 {
            rows.push(Value::Text(&[b'x'; 46]));
        }
        let needed = 100_000 * (46 + END_BYTES);
        let wasted = rows.memory_bytes() - needed;
        assert!(wasted <= needed / 100 + BLOCK_BYTES, "{wasted}");
        assert_eq!(rows.iter().count(), 100_000);
    }
}
