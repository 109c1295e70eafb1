//! Ends one session on one server, or the statement that it runs, and tells honestly what became of it.
//!
//! ```text
//!   server known? ─► id seen there? ─► allowed? ─► still that statement? ─► KILL, once ─► gone?
//!      target             aim            aim             running                          verify
//! ```
//!
//! KILL is sent on the connection that has just seen the session, never twice, and never to an address
//! that the cluster did not name: OceanBase's own KILL finds a session on any server and says OK. KILL QUERY
//! ends whatever a session runs when it arrives, so that the statement is compared right before.

mod aim;
mod error;
mod running;
mod target;
mod verify;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::budget::Share;
use super::failure::{FailureKind, NodeFailure};
use super::merge::Viewer;
use super::node::Checkout;
use super::servers::Server;
use crate::audit::{self, Caller};
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;
use crate::statement::{Kill, KillKind, SessionId};
use aim::{Aimed, unreachable};
pub use error::KillError;
use running::Running;
use verify::Prey;

/// Code of the warning that there was nothing to kill.
const NOTHING_TO_KILL: u16 = 1105;

/// It is gone, or there was nothing to kill; the messages say which, and what else there is to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// Notes and warnings.
    pub messages: Vec<Message>,
}

impl Cluster {
    /// Ends one session, or what it runs. `backend` is the server that the caller's own session is on.
    ///
    /// Until the KILL is sent, `cancel` ends the attempt. After that it goes on to its outcome.
    ///
    /// # Errors
    /// Each says whether anything was killed.
    pub async fn kill(
        self: &Arc<Self>,
        caller: &Caller,
        backend: SocketAddr,
        kill: &Kill,
        cancel: &CancellationToken,
    ) -> Result<Killed, KillError> {
        let named = kill.server.as_ref();
        let mut at = named.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let attempt = self.attempt(caller, backend, kill, cancel, &mut at).await;
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
        audit::outcome(caller, kill, &at, &outcome);
        attempt
    }

    /// `at` is set to the server as soon as that is known.
    async fn attempt(
        self: &Arc<Self>,
        caller: &Caller,
        backend: SocketAddr,
        kill: &Kill,
        cancel: &CancellationToken,
        at: &mut String,
    ) -> Result<Killed, KillError> {
        let ready = tokio::select! {
            ready = self.make_ready(caller, backend, kill, at) => ready?,
            () = cancel.cancelled() => return Err(KillError::Cancelled),
        };
        let Ready {
            checkout,
            server,
            prey,
            mut messages,
        } = ready;
        let client = (server.addr, kill.id.get());
        let prey = match prey {
            Ok(prey) => prey,
            Err(nothing) => {
                checkout.give_back();
                if !self.clients.cancel(client) {
                    messages.push(nothing);
                } else if cancel.is_cancelled() {
                    // The virtual statement that it ran is this one.
                    return Err(KillError::Cancelled);
                }
                return Ok(Killed { messages });
            }
        };
        let checkout = self.send(caller, kill, &server, checkout).await?;
        if kill.kind == KillKind::Session {
            // Its virtual statement does not see that the server has closed the session.
            self.clients.cancel(client);
        }
        messages.extend(self.verify_gone(&server, kill.id, &prey, checkout).await);
        Ok(Killed { messages })
    }

    /// All that comes before the KILL, under one deadline.
    async fn make_ready(
        self: &Arc<Self>,
        caller: &Caller,
        backend: SocketAddr,
        kill: &Kill,
        at: &mut String,
    ) -> Result<Ready, KillError> {
        let deadline = self.statement_deadline();
        let (rights, named) = tokio::join!(
            self.rights(&caller.user, deadline),
            self.find_named(kill, deadline)
        );
        let (named, rights) = (named?, rights?);
        let viewer = Viewer {
            user: &caller.user,
            rights,
            own: &self.own,
            clients: &self.clients,
        };
        let server = match named {
            Some(server) => server,
            None => self.find_by_id(kill, backend, &viewer, deadline).await?,
        };
        *at = server.addr.to_string();
        let Aimed {
            checkout,
            victim,
            messages,
        } = self.aim(kill.id, &server, &viewer, deadline).await?;
        audit::intent(caller, kill, server.addr, &victim.user, &victim.info);
        let (checkout, prey) = match (kill.kind, victim.running) {
            (KillKind::Session, _) => (checkout, Ok(Prey::Session)),
            (KillKind::Query, None) => {
                let nothing = nothing_to_kill(kill.id, &server, "runs no statement");
                (checkout, Err(nothing))
            }
            (KillKind::Query, Some(seen)) => {
                self.look_again(kill.id, &server, &seen, checkout, deadline)
                    .await?
            }
        };
        Ok(Ready {
            checkout,
            server,
            prey,
            messages,
        })
    }

    /// Whether a session still runs what it was `seen` to run; the message says what it does instead.
    async fn look_again(
        &self,
        id: SessionId,
        server: &Server,
        seen: &Running,
        checkout: Checkout,
        deadline: Deadline,
    ) -> Result<(Checkout, Result<Prey, Message>), KillError> {
        let seen_again = self.see_again(server, checkout, deadline).await;
        let (checkout, sessions) = seen_again.map_err(|failure| unreachable(server, failure))?;
        let Some(session) = sessions.find(id.get()) else {
            checkout.give_back();
            return Err(ended_by_itself(id, server.describe()));
        };
        let prey = match Running::of(session, Instant::now()) {
            Some(now) if seen.is(&now) => Ok(Prey::Statement(now)),
            Some(_) => Err("has ended its statement and runs another one"),
            None => Err("has ended its statement and runs none"),
        };
        Ok((
            checkout,
            prey.map_err(|why| nothing_to_kill(id, server, why)),
        ))
    }

    /// Sends the KILL.
    async fn send(
        &self,
        caller: &Caller,
        kill: &Kill,
        server: &Server,
        mut checkout: Checkout,
    ) -> Result<Checkout, KillError> {
        let comment = caller.comment(kill.reason.as_ref());
        let sql = format!("{} {} {comment}", kill.kind.statement(), kill.id);
        let sent = checkout
            .query_once(&sql, self.statement_deadline(), &mut Share::unlimited())
            .await;
        match sent {
            Ok(_) => Ok(checkout),
            Err(failure) if failure.kind == FailureKind::NodeError => {
                checkout.give_back();
                Err(refused(kill.id, server.describe(), failure))
            }
            Err(failure) => Err(KillError::OutcomeUnknown {
                server: server.describe(),
                failure,
            }),
        }
    }
}

/// A KILL that may be sent.
struct Ready {
    checkout: Checkout,
    server: Server,
    /// What to kill, or why there is nothing.
    prey: Result<Prey, Message>,
    messages: Vec<Message>,
}

/// The warning that a session does not run what was to be killed.
fn nothing_to_kill(id: SessionId, server: &Server, why: &str) -> Message {
    let text = format!("nothing was killed: {id} on {} {why}", server.describe());
    Message::warning(NOTHING_TO_KILL, text)
}

/// The error that a server's own refusal of a KILL makes.
fn refused(id: SessionId, server: String, failure: NodeFailure) -> KillError {
    match failure.server_code {
        Some(1094) => ended_by_itself(id, server),
        _ => KillError::Refused { server, failure },
    }
}

/// The session was there a moment ago.
fn ended_by_itself(id: SessionId, server: String) -> KillError {
    KillError::UnknownId {
        id,
        server,
        elsewhere: " any more: it ended by itself".to_owned(),
    }
}
