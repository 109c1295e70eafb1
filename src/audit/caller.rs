//! Who asks for something, and how a server is told.

use std::fmt;
use std::net::SocketAddr;

use crate::mask::mask;
use crate::statement::Reason;

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The number of the client's session with this proxy.
    pub connection: u64,
    /// The bare name of the account that logged in.
    pub user: String,
    /// Where it is.
    pub client: Origin,
}

/// Where a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client of the proxy, at this address.
    Client(SocketAddr),
    /// Whoever has started the program for one statement.
    Local,
}

impl Origin {
    /// Where it is, without a port.
    pub fn host(self) -> String {
        match self {
            Self::Client(address) => address.ip().to_string(),
            Self::Local => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

impl Caller {
    /// A comment for the server's own SQL audit. Nothing in it can end the comment.
    pub fn comment(&self, reason: Option<&Reason>) -> String {
        let user = plain(&self.user).take(NAME_CHARS).collect::<String>();
        let reason: String = reason
            .map(Reason::as_str)
            .map_or_else(String::new, |reason| {
                [':', ' '].into_iter().chain(plain(&mask(reason))).collect()
            });
        let reason = reason.trim_end_matches([':', ' ']);
        format!(
            "/* obwarden: KILL SERVER by {user} from {}{reason} */",
            self.client
        )
    }
}

/// The characters of `text` that may stand in a comment.
fn plain(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|c| !c.is_control() && !matches!(c, '*' | '/' | '!' | '\'' | '"' | '`' | '\\'))
}

/// The longest name of an account in a comment, in characters.
const NAME_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    #[test]
    fn no_name_and_no_reason_can_end_the_comment() {
        let caller = Caller {
            connection: 7,
            user: "a*/; DROP TABLE t; /*é".into(),
            client: Origin::Client("10.0.0.1:5".parse().unwrap()),
        };
        assert_eq!(
            caller.comment(None),
            "/* obwarden: KILL SERVER by a; DROP TABLE t; é from 10.0.0.1:5 */"
        );
        let local = Caller {
            user: "root".into(),
            client: Origin::Local,
            ..caller.clone()
        };
        assert_eq!(
            local.comment(None),
            "/* obwarden: KILL SERVER by root from local */"
        );
        let reason =
            |text: &str| match parse(&format!("KILL SERVER QUERY ::1 5 COMMENT \"{text}\"")) {
                Ok(Statement::Kill(kill)) => caller.comment(kill.reason.as_ref()),
                other => panic!("{other:?}"),
            };
        assert!(
            reason("it blocks all */ ; KILL 8 /*! -- \n#")
                .ends_with(" from 10.0.0.1:5: it blocks all  ; KILL 8  -- # */"),
            "{}",
            reason("it blocks all */ ; KILL 8 /*! -- \n#")
        );
        assert!(reason("*/").ends_with(" from 10.0.0.1:5 */"));
        assert!(reason("IDENTIFIED BY 'pw'").ends_with(": IDENTIFIED BY */"));
    }
}
