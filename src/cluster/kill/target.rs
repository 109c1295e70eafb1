//! The server that a KILL goes to: the one that it names, or else the one whose session its id must mean.

use std::net::SocketAddr;
use std::sync::Arc;

use super::KillError;
use super::aim::unreachable;
use crate::cluster::Cluster;
use crate::cluster::failure::NodeFailure;
use crate::cluster::merge::Viewer;
use crate::cluster::named::list;
use crate::cluster::servers::Server;
use crate::deadline::Deadline;
use crate::statement::{Kill, ServerRef, SessionId};

impl Cluster {
    /// The server that a statement names, if it names one.
    pub(super) async fn find_named(
        &self,
        kill: &Kill,
        deadline: Deadline,
    ) -> Result<Option<Server>, KillError> {
        match &kill.server {
            Some(named) => Ok(Some(self.find_server(named, deadline).await?)),
            None => Ok(None),
        }
    }

    /// The server that is meant by an id alone: the one on which a client of this proxy has it, or else the
    /// caller's own. It may be one only: servers that just count give the same ids.
    ///
    /// A session that the caller may not see it cannot mean, nor one of the proxy's own; and it is not told
    /// of one. If its own server does not answer, that is no obstacle where OceanBase has made the id: it
    /// says on which server.
    pub(super) async fn find_by_id(
        self: &Arc<Self>,
        kill: &Kill,
        backend: SocketAddr,
        viewer: &Viewer<'_>,
        deadline: Deadline,
    ) -> Result<Server, KillError> {
        let here = self.server_at(backend);
        let mut others = self.clients.backends_of(kill.id.get());
        others.retain(|addr| *addr != backend);
        let mut meant = Vec::new();
        for addr in others {
            let there = self.find_server(&ServerRef::from(addr), deadline).await?;
            let seen = self.sees_session(kill.id, &there, viewer, deadline).await;
            if seen.map_err(|failure| unreachable(&there, failure))? {
                meant.push(there);
            }
        }
        let Some(there) = meant.first() else {
            return Ok(here);
        };
        // Half the time at most, so that the server of the session has the other half.
        let half = deadline.at_most(self.settings.node_timeout / 2);
        match self.sees_session(kill.id, &here, viewer, half).await {
            Ok(true) => meant.insert(0, here),
            Ok(false) => {}
            Err(_) if is_made_there(kill.id, &here, there) => {}
            Err(failure) => {
                return Err(KillError::PerhapsOnSeveralServers {
                    kind: kill.kind,
                    id: kill.id,
                    there: there.addr,
                    here: here.describe(),
                    failure,
                });
            }
        }
        match &meant[..] {
            [one] => Ok(one.clone()),
            several => Err(KillError::OnSeveralServers {
                kind: kill.kind,
                id: kill.id,
                servers: list(several.iter().map(|server| server.addr)),
                one: several.last().map_or(backend, |server| server.addr),
            }),
        }
    }

    /// Whether a session that the caller may mean has this id on `server`.
    async fn sees_session(
        &self,
        id: SessionId,
        server: &Server,
        viewer: &Viewer<'_>,
        deadline: Deadline,
    ) -> Result<bool, NodeFailure> {
        let (checkout, sessions) = self.see(server, deadline).await?;
        checkout.give_back();
        let session = sessions.find(id.get());
        let is_own = self.own.contains(server.addr, id.get().into());
        Ok(!is_own && session.is_some_and(|session| viewer.sees(session)))
    }

    /// The server at this address, as far as it is known.
    fn server_at(&self, addr: SocketAddr) -> Server {
        let snapshot = self.snapshot();
        let known = snapshot
            .iter()
            .flat_map(|snapshot| &snapshot.servers)
            .find(|server| server.addr == addr);
        known.cloned().unwrap_or_else(|| Server::alone(addr))
    }
}

/// Whether the id itself tells that a session is on `there` and not on `here`.
fn is_made_there(id: SessionId, here: &Server, there: &Server) -> bool {
    let maker = id.maker();
    maker.is_some() && maker == there.id && here.id.is_some_and(|here| Some(here) != maker)
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
