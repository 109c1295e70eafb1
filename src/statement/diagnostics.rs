//! `SHOW WARNINGS`, `SHOW ERRORS`, `SHOW COUNT(*) WARNINGS | ERRORS`, `SELECT @@[session.]warning_count`
//!
//! They tell of the last statement, and so must come from the server that answered it. After a virtual
//! statement that is the console.

use std::fmt;

use sqlparser::tokenizer::Token;

use super::parse::{ParseError, Reader};
use super::pick;

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something to know.
    Note,
    /// Something is uncertain, or not as it was expected.
    Warning,
    /// A warning that something is missing from the answer, or was not done.
    Incomplete,
    /// The statement has failed.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "Note",
            Self::Warning | Self::Incomplete => "Warning",
            Self::Error => "Error",
        })
    }
}

/// One row of `SHOW WARNINGS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How grave it is.
    pub level: Level,
    /// An error code of MySQL's or OceanBase's.
    pub code: u16,
    /// One sentence.
    pub text: String,
}

impl Message {
    /// A note.
    pub fn note(code: u16, text: impl Into<String>) -> Self {
        Self {
            level: Level::Note,
            code,
            text: text.into(),
        }
    }

    /// A warning.
    pub fn warning(code: u16, text: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            code,
            text: text.into(),
        }
    }

    /// A warning that the answer is not whole.
    pub fn incomplete(code: u16, text: impl Into<String>) -> Self {
        Self {
            level: Level::Incomplete,
            code,
            text: text.into(),
        }
    }
}

/// A question about the last statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// Errors only, or all.
    pub errors_only: bool,
    /// Messages, or their number.
    pub form: Form,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The messages: at most `limit` from number `offset` on.
    Messages {
        /// Messages to pass over.
        offset: usize,
        /// Messages to show at most.
        limit: usize,
    },
    /// Their number, in a column of this name.
    Count {
        /// The column's name.
        column: String,
    },
}

impl Diagnostics {
    const FORM: &'static str = "SHOW {WARNINGS | ERRORS} [LIMIT [offset,] count]";

    /// Reads what follows `SHOW`, or the whole of a `SELECT`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if reader.word("SELECT") {
            let column = reader.glued();
            reader.end(Self::FORM)?;
            let errors_only = column.to_ascii_lowercase().ends_with("error_count");
            return Ok(Self {
                errors_only,
                form: Form::Count { column },
            });
        }
        let count = reader.word("COUNT");
        if count
            && !(reader.token(&Token::LParen)
                && reader.token(&Token::Mul)
                && reader.token(&Token::RParen))
        {
            return Err(reader.syntax(Self::FORM));
        }
        let errors_only = reader.word("ERRORS");
        if !errors_only && !reader.word("WARNINGS") {
            return Err(reader.syntax(Self::FORM));
        }
        let form = if count {
            let counted = if errors_only { "error" } else { "warning" };
            Form::Count {
                column: format!("@@session.{counted}_count"),
            }
        } else {
            Self::limit(reader)?
        };
        reader.end(Self::FORM)?;
        Ok(Self { errors_only, form })
    }

    fn limit(reader: &mut Reader<'_>) -> Result<Form, ParseError> {
        let limit = pick::limit(reader, Self::FORM)?;
        let as_usize = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Form::Messages {
            offset: limit.map_or(0, |limit| as_usize(limit.offset)),
            limit: limit.map_or(usize::MAX, |limit| as_usize(limit.rows)),
        })
    }

    /// Which of the last statement's messages are meant.
    pub fn select<'w>(&self, messages: &'w [Message]) -> Vec<&'w Message> {
        let (offset, limit) = match self.form {
            Form::Messages { offset, limit } => (offset, limit),
            Form::Count { .. } => (0, usize::MAX),
        };
        let meant = messages
            .iter()
            .filter(|message| !self.errors_only || message.level == Level::Error);
        meant.skip(offset).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    #[test]
    fn each_form_selects_its_messages() {
        let messages = [
            Message::note(1, "a"),
            Message {
                level: Level::Error,
                code: 2,
                text: "b".into(),
            },
            Message::warning(3, "c"),
            Message::incomplete(4, "d"),
        ];
        assert_eq!(messages[3].level.to_string(), "Warning");
        for (text, codes) in [
            ("SHOW WARNINGS", vec![1, 2, 3, 4]),
            ("show errors;", vec![2]),
            ("SHOW WARNINGS LIMIT 2", vec![1, 2]),
            ("SHOW WARNINGS LIMIT 1, 5", vec![2, 3, 4]),
            ("SHOW COUNT(*) WARNINGS", vec![1, 2, 3, 4]),
            ("SHOW COUNT(*) ERRORS", vec![2]),
            ("SELECT @@warning_count", vec![1, 2, 3, 4]),
            ("select @@session.error_count", vec![2]),
        ] {
            let Ok(Statement::Diagnostics(diagnostics)) = parse(text) else {
                panic!("{text}: {:?}", parse(text));
            };
            let selected: Vec<u16> = diagnostics
                .select(&messages)
                .iter()
                .map(|m| m.code)
                .collect();
            assert_eq!(selected, codes, "{text}");
        }
    }

    #[test]
    fn a_count_is_named_as_it_was_asked_for() {
        for (text, name) in [
            ("SELECT @@warning_count", "@@warning_count"),
            ("SHOW COUNT(*) WARNINGS", "@@session.warning_count"),
        ] {
            let Ok(Statement::Diagnostics(diagnostics)) = parse(text) else {
                panic!("{text}")
            };
            assert_eq!(
                diagnostics.form,
                Form::Count {
                    column: name.to_owned()
                }
            );
        }
    }

    #[test]
    fn a_limit_that_is_none_is_an_error() {
        for text in [
            "SHOW WARNINGS LIMIT",
            "SHOW WARNINGS LIMIT x",
            "SHOW WARNINGS LIMIT 1,",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
