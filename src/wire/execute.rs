//! Reads the parameters that a client sends with COM_STMT_EXECUTE.
//!
//! ```text
//!   0x17 · id · flags · iterations · NULL bitmap · 1 · types · values      types are sent anew
//!   0x17 · id · flags · iterations · NULL bitmap · 0 · values              types are those of the last time
//! ```
//! Both the types and what COM_STMT_SEND_LONG_DATA has brought are kept by whoever keeps the statement.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html>
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>

use std::collections::BTreeMap;

use super::Malformed;
use super::answer::SqlError;
use super::cursor::Cursor;
use super::parameter::{self, BadValue, Parameter, ParameterType, Raw};

/// `CURSOR_TYPE_READ_ONLY`: the rows are to be fetched.
const CURSOR_READ_ONLY: u8 = 1;

/// What is in a COM_STMT_EXECUTE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The rows are to stay where they are until they are fetched.
    pub wants_cursor: bool,
    /// One for each placeholder.
    pub parameters: Vec<Parameter>,
}

/// Parameters that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The packet is not what the protocol says, or has fewer or more parameters than the statement.
    #[error(
        "Incorrect arguments to EXECUTE: {why}, with {placeholders} parameters in the statement"
    )]
    Malformed {
        /// What could not be read.
        why: Malformed,
        /// How many parameters were looked for.
        placeholders: u16,
    },
    /// A parameter is not what its type says.
    #[error("Incorrect arguments to EXECUTE: parameter {number} is {what}")]
    Value {
        /// Which one, counted from 1.
        number: usize,
        /// What it is.
        what: &'static str,
    },
    /// A text is not in the character set that statements are in.
    #[error("Invalid utf8mb4 character string: parameter {number} must be UTF-8")]
    NotUtf8 {
        /// Which one, counted from 1.
        number: usize,
    },
}

impl ExecuteError {
    fn bad_value(bad: BadValue, number: usize) -> Self {
        match bad {
            BadValue::Is(what) => Self::Value { number, what },
            BadValue::NotUtf8 => Self::NotUtf8 { number },
        }
    }

    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        let code = match self {
            Self::Malformed { .. } | Self::Value { .. } => ER_WRONG_ARGUMENTS,
            Self::NotUtf8 { .. } => ER_INVALID_CHARACTER_STRING,
        };
        SqlError::new(code, self.to_string())
    }
}

const ER_WRONG_ARGUMENTS: u16 = 1210;
const ER_INVALID_CHARACTER_STRING: u16 = 1300;

impl Execute {
    /// Reads the payload of a COM_STMT_EXECUTE for a statement with so many `placeholders`. `types` are those
    /// that were sent the last time, and become those that are sent now; `long_data` is what has been sent
    /// before, by the parameters' positions.
    ///
    /// # Errors
    /// When the payload has not that form. The types stay what they were then.
    pub fn read(
        payload: &[u8],
        placeholders: u16,
        types: &mut Vec<ParameterType>,
        long_data: &BTreeMap<u16, Vec<u8>>,
    ) -> Result<Self, ExecuteError> {
        let malformed = |why| ExecuteError::Malformed { why, placeholders };
        let mut cursor = Cursor::new(payload);
        let flags = head(&mut cursor).map_err(malformed)?;
        let mut parameters = Vec::new();
        let mut sent = None;
        if placeholders > 0 {
            let count = usize::from(placeholders);
            let nulls = cursor.take(count.div_ceil(8), "NULL bitmap");
            let nulls = nulls.map_err(malformed)?;
            sent = types_sent(&mut cursor, count).map_err(malformed)?;
            let known = sent.as_deref().unwrap_or(types);
            if known.len() != count {
                return Err(malformed(Malformed("types of parameters")));
            }
            for (at, &type_of) in known.iter().enumerate() {
                let is_null = nulls[at / 8] & (1 << (at % 8)) != 0;
                let data = u16::try_from(at).ok().and_then(|at| long_data.get(&at));
                let parameter = match data {
                    Some(data) => parameter::text(data),
                    None if is_null => Ok(Parameter::Null),
                    None => {
                        let raw = Raw::read(&mut cursor, type_of).map_err(malformed)?;
                        raw.parameter()
                    }
                };
                let bad = |bad| ExecuteError::bad_value(bad, at + 1);
                parameters.push(parameter.map_err(bad)?);
            }
        }
        // Some clients say that types come where none can.
        let flag_alone = placeholders == 0 && matches!(cursor.rest(), [0 | 1]);
        if !cursor.rest().is_empty() && !flag_alone {
            return Err(malformed(Malformed("end of the packet")));
        }
        if let Some(sent) = sent {
            *types = sent;
        }
        Ok(Self {
            wants_cursor: flags & CURSOR_READ_ONLY != 0,
            parameters,
        })
    }
}

/// What stands before the parameters; of it the flags.
fn head(cursor: &mut Cursor<'_>) -> Result<u8, Malformed> {
    cursor.u8("command")?;
    cursor.u32("statement id")?;
    let flags = cursor.u8("cursor type")?;
    cursor.u32("iterations")?;
    Ok(flags)
}

/// The types, if they are sent anew.
fn types_sent(
    cursor: &mut Cursor<'_>,
    count: usize,
) -> Result<Option<Vec<ParameterType>>, Malformed> {
    if cursor.u8("flag of new types")? == 0 {
        return Ok(None);
    }
    let types = cursor.take(2 * count, "types of parameters")?;
    let (types, _) = types.as_chunks::<2>();
    Ok(Some(types.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: ParameterType = [3, 0];
    const STRING: ParameterType = [253, 0];

    /// A COM_STMT_EXECUTE with `flags` and, behind the iterations, `rest`.
    fn execute(flags: u8, rest: &[u8]) -> Vec<u8> {
        [&[0x17, 1, 0, 0, 0x40, flags, 1, 0, 0, 0], rest].concat()
    }

    fn number(digits: &str) -> Parameter {
        Parameter::Number(digits.to_owned())
    }

    fn text(text: &str) -> Parameter {
        Parameter::Text(text.to_owned())
    }

    #[test]
    fn a_statement_without_placeholders_has_no_parameters() {
        let none = BTreeMap::new();
        for (flags, wants_cursor) in [(0, false), (1, true)] {
            let read = Execute::read(&execute(flags, b""), 0, &mut Vec::new(), &none);
            let parameters = Vec::new();
            assert_eq!(
                read,
                Ok(Execute {
                    wants_cursor,
                    parameters
                })
            );
        }
    }

    #[test]
    fn a_client_may_say_that_it_sends_types_where_there_are_no_placeholders() {
        let none = BTreeMap::new();
        // npm's mariadb.
        let read = Execute::read(&execute(0, b"\x01"), 0, &mut Vec::new(), &none).unwrap();
        assert_eq!(read.parameters, []);
    }

    #[test]
    fn types_are_remembered_from_the_last_time_that_they_were_sent() {
        let (mut types, none) = (Vec::new(), BTreeMap::new());
        let first = execute(0, b"\0\x01\x03\0\xfd\0\x07\0\0\0\x01a");
        let read = Execute::read(&first, 2, &mut types, &none).unwrap();
        assert_eq!(read.parameters, [number("7"), text("a")]);
        assert_eq!(types, [LONG, STRING]);
        let second = execute(0, b"\x01\0\x01b");
        let read = Execute::read(&second, 2, &mut types, &none).unwrap();
        assert_eq!(read.parameters, [Parameter::Null, text("b")]);
        let never_sent = Execute::read(&second, 2, &mut Vec::new(), &none).unwrap_err();
        assert_eq!(never_sent.to_sql().code, 1210);
    }

    #[test]
    fn an_execute_that_cannot_be_read_changes_no_types() {
        let (mut types, none) = (vec![LONG], BTreeMap::new());
        for sent in [&b"\0\x01\xfd\0\x09abc"[..], b"\0\x01\xfd\0\x01ab"] {
            let wrong = execute(0, sent);
            assert!(Execute::read(&wrong, 1, &mut types, &none).is_err());
            assert_eq!(types, [LONG], "cut off, or with too much behind it");
        }
    }

    #[test]
    fn long_data_stands_for_the_value_which_is_not_sent_then() {
        let mut types = Vec::new();
        let long_data = BTreeMap::from([(1, b"long".to_vec())]);
        let sent = execute(0, b"\x02\x01\x03\0\xfc\0\x03\0\x05\0\0\0\x06\0\0\0");
        let read = Execute::read(&sent, 3, &mut types, &long_data).unwrap();
        assert_eq!(read.parameters, [number("5"), text("long"), number("6")]);
    }

    #[test]
    fn every_truncation_and_every_byte_too_many_is_an_error_of_wrong_arguments() {
        let none = BTreeMap::new();
        let rest = b"\x04\x01\x03\0\xfd\0\x08\0\x0c\0\x07\0\0\0\x02ab\x04\xe8\x07\x02\x1d";
        let sent = execute(1, rest);
        let read = Execute::read(&sent, 4, &mut Vec::new(), &none).unwrap();
        let expected = [
            number("7"),
            text("ab"),
            Parameter::Null,
            text("2024-02-29 00:00:00"),
        ];
        assert_eq!(read.parameters, expected);
        for cut in 0..sent.len() {
            let error = Execute::read(&sent[..cut], 4, &mut Vec::new(), &none).unwrap_err();
            assert_eq!(error.to_sql().code, 1210, "cut at {cut}");
        }
        let longer = [&sent[..], b"x"].concat();
        assert!(Execute::read(&longer, 4, &mut Vec::new(), &none).is_err());
        for placeholders in [0, 3, 5, 9, u16::MAX] {
            let error = Execute::read(&sent, placeholders, &mut Vec::new(), &none).unwrap_err();
            assert_eq!(error.to_sql().code, 1210, "{placeholders}");
        }
    }

    #[test]
    fn a_parameter_that_cannot_be_taken_is_named_by_its_number() {
        let none = BTreeMap::new();
        let sent = execute(0, b"\0\x01\x03\0\xfd\0\x07\0\0\0\x01\xff");
        let error = Execute::read(&sent, 2, &mut Vec::new(), &none).unwrap_err();
        assert_eq!(error, ExecuteError::NotUtf8 { number: 2 });
        assert_eq!(error.to_sql().code, 1300);
        let sent = execute(0, b"\0\x01\xc8\0");
        let error = Execute::read(&sent, 1, &mut Vec::new(), &none).unwrap_err();
        assert!(error.to_string().contains("parameter 1"), "{error}");
        assert_eq!(error.to_sql().code, 1210);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
            placeholders in 0..20_u16,
            types in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
        ) {
            let mut types: Vec<ParameterType> = types.iter().map(|code| [*code, 0]).collect();
            let none = BTreeMap::new();
            let _ = Execute::read(&payload, placeholders, &mut types, &none);
            let begun = execute(0, &payload);
            if let Ok(read) = Execute::read(&begun, placeholders, &mut types, &none) {
                proptest::prop_assert_eq!(read.parameters.len(), usize::from(placeholders));
            }
        }
    }
}
