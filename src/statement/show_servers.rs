//! `SHOW SERVERS [WHERE …] [ORDER BY …] [LIMIT …]`

use super::parse::{ParseError, Reader};
use super::pick;
use crate::sql::Pick;

/// Every server of the cluster, and whether it answers now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowServers {
    /// Which of them.
    pub pick: Pick,
}

impl ShowServers {
    pub(super) const FORM: &'static str = "SHOW SERVERS [WHERE expr] [ORDER BY ...] [LIMIT ...]";

    /// Reads what follows `SHOW`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if !reader.word("SERVERS") {
            return Err(reader.syntax(Self::FORM));
        }
        let pick = pick::parse(reader, Self::FORM)?;
        reader.end(Self::FORM)?;
        Ok(Self { pick })
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
            let pick = Pick::default();
            assert_eq!(
                parse(text),
                Ok(Statement::ShowServers(ShowServers { pick })),
                "{text}"
            );
        }
    }

    #[test]
    fn rows_may_be_picked() {
        let Ok(Statement::ShowServers(show)) =
            parse("SHOW SERVERS WHERE Reachable = 'NO' ORDER BY Latency_ms DESC LIMIT 3")
        else {
            panic!("not read");
        };
        assert!(show.pick.filter.is_some() && show.pick.limit.is_some());
        assert_eq!(show.pick.order_by.len(), 1);
    }

    #[test]
    fn what_it_does_not_take_gets_the_right_form() {
        for (text, near) in [
            ("SHOW SERVERS LIKE 'x'", "LIKE 'x'"),
            ("SHOW SERVERS LIMIT", ""),
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
