//! `KILL SERVER {SESSION | CONNECTION | QUERY} server id [COMMENT 'reason']`, and the server's own
//! `KILL [CONNECTION | QUERY] id` where the session that it names is on another server.

use std::fmt;

use super::parse::{ParseError, Reader};
use super::server_ref::{ServerRef, SessionId};

/// Ends one session, or what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// What is to end.
    pub kind: KillKind,
    /// The server that holds the session; none in the server's own form.
    pub server: Option<ServerRef>,
    /// The session's id there.
    pub id: SessionId,
    /// Why, for those who ask later.
    pub reason: Option<Reason>,
}

/// What a KILL ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillKind {
    /// The session.
    Session,
    /// The statement that it runs.
    Query,
}

impl KillKind {
    /// The server's own statement, up to the id.
    pub fn statement(self) -> &'static str {
        match self {
            Self::Session => "KILL",
            Self::Query => "KILL QUERY",
        }
    }
}

/// As `KILL SERVER` names it.
impl fmt::Display for KillKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "SESSION",
            Self::Query => "QUERY",
        })
    }
}

/// Why somebody kills. It goes along with the KILL, so that it has a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 256;

impl Reason {
    /// The reason, if it is not too long.
    fn parse(text: String) -> Result<Self, ParseError> {
        match text.chars().count() {
            0..=REASON_CHARS_MAX => Ok(Self(text)),
            chars => Err(ParseError::ReasonTooLong {
                chars,
                chars_max: REASON_CHARS_MAX,
            }),
        }
    }

    /// Reads `[COMMENT 'reason']`.
    pub(super) fn parse_comment(
        reader: &mut Reader<'_>,
        form: &'static str,
    ) -> Result<Option<Self>, ParseError> {
        if !reader.word("COMMENT") {
            return Ok(None);
        }
        match reader.quoted() {
            Some(text) => Self::parse(text).map(Some),
            None => Err(reader.syntax(form)),
        }
    }

    /// The reason as it was given: of any characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kill {
    const FORM: &'static str =
        "KILL SERVER {SESSION | CONNECTION | QUERY} server id [COMMENT 'reason']";

    /// Reads what follows `KILL SERVER`.
    pub(super) fn parse_named(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let Some(kind) = kind(reader, "SESSION") else {
            return Err(reader.syntax(Self::FORM));
        };
        let server = reader.server(Self::FORM)?;
        let id = reader.session_id(Self::FORM)?;
        let reason = Reason::parse_comment(reader, Self::FORM)?;
        reader.end(Self::FORM)?;
        Ok(Self {
            kind,
            server: Some(server),
            id,
            reason,
        })
    }

    /// Reads what follows `KILL` in the server's own form: the id alone.
    pub(super) fn parse_by_id(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let kind = kind(reader, "CONNECTION").unwrap_or(KillKind::Session);
        let id = reader.session_id(Self::FORM)?;
        reader.end(Self::FORM)?;
        Ok(Self {
            kind,
            server: None,
            id,
            reason: None,
        })
    }
}

/// What is to end: `CONNECTION` or another word for a session, or `QUERY`.
fn kind(reader: &mut Reader<'_>, session: &str) -> Option<KillKind> {
    if reader.word(session) || reader.word("CONNECTION") {
        return Some(KillKind::Session);
    }
    reader.word("QUERY").then_some(KillKind::Query)
}

#[cfg(test)]
impl Kill {
    /// The KILL that a text is.
    pub(crate) fn parsed(text: &str) -> Self {
        match super::parse(text) {
            Ok(super::Statement::Kill(kill)) => kill,
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;

    #[test]
    fn servers_and_ids_are_read_in_every_form() {
        for (text, server, id) in [
            ("KILL SERVER SESSION 10.10.10.1 5", "10.10.10.1", 5),
            (
                "kill server session 10.10.10.1:2881 '3221812197';",
                "10.10.10.1:2881",
                3_221_812_197,
            ),
            (
                "KILL SERVER CONNECTION \"10.10.10.1:2882\" \"7\"",
                "10.10.10.1:2882",
                7,
            ),
            (
                "KILL SERVER SESSION '127.0.0.1'/* here */1070",
                "127.0.0.1",
                1070,
            ),
            ("KILL SERVER SESSION [fe80::1]:2881 1", "[fe80::1]:2881", 1),
            ("KILL SERVER SESSION fe80::1e5 1", "fe80::1e5", 1),
            ("KILL SERVER SESSION ::1 4294967295", "::1", u32::MAX),
        ] {
            let kill = Kill::parsed(text);
            let named = kill.server.map(|server| server.to_string());
            assert_eq!(
                (named.as_deref(), kill.id.get()),
                (Some(server), id),
                "{text}"
            );
            assert_eq!(
                (kill.kind, kill.reason),
                (KillKind::Session, None),
                "{text}"
            );
        }
    }

    #[test]
    fn a_query_is_another_kind_and_a_reason_may_follow() {
        for (text, kind, reason) in [
            ("KILL SERVER QUERY 10.0.0.1 5", KillKind::Query, None),
            (
                "kill server query 10.0.0.1 '5' comment 'blocks the nightly load';",
                KillKind::Query,
                Some("blocks the nightly load"),
            ),
            (
                "KILL SERVER SESSION 10.0.0.1 5 COMMENT \"it's */ the one\"",
                KillKind::Session,
                Some("it's */ the one"),
            ),
            (
                "KILL SERVER CONNECTION 10.0.0.1 5 /* why */ COMMENT ''",
                KillKind::Session,
                Some(""),
            ),
        ] {
            let kill = Kill::parsed(text);
            let said = kill.reason.as_ref().map(Reason::as_str);
            assert_eq!((kill.kind, said), (kind, reason), "{text}");
        }
    }

    #[test]
    fn a_reason_has_a_limit_in_characters() {
        let with = |reason: &str| parse(&format!("KILL SERVER QUERY ::1 5 COMMENT '{reason}'"));
        assert!(with(&"é".repeat(REASON_CHARS_MAX)).is_ok());
        let error = with(&"x".repeat(REASON_CHARS_MAX + 1)).unwrap_err();
        assert_eq!(
            (error.to_sql().code, error.to_string().as_str()),
            (
                1210,
                "a reason of 257 characters is too long; it may have 256"
            )
        );
    }

    #[test]
    fn the_servers_own_form_names_no_server() {
        for (text, kind) in [
            ("KILL 7", KillKind::Session),
            ("KILL CONNECTION '7'", KillKind::Session),
            ("kill query 7;", KillKind::Query),
        ] {
            let kill = Kill::parsed(text);
            assert_eq!(
                (kill.kind, kill.server, kill.id.get()),
                (kind, None, 7),
                "{text}"
            );
        }
    }

    #[test]
    fn an_id_that_is_none_is_an_error() {
        for id in [
            "0",
            "-1",
            "4294967296",
            "4294967299",
            "'abc'",
            "abc",
            "1+1",
            "''",
            "5.0",
        ] {
            for kind in ["SESSION", "QUERY"] {
                let text = format!("KILL SERVER {kind} 10.0.0.1 {id}");
                assert!(parse(&text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn any_other_form_is_an_error_that_tells_the_right_one() {
        for text in [
            "KILL SERVER",
            "KILL SERVER SESSION",
            "KILL SERVER QUERY",
            "KILL SERVER SESSION 10.0.0.1",
            "KILL SERVER 10.0.0.1 5",
            "KILL SERVER STATEMENT 10.0.0.1 5",
            "KILL SERVER SESSION 10.0.0.1 5 6",
            "KILL SERVER QUERY 10.0.0.1 5 COMMENT",
            "KILL SERVER QUERY 10.0.0.1 5 COMMENT why",
            "KILL SERVER QUERY 10.0.0.1 5 'why'",
            "KILL SERVER QUERY 10.0.0.1 5 COMMENT 'why' 'not'",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.to_sql().code, 1064, "{text}");
            assert!(error.to_string().ends_with(Kill::FORM), "{text}: {error}");
        }
        for text in [
            "KILL SERVER SESSION 10.0.0. 1 5",
            "KILL SERVER SESSION 10.0.0.1 :2881 5",
            "KILL SERVER SESSION host 5",
            "KILL SERVER QUERY SESSION 10.0.0.1 5",
            "KILL SERVER QUERY 10.0.0.1 COMMENT 'why' 5",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
