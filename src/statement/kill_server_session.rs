//! `KILL SERVER SESSION server id`

use super::parse::{ParseError, Reader};
use super::server_ref::{ServerRef, SessionId};

/// Ends one session on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillServerSession {
    /// The server that holds it.
    pub server: ServerRef,
    /// Its id there.
    pub id: SessionId,
}

impl KillServerSession {
    pub(super) const FORM: &'static str = "KILL SERVER SESSION server id";

    /// Reads what follows `KILL`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if !(reader.word("SERVER") && reader.word("SESSION")) {
            return Err(reader.syntax(Self::FORM));
        }
        let server = reader.glued();
        let id = reader.glued();
        if server.is_empty() || id.is_empty() {
            return Err(reader.syntax(Self::FORM));
        }
        reader.end(Self::FORM)?;
        let server = ServerRef::parse(&server).ok_or(ParseError::NoAddress(server))?;
        let id = SessionId::parse(&id).ok_or(ParseError::NoSessionId(id))?;
        Ok(Self { server, id })
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::{Statement, parse};

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
                "KILL SERVER SESSION \"10.10.10.1:2882\" \"7\"",
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
            let Ok(Statement::KillServerSession(kill)) = parse(text) else {
                panic!("{text}: {:?}", parse(text));
            };
            assert_eq!(
                (kill.server.to_string().as_str(), kill.id.get()),
                (server, id),
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
            let text = format!("KILL SERVER SESSION 10.0.0.1 {id}");
            assert!(parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn any_other_form_is_an_error() {
        for text in [
            "KILL SERVER",
            "KILL SERVER SESSION",
            "KILL SERVER SESSION 10.0.0.1",
            "KILL SERVER SESSION 10.0.0. 1 5",
            "KILL SERVER SESSION 10.0.0.1 :2881 5",
            "KILL SERVER SESSIONS 10.0.0.1 5",
            "KILL SERVER SESSION 10.0.0.1 5 6",
            "KILL SERVER SESSION host 5",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
