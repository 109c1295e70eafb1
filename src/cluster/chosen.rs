//! Which servers a statement asks: all, or those that it names and that may have what it picks.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::evaluated::ServerTerms;
use super::servers::Server;

/// The servers that a statement asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    /// Those at these addresses; none: at all.
    at: Option<HashSet<SocketAddr>>,
    /// Those that meet a condition.
    terms: Option<Arc<ServerTerms>>,
}

impl Chosen {
    /// Every server of the topology.
    pub(super) fn all() -> Self {
        Self::default()
    }

    /// Those at these addresses.
    pub(super) fn at(addresses: HashSet<SocketAddr>) -> Self {
        Self {
            at: Some(addresses),
            terms: None,
        }
    }

    /// Of these the ones that meet a condition.
    pub(super) fn that_meet(self, terms: Option<ServerTerms>) -> Self {
        Self {
            at: self.at,
            terms: terms.map(Arc::new),
        }
    }

    /// Those of `servers` that are asked.
    pub(super) fn of<'s>(&self, servers: &'s [Server]) -> Vec<&'s Server> {
        let named = servers.iter().filter(|server| {
            let at = self.at.as_ref();
            at.is_none_or(|addresses| addresses.contains(&server.addr))
        });
        let named = named.collect();
        match &self.terms {
            Some(terms) => terms.met_by(named),
            None => named,
        }
    }
}
