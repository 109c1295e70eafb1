//! The server that a statement names: by its address, with the SQL port, the RPC port or none.

use std::net::SocketAddr;

use super::Cluster;
use super::servers::Server;
use super::topology::{Snapshot, TopologyError};
use crate::deadline::Deadline;
use crate::statement::ServerRef;
use crate::wire::answer::SqlError;

/// It is not known which server is meant.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    /// It is not known which servers there are.
    #[error("{0}")]
    Topology(#[from] TopologyError),
    /// The cluster has no such server.
    #[error("{server} is no server of this cluster; its servers are {known}")]
    Unknown { server: ServerRef, known: String },
    /// Several servers are at that address.
    #[error("{server} may be any of {candidates}; name its port, too")]
    Ambiguous {
        server: ServerRef,
        candidates: String,
    },
}

impl NamedError {
    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        let code = match self {
            Self::Topology(_) => ER_UNKNOWN_ERROR,
            Self::Unknown { .. } | Self::Ambiguous { .. } => ER_WRONG_ARGUMENTS,
        };
        SqlError::new(code, self.to_string())
    }
}

const ER_UNKNOWN_ERROR: u16 = 1105;
const ER_WRONG_ARGUMENTS: u16 = 1210;

impl Cluster {
    /// The server of this name; the topology is read anew if it is not known.
    pub(super) async fn find_server(
        &self,
        named: &ServerRef,
        deadline: Deadline,
    ) -> Result<Server, NamedError> {
        if let Some(snapshot) = self.snapshot()
            && let Ok(server) = match_server(&snapshot, named)
        {
            return Ok(server);
        }
        let snapshot = self.refresh_topology(deadline).await?;
        match_server(&snapshot, named)
    }
}

/// The server that `named` means.
fn match_server(snapshot: &Snapshot, named: &ServerRef) -> Result<Server, NamedError> {
    let fits = |server: &&Server| {
        server.addr.ip() == named.ip
            && named
                .port
                .is_none_or(|port| server.addr.port() == port || server.rpc_port == Some(port))
    };
    let candidates: Vec<&Server> = snapshot.servers.iter().filter(fits).collect();
    match candidates[..] {
        [server] => Ok(server.clone()),
        [] => Err(NamedError::Unknown {
            server: named.clone(),
            known: list(snapshot.servers.iter().map(|server| server.addr)),
        }),
        _ => Err(NamedError::Ambiguous {
            server: named.clone(),
            candidates: list(candidates.iter().map(|server| server.addr)),
        }),
    }
}

/// Addresses, as a text lists them.
pub(super) fn list(addrs: impl IntoIterator<Item = SocketAddr>) -> String {
    let addrs: Vec<String> = addrs.into_iter().map(|addr| addr.to_string()).collect();
    addrs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(addrs: &[&str]) -> Snapshot {
        let server = |(at, addr): (usize, &&str)| Server {
            rpc_port: Some(2882),
            id: Some(at as u64),
            ..Server::alone(addr.parse().unwrap())
        };
        Snapshot {
            servers: addrs.iter().enumerate().map(server).collect(),
            listed: true,
            unusable: Vec::new(),
            cluster_name: None,
            told_by: addrs[0].parse().unwrap(),
            read_at: std::time::SystemTime::now(),
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
