//! One server, and the proxy's two slots on it.
//!
//! The slots are our own over mysql_async's `Conn`, not its `Pool`: there, a connection that is dropped
//! in mid-result is drained without a deadline, and two such drops on a frozen server use the pool up.
//! Here a connection goes back only after its answer was read to the end. In every other case it is
//! closed, with a time limit, and its slot is free only after that: so there are never more than
//! [`SLOTS`] connections to a server, whatever it does.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Settings;
use super::budget::Share;
use super::failure::{NodeFailure, Stage};
use super::health::Health;
use super::own_sessions::OwnSessions;
use crate::deadline::Deadline;
use crate::transport::Tunnel;
use crate::transport::tls::ServerTls;

/// Connections to one server at most.
const SLOTS: usize = 2;

/// How long a connection may take to be closed in good order before it is just dropped.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest packet that a server may send to the proxy, in bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One server of the cluster.
#[derive(Debug)]
pub(super) struct Node {
    addr: SocketAddr,
    opts: Opts,
    /// TLS, and the name by which the server is called in it.
    tls: Option<(ServerTls, String)>,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Conn>>,
    own: Arc<OwnSessions>,
    health: Arc<Health>,
}

/// A statement's answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rows {
    /// Column names as the server gives them.
    pub(super) columns: Vec<String>,
    /// Values as text; `None` is NULL.
    pub(super) rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl Rows {
    /// Where the column `name` stands, in any letter case.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }
}

impl Node {
    pub(super) fn new(
        addr: SocketAddr,
        host: String,
        settings: &Settings,
        own: Arc<OwnSessions>,
        health: Arc<Health>,
    ) -> Self {
        let opts = OptsBuilder::default()
            .ip_or_hostname(addr.ip().to_string())
            .tcp_port(addr.port())
            .user(Some(&settings.user))
            .pass(Some(&settings.password))
            .prefer_socket(false)
            .stmt_cache_size(0)
            // Known here, so that logging on asks no questions of its own.
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
            .connect_attribute("program_name", "obwarden");
        Self {
            addr,
            opts: opts.into(),
            tls: settings.server_tls.clone().map(|tls| (tls, host)),
            slots: Arc::new(Semaphore::new(SLOTS)),
            idle: Mutex::default(),
            own,
            health,
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
        let connected = self.take_connection(deadline).await;
        self.note_failure(connected.as_ref().err());
        connected
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
        let mut all_slots = Arc::clone(&self.slots)
            .try_acquire_many_owned(SLOTS as u32)
            .ok()?;
        let slot = all_slots.split(1)?;
        let surplus = {
            let mut idle = self.idle_conns();
            if idle.len() < SLOTS { None } else { idle.pop() }
        };
        if let Some(conn) = surplus {
            disconnect(conn, self.addr, &self.own).await;
        }
        drop(all_slots);
        let connected = self.log_on(slot, deadline).await;
        self.note_failure(connected.as_ref().err());
        Some(connected)
    }

    fn note_failure(&self, failure: Option<&NodeFailure>) {
        if let Some(failure) = failure {
            self.health.failed(self.addr, failure);
        }
    }

    async fn take_connection(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Checkout, NodeFailure> {
        let no_slot = || NodeFailure::no_answer(Stage::Slot, deadline.elapsed());
        let slot = match deadline
            .limit(Arc::clone(&self.slots).acquire_owned())
            .await
        {
            Ok(Ok(slot)) => slot,
            _ => return Err(no_slot()),
        };
        if let Some(conn) = self.idle_conns().pop() {
            return Ok(Checkout {
                inner: Some((conn, slot)),
                node: Arc::clone(self),
                reused: true,
                round_trip: Duration::ZERO,
            });
        }
        self.log_on(slot, deadline).await
    }

    /// Opens a new connection in `slot`.
    ///
    /// In a task of its own, for a caller that leaves in the middle of a login would leave a session on the
    /// server that nobody knows to be ours. The login goes on for a moment then, and its connection is
    /// closed in good order.
    async fn log_on(
        self: &Arc<Self>,
        slot: OwnedSemaphorePermit,
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
                login = node.new_conn(deadline) => login,
                () = abandoned => return,
            };
            // One that nobody waits for any more is closed by its drop.
            let _ = caller.send(login.map(|conn| node.logged_on(conn, slot)));
        });
        answer.await.unwrap_or_else(|_| {
            let detail = "its greeting could not be read";
            Err(NodeFailure::garbage(
                Stage::Login,
                deadline.elapsed(),
                detail,
            ))
        })
    }

    /// Connects and logs on, with TLS where that is wanted.
    async fn new_conn(&self, deadline: Deadline) -> Result<Conn, NodeFailure> {
        let Some((tls, host)) = &self.tls else {
            return until(deadline, Stage::Login, Conn::new(self.opts.clone())).await;
        };
        let tunnel = Tunnel::open(self.addr, host.clone(), tls.clone(), deadline);
        let tunnel = until(deadline, Stage::Login, async { Ok(tunnel.await?) }).await?;
        let opts = OptsBuilder::from_opts(self.opts.clone()).socket(Some(tunnel.socket));
        let login = until(deadline, Stage::Login, Conn::new(opts)).await;
        if login.is_err()
            && let Ok(Ok(why)) = deadline.limit(tunnel.failure).await
        {
            // What mysql_async has seen is only that the tunnel fell in.
            return Err(NodeFailure::tls(deadline.elapsed(), &why));
        }
        login
    }

    fn logged_on(self: &Arc<Self>, conn: Conn, slot: OwnedSemaphorePermit) -> Checkout {
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
    ) -> Result<Rows, NodeFailure> {
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

    fn idle_conns(&self) -> std::sync::MutexGuard<'_, Vec<Conn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for conn in self.idle_conns().drain(..) {
            close(conn, self.addr, Arc::clone(&self.own), None);
        }
    }
}

/// A connection in use. Dropping it closes the connection; [`Checkout::give_back`] keeps it for later.
#[derive(Debug)]
pub(super) struct Checkout {
    /// Taken only by `give_back` and `drop`.
    inner: Option<(Conn, OwnedSemaphorePermit)>,
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
    ) -> Result<Rows, NodeFailure> {
        let answer = self.query_once(sql, deadline, share).await;
        let died_idle = matches!(&answer, Err(failure)
            if failure.kind == super::FailureKind::BrokenOff && failure.stage == Stage::Query);
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
    ) -> Result<Rows, NodeFailure> {
        let Some((conn, _)) = &mut self.inner else {
            return Err(NodeFailure::no_answer(Stage::Slot, deadline.elapsed()));
        };
        let sent = Instant::now();
        let answer = read_rows(conn, sql, deadline, share).await;
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
            Some(_) => drop(self),
        }
    }

    /// Keeps the connection for later. Its last answer must have been read to the end.
    pub(super) fn give_back(mut self) {
        if let Some((conn, slot)) = self.inner.take() {
            self.node.idle_conns().push(conn);
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
fn close(conn: Conn, addr: SocketAddr, own: Arc<OwnSessions>, slot: Option<OwnedSemaphorePermit>) {
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

/// Runs the driver's code. A panic in it, on whatever a server has sent, is an error like any other.
async fn guarded<T>(work: impl Future<Output = mysql_async::Result<T>>) -> mysql_async::Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(Error::Other("what the server sent cannot be read".into())),
    }
}

async fn read_rows(
    conn: &mut Conn,
    sql: &str,
    mut deadline: Deadline,
    share: &mut Share,
) -> Result<Rows, NodeFailure> {
    let mut result = until(deadline, Stage::Query, conn.query_iter(sql)).await?;
    let mut rows = Rows::default();
    if let Some(columns) = result.columns() {
        rows.columns = columns
            .iter()
            .map(|column| column.name_str().into_owned())
            .collect();
    }
    while let Some(row) = until(deadline, Stage::Read, result.next()).await? {
        let row: Vec<_> = row
            .unwrap_raw()
            .into_iter()
            .map(|value| value.and_then(text))
            .collect();
        let waited = share.take(memory_bytes(&row)).await;
        deadline = deadline.later(waited);
        rows.rows.push(row);
    }
    until(deadline, Stage::Read, result.drop_result()).await?;
    Ok(rows)
}

/// Waits for the driver, but not beyond the deadline.
async fn until<T>(
    deadline: Deadline,
    stage: Stage,
    work: impl Future<Output = mysql_async::Result<T>>,
) -> Result<T, NodeFailure> {
    match deadline.limit(guarded(work)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(NodeFailure::from_driver(&error, stage, deadline.elapsed())),
        Err(_) => Err(NodeFailure::no_answer(stage, deadline.elapsed())),
    }
}

/// What a row takes of memory, in bytes.
fn memory_bytes(row: &[Option<Vec<u8>>]) -> usize {
    let values: usize = row.iter().flatten().map(Vec::capacity).sum();
    values + size_of_val(row) + size_of::<Vec<Option<Vec<u8>>>>()
}

/// A value as text. In the text protocol servers send nothing else.
fn text(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        other => Some(other.as_sql(true).trim_matches('\'').as_bytes().to_vec()),
    }
}

/// What mysql_async would else ask of each new connection: after how many seconds an idle one is dead.
const WAIT_TIMEOUT_SECONDS: usize = 28_800;
