//! Before a KILL: is the session there, and may this caller kill it?

use std::sync::Arc;

use tokio::time::Instant;

use super::KillError;
use super::running::Running;
use super::verdict::{self, Suspect, Verdict};
use crate::audit::{Attempt, Victim};
use crate::cluster::Cluster;
use crate::cluster::budget::Share;
use crate::cluster::chosen::Chosen;
use crate::cluster::failure::NodeFailure;
use crate::cluster::fan_out::FanOut;
use crate::cluster::merge::Viewer;
use crate::cluster::node::Checkout;
use crate::cluster::queries::Columns;
use crate::cluster::servers::Server;
use crate::cluster::sessions::{NodeSessions, Session};
use crate::deadline::Deadline;
use crate::statement::SessionId;
use crate::statement::diagnostics::Message;

/// Code of the note that a session of ODP ends on other servers, too.
const ENDS_ELSEWHERE: u16 = 1105;

/// A session that may be killed, and the connection that has just seen it.
pub(super) struct Aimed {
    pub(super) checkout: Checkout,
    /// What it runs, if it is not idle.
    pub(super) running: Option<Running>,
    pub(super) messages: Vec<Message>,
}

impl Cluster {
    /// Finds the session and checks that it may be killed.
    pub(super) async fn aim(
        self: &Arc<Self>,
        id: SessionId,
        server: &Server,
        viewer: &Viewer<'_>,
        record: &mut Attempt<'_>,
        deadline: Deadline,
    ) -> Result<Aimed, KillError> {
        let seen = self.see(server, deadline).await;
        let (checkout, sessions) = seen.map_err(|failure| unreachable(server, failure))?;
        let seen = sessions.find(id.get());
        let Some(victim) = seen.filter(|session| viewer.sees(*session)) else {
            checkout.give_back();
            let elsewhere = self.seen_elsewhere(server, id, viewer, deadline).await;
            let mut elsewhere = match &elsewhere[..] {
                [] => String::new(),
                servers => format!(" (that id was seen on {})", servers.join(", ")),
            };
            if let Some(grant) = &sessions.needs_grant {
                elsewhere += &format!(
                    "; it shows the service account its own sessions only, which needs: {grant}"
                );
            }
            return Err(KillError::UnknownId {
                id,
                server: server.describe(),
                elsewhere,
            });
        };
        record.saw(Victim::new(
            victim.user(),
            victim.host(),
            victim.db(),
            victim.info(),
        ));
        if let Err(error) = may_kill(viewer, victim, id, server) {
            checkout.give_back();
            return Err(error);
        }
        let of_odp = victim.id_of_odp().is_some();
        let running = Running::of(victim, Instant::now());
        let mut messages = Vec::new();
        if of_odp {
            let others = self.seen_elsewhere(server, id, viewer, deadline).await;
            messages.extend(ends_elsewhere(id, &others));
        }
        Ok(Aimed {
            checkout,
            running,
            messages,
        })
    }

    /// Connects to a server, and asks it for its sessions.
    pub(super) async fn see(
        &self,
        server: &Server,
        deadline: Deadline,
    ) -> Result<(Checkout, NodeSessions), NodeFailure> {
        let checkout = self.node(server.addr).connect(deadline).await?;
        self.see_again(server, checkout, deadline).await
    }

    /// Asks a server for its sessions, on a connection that it has been asked on before.
    pub(super) async fn see_again(
        &self,
        server: &Server,
        mut checkout: Checkout,
        deadline: Deadline,
    ) -> Result<(Checkout, NodeSessions), NodeFailure> {
        let (queries, share) = (&self.queries, Share::unlimited());
        let answer = queries
            .ask(server, &mut checkout, &Columns::All, deadline, share)
            .await;
        match answer {
            Ok(sessions) => Ok((checkout, sessions)),
            Err(failure) => {
                checkout.settle(Some(&failure));
                Err(failure)
            }
        }
    }

    /// The other servers on which a session with this id is seen.
    async fn seen_elsewhere(
        self: &Arc<Self>,
        here: &Server,
        id: SessionId,
        viewer: &Viewer<'_>,
        deadline: Deadline,
    ) -> Vec<String> {
        let Ok((fan_out, _, _)) =
            FanOut::begin(self, deadline, Chosen::all(), Columns::All, None).await
        else {
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
}

pub(super) fn unreachable(server: &Server, failure: NodeFailure) -> KillError {
    KillError::Unreachable {
        server: server.describe(),
        failure,
    }
}

/// Whether a session that may be seen may be killed.
fn may_kill(
    viewer: &Viewer<'_>,
    victim: Session<'_>,
    id: SessionId,
    server: &Server,
) -> Result<(), KillError> {
    let suspect = Suspect::new(server.addr, id, victim);
    let server = server.describe();
    match verdict::named(viewer, suspect) {
        Verdict::ServiceSession => Err(KillError::OwnSession { id, server }),
        Verdict::Denied => Err(KillError::Denied { id, server }),
        _ => Ok(()),
    }
}

/// The note that a client session of ODP ends on other servers, too.
pub(super) fn ends_elsewhere(id: SessionId, others: &[String]) -> Option<Message> {
    let others = (!others.is_empty()).then(|| others.join(", "))?;
    let text = format!("{id} is a client session of ODP and ends on {others}, too");
    Some(Message::note(ENDS_ELSEWHERE, text))
}
