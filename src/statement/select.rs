//! `SELECT … FROM obwarden.server_sessions …`: any SELECT over the proxy's own tables.

use sqlparser::ast::Query;

use super::parse::{ParseError, Reader};

/// A SELECT, or a WITH or a UNION of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// As sqlparser reads it.
    pub query: Box<Query>,
}

impl Select {
    const FORM: &'static str =
        "SELECT ... FROM obwarden.{server_sessions | servers | clients | kill_log} ...";

    /// Reads the whole statement.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let query = reader.query()?;
        reader.end(Self::FORM)?;
        Ok(Self { query })
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::{Statement, parse};

    #[test]
    fn selects_are_read_in_all_their_forms() {
        for text in [
            "SELECT * FROM obwarden.servers",
            "select user, count(*) n from `obwarden`.`server_sessions` group by user having n > 1;",
            "WITH s AS (SELECT ip FROM obwarden.servers) SELECT * FROM s",
            "(SELECT ip FROM obwarden.servers) UNION (SELECT ip FROM obwarden.server_sessions)",
        ] {
            assert!(
                matches!(parse(text), Ok(Statement::Select(_))),
                "{text}: {:?}",
                parse(text)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_syntax_error() {
        for text in [
            "SELECT FROM WHERE obwarden.servers",
            "SELECT * FROM obwarden.servers garbage more",
            "SELECT * FROM obwarden.servers WHERE",
        ] {
            assert_eq!(parse(text).unwrap_err().to_sql().code, 1064, "{text}");
        }
    }
}
