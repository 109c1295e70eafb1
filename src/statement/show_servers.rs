//! `SHOW SERVERS`

use super::parse::{ParseError, Reader};

/// Every server of the cluster, and whether it answers now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShowServers;

impl ShowServers {
    pub(super) const FORM: &'static str = "SHOW SERVERS";

    /// Reads what follows `SHOW`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if !reader.word("SERVERS") {
            return Err(reader.syntax(Self::FORM));
        }
        reader.end(Self::FORM)?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    #[test]
    fn it_is_read_in_any_letter_case_and_with_comments() {
        for text in [
            "SHOW SERVERS",
            "/* a */ show -- b\n Servers # c",
            "SHOW SERVERS ; ;",
        ] {
            assert_eq!(
                parse(text),
                Ok(Statement::ShowServers(ShowServers)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_it_does_not_take_gets_the_right_form() {
        for (text, near) in [
            ("SHOW SERVERS WHERE Id = 1", "WHERE Id = 1"),
            ("SHOW SERVERS LIKE 'x'", "LIKE 'x'"),
        ] {
            let form = ShowServers::FORM;
            let near = near.to_owned();
            assert_eq!(
                parse(text),
                Err(ParseError::Syntax { near, form }),
                "{text}"
            );
        }
    }
}
