//! Which servers a statement asks: all, or those that it names.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::servers::Server;

/// The servers that a statement asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Every server of the topology.
    All,
    /// Those at these addresses.
    At(HashSet<SocketAddr>),
}

impl Chosen {
    /// Those of `servers` that are asked.
    pub(super) fn of<'s>(&self, servers: &'s [Server]) -> impl Iterator<Item = &'s Server> {
        servers.iter().filter(move |server| match self {
            Self::All => true,
            Self::At(addresses) => addresses.contains(&server.addr),
        })
    }
}
