//! One server, and the proxy's slots on it.
//!
//! The slots are our own over mysql_async's `Conn`, not its `Pool`: there, a connection that is dropped
//! in mid-result is drained without a deadline, and two such drops on a frozen server use the pool up.
//! Here a connection goes back only after its answer was read to the end. In every other case it is
//! closed, with a time limit, and its slot is free only after that: so there are never more than
//! `node_connections_max` connections to a server, whatever it does. One that lies idle for longer than
//! `node_idle_timeout` is closed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};

use super::Settings;
use super::budget::Share;
use super::dial::Dialler;
use super::failure::{FailureKind, NodeFailure, Stage};
use super::health::Health;
use super::own_sessions::OwnSessions;
use super::rows::{Answer, read_answer};
use crate::deadline::Deadline;

/// How long a connection may take to be closed in good order before it is just dropped.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the driver takes at most to close a connection on which no login came about.
const FAILED_LOGIN_CLOSES_WITHIN: Duration = Duration::from_millis(50);

/// One server of the cluster.
#[derive(Debug)]
pub(super) struct Node {
    addr: SocketAddr,
    dialler: Dialler,
    slots: Arc<Semaphore>,
    connections_max: usize,
    /// Whoever asks it about another server holds this.
    carrying: Semaphore,
    /// The one that was used last is at the end, and is used next: the others may grow old.
    idle: Mutex<Vec<Idle>>,
    own: Arc<OwnSessions>,
    health: Arc<Health>,
}

/// The right to have one connection to a server.
pub(super) type Slot = OwnedSemaphorePermit;

/// A connection that nobody uses.
#[derive(Debug)]
struct Idle {
    conn: Conn,
    since: Instant,
}

impl Node {
    pub(super) fn new(
        addr: SocketAddr,
        host: String,
        settings: &Settings,
        own: Arc<OwnSessions>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            addr,
            dialler: Dialler::new(addr, host, settings),
            slots: Arc::new(Semaphore::new(settings.node_connections_max)),
            connections_max: settings.node_connections_max,
            carrying: Semaphore::new(1),
            idle: Mutex::default(),
            own,
            health,
        }
    }

    /// Waits for the turn to ask it about another server: one question of that kind at a time, so that there is
    /// always a connection left for those about itself.
    ///
    /// # Errors
    /// When it has not come before the deadline.
    pub(super) async fn carry(
        &self,
        deadline: Deadline,
    ) -> Result<SemaphorePermit<'_>, NodeFailure> {
        match deadline.limit(self.carrying.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(NodeFailure::no_answer(Stage::Slot, deadline.elapsed())),
        }
    }

    /// Takes a connection, an idle one or a new one.
    ///
    /// # Errors
    /// When there is none before the deadline, or the server does not let us in.
    pub(super) async fn connect(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Checkout, NodeFailure> {
        let slot = self.slot(deadline).await?;
        self.connect_in(slot, deadline).await
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// When none is free before the deadline.
    pub(super) async fn slot(&self, deadline: Deadline) -> Result<Slot, NodeFailure> {
        match deadline
            .limit(Arc::clone(&self.slots).acquire_owned())
            .await
        {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(NodeFailure::no_answer(Stage::Slot, deadline.elapsed())),
        }
    }

    /// Takes a connection in a slot that is held: an idle one or a new one.
    ///
    /// # Errors
    /// When there is none before the deadline, or the server does not let us in.
    pub(super) async fn connect_in(
        self: &Arc<Self>,
        slot: Slot,
        deadline: Deadline,
    ) -> Result<Checkout, NodeFailure> {
        if let Some(Idle { conn, .. }) = self.idle_conns().pop() {
            return Ok(Checkout {
                inner: Some((conn, slot)),
                node: Arc::clone(self),
                reused: true,
                round_trip: Duration::ZERO,
            });
        }
        self.log_on(slot, deadline).await
    }

    /// Takes a new connection, to learn whether the server lets anybody in. None while others use the
    /// server, for they will learn it.
    ///
    /// # Errors
    /// When the server does not let us in before the deadline.
    pub(super) async fn log_on_anew(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Option<Result<Checkout, NodeFailure>> {
        let all_slots = Arc::clone(&self.slots);
        let all = u32::try_from(self.connections_max).ok()?;
        let mut all_slots = all_slots.try_acquire_many_owned(all).ok()?;
        let slot = all_slots.split(1)?;
        let surplus = {
            let mut idle = self.idle_conns();
            let is_full = idle.len() >= self.connections_max;
            if is_full { idle.pop() } else { None }
        };
        if let Some(Idle { conn, .. }) = surplus {
            disconnect(conn, self.addr, &self.own).await;
        }
        drop(all_slots);
        Some(self.log_on(slot, deadline).await)
    }

    /// Opens a new connection in `slot`.
    ///
    /// In a task of its own, for a caller that leaves in the middle of a login would leave a session on the
    /// server that nobody knows to be ours. The login goes on for a moment then, and its connection is
    /// closed in good order.
    async fn log_on(
        self: &Arc<Self>,
        slot: Slot,
        deadline: Deadline,
    ) -> Result<Checkout, NodeFailure> {
        let (mut caller, answer) = oneshot::channel();
        let node = Arc::clone(self);
        tokio::spawn(async move {
            let abandoned = async {
                caller.closed().await;
                tokio::time::sleep(DISCONNECT_TIMEOUT).await;
            };
            let login = tokio::select! {
                login = node.dialler.dial(deadline) => Some(login),
                () = abandoned => None,
            };
            // One that nobody waits for any more is closed by its drop.
            match login {
                Some(Ok(conn)) => {
                    let _ = caller.send(Ok(node.logged_on(conn, slot)));
                    return;
                }
                Some(Err(failure)) => drop(caller.send(Err(failure))),
                None => {}
            }
            // What has come to nothing the driver closes in a task of its own: the slot is free after that.
            tokio::time::sleep(FAILED_LOGIN_CLOSES_WITHIN).await;
            drop(slot);
        });
        let logged_on = answer.await.unwrap_or_else(|_| {
            let detail = "its greeting could not be read";
            Err(NodeFailure::garbage(
                Stage::Login,
                deadline.elapsed(),
                detail,
            ))
        });
        self.note_failure(logged_on.as_ref().err());
        logged_on
    }

    fn note_failure(&self, failure: Option<&NodeFailure>) {
        if let Some(failure) = failure {
            self.health.failed(self.addr, failure);
        }
    }

    fn logged_on(self: &Arc<Self>, conn: Conn, slot: Slot) -> Checkout {
        self.own.insert(self.addr, conn.id());
        Checkout {
            inner: Some((conn, slot)),
            node: Arc::clone(self),
            reused: false,
            round_trip: Duration::ZERO,
        }
    }

    /// Asks something that may be asked twice: if a connection that lay idle turns out to be dead, a new
    /// one is tried.
    ///
    /// In a task of its own: a caller that has got its answer from another server meanwhile leaves, and
    /// the connection still goes back once this answer was read.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn ask(
        self: &Arc<Self>,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Answer, NodeFailure> {
        let (node, sql) = (Arc::clone(self), sql.to_owned());
        let asking = tokio::spawn(async move {
            let mut checkout = node.connect(deadline).await?;
            let answer = checkout
                .query(&sql, deadline, &mut Share::unlimited())
                .await;
            checkout.settle(answer.as_ref().err());
            answer
        });
        asking.await.unwrap_or_else(|_| {
            let detail = "its answer could not be read";
            Err(NodeFailure::garbage(
                Stage::Query,
                deadline.elapsed(),
                detail,
            ))
        })
    }

    /// Closes the connections that have been idle for `timeout`.
    pub(super) fn close_idle(&self, timeout: Duration) {
        let mut idle = self.idle_conns();
        let mut old = idle.partition_point(|idle| idle.since.elapsed() >= timeout);
        // Whoever logs on meanwhile waits until they are closed; whoever has a slot already is about to take
        // one of them.
        while old > 0
            && let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned()
        {
            let Idle { conn, .. } = idle.remove(0);
            close(conn, self.addr, Arc::clone(&self.own), Some(slot));
            old -= 1;
        }
    }

    /// How many connections lie idle.
    pub(super) fn idle(&self) -> usize {
        self.idle_conns().len()
    }

    fn idle_conns(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for Idle { conn, .. } in self.idle_conns().drain(..) {
            close(conn, self.addr, Arc::clone(&self.own), None);
        }
    }
}

/// A connection in use. Dropping it closes the connection; [`Checkout::give_back`] keeps it for later.
#[derive(Debug)]
pub(super) struct Checkout {
    /// Taken only by `give_back` and `drop`.
    inner: Option<(Conn, Slot)>,
    node: Arc<Node>,
    /// It lay idle before, and may have died meanwhile.
    reused: bool,
    /// What the last statement took, from its being sent to the end of its answer.
    round_trip: Duration,
}

impl Checkout {
    /// Runs a statement and reads its answer to the end.
    ///
    /// A connection that lay idle and has died is replaced by a new one, once: only for statements that
    /// may be sent twice.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        deadline: Deadline,
        share: &mut Share,
    ) -> Result<Answer, NodeFailure> {
        let answer = self.query_once(sql, deadline, share).await;
        let died_idle = matches!(&answer, Err(failure)
            if failure.kind == FailureKind::BrokenOff && failure.stage == Stage::Query);
        if !(self.reused && died_idle) {
            return answer;
        }
        let Some((conn, slot)) = self.inner.take() else {
            return answer;
        };
        close(conn, self.node.addr, Arc::clone(&self.node.own), None);
        *self = self.node.log_on(slot, deadline).await?;
        self.query_once(sql, deadline, share).await
    }

    /// Runs a statement once, on this very connection. What its rows take of memory is taken from
    /// `share`; the time that this waits does not count.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn query_once(
        &mut self,
        sql: &str,
        deadline: Deadline,
        share: &mut Share,
    ) -> Result<Answer, NodeFailure> {
        let Some((conn, _)) = &mut self.inner else {
            return Err(NodeFailure::no_answer(Stage::Slot, deadline.elapsed()));
        };
        let sent = Instant::now();
        let answer = read_answer(conn, sql, deadline, share).await;
        self.round_trip = sent.elapsed();
        answer
    }

    /// What the last statement took, from its being sent to the end of its answer.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Gives the connection back if its last answer was read to its end, and else closes it.
    pub(super) fn settle(self, failure: Option<&NodeFailure>) {
        match failure {
            None => self.node.health.answered(self.node.addr),
            failure => self.node.note_failure(failure),
        }
        match failure {
            None => self.give_back(),
            Some(failure) if failure.is_an_answer() => self.give_back(),
            Some(_) => {
                // Those that lie idle have taken the same way, and may have died with this one.
                self.node.close_idle(Duration::ZERO);
                drop(self);
            }
        }
    }

    /// Keeps the connection for later. Its last answer must have been read to the end.
    pub(super) fn give_back(mut self) {
        if let Some((conn, slot)) = self.inner.take() {
            let since = Instant::now();
            self.node.idle_conns().push(Idle { conn, since });
            drop(slot);
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some((conn, slot)) = self.inner.take() {
            close(conn, self.node.addr, Arc::clone(&self.node.own), Some(slot));
        }
    }
}

/// Closes a connection in a task of its own, with a time limit, and frees its slot after that.
fn close(conn: Conn, addr: SocketAddr, own: Arc<OwnSessions>, slot: Option<Slot>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        disconnect(conn, addr, &own).await;
        drop(slot);
    });
}

async fn disconnect(conn: Conn, addr: SocketAddr, own: &OwnSessions) {
    let thread_id = conn.id();
    // Whether it succeeded or not, the socket is closed when the future is gone.
    let _ = tokio::time::timeout(DISCONNECT_TIMEOUT, conn.disconnect()).await;
    own.remove(addr, thread_id);
}
