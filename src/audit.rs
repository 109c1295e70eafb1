//! A record of every kill, allowed or not: who, from where, whom, and what became of it.
//!
//! Records go to the log under the target `obwarden::audit`. The intent is recorded before the KILL is
//! sent, the outcome after it.

use std::net::SocketAddr;

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The bare name of the account that logged in.
    pub user: String,
    /// The client's address.
    pub client: SocketAddr,
}

impl Caller {
    /// A comment for the server's own SQL audit. Nothing in it can end the comment.
    pub fn comment(&self) -> String {
        let plain =
            |c: &char| !c.is_control() && !matches!(c, '*' | '/' | '!' | '\'' | '"' | '`' | '\\');
        let user: String = self.user.chars().filter(plain).take(NAME_CHARS).collect();
        format!("/* obwarden: KILL SERVER by {user} from {} */", self.client)
    }
}

/// The longest name of an account in a comment, in characters.
const NAME_CHARS: usize = 64;

/// Records that a KILL is about to be sent.
pub fn intent(caller: &Caller, server: SocketAddr, id: u32, victim_user: &str, victim_info: &str) {
    tracing::info!(
        target: "obwarden::audit",
        account = caller.user,
        client = %caller.client,
        server = %server,
        id,
        victim_user,
        victim_info,
        "kill: sending"
    );
}

/// Records what became of a kill, sent or not.
pub fn outcome(caller: &Caller, target: &str, id: u32, outcome: &str) {
    tracing::info!(
        target: "obwarden::audit",
        account = caller.user,
        client = %caller.client,
        server = target,
        id,
        outcome,
        "kill: done"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_end_the_comment() {
        let caller = Caller {
            user: "a*/; DROP TABLE t; /*é".into(),
            client: "10.0.0.1:5".parse().unwrap(),
        };
        assert_eq!(
            caller.comment(),
            "/* obwarden: KILL SERVER by a; DROP TABLE t; é from 10.0.0.1:5 */"
        );
    }
}
