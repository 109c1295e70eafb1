//! Results as the mysql client shows them on a terminal. The door to comfy-table.
//!
//! How wide a column is shows in its last row only: rows are kept until the result's end, or until they take
//! [`TABLE_BYTES_MAX`]. What follows is another table then, with widths of its own.

use comfy_table::presets::ASCII_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle};

use super::{Printer, visible};
use crate::table::{Column, Kind, Rows, Value};
use crate::wire::answer::OkAnswer;

/// What the rows of one table may take, in bytes.
const TABLE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Keeps rows until it knows how wide they are.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<Column>,
    kept: Vec<Rows>,
    rows: usize,
}

impl Printer for Table {
    fn columns(&mut self, columns: Vec<Column>) -> Vec<u8> {
        self.columns = columns;
        Vec::new()
    }

    fn rows(&mut self, rows: Rows) -> Vec<u8> {
        self.rows += rows.len();
        self.kept.push(rows);
        let bytes: usize = self.kept.iter().map(Rows::memory_bytes).sum();
        if bytes < TABLE_BYTES_MAX {
            return Vec::new();
        }
        self.draw()
    }

    fn end(&mut self, messages: usize) -> Vec<u8> {
        let mut out = self.draw();
        let rows = match self.rows {
            0 => "Empty set".to_owned(),
            rows => format!("{} in set", counted(rows as u64, "row")),
        };
        out.extend(format!("{rows}{}\n", warned(messages)).bytes());
        out
    }

    fn done(&mut self, ok: &OkAnswer) -> Vec<u8> {
        let rows = counted(ok.affected_rows, "row");
        let mut text = format!("Query OK, {rows} affected{}\n", warned(ok.warnings.into()));
        if !ok.info.is_empty() {
            text.push_str(&ok.info);
            text.push('\n');
        }
        text.into_bytes()
    }
}

impl Table {
    /// Draws what is kept, and keeps it no longer.
    fn draw(&mut self) -> Vec<u8> {
        let kept = std::mem::take(&mut self.kept);
        let rows = kept.iter().flat_map(Rows::iter);
        let mut table = comfy_table::Table::new();
        let rule = LineStyle::new('+', '-', '+', '+');
        table
            .load_style(ASCII_FULL_CONDENSED.header_separator(rule))
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(
                self.columns
                    .iter()
                    .map(|column| Cell::new(visible(&column.name))),
            );
        let mut is_empty = true;
        for row in rows {
            is_empty = false;
            let cells = self.columns.iter().zip(row.values());
            table.add_row(cells.map(|(column, value)| cell(column, value)));
        }
        if is_empty {
            return Vec::new();
        }
        let mut out = Vec::new();
        for line in table.lines() {
            out.extend(line.bytes());
            out.push(b'\n');
        }
        out
    }
}

/// Numbers stand to the right.
fn cell(column: &Column, value: Value<'_>) -> Cell {
    let alignment = match column.kind {
        Kind::Number | Kind::Integer | Kind::Decimal(_) | Kind::Real => CellAlignment::Right,
        Kind::Text | Kind::LongText => CellAlignment::Left,
    };
    Cell::new(visible(&value.to_string())).set_alignment(alignment)
}

/// `1 row`, `2 rows`
fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// `, 1 warning`; nothing where there is none.
fn warned(messages: usize) -> String {
    match messages {
        0 => String::new(),
        messages => format!(", {}", counted(messages as u64, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::number("Id"),
            Column::text("db"),
            Column::text("Info"),
        ]
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn it_is_what_mysql_shows_on_a_terminal() {
        let mut table = Table::default();
        table.columns(columns());
        let mut rows = Rows::new(3);
        rows.push_row([
            Value::Number(7),
            "shop".into(),
            "SELECT 1\n  FROM t\x1b[2J".into(),
        ]);
        rows.push_row([Value::Number(3_221_487_617), Value::Null, "größe 大".into()]);
        rows.push_row([Value::Null, "".into(), Value::Null]);
        assert!(table.rows(rows).is_empty(), "widths are not known yet");
        assert_eq!(
            text(table.end(2)),
            "\
+------------+------+-------------------+
| Id         | db   | Info              |
+------------+------+-------------------+
|          7 | shop | SELECT 1          |
|            |      |   FROM t\\u{1b}[2J |
| 3221487617 | NULL | größe 大          |
|       NULL |      | NULL              |
+------------+------+-------------------+
3 rows in set, 2 warnings
"
        );
    }

    #[test]
    fn no_rows_are_no_table() {
        let mut table = Table::default();
        table.columns(columns());
        assert_eq!(text(table.end(0)), "Empty set\n");
        let ok = |affected_rows, warnings, info: &str| OkAnswer {
            affected_rows,
            warnings,
            info: info.to_owned(),
            ..OkAnswer::default()
        };
        let done = |ok| text(Table::default().done(&ok));
        assert_eq!(done(ok(0, 0, "")), "Query OK, 0 rows affected\n");
        assert_eq!(
            done(ok(1, 1, "Matched: 2  Killed: 1  Failed: 1")),
            "Query OK, 1 row affected, 1 warning\nMatched: 2  Killed: 1  Failed: 1\n"
        );
    }

    #[test]
    fn a_result_that_does_not_end_is_not_kept_whole() {
        let mut table = Table::default();
        table.columns(vec![Column::text("Info")]);
        let (mut tables, mut rows_kept_max) = (0, 0);
        for _ in 0..3 * TABLE_BYTES_MAX / (64 * 1024) {
            let mut rows = Rows::new(1);
            rows.push(Value::Text(&[b'x'; 64 * 1024]));
            tables += usize::from(!table.rows(rows).is_empty());
            rows_kept_max = rows_kept_max.max(table.kept.len());
        }
        assert!(tables >= 2, "{tables}");
        assert!(rows_kept_max <= TABLE_BYTES_MAX / (64 * 1024));
        let last = text(table.end(0));
        assert!(last.ends_with("384 rows in set\n"), "{last}");
    }

    #[test]
    fn the_longest_statement_is_shown_whole_though_not_on_one_line() {
        let chars = 262_143;
        let mut table = Table::default();
        table.columns(vec![Column::long_text("Info"), Column::number("Id")]);
        let mut rows = Rows::new(2);
        rows.push_row([Value::from(&*"x".repeat(chars)), Value::Number(1)]);
        table.rows(rows);
        let shown = text(table.end(0));
        assert_eq!(shown.matches('x').count(), chars);
        assert_eq!(shown.matches("|  1 |").count(), 1);
    }
}
