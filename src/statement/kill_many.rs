//! `KILL SERVER {SESSIONS | QUERIES} WHERE … [ORDER BY …] [LIMIT n] [COMMENT 'reason']`, and
//! `EXPLAIN KILL SERVER …`, which tells what a KILL would end.

use super::kill::{Kill, KillKind, Reason};
use super::parse::{ParseError, Reader};
use super::pick;
use crate::sql::Pick;

/// Ends the sessions that an expression picks, or what they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillMany {
    /// What is to end.
    pub kind: KillKind,
    /// Whose; it has a filter.
    pub pick: Pick,
    /// Why, for those who ask later.
    pub reason: Option<Reason>,
}

/// A KILL that is only to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainKill {
    /// Of one session.
    One(Kill),
    /// Of those that an expression picks.
    Many(Box<KillMany>),
}

impl KillMany {
    pub(super) const FORM: &'static str =
        "KILL SERVER {SESSIONS | QUERIES} WHERE expr [ORDER BY ...] [LIMIT n] [COMMENT 'reason']";

    /// Reads what follows `KILL SERVER`; none if it is another form.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let kind = if reader.word("SESSIONS") || reader.word("CONNECTIONS") {
            KillKind::Session
        } else if reader.word("QUERIES") {
            KillKind::Query
        } else {
            return Ok(None);
        };
        if !reader.peek_is("WHERE") {
            return Err(reader.syntax(FORMS));
        }
        let pick = pick::parse(reader, Self::FORM)?;
        if pick.limit.is_some_and(|limit| limit.offset > 0) {
            return Err(reader.syntax(Self::FORM));
        }
        let reason = Reason::parse_comment(reader, Self::FORM)?;
        reader.end(Self::FORM)?;
        Ok(Some(Self { kind, pick, reason }))
    }
}

/// Who writes SESSIONS may mean one of them.
const FORMS: &str = "KILL SERVER {SESSIONS | QUERIES} WHERE expr [ORDER BY ...] [LIMIT n] [COMMENT 'reason'], or KILL SERVER {SESSION | CONNECTION | QUERY} server id [COMMENT 'reason']";

impl ExplainKill {
    const FORM: &'static str = "EXPLAIN KILL SERVER {SESSION | CONNECTION | QUERY} server id | EXPLAIN KILL SERVER {SESSIONS | QUERIES} WHERE expr [ORDER BY ...] [LIMIT n]";

    /// Reads what follows `EXPLAIN`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if !(reader.word("KILL") && reader.word("SERVER")) {
            return Err(reader.syntax(Self::FORM));
        }
        Ok(match KillMany::parse(reader)? {
            Some(many) => Self::Many(Box::new(many)),
            None => Self::One(Kill::parse_named(reader)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    fn parsed(text: &str) -> KillMany {
        match parse(text) {
            Ok(Statement::KillMany(kill)) => kill,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn victims_are_picked_by_an_expression() {
        let kill = parsed(
            "kill server sessions where Time > 60 and User = 'app' order by Time desc limit 10 comment 'load';",
        );
        assert_eq!(kill.kind, KillKind::Session);
        assert_eq!(kill.reason.as_ref().map(Reason::as_str), Some("load"));
        assert_eq!(kill.pick.limit.map(|limit| limit.rows), Some(10));
        assert!(kill.pick.filter.is_some());
        let kill = parsed("KILL SERVER QUERIES WHERE Sql_id = 'A1'");
        assert_eq!((kill.kind, kill.reason), (KillKind::Query, None));
    }

    #[test]
    fn a_kill_of_many_without_a_condition_is_none() {
        for text in [
            "KILL SERVER SESSIONS",
            "KILL SERVER QUERIES LIMIT 1",
            "KILL SERVER SESSIONS 10.0.0.1 5",
            "KILL SERVER SESSIONS WHERE Id = 1 LIMIT 5, 1",
            "KILL SERVER SESSIONS WHERE Id = 1 'why'",
            "KILL SERVER SESSIONS COMMENT 'x' WHERE Id = 1",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.to_sql().code, 1064, "{text}");
            assert!(error.to_string().contains(KillMany::FORM), "{error}");
        }
    }

    #[test]
    fn both_forms_may_be_explained() {
        assert!(matches!(
            parse("EXPLAIN KILL SERVER SESSION 10.0.0.1 5 COMMENT 'x'"),
            Ok(Statement::ExplainKill(ExplainKill::One(_)))
        ));
        assert!(matches!(
            parse("explain kill server queries where Time > 5"),
            Ok(Statement::ExplainKill(ExplainKill::Many(_)))
        ));
        for text in ["EXPLAIN KILL 5", "EXPLAIN KILL SERVER"] {
            assert_eq!(parse(text).unwrap_err().to_sql().code, 1064, "{text}");
        }
    }
}
