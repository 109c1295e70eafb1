//! The server that a KILL goes to: the one that it names, or the one that holds a session of this proxy.

use std::net::SocketAddr;

use super::KillError;
use crate::clients::Clients;
use crate::cluster::Cluster;
use crate::cluster::servers::Server;
use crate::cluster::topology::Snapshot;
use crate::deadline::Deadline;
use crate::statement::{Kill, ServerRef};

/// Where a session is to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) server: ServerRef,
    /// The caller's own server, where nobody said on which server the session is: it must not be there, too.
    pub(super) not_on: Option<SocketAddr>,
}

impl Target {
    /// The server that `kill` names; or else the one on which a client of this proxy has that id.
    ///
    /// # Errors
    /// When no client has it, or clients of several servers do.
    pub(super) fn of(
        kill: &Kill,
        backend: SocketAddr,
        clients: &Clients,
    ) -> Result<Self, KillError> {
        if let Some(server) = &kill.server {
            return Ok(Self {
                server: server.clone(),
                not_on: None,
            });
        }
        let backends = clients.backends_of(kill.id.get());
        match backends[..] {
            [] => Err(KillError::ClientLeft { id: kill.id }),
            [server] => Ok(Self {
                server: ServerRef::from(server),
                not_on: Some(backend),
            }),
            [first, ..] => Err(KillError::OnSeveralServers {
                kind: kill.kind,
                id: kill.id,
                servers: list(backends),
                one: first,
            }),
        }
    }
}

impl Cluster {
    /// The server that a statement names; the topology is read anew if it is not known.
    pub(super) async fn find_server(
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

    /// The server at this address, as far as it is known.
    pub(super) fn server_at(&self, addr: SocketAddr) -> Server {
        let snapshot = self.snapshot();
        let known = snapshot
            .iter()
            .flat_map(|snapshot| &snapshot.servers)
            .find(|server| server.addr == addr);
        known.cloned().unwrap_or_else(|| Server::alone(addr))
    }
}

/// The server that `named` means.
fn match_server(snapshot: &Snapshot, named: &ServerRef) -> Result<Server, KillError> {
    let fits = |server: &&Server| {
        server.addr.ip() == named.ip
            && named
                .port
                .is_none_or(|port| server.addr.port() == port || server.rpc_port == Some(port))
    };
    let candidates: Vec<&Server> = snapshot.servers.iter().filter(fits).collect();
    match candidates[..] {
        [server] => Ok(server.clone()),
        [] => Err(KillError::UnknownServer {
            server: named.clone(),
            known: list(snapshot.servers.iter().map(|server| server.addr)),
        }),
        _ => Err(KillError::Ambiguous {
            server: named.clone(),
            candidates: list(candidates.iter().map(|server| server.addr)),
        }),
    }
}

pub(super) fn list(addrs: impl IntoIterator<Item = SocketAddr>) -> String {
    let addrs: Vec<String> = addrs.into_iter().map(|addr| addr.to_string()).collect();
    addrs.join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::statement::{KillKind, SessionId};

    fn target(clients: &Clients, server: Option<&str>) -> Result<Target, KillError> {
        let kill = Kill {
            kind: KillKind::Query,
            server: server.and_then(ServerRef::parse),
            id: SessionId::parse("7").unwrap(),
            reason: None,
        };
        Target::of(&kill, "10.0.0.1:2881".parse().unwrap(), clients)
    }

    #[test]
    fn an_id_alone_means_the_server_on_which_a_client_of_this_proxy_has_it() {
        let clients = Arc::new(Clients::default());
        let client = "10.9.9.9:1".parse().unwrap();
        let error = target(&clients, None).unwrap_err();
        assert_eq!(error.to_sql().code, 1094);

        let _two = clients.register(("10.0.0.2:2881".parse().unwrap(), 7), client);
        let found = target(&clients, None).unwrap();
        assert_eq!(found.server.to_string(), "10.0.0.2:2881");
        assert_eq!(found.not_on, Some("10.0.0.1:2881".parse().unwrap()));
        let named = target(&clients, Some("10.0.0.3")).unwrap();
        assert_eq!(
            (named.server.to_string().as_str(), named.not_on),
            ("10.0.0.3", None)
        );

        let _three = clients.register(("10.0.0.3:2881".parse().unwrap(), 7), client);
        let error = target(&clients, None).unwrap_err().to_sql();
        assert_eq!(error.code, 1210);
        for said in [
            "10.0.0.2:2881, 10.0.0.3:2881",
            "KILL SERVER QUERY 10.0.0.2:2881 7",
        ] {
            assert!(error.text.contains(said), "{}", error.text);
        }
    }

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
}
