//! `SHOW [FULL] SERVER SESSIONS`

use super::parse::{ParseError, Reader};

/// Every session of every server of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShowServerSessions {
    /// With the whole Info and every further column that any server reports.
    pub full: bool,
}

impl ShowServerSessions {
    pub(super) const FORM: &'static str = "SHOW [FULL] SERVER SESSIONS";

    /// Reads what follows `SHOW`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let full = reader.word("FULL");
        if !(reader.word("SERVER") && reader.word("SESSIONS")) {
            return Err(reader.syntax(Self::FORM));
        }
        reader.end(Self::FORM)?;
        Ok(Self { full })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    #[test]
    fn it_is_read_in_any_letter_case_and_with_comments() {
        for (text, full) in [
            ("SHOW SERVER SESSIONS", false),
            ("show full server sessions;", true),
            ("/* a */ Show -- b\n Server /* c */ Sessions # d", false),
            ("SHOW SERVER SESSIONS ; ;", false),
        ] {
            assert_eq!(
                parse(text),
                Ok(Statement::ShowServerSessions(ShowServerSessions { full })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_near_miss_gets_the_right_form() {
        for (text, near) in [
            ("SHOW SERVER SESSION", "SESSION"),
            ("SHOW SERVER SESSIONS WHERE Id = 1", "WHERE Id = 1"),
            ("SHOW FULL FULL SERVER SESSIONS", "FULL SERVER SESSIONS"),
            ("SHOW SERVER `SESSIONS`", "`SESSIONS`"),
        ] {
            assert_eq!(
                parse(text),
                Err(ParseError::Syntax {
                    near: near.to_owned(),
                    form: ShowServerSessions::FORM
                }),
                "{text}"
            );
        }
    }
}
