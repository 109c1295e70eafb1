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
mod choose;
mod error;
mod explain;
mod front;
mod many;
mod running;
mod tally;
mod target;
mod verdict;
mod verify;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::budget::Share;
use super::failure::{FailureKind, NodeFailure};
use super::grants::Asked;
use super::merge::Viewer;
use super::node::Checkout;
use super::servers::Server;
use crate::audit::{Attempt, Caller};
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;
use crate::statement::{Kill, KillKind, SessionId};
use aim::{Aimed, unreachable};
pub use choose::ManyRequest;
pub use error::KillError;
pub use many::KilledMany;
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
    /// Ends one session, or what it runs. `backend` is the server that the caller's own session is on, and
    /// `statement` what the client has sent.
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
        statement: &str,
        cancel: &CancellationToken,
    ) -> Result<Killed, KillError> {
        let mut record = self.audit.begin(caller, kill, statement);
        let mut attempt = self
            .attempt(caller, backend, kill, &mut record, cancel)
            .await;
        let (code, outcome) = outcome(&attempt);
        let not_recorded = record.end(code, &outcome).await;
        if let Ok(killed) = &mut attempt {
            killed.messages.extend(not_recorded);
        }
        attempt
    }

    async fn attempt(
        self: &Arc<Self>,
        caller: &Caller,
        backend: SocketAddr,
        kill: &Kill,
        record: &mut Attempt<'_>,
        cancel: &CancellationToken,
    ) -> Result<Killed, KillError> {
        let ready = tokio::select! {
            ready = self.make_ready(caller, backend, kill, record) => ready?,
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
        let mut checkout = checkout;
        if let Err(error) = self.send(caller, kill, &server, &mut checkout).await {
            if error.is_an_answer() {
                checkout.give_back();
            }
            return Err(error);
        }
        if kill.kind == KillKind::Session {
            // Its virtual statement does not see that the server has closed the session.
            self.clients.cancel(client);
        }
        let prey = [(kill.id, prey)];
        let verified = self.verify_gone(&server, &prey, checkout).await;
        messages.extend(verified.into_iter().flatten());
        Ok(Killed { messages })
    }

    /// All that comes before the KILL, under one deadline.
    async fn make_ready(
        self: &Arc<Self>,
        caller: &Caller,
        backend: SocketAddr,
        kill: &Kill,
        record: &mut Attempt<'_>,
    ) -> Result<Ready, KillError> {
        let deadline = self.statement_deadline();
        let (rights, named) = tokio::join!(
            self.rights_to_kill(&caller.user, deadline),
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
        record.at(server.addr);
        let Aimed {
            checkout,
            running,
            messages,
        } = self
            .aim(kill.id, &server, &viewer, record, deadline)
            .await?;
        let may_send = kill.kind == KillKind::Session || running.is_some();
        if may_send && let Err(not_recorded) = record.intend().await {
            checkout.give_back();
            return Err(not_recorded.into());
        }
        let (checkout, prey) = match (kill.kind, running) {
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

    /// Sends the KILL. The connection is of use after that, unless the error is none of the server's own.
    async fn send(
        &self,
        caller: &Caller,
        kill: &Kill,
        server: &Server,
        checkout: &mut Checkout,
    ) -> Result<(), KillError> {
        let comment = caller.comment(kill.reason.as_ref());
        let sql = format!("{} {} {comment}", kill.kind.statement(), kill.id);
        let sent = checkout
            .query_once(&sql, self.statement_deadline(), &mut Share::unlimited())
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == FailureKind::NodeError => {
                let failure = failure.naming_grant(Asked::Kill, self.settings.account());
                Err(refused(kill.id, server.describe(), failure))
            }
            Err(failure) => Err(KillError::OutcomeUnknown {
                server: server.describe(),
                failure,
            }),
        }
    }
}

/// The code of what the client will be told, and its text.
fn outcome(attempt: &Result<Killed, KillError>) -> (u16, String) {
    match attempt {
        Ok(killed) if killed.messages.is_empty() => (0, "killed".to_owned()),
        Ok(killed) => {
            let texts = killed.messages.iter().map(|message| message.text.as_str());
            (0, texts.collect::<Vec<_>>().join("; "))
        }
        Err(error) => (error.to_sql().code, error.to_string()),
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
