//! Ends one session on one server, and tells honestly what became of it.
//!
//! ```text
//!   server known? ─► id seen there? ─► allowed? ─► KILL, once ─► gone?
//! ```
//!
//! KILL is sent on the connection that has just seen the session, never twice, and never to an address
//! that the cluster did not name: OceanBase's own KILL finds a session on any server and says OK.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::budget::Share;
use super::failure::{FailureKind, NodeFailure};
use super::fan_out::FanOut;
use super::kill_error::KillError;
use super::merge::Viewer;
use super::node::Checkout;
use super::queries::Columns;
use super::servers::Server;
use super::topology::Snapshot;
use crate::audit::{self, Caller};
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;
use crate::statement::{KillServerSession, ServerRef, SessionId};

/// The first pause between two looks for a killed session; each is twice as long as the one before.
const VERIFY_PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest such pause.
const VERIFY_PAUSE_MAX: Duration = Duration::from_millis(250);

/// Code of the warning that a killed session is still there.
const STILL_THERE: u16 = 1105;
/// The bit of a session id that says a server made it, not ODP.
const MADE_BY_SERVER: u32 = 1 << 31;

/// The session was killed; the messages say what else there is to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// Notes and warnings.
    pub messages: Vec<Message>,
}

impl Cluster {
    /// Ends one session.
    ///
    /// Until the KILL is sent, `cancel` ends the attempt. After that it goes on to its outcome.
    ///
    /// # Errors
    /// Each says whether anything was killed.
    pub async fn kill_session(
        self: &Arc<Self>,
        caller: &Caller,
        kill: &KillServerSession,
        cancel: &CancellationToken,
    ) -> Result<Killed, KillError> {
        let attempt = self.attempt(caller, kill, cancel).await;
        let outcome = match &attempt {
            Ok(killed) if killed.messages.is_empty() => "killed".to_owned(),
            Ok(killed) => killed
                .messages
                .iter()
                .map(|m| m.text.as_str())
                .collect::<Vec<_>>()
                .join("; "),
            Err(error) => error.to_string(),
        };
        audit::outcome(caller, &kill.server.to_string(), kill.id.get(), &outcome);
        attempt
    }

    async fn attempt(
        self: &Arc<Self>,
        caller: &Caller,
        kill: &KillServerSession,
        cancel: &CancellationToken,
    ) -> Result<Killed, KillError> {
        let deadline = self.statement_deadline();
        let aimed = tokio::select! {
            aimed = self.aim(caller, kill, deadline) => aimed?,
            () = cancel.cancelled() => return Err(KillError::Cancelled),
        };
        let Aimed {
            mut checkout,
            server,
            mut messages,
        } = aimed;
        let sql = format!("KILL {} {}", kill.id, caller.comment());
        let sent = checkout
            .query_once(&sql, self.statement_deadline(), &mut Share::unlimited())
            .await;
        if let Err(failure) = sent {
            let described = server.describe();
            if failure.kind == FailureKind::NodeError {
                checkout.give_back();
                return Err(refused(kill.id, described, failure));
            }
            return Err(KillError::OutcomeUnknown {
                server: described,
                failure,
            });
        }
        messages.extend(self.verify_gone(&server, kill.id, checkout).await);
        Ok(Killed { messages })
    }

    /// Finds the session and checks that it may be killed.
    async fn aim(
        self: &Arc<Self>,
        caller: &Caller,
        kill: &KillServerSession,
        deadline: Deadline,
    ) -> Result<Aimed, KillError> {
        let (rights, server) = tokio::join!(
            self.rights(&caller.user, deadline),
            self.find_server(&kill.server, deadline)
        );
        let (server, rights) = (server?, rights?);
        let viewer = Viewer {
            user: &caller.user,
            rights,
            own: &self.own,
            clients: &self.clients,
        };
        let described = server.describe();
        let unreachable = |failure| KillError::Unreachable {
            server: described.clone(),
            failure,
        };

        let mut checkout = self
            .node(server.addr)
            .connect(deadline)
            .await
            .map_err(unreachable)?;
        let sessions = match self
            .queries
            .ask(
                &server,
                &mut checkout,
                Columns::All,
                deadline,
                Share::unlimited(),
            )
            .await
        {
            Ok(sessions) => sessions,
            Err(failure) => {
                checkout.settle(Some(&failure));
                return Err(unreachable(failure));
            }
        };
        let victim = sessions
            .find(kill.id.get())
            .filter(|session| viewer.sees(*session));
        let Some(victim) = victim else {
            checkout.give_back();
            let elsewhere = self
                .seen_elsewhere(&server, kill.id, &viewer, deadline)
                .await;
            let elsewhere = match &elsewhere[..] {
                [] => String::new(),
                servers => format!(" (that id was seen on {})", servers.join(", ")),
            };
            return Err(KillError::UnknownId {
                id: kill.id,
                server: described,
                elsewhere,
            });
        };
        if self.own.contains(server.addr, kill.id.get().into()) {
            checkout.give_back();
            return Err(KillError::OwnSession {
                id: kill.id,
                server: described,
            });
        }
        if !rights.kill_others && !victim.belongs_to(&caller.user) {
            checkout.give_back();
            return Err(KillError::Denied {
                id: kill.id,
                server: described,
            });
        }
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let (user, info) = (text(victim.user()), text(victim.info()));
        let mut messages = Vec::new();
        if kill.id.get() & MADE_BY_SERVER == 0 && victim.is_proxied() {
            let others = self
                .seen_elsewhere(&server, kill.id, &viewer, deadline)
                .await;
            if !others.is_empty() {
                let text = format!(
                    "{} is a client session of ODP and ends on {}, too",
                    kill.id,
                    others.join(", ")
                );
                messages.push(Message::note(STILL_THERE, text));
            }
        }
        audit::intent(caller, server.addr, kill.id.get(), &user, &info);
        Ok(Aimed {
            checkout,
            server,
            messages,
        })
    }

    /// The server that a statement names; the topology is read anew if it is not known.
    async fn find_server(
        &self,
        named: &ServerRef,
        deadline: Deadline,
    ) -> Result<Server, KillError> {
        if let Some(snapshot) = self.snapshot()
            && let Ok(server) = match_server(&snapshot, named)
        {
            return Ok(server);
        }
        let snapshot = self.refresh_topology(deadline).await?;
        match_server(&snapshot, named)
    }

    /// The other servers on which a session with this id is seen.
    async fn seen_elsewhere(
        self: &Arc<Self>,
        here: &Server,
        id: SessionId,
        viewer: &Viewer<'_>,
        deadline: Deadline,
    ) -> Vec<String> {
        let Ok((fan_out, _, _)) = FanOut::begin(self, deadline, Columns::All, None).await else {
            return Vec::new();
        };
        let reports = fan_out.all().await;
        let others = reports.iter().filter(|node| node.server.addr != here.addr);
        let seen = others.filter(|node| {
            let sessions = node.answer.as_ref().ok();
            sessions
                .and_then(|s| s.find(id.get()))
                .is_some_and(|session| viewer.sees(session))
        });
        seen.map(|node| node.server.describe()).collect()
    }

    /// Looks for the session until it is gone. The warning says that it was not, or that nobody knows.
    async fn verify_gone(
        &self,
        server: &Server,
        id: SessionId,
        mut checkout: Checkout,
    ) -> Option<Message> {
        let patience = self.settings.kill_verify_timeout;
        let deadline = Deadline::after(patience);
        let mut pause = VERIFY_PAUSE_MIN;
        loop {
            let answer = self
                .queries
                .ask(
                    server,
                    &mut checkout,
                    Columns::All,
                    deadline,
                    Share::unlimited(),
                )
                .await;
            match answer {
                Ok(sessions) if sessions.find(id.get()).is_none() => {
                    checkout.give_back();
                    return None;
                }
                Ok(_) => {}
                Err(failure) => {
                    let text = format!(
                        "the server has accepted the KILL of {id}, but could not be asked whether it is gone: {failure}"
                    );
                    checkout.settle(Some(&failure));
                    return Some(Message::warning(STILL_THERE, text));
                }
            }
            if deadline.limit(tokio::time::sleep(pause)).await.is_err() {
                checkout.give_back();
                let text = format!(
                    "{id} is still there {:.1} s after its KILL: still rolling back",
                    patience.as_secs_f64()
                );
                return Some(Message::warning(STILL_THERE, text));
            }
            pause = (pause * 2).min(VERIFY_PAUSE_MAX);
        }
    }
}

/// A session that may be killed, and the connection that has just seen it.
struct Aimed {
    checkout: Checkout,
    server: Server,
    messages: Vec<Message>,
}

/// The server that `named` means.
fn match_server(snapshot: &Snapshot, named: &ServerRef) -> Result<Server, KillError> {
    let list = |servers: &[&Server]| {
        servers
            .iter()
            .map(|server| server.addr.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let fits = |server: &&Server| {
        server.addr.ip() == named.ip
            && named
                .port
                .is_none_or(|port| server.addr.port() == port || server.rpc_port == Some(port))
    };
    let candidates: Vec<&Server> = snapshot.servers.iter().filter(fits).collect();
    match candidates[..] {
        [server] => Ok(server.clone()),
        [] => {
            let all: Vec<&Server> = snapshot.servers.iter().collect();
            Err(KillError::UnknownServer {
                server: named.clone(),
                known: list(&all),
            })
        }
        _ => Err(KillError::Ambiguous {
            server: named.clone(),
            candidates: list(&candidates),
        }),
    }
}

/// The error that a server's own refusal of a KILL makes.
fn refused(id: SessionId, server: String, failure: NodeFailure) -> KillError {
    match failure.server_code {
        Some(1094) => KillError::UnknownId {
            id,
            server,
            elsewhere: " any more: it ended by itself".to_owned(),
        },
        _ => KillError::Refused { server, failure },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(addrs: &[&str]) -> Snapshot {
        let server = |(at, addr): (usize, &&str)| Server {
            addr: addr.parse().unwrap(),
            rpc_port: Some(2882),
            id: Some(at as u64),
            zone: None,
            status: None,
            build: None,
        };
        Snapshot {
            servers: addrs.iter().enumerate().map(server).collect(),
            listed: true,
            unusable: Vec::new(),
            cluster_name: None,
            told_by: addrs[0].parse().unwrap(),
            read_at: tokio::time::Instant::now(),
        }
    }

    fn find(snapshot: &Snapshot, text: &str) -> Result<String, String> {
        let named = ServerRef::parse(text).unwrap();
        match_server(snapshot, &named)
            .map(|s| s.addr.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_server_is_found_by_address_sql_port_or_rpc_port() {
        let snapshot = snapshot(&["10.0.0.1:2881", "10.0.0.2:2881", "[fe80::1]:2881"]);
        for named in ["10.0.0.2", "10.0.0.2:2881", "10.0.0.2:2882"] {
            assert_eq!(find(&snapshot, named), Ok("10.0.0.2:2881".into()));
        }
        assert_eq!(
            find(&snapshot, "[fe80::1]:2882"),
            Ok("[fe80::1]:2881".into())
        );
    }

    #[test]
    fn an_unknown_address_gets_the_list_of_servers() {
        let error = find(&snapshot(&["10.0.0.1:2881", "10.0.0.2:2881"]), "10.9.9.9").unwrap_err();
        assert_eq!(
            error,
            "10.9.9.9 is no server of this cluster; its servers are 10.0.0.1:2881, 10.0.0.2:2881"
        );
    }

    #[test]
    fn an_address_with_several_servers_needs_a_port() {
        let snapshot = snapshot(&["10.0.0.1:2881", "10.0.0.1:3881"]);
        assert!(
            find(&snapshot, "10.0.0.1")
                .unwrap_err()
                .contains("10.0.0.1:2881, 10.0.0.1:3881")
        );
        assert_eq!(find(&snapshot, "10.0.0.1:3881"), Ok("10.0.0.1:3881".into()));
    }

    #[test]
    fn a_session_that_ended_by_itself_is_unknown() {
        let failure = NodeFailure {
            server_code: Some(1094),
            ..NodeFailure::wrong(Duration::ZERO, "Unknown thread id: 7")
        };
        let error = refused(
            SessionId::parse("7").unwrap(),
            "10.0.0.1:2881".into(),
            failure,
        );
        assert_eq!(error.to_sql().code, 1094);
    }
}
