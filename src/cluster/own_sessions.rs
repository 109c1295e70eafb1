//! The proxy's own sessions on the servers, known by (server, thread id).

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// The service connections that are open now.
#[derive(Debug, Default)]
pub(super) struct OwnSessions(Mutex<HashSet<(SocketAddr, u32)>>);

impl OwnSessions {
    pub(super) fn insert(&self, server: SocketAddr, thread_id: u32) {
        self.lock().insert((server, thread_id));
    }

    pub(super) fn remove(&self, server: SocketAddr, thread_id: u32) {
        self.lock().remove(&(server, thread_id));
    }

    pub(super) fn contains(&self, server: SocketAddr, thread_id: u64) -> bool {
        u32::try_from(thread_id).is_ok_and(|id| self.lock().contains(&(server, id)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<(SocketAddr, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
