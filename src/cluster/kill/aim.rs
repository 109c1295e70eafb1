//! Before a KILL: is the session there, and may this caller kill it?

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::KillError;
use super::running::Running;
use super::target::{Target, list};
use crate::audit::{Attempt, Caller, Victim};
use crate::cluster::Cluster;
use crate::cluster::budget::Share;
use crate::cluster::failure::NodeFailure;
use crate::cluster::fan_out::FanOut;
use crate::cluster::merge::Viewer;
use crate::cluster::node::Checkout;
use crate::cluster::queries::Columns;
use crate::cluster::servers::Server;
use crate::cluster::sessions::{NodeSessions, Session};
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;
use crate::statement::{Kill, SessionId};

/// Code of the note that a session of ODP ends on other servers, too.
const ENDS_ELSEWHERE: u16 = 1105;

/// A session that may be killed, and the connection that has just seen it.
pub(super) struct Aimed {
    pub(super) checkout: Checkout,
    pub(super) server: Server,
    /// What it runs, if it is not idle.
    pub(super) running: Option<Running>,
    pub(super) messages: Vec<Message>,
}

impl Cluster {
    /// Finds the session and checks that it may be killed.
    pub(super) async fn aim(
        self: &Arc<Self>,
        caller: &Caller,
        kill: &Kill,
        target: &Target,
        record: &mut Attempt<'_>,
        deadline: Deadline,
    ) -> Result<Aimed, KillError> {
        let (rights, server) = tokio::join!(
            self.rights_to_kill(&caller.user, deadline),
            self.find_server(&target.server, deadline)
        );
        let (server, rights) = (server?, rights?);
        let viewer = Viewer {
            user: &caller.user,
            rights,
            own: &self.own,
            clients: &self.clients,
        };
        if let Some(backend) = target.not_on {
            self.is_not_on(backend, kill, &server, &viewer, deadline)
                .await?;
        }
        let seen = self.see(&server, deadline).await;
        let (checkout, sessions) = seen.map_err(|failure| unreachable(&server, failure))?;
        let seen = sessions.find(kill.id.get());
        let Some(victim) = seen.filter(|session| viewer.sees(*session)) else {
            checkout.give_back();
            let elsewhere = self
                .seen_elsewhere(&server, kill.id, &viewer, deadline)
                .await;
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
                id: kill.id,
                server: server.describe(),
                elsewhere,
            });
        };
        let seen = Victim::new(victim.user(), victim.host(), victim.db(), victim.info());
        record.saw(server.addr.to_string(), seen);
        if let Err(error) = may_kill(&viewer, victim, kill.id, &server) {
            checkout.give_back();
            return Err(error);
        }
        let of_odp = kill.id.maker().is_none() && victim.is_proxied();
        let running = Running::of(victim, Instant::now());
        let mut messages = Vec::new();
        if of_odp {
            let others = self
                .seen_elsewhere(&server, kill.id, &viewer, deadline)
                .await;
            messages.extend(ends_elsewhere(kill.id, &others));
        }
        Ok(Aimed {
            checkout,
            server,
            running,
            messages,
        })
    }

    /// Connects to a server, and asks it for its sessions.
    async fn see(
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
            .ask(server, &mut checkout, Columns::All, deadline, share)
            .await;
        match answer {
            Ok(sessions) => Ok((checkout, sessions)),
            Err(failure) => {
                checkout.settle(Some(&failure));
                Err(failure)
            }
        }
    }

    /// Makes sure that an id which came without a server, and is a client's on `there`, is not a session of
    /// the caller's own server, too: servers that just count give the same ids.
    ///
    /// What the caller may not see there it cannot mean, nor one of the proxy's own sessions. A server that
    /// does not answer is no obstacle only if OceanBase has made the id: it says on which server.
    async fn is_not_on(
        &self,
        backend: SocketAddr,
        kill: &Kill,
        there: &Server,
        viewer: &Viewer<'_>,
        deadline: Deadline,
    ) -> Result<(), KillError> {
        let here = self.server_at(backend);
        // Half the time at most, so that the server of the session has the other half.
        let half = deadline.at_most(self.settings.node_timeout / 2);
        let id = kill.id.get();
        match self.see(&here, half).await {
            Ok((checkout, sessions)) => {
                checkout.give_back();
                let seen = sessions.find(id);
                let is_meant = seen.is_some_and(|session| viewer.sees(session))
                    && !self.own.contains(here.addr, id.into());
                if is_meant {
                    return Err(KillError::OnSeveralServers {
                        kind: kill.kind,
                        id: kill.id,
                        servers: list([here.addr, there.addr]),
                        one: there.addr,
                    });
                }
                Ok(())
            }
            Err(_) if is_made_there(kill.id, &here, there) => Ok(()),
            Err(failure) => Err(KillError::PerhapsOnSeveralServers {
                kind: kill.kind,
                id: kill.id,
                there: there.addr,
                here: here.describe(),
                failure,
            }),
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
    let server_name = server.describe();
    if viewer.own.contains(server.addr, id.get().into()) {
        return Err(KillError::OwnSession {
            id,
            server: server_name,
        });
    }
    if !viewer.rights.kill_others && !victim.belongs_to(viewer.user) {
        return Err(KillError::Denied {
            id,
            server: server_name,
        });
    }
    Ok(())
}

/// Whether the id itself tells that a session is on `there` and not on `here`.
fn is_made_there(id: SessionId, here: &Server, there: &Server) -> bool {
    let maker = id.maker();
    maker.is_some() && maker == there.id && here.id.is_some_and(|here| Some(here) != maker)
}

/// The note that a client session of ODP ends on other servers, too.
fn ends_elsewhere(id: SessionId, others: &[String]) -> Option<Message> {
    let others = (!others.is_empty()).then(|| others.join(", "))?;
    let text = format!("{id} is a client session of ODP and ends on {others}, too");
    Some(Message::note(ENDS_ELSEWHERE, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_of_oceanbases_own_tells_its_server() {
        let server = |id| Server {
            id,
            ..Server::alone("10.0.0.1:2881".parse().unwrap())
        };
        let made_there = |id, here, there| {
            is_made_there(SessionId::new(id).unwrap(), &server(here), &server(there))
        };
        let of_two = 3_221_749_761;
        assert!(made_there(of_two, Some(1), Some(2)));
        assert!(!made_there(of_two, Some(2), Some(1)), "made here");
        assert!(
            !made_there(of_two, Some(2), Some(2)),
            "whose numbers are equal"
        );
        assert!(!made_there(of_two, None, Some(2)));
        assert!(!made_there(of_two, Some(1), None));
        assert!(!made_there(7, Some(1), Some(2)), "a number like any other");
        assert!(!made_there(7, Some(1), None));
    }
}
