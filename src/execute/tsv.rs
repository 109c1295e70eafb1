//! Results as `mysql --batch` writes them: a line of names, then a line for each row, with tabs between the values.

use super::Printer;
use crate::table::{Column, Rows, Value};
use crate::wire::answer::OkAnswer;

/// Writes each row as it comes.
#[derive(Debug, Default)]
pub(super) struct Tsv {}

impl Printer for Tsv {
    fn columns(&mut self, columns: Vec<Column>) -> Vec<u8> {
        let names = columns.iter().map(|column| Value::from(&*column.name));
        let mut line = Vec::new();
        put_line(&mut line, names);
        line
    }

    fn rows(&mut self, rows: Rows) -> Vec<u8> {
        let mut lines = Vec::new();
        for row in rows.iter() {
            put_line(&mut lines, row.values());
        }
        lines
    }

    fn end(&mut self, _messages: usize) -> Vec<u8> {
        Vec::new()
    }

    fn done(&mut self, _ok: &OkAnswer) -> Vec<u8> {
        Vec::new()
    }
}

fn put_line<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = Value<'a>>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        match value {
            Value::Text(text) => put_escaped(out, text),
            other => out.extend(other.to_string().bytes()),
        }
    }
    out.push(b'\n');
}

/// What would end a value or a line is written with a backslash; all other bytes are as they are.
fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            b'\\' => out.extend(b"\\\\"),
            0 => out.extend(b"\\0"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_mysql_writes_without_a_terminal() {
        let mut tsv = Tsv::default();
        let mut written = tsv.columns(vec![Column::number("Id"), Column::text("Info")]);
        let mut rows = Rows::new(2);
        rows.push_row([Value::Number(u64::MAX), "a\tb\nc\\d\0e\r'\"".into()]);
        rows.push_row([Value::Integer(-7), Value::Null]);
        rows.push_row([Value::Real(0.5), Value::Text(b"\xff")]);
        written.extend(tsv.rows(rows));
        written.extend(tsv.end(3));
        assert_eq!(
            written,
            b"Id\tInfo\n18446744073709551615\ta\\tb\\nc\\\\d\\0e\r'\"\n-7\tNULL\n0.5\t\xff\n"
        );
    }

    #[test]
    fn a_statement_without_rows_writes_nothing() {
        assert!(Tsv::default().done(&OkAnswer::default()).is_empty());
    }
}
