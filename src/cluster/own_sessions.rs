//! The proxy's own sessions on the servers, known by (server, thread id).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection that was closed is still known: a server's answer may be older than its end.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// The service connections that are open now, or were a moment ago: for each server the thread ids, and when
/// their connections were closed.
#[derive(Debug, Default)]
pub(super) struct OwnSessions(Mutex<HashMap<SocketAddr, Sessions>>);

type Sessions = HashMap<u32, Option<Instant>>;

impl OwnSessions {
    pub(super) fn insert(&self, server: SocketAddr, thread_id: u32) {
        self.lock()
            .entry(server)
            .or_default()
            .insert(thread_id, None);
    }

    /// Notes that a connection was closed.
    pub(super) fn remove(&self, server: SocketAddr, thread_id: u32) {
        let mut servers = self.lock();
        let sessions = servers.entry(server).or_default();
        sessions.insert(thread_id, Some(Instant::now()));
        servers.retain(|_, sessions| {
            sessions.retain(|_, closed| is_known(*closed));
            !sessions.is_empty()
        });
    }

    /// The thread ids of those on one server.
    pub(super) fn on(&self, server: SocketAddr) -> Vec<u64> {
        let servers = self.lock();
        let sessions = servers.get(&server).into_iter().flatten();
        let known = sessions.filter(|(_, closed)| is_known(**closed));
        known.map(|(id, _)| u64::from(*id)).collect()
    }

    pub(super) fn contains(&self, server: SocketAddr, thread_id: u64) -> bool {
        self.on(server).contains(&thread_id)
    }

    /// How many connections are open, on all servers.
    pub(super) fn open(&self) -> usize {
        let servers = self.lock();
        let sessions = servers.values().flat_map(HashMap::values);
        sessions.filter(|closed| closed.is_none()).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Sessions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_known(closed: Option<Instant>) -> bool {
    closed.is_none_or(|closed| closed.elapsed() < REMEMBERED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_just_closed_is_still_ours_in_an_answer_from_before() {
        let own = OwnSessions::default();
        let server: SocketAddr = "10.0.0.1:2881".parse().unwrap();
        own.insert(server, 7);
        assert_eq!(own.open(), 1);
        own.remove(server, 7);
        assert_eq!(own.open(), 0);
        assert!(own.contains(server, 7));
        let long_ago = Instant::now().checked_sub(REMEMBERED_FOR).unwrap();
        own.lock()
            .entry(server)
            .or_default()
            .insert(7, Some(long_ago));
        assert!(!own.contains(server, 7));
        own.remove(server, 8);
        assert_eq!(
            own.lock()[&server].len(),
            1,
            "what is forgotten takes no room"
        );
    }
}
