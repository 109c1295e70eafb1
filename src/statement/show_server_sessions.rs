//! `SHOW [FULL | ACTIVE] SERVER SESSIONS [{FROM | IN} server, …] [WHERE …] [ORDER BY …] [LIMIT …] [TIMEOUT seconds]`

use std::time::Duration;

use super::parse::{ParseError, Reader};
use super::pick;
use super::server_ref::ServerRef;
use crate::sql::Pick;

/// The sessions of every server of the cluster, or of some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShowServerSessions {
    /// How much of them.
    pub form: SessionsForm,
    /// The servers to ask; none: all.
    pub servers: Vec<ServerRef>,
    /// Which of their sessions.
    pub pick: Pick,
    /// How long the servers may take; none: as configured.
    pub timeout: Option<Duration>,
}

/// How much a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionsForm {
    /// All sessions, with the columns that every list has.
    #[default]
    Plain,
    /// The same, without those that are asleep.
    Active,
    /// With the whole Info and every further column that any server reports.
    Full,
}

/// The longest and the shortest timeout that a statement may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

impl ShowServerSessions {
    pub(super) const FORM: &'static str = "SHOW [FULL | ACTIVE] SERVER SESSIONS [{FROM | IN} server, ...] [WHERE expr] [ORDER BY ...] [LIMIT ...] [TIMEOUT seconds]";

    /// Reads what follows `SHOW`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let form = if reader.word("FULL") {
            SessionsForm::Full
        } else if reader.word("ACTIVE") {
            SessionsForm::Active
        } else {
            SessionsForm::Plain
        };
        if !(reader.word("SERVER") && reader.word("SESSIONS")) {
            return Err(reader.syntax(Self::FORM));
        }
        let mut servers = Vec::new();
        if reader.word("FROM") || reader.word("IN") {
            loop {
                servers.push(reader.server(Self::FORM)?);
                if !reader.comma() {
                    break;
                }
            }
        }
        let pick = pick::parse(reader, Self::FORM)?;
        let timeout = if reader.word("TIMEOUT") {
            Some(timeout(reader)?)
        } else {
            None
        };
        reader.end(Self::FORM)?;
        Ok(Self {
            form,
            servers,
            pick,
            timeout,
        })
    }
}

/// Seconds, whole ones or not.
fn timeout(reader: &mut Reader<'_>) -> Result<Duration, ParseError> {
    if reader.placeholder() {
        return Ok(TIMEOUT_MAX);
    }
    let text = reader.glued();
    let seconds = text.parse().ok();
    let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    timeout
        .filter(|timeout| (TIMEOUT_MIN..=TIMEOUT_MAX).contains(timeout))
        .ok_or(ParseError::NoTimeout(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    fn parsed(text: &str) -> ShowServerSessions {
        match parse(text) {
            Ok(Statement::ShowServerSessions(show)) => show,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn it_is_read_in_any_letter_case_and_with_comments() {
        for (text, form) in [
            ("SHOW SERVER SESSIONS", SessionsForm::Plain),
            ("show full server sessions;", SessionsForm::Full),
            ("Show Active Server Sessions;", SessionsForm::Active),
            (
                "/* a */ Show -- b\n Server /* c */ Sessions # d",
                SessionsForm::Plain,
            ),
            ("SHOW SERVER SESSIONS ; ;", SessionsForm::Plain),
        ] {
            let expected = ShowServerSessions {
                form,
                ..ShowServerSessions::default()
            };
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn servers_rows_and_time_may_be_limited() {
        let show = parsed(
            "SHOW FULL SERVER SESSIONS FROM 10.0.0.1, \"10.0.0.2:2882\" ,[fe80::1]:2881 \
             WHERE Time > 60 AND User = 'app' ORDER BY Time DESC, Id LIMIT 5, 10 TIMEOUT 1.5;",
        );
        let servers: Vec<String> = show.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1", "10.0.0.2:2882", "[fe80::1]:2881"]);
        let filter = show.pick.filter.map(|filter| filter.to_string());
        assert_eq!(filter.as_deref(), Some("Time > 60 AND User = 'app'"));
        assert_eq!(show.pick.order_by.len(), 2);
        let limit = show.pick.limit.unwrap();
        assert_eq!((limit.offset, limit.rows), (5, 10));
        assert_eq!(show.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(parsed("SHOW SERVER SESSIONS IN ::1").servers.len(), 1);
        let limit = parsed("SHOW SERVER SESSIONS LIMIT 7 OFFSET 2").pick.limit;
        assert_eq!(limit.map(|limit| (limit.offset, limit.rows)), Some((2, 7)));
    }

    #[test]
    fn a_near_miss_gets_the_right_form() {
        for (text, near) in [
            ("SHOW SERVER SESSION", "SESSION"),
            ("SHOW SERVER SESSIONS Id = 1", "Id = 1"),
            ("SHOW FULL SERVER FULL SESSIONS", "FULL SESSIONS"),
            ("SHOW ACTIVE SESSIONS", "SESSIONS"),
            ("SHOW SERVER `SESSIONS`", "`SESSIONS`"),
            ("SHOW SERVER SESSIONS FROM", ""),
            ("SHOW SERVER SESSIONS LIMIT x", "x"),
            ("SHOW SERVER SESSIONS LIMIT 1 WHERE Id = 1", "WHERE Id = 1"),
            ("SHOW SERVER SESSIONS ORDER Id", "Id"),
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

    #[test]
    fn what_is_no_server_and_no_timeout_is_named() {
        for text in [
            "SHOW SERVER SESSIONS FROM host",
            "SHOW SERVER SESSIONS FROM 10.0.0.1, 10.0.0",
            "SHOW SERVER SESSIONS TIMEOUT",
            "SHOW SERVER SESSIONS TIMEOUT 0",
            "SHOW SERVER SESSIONS TIMEOUT -1",
            "SHOW SERVER SESSIONS TIMEOUT nan",
            "SHOW SERVER SESSIONS TIMEOUT 99999",
        ] {
            assert_eq!(parse(text).unwrap_err().to_sql().code, 1210, "{text}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_a_syntax_error() {
        for text in [
            "SHOW SERVER SESSIONS WHERE",
            "SHOW SERVER SESSIONS WHERE Id =",
            "SHOW SERVER SESSIONS WHERE (Id = 1",
            "SHOW SERVER SESSIONS ORDER BY",
        ] {
            assert_eq!(parse(text).unwrap_err().to_sql().code, 1064, "{text}");
        }
    }
}
