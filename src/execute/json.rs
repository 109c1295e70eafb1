//! Results as one JSON array with an object for each row, each on a line of its own.
//!
//! It is written row by row. When a statement fails in the middle of its rows the array has no end, so that nobody
//! takes what there is for the whole.

use super::Printer;
use crate::table::{Column, Kind, Rows, Value};
use crate::wire::answer::OkAnswer;

/// Writes each row as it comes.
#[derive(Debug, Default)]
pub(super) struct Json {
    keys: Vec<Key>,
    has_rows: bool,
}

/// A column, as it stands in an object.
#[derive(Debug)]
struct Key {
    /// The name in quotes, and a colon.
    name: String,
    /// Its texts are numbers.
    is_decimal: bool,
}

impl Printer for Json {
    fn columns(&mut self, columns: Vec<Column>) -> Vec<u8> {
        let key = |column: Column| Key {
            name: quoted(&column.name) + ":",
            is_decimal: matches!(column.kind, Kind::Decimal(_)),
        };
        self.keys = columns.into_iter().map(key).collect();
        b"[".to_vec()
    }

    fn rows(&mut self, rows: Rows) -> Vec<u8> {
        let mut text = String::new();
        for row in rows.iter() {
            text.push_str(if self.has_rows { ",\n{" } else { "\n{" });
            self.has_rows = true;
            for (at, (key, value)) in self.keys.iter().zip(row.values()).enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&key.name);
                text.push_str(&json(value, key.is_decimal));
            }
            text.push('}');
        }
        text.into_bytes()
    }

    fn end(&mut self, _messages: usize) -> Vec<u8> {
        let end: &[u8] = if self.has_rows { b"\n]\n" } else { b"]\n" };
        end.to_vec()
    }

    fn done(&mut self, ok: &OkAnswer) -> Vec<u8> {
        let OkAnswer {
            affected_rows,
            info,
            ..
        } = ok;
        let info = quoted(info);
        format!("{{\"affected_rows\":{affected_rows},\"info\":{info}}}\n").into_bytes()
    }
}

fn json(value: Value<'_>, is_decimal: bool) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Integer(number) => number.to_string(),
        // Infinity and NaN are none of JSON's numbers.
        Value::Real(number) => serde_json::Value::from(number).to_string(),
        Value::Text(text) => {
            let text = String::from_utf8_lossy(text);
            if is_decimal && serde_json::from_str::<serde_json::Number>(&text).is_ok() {
                return text.trim().to_owned();
            }
            quoted(&text)
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(columns: Vec<Column>, rows: &[&[Value<'_>]]) -> String {
        let mut json = Json::default();
        let width = columns.len();
        let mut written = json.columns(columns);
        for row in rows {
            let mut batch = Rows::new(width);
            batch.push_row(row.iter().copied());
            written.extend(json.rows(batch));
        }
        written.extend(json.end(1));
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn rows_are_objects_of_one_array() {
        let decimal = Column {
            name: "Avg\"".to_owned(),
            kind: Kind::Decimal(4),
        };
        let columns = || vec![Column::number("Id"), Column::text("Info"), decimal.clone()];
        let text = written(
            columns(),
            &[
                &[
                    Value::Number(u64::MAX),
                    "a\"\n\u{1}é".into(),
                    "3.5000".into(),
                ],
                &[Value::Integer(-7), Value::Null, "no number".into()],
                &[Value::Real(f64::NAN), Value::Text(b"\xff"), Value::Null],
            ],
        );
        assert_eq!(
            text,
            "[\n{\"Id\":18446744073709551615,\"Info\":\"a\\\"\\n\\u0001é\",\"Avg\\\"\":3.5000},\n\
             {\"Id\":-7,\"Info\":null,\"Avg\\\"\":\"no number\"},\n\
             {\"Id\":null,\"Info\":\"\u{fffd}\",\"Avg\\\"\":null}\n]\n"
        );
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[0]["Id"], u64::MAX);
        assert_eq!(read[0]["Avg\""], 3.5);
        assert_eq!(written(columns(), &[]), "[]\n");
    }

    #[test]
    fn a_statement_without_rows_is_one_object() {
        let ok = OkAnswer {
            affected_rows: 11,
            info: "Matched: 12  Killed: 11  Failed: 1".to_owned(),
            ..OkAnswer::default()
        };
        assert_eq!(
            Json::default().done(&ok),
            b"{\"affected_rows\":11,\"info\":\"Matched: 12  Killed: 11  Failed: 1\"}\n"
        );
    }
}
