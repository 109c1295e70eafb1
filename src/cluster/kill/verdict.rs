//! What a KILL would do with a session. No I/O: rights and what is known of the session in, a verdict out.
//!
//! One that is named by its id is judged by rights alone; one that an expression picks must also be none that
//! nobody means by an expression: the caller's own, and those of protected accounts.

use std::fmt;
use std::net::SocketAddr;

use super::running::Running;
use crate::clients::ClientKey;
use crate::cluster::merge::Viewer;
use crate::cluster::sessions::{Session, is_of_account};
use crate::statement::SessionId;

/// What a KILL would do with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It would end it.
    Killable,
    /// It would be refused: the session is another account's.
    Denied,
    /// It would spare it: the session is a protected account's.
    Protected,
    /// It would spare it: the session is the caller's.
    OwnSession,
    /// It would spare it: the session is one of the proxy's own.
    ServiceSession,
    /// It would leave it alone: only what it runs was to end, and it runs nothing.
    NothingRunning,
    /// It would not be sent: the session's server was not reached.
    NodeUnreachable,
    /// It would end by the KILL of another row: the session stands on several servers.
    SameSession,
    /// There is nothing to end.
    NoSuchSession,
}

impl Verdict {
    /// Whether a KILL is meant for it: what is spared is not counted.
    pub(super) fn is_victim(self) -> bool {
        matches!(self, Self::Killable | Self::Denied)
    }
}

/// As `EXPLAIN KILL SERVER` shows it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killable => "killable",
            Self::Denied => "denied",
            Self::Protected => "protected",
            Self::OwnSession => "own session",
            Self::ServiceSession => "service session",
            Self::NothingRunning => "nothing running",
            Self::NodeUnreachable => "node unreachable",
            Self::SameSession => "same session",
            Self::NoSuchSession => "no such session",
        })
    }
}

/// A session, as far as a verdict needs to know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect<'a> {
    pub(super) server: SocketAddr,
    pub(super) id: u32,
    pub(super) user: Option<&'a [u8]>,
    pub(super) tenant: Option<&'a [u8]>,
}

impl<'a> Suspect<'a> {
    /// A session of `server`'s.
    pub(super) fn new(server: SocketAddr, id: SessionId, session: Session<'a>) -> Self {
        Self {
            server,
            id: id.get(),
            user: session.user(),
            tenant: session.tenant(),
        }
    }
}

/// Judges sessions for one statement.
pub(super) struct Judge<'a> {
    pub(super) viewer: &'a Viewer<'a>,
    /// The caller's own session.
    pub(super) caller: ClientKey,
    /// Accounts whose sessions are not picked.
    pub(super) protected: &'a [String],
}

impl Judge<'_> {
    /// The verdict on a session that an expression picks.
    pub(super) fn picked(&self, suspect: Suspect<'_>) -> Verdict {
        let is_protected = |name: &String| Some(name.as_bytes()) == suspect.user;
        if (suspect.server, suspect.id) == self.caller {
            return Verdict::OwnSession;
        }
        match named(self.viewer, suspect) {
            Verdict::ServiceSession => Verdict::ServiceSession,
            _ if self.protected.iter().any(is_protected) => Verdict::Protected,
            verdict => verdict,
        }
    }
}

/// Whether a session has a statement to end: `running`, by its server's word, or one that it waits for in the proxy.
pub(super) fn runs(viewer: &Viewer<'_>, suspect: Suspect<'_>, running: Option<&Running>) -> bool {
    running.is_some() || viewer.clients.runs_statement((suspect.server, suspect.id))
}

/// The verdict on a session that is named by its id.
pub(super) fn named(viewer: &Viewer<'_>, suspect: Suspect<'_>) -> Verdict {
    if viewer.own.contains(suspect.server, suspect.id.into()) {
        return Verdict::ServiceSession;
    }
    let is_own_account = is_of_account(suspect.user, suspect.tenant, viewer.user);
    if viewer.rights.kill_others || is_own_account {
        Verdict::Killable
    } else {
        Verdict::Denied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Clients;
    use crate::cluster::own_sessions::OwnSessions;
    use crate::cluster::rights::Rights;

    const SERVER: &str = "10.0.0.1:2881";

    fn suspect(id: u32, user: &'static str, tenant: Option<&'static [u8]>) -> Suspect<'static> {
        Suspect {
            server: SERVER.parse().unwrap(),
            id,
            user: Some(user.as_bytes()),
            tenant,
        }
    }

    /// Verdicts on what is named by its id, and on what is picked, for the account `dba` in session 1.
    fn verdicts(kill_others: bool, suspect: Suspect<'_>) -> (Verdict, Verdict) {
        let own = OwnSessions::default();
        own.insert(SERVER.parse().unwrap(), 9);
        let viewer = Viewer {
            user: "dba",
            rights: Rights {
                see_others: true,
                kill_others,
            },
            own: &own,
            clients: &Clients::default(),
        };
        let judge = Judge {
            viewer: &viewer,
            caller: (SERVER.parse().unwrap(), 1),
            protected: &["proxyro".to_owned()],
        };
        (named(&viewer, suspect), judge.picked(suspect))
    }

    #[test]
    fn what_nobody_means_by_an_expression_may_still_be_named() {
        for (id, user, by_name, by_expression) in [
            (5, "app", Verdict::Killable, Verdict::Killable),
            (5, "proxyro", Verdict::Killable, Verdict::Protected),
            (5, "proxyro2", Verdict::Killable, Verdict::Killable),
            (1, "dba", Verdict::Killable, Verdict::OwnSession),
            (1, "proxyro", Verdict::Killable, Verdict::OwnSession),
            (9, "root", Verdict::ServiceSession, Verdict::ServiceSession),
        ] {
            let verdicts = verdicts(true, suspect(id, user, Some(b"sys")));
            assert_eq!(verdicts, (by_name, by_expression), "{id} {user}");
        }
    }

    #[test]
    fn without_the_right_to_kill_only_ones_own_account_is_killable() {
        let both = |verdict| (verdict, verdict);
        for (user, tenant, verdict) in [
            ("dba", Some(&b"sys"[..]), Verdict::Killable),
            ("dba", None, Verdict::Killable),
            ("dba", Some(&b"shop"[..]), Verdict::Denied),
            ("app", Some(&b"sys"[..]), Verdict::Denied),
        ] {
            let verdicts = verdicts(false, suspect(5, user, tenant));
            assert_eq!(verdicts, both(verdict), "{user} {tenant:?}");
        }
        let spared = verdicts(false, suspect(5, "proxyro", Some(b"sys")));
        assert_eq!(spared, (Verdict::Denied, Verdict::Protected));
    }
}
