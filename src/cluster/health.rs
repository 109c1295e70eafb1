//! Which servers answer. Every question and every client's login tells it here, and nowhere else.
//!
//! ```text
//!   questions ─► answered ─► seen                     ┌─ probes, in pauses of 0.5 s to 10 s ◄─┐
//!   and logins ─► failed ──► fails, logged once ──────┴─► a new login and a count succeed: well
//! ```
//!
//! Only a probe makes a server well again that has failed: an answer on a connection that was open before
//! says nothing about logins, and a list of servers says nothing about sessions. So a server that fails in
//! one way and works in another is logged once, and not at each list. No I/O: the probes are `prober.rs`'s.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::failure::{FailureKind, NodeFailure, Stage};

/// Before the first probe of a server that has failed; each further pause is twice as long.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause between two probes of a server.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(10);
/// By how much of itself a pause may be longer, so that servers which failed together are not probed
/// together.
const PROBE_JITTER: f64 = 0.25;

/// What is known of the servers' health.
#[derive(Debug)]
pub struct Health {
    /// How long a server may take to answer before that is a failure.
    node_timeout: Duration,
    servers: Mutex<HashMap<SocketAddr, ServerHealth>>,
    /// Somebody probes the servers. Before that nobody has been served, and failures are told otherwise.
    is_watched: AtomicBool,
    changed: Notify,
}

/// What is known of one server.
#[derive(Debug, Default)]
struct ServerHealth {
    last_seen: Option<SystemTime>,
    trouble: Option<Trouble>,
}

/// A server does not answer.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    /// What happened at first.
    why: String,
    /// It is the service account alone that is not let in: clients may be.
    shuts_us_out: bool,
    probes: u32,
    next_probe: Instant,
}

impl Health {
    pub(super) fn new(node_timeout: Duration) -> Self {
        Self {
            node_timeout,
            servers: Mutex::default(),
            is_watched: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Whether clients, and questions that any server can answer, are best sent elsewhere.
    fn fails(&self, addr: SocketAddr) -> bool {
        let servers = self.lock();
        let trouble = servers
            .get(&addr)
            .and_then(|server| server.trouble.as_ref());
        trouble.is_some_and(|trouble| !trouble.shuts_us_out)
    }

    /// Leaves an order as it is, but for those that fail: they are to be asked last.
    pub fn put_failing_last(&self, addrs: &mut [SocketAddr]) {
        addrs.sort_by_cached_key(|addr| self.fails(*addr));
    }

    /// Whether a server does not answer, or does not let the service account in.
    pub(super) fn is_in_trouble(&self, addr: SocketAddr) -> bool {
        let servers = self.lock();
        servers
            .get(&addr)
            .is_some_and(|server| server.trouble.is_some())
    }

    /// A server has answered something.
    pub fn answered(&self, addr: SocketAddr) {
        let mut servers = self.lock();
        let server = servers.entry(addr).or_default();
        server.last_seen = Some(SystemTime::now());
        if let Some(trouble) = &mut server.trouble {
            trouble.probes = 0;
            trouble.next_probe = Instant::now();
            self.changed.notify_one();
        }
    }

    /// A client was not served: there was no connection, no greeting, or no end of the login.
    pub fn failed_a_client(&self, addr: SocketAddr, why: &str) {
        self.note_trouble(addr, false, why);
    }

    /// A question to a server has failed, or was answered with an error.
    pub(super) fn failed(&self, addr: SocketAddr, failure: &NodeFailure) {
        match failure.kind {
            FailureKind::NodeError => self.answered(addr),
            // Nobody has spoken to it yet, or it has not had the time that it may take.
            FailureKind::NoAnswer
                if failure.stage == Stage::Slot || failure.elapsed < self.node_timeout => {}
            kind => {
                let shuts_us_out = kind == FailureKind::LoginFailed;
                self.note_trouble(addr, shuts_us_out, &failure.describe());
            }
        }
    }

    /// There was no connection in time, and nobody has waited for it any longer.
    pub(super) fn is_unreached(&self, addr: SocketAddr, failure: &NodeFailure) {
        self.note_trouble(addr, false, &failure.describe());
    }

    /// A probe has succeeded.
    pub(super) fn is_well(&self, addr: SocketAddr) {
        let trouble = {
            let mut servers = self.lock();
            let server = servers.entry(addr).or_default();
            server.last_seen = Some(SystemTime::now());
            server.trouble.take()
        };
        if let Some(trouble) = trouble.filter(|_| self.is_watched.load(Ordering::Relaxed)) {
            let seconds = trouble.since.elapsed().as_secs();
            tracing::info!(server = %addr, after_seconds = seconds, "a server answers again");
        }
    }

    /// When a server last answered anything.
    pub(super) fn last_seen(&self, addr: SocketAddr) -> Option<SystemTime> {
        self.lock().get(&addr)?.last_seen
    }

    /// Forgets all servers but these; others are not probed any more.
    pub(super) fn keep_only(&self, addrs: &[SocketAddr]) {
        self.lock().retain(|addr, _| addrs.contains(addr));
    }

    /// At most `room` servers that are to be probed at `now`. Each is due again after a probe's time and
    /// a pause, whatever becomes of the probe.
    pub(super) fn take_due(&self, now: Instant, room: usize) -> Vec<SocketAddr> {
        let mut servers = self.lock();
        let due = servers.iter_mut().filter_map(|(addr, server)| {
            let trouble = server.trouble.as_mut()?;
            (trouble.next_probe <= now).then_some((*addr, trouble))
        });
        let taken = due.take(room).map(|(addr, trouble)| {
            trouble.probes = trouble.probes.saturating_add(1);
            trouble.next_probe = now + self.node_timeout + pause(trouble.probes, random());
            addr
        });
        taken.collect()
    }

    /// When the next server is to be probed; none while all are well.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let servers = self.lock();
        let troubles = servers
            .values()
            .filter_map(|server| server.trouble.as_ref());
        troubles.map(|trouble| trouble.next_probe).min()
    }

    /// Ends when a server may have become due. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Servers are probed from now on, and what happens to them is logged: also what has happened already.
    pub(super) fn begin_watching(&self) {
        let servers = self.lock();
        self.is_watched.store(true, Ordering::Relaxed);
        for (addr, server) in &*servers {
            if let Some(trouble) = &server.trouble {
                trouble.log(*addr);
            }
        }
    }

    fn note_trouble(&self, addr: SocketAddr, shuts_us_out: bool, why: &str) {
        let mut servers = self.lock();
        let server = servers.entry(addr).or_default();
        if let Some(trouble) = &mut server.trouble {
            trouble.shuts_us_out = shuts_us_out;
            return;
        }
        let now = Instant::now();
        let trouble = server.trouble.insert(Trouble {
            since: now,
            why: why.to_owned(),
            shuts_us_out,
            probes: 0,
            next_probe: now + pause(0, random()),
        });
        if self.is_watched.load(Ordering::Relaxed) {
            trouble.log(addr);
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, ServerHealth>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    fn log(&self, server: SocketAddr) {
        let why = &*self.why;
        if self.shuts_us_out {
            tracing::warn!(%server, why, "a server does not let the service account in");
        } else {
            let what = "a server does not answer; clients are sent to other servers until it does";
            tracing::warn!(%server, why, "{what}");
        }
    }
}

/// The pause after so many probes; `random` is from 0 to 1.
fn pause(probes: u32, random: f64) -> Duration {
    let doubled = PROBE_PAUSE_MIN.saturating_mul(1 << probes.min(16));
    doubled
        .min(PROBE_PAUSE_MAX)
        .mul_f64(1.0 + PROBE_JITTER * random)
}

/// A number from 0 to 1. The seeds of the standard library's hash maps are random.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE_TIMEOUT: Duration = Duration::from_secs(3);

    fn addr() -> SocketAddr {
        "10.0.0.1:2881".parse().unwrap()
    }

    fn failure(kind: FailureKind, stage: Stage, elapsed: Duration) -> NodeFailure {
        NodeFailure {
            kind,
            ..NodeFailure::no_answer(stage, elapsed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_server_is_probed_less_and_less_often_until_it_is_well() {
        let health = Health::new(NODE_TIMEOUT);
        health.failed_a_client(addr(), "no greeting in time");
        assert!(health.fails(addr()));
        assert_eq!(health.take_due(Instant::now(), 1), []);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let due = health.next_due().unwrap();
            pauses.push(due - Instant::now());
            tokio::time::sleep_until(due).await;
            assert_eq!(health.take_due(due, 0), [], "no room");
            assert_eq!(health.take_due(due, 1), [addr()]);
            assert_eq!(health.take_due(due, 1), [], "it is being probed");
        }
        assert!(
            pauses[0] >= PROBE_PAUSE_MIN && pauses[0] < NODE_TIMEOUT,
            "{pauses:?}"
        );
        assert!(pauses[1..].is_sorted_by(|a, b| a < b || *a >= NODE_TIMEOUT + PROBE_PAUSE_MAX));
        let longest = NODE_TIMEOUT + PROBE_PAUSE_MAX.mul_f64(1.0 + PROBE_JITTER);
        assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
        health.is_well(addr());
        assert!(!health.fails(addr()));
        assert_eq!(health.next_due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_on_an_old_connection_makes_no_failed_server_well_but_has_it_probed_at_once()
    {
        let health = Health::new(NODE_TIMEOUT);
        health.failed_a_client(addr(), "the login was broken off");
        assert_eq!(health.last_seen(addr()), None);
        health.answered(addr());
        assert!(health.fails(addr()) && health.last_seen(addr()).is_some());
        assert_eq!(health.take_due(Instant::now(), 9), [addr()]);
    }

    #[test]
    fn what_is_no_fault_of_the_servers_is_no_failure() {
        let health = Health::new(NODE_TIMEOUT);
        for (kind, stage, elapsed) in [
            (FailureKind::NoAnswer, Stage::Slot, NODE_TIMEOUT),
            (FailureKind::NoAnswer, Stage::Query, NODE_TIMEOUT / 2),
            (FailureKind::NodeError, Stage::Query, Duration::ZERO),
        ] {
            health.failed(addr(), &failure(kind, stage, elapsed));
            assert_eq!(health.next_due(), None, "{kind} {stage}");
        }
        assert!(health.last_seen(addr()).is_some(), "an error is an answer");
    }

    #[test]
    fn a_server_that_only_shuts_the_service_account_out_still_gets_clients() {
        let health = Health::new(NODE_TIMEOUT);
        let failed = |kind, stage| health.failed(addr(), &failure(kind, stage, NODE_TIMEOUT));
        assert!(!health.is_in_trouble(addr()));
        failed(FailureKind::LoginFailed, Stage::Login);
        assert!(!health.fails(addr()));
        assert!(health.is_in_trouble(addr()));
        assert!(health.next_due().is_some());
        failed(FailureKind::NoAnswer, Stage::Query);
        assert!(health.fails(addr()));
    }

    #[test]
    fn a_server_that_has_left_the_cluster_is_forgotten() {
        let health = Health::new(NODE_TIMEOUT);
        health.failed_a_client(addr(), "refused");
        health.keep_only(&[addr()]);
        assert!(health.fails(addr()));
        health.keep_only(&[]);
        assert!(!health.fails(addr()));
        assert_eq!(health.next_due(), None);
    }

    #[test]
    fn pauses_differ_by_chance_and_have_an_end() {
        assert_eq!(pause(0, 0.0), PROBE_PAUSE_MIN);
        assert_eq!(pause(1, 0.0), 2 * PROBE_PAUSE_MIN);
        assert_eq!(pause(u32::MAX, 0.0), PROBE_PAUSE_MAX);
        assert!(pause(0, 1.0) > pause(0, 0.5));
        assert!((0.0..=1.0).contains(&random()));
    }
}
