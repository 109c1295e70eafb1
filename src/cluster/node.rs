//! One server, and the proxy's two slots on it.
//!
//! The slots are our own over mysql_async's `Conn`, not its `Pool`: there, a connection that is dropped
//! in mid-result is drained without a deadline, and two such drops on a frozen server use the pool up.
//! Here a connection goes back only after its answer was read to the end. In every other case it is
//! closed, with a time limit, and its slot is free only after that: so there are never more than
//! [`SLOTS`] connections to a server, whatever it does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::failure::{NodeFailure, Stage};
use super::own_sessions::OwnSessions;
use crate::deadline::{Deadline, Passed};

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
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Conn>>,
    own: Arc<OwnSessions>,
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
    pub(super) fn new(addr: SocketAddr, user: &str, password: &str, own: Arc<OwnSessions>) -> Self {
        let opts = OptsBuilder::default()
            .ip_or_hostname(addr.ip().to_string())
            .tcp_port(addr.port())
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false)
            .stmt_cache_size(0)
            // Known here, so that logging on asks no questions of its own.
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
            .connect_attribute("program_name", "obwarden");
        Self {
            addr,
            opts: opts.into(),
            slots: Arc::new(Semaphore::new(SLOTS)),
            idle: Mutex::default(),
            own,
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
                login = deadline.limit(Conn::new(node.opts.clone())) => login,
                () = abandoned => return,
            };
            let checkout = node.logged_on(login, slot, deadline);
            // One that nobody waits for any more is closed by its drop.
            let _ = caller.send(checkout);
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

    fn logged_on(
        self: &Arc<Self>,
        login: Result<mysql_async::Result<Conn>, Passed>,
        slot: OwnedSemaphorePermit,
        deadline: Deadline,
    ) -> Result<Checkout, NodeFailure> {
        let conn = login
            .map_err(|_| NodeFailure::no_answer(Stage::Login, deadline.elapsed()))?
            .map_err(|error| NodeFailure::from_driver(&error, Stage::Login, deadline.elapsed()))?;
        self.own.insert(self.addr, conn.id());
        Ok(Checkout {
            inner: Some((conn, slot)),
            node: Arc::clone(self),
            reused: false,
        })
    }

    /// Asks something that may be asked twice: if a connection that lay idle turns out to be dead, a new
    /// one is tried.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn ask(
        self: &Arc<Self>,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Rows, NodeFailure> {
        let mut checkout = self.connect(deadline).await?;
        let answer = checkout.query(sql, deadline).await;
        checkout.settle(&answer);
        answer
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
    ) -> Result<Rows, NodeFailure> {
        let answer = self.query_once(sql, deadline).await;
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
        self.query_once(sql, deadline).await
    }

    /// Runs a statement once, on this very connection.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn query_once(
        &mut self,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Rows, NodeFailure> {
        let Some((conn, _)) = &mut self.inner else {
            return Err(NodeFailure::no_answer(Stage::Slot, deadline.elapsed()));
        };
        let mut stage = Stage::Query;
        match deadline.limit(read_rows(conn, sql, &mut stage)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(NodeFailure::from_driver(&error, stage, deadline.elapsed())),
            Err(_) => Err(NodeFailure::no_answer(stage, deadline.elapsed())),
        }
    }

    /// Gives the connection back if `answer` was read to its end, and else closes it.
    pub(super) fn settle<T>(self, answer: &Result<T, NodeFailure>) {
        match answer {
            Ok(_) => self.give_back(),
            Err(failure) if failure.kind == super::FailureKind::NodeError => self.give_back(),
            Err(_) => drop(self),
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
        let thread_id = conn.id();
        // Whether it succeeded or not, the socket is closed when the future is gone.
        let _ = tokio::time::timeout(DISCONNECT_TIMEOUT, conn.disconnect()).await;
        own.remove(addr, thread_id);
        drop(slot);
    });
}

async fn read_rows(conn: &mut Conn, sql: &str, stage: &mut Stage) -> mysql_async::Result<Rows> {
    let mut result = conn.query_iter(sql).await?;
    *stage = Stage::Read;
    let mut rows = Rows::default();
    if let Some(columns) = result.columns() {
        rows.columns = columns
            .iter()
            .map(|column| column.name_str().into_owned())
            .collect();
    }
    while let Some(row) = result.next().await? {
        rows.rows.push(
            row.unwrap_raw()
                .into_iter()
                .map(|value| value.and_then(text))
                .collect(),
        );
    }
    result.drop_result().await?;
    Ok(rows)
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
