//! The console: an opensrv-mysql server inside the process, one for each virtual statement.
//!
//! ```text
//!   session ─► login, statement ─► duplex ─► opensrv ─► Shim ─► statement ─► cluster
//!   session ◄─ finished packets ◄─ Exchange ◄─ duplex ◄─ opensrv
//! ```
//!
//! opensrv encodes rows in the text and the binary protocol. What it cannot say (warnings, status flags,
//! error codes of others, character sets) is put in by `finish`, packet by packet. No state lives here:
//! statement ids, texts and warnings are the session's. All of it runs on a runtime of its own, never on
//! a relay thread.

mod answer;
mod exchange;
mod finish;
mod schema;
mod shim;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::audit::Caller;
use crate::cluster::Cluster;
use crate::statement::Parameters;
use crate::statement::diagnostics::{Level, Message};
use crate::table::Kind;
use crate::wire::answer::SqlError;
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::parameter::Parameter;
pub(crate) use answer::{Answer, answer, broken_off, interrupted, not_alone};
pub use exchange::Exchange;

/// What a client wants of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a statement; rows go in the text protocol.
    Query(String),
    /// Prepare a statement under an id.
    Prepare {
        /// The id that the client will know it by.
        id: u32,
        /// The statement.
        text: String,
    },
    /// Run a prepared statement; rows go in the binary protocol.
    Execute {
        /// Its id.
        id: u32,
        /// The statement.
        text: String,
        /// One for each placeholder.
        parameters: Vec<Parameter>,
        /// The rows are to wait until they are fetched.
        cursor: bool,
    },
}

impl Command {
    /// The statement.
    pub fn text(&self) -> &str {
        match self {
            Self::Query(text) | Self::Prepare { text, .. } | Self::Execute { text, .. } => text,
        }
    }
}

/// A virtual statement and all that it needs to know of its session.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is wanted.
    pub command: Command,
    /// Who wants it.
    pub caller: Caller,
    /// The server that the session is on.
    pub backend: SocketAddr,
    /// Its thread id there.
    pub thread_id: u32,
    /// What is in force on the client's connection.
    pub capabilities: Capabilities,
    /// The same of MariaDB's own.
    pub extended: ExtendedCapabilities,
    /// The backend's last status flags.
    pub status: u16,
    /// What the last statement left behind, for `SHOW WARNINGS`.
    pub messages: Arc<Vec<Message>>,
    /// How many rows a SELECT gives at most.
    pub select_limit: Option<u64>,
    /// Is cancelled when the statement is to end.
    pub cancel: CancellationToken,
}

impl Request {
    /// What a statement needs to know that no client has sent: its answer is not encoded.
    pub(crate) fn local(
        text: String,
        caller: Caller,
        backend: SocketAddr,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            command: Command::Query(text),
            caller,
            backend,
            thread_id: 0,
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities(0),
            status: 0,
            messages: Arc::default(),
            select_limit: None,
            cancel,
        }
    }

    /// What stands for the statement's placeholders.
    fn parameters(&self) -> Parameters<'_> {
        match &self.command {
            Command::Query(_) => Parameters::None,
            Command::Prepare { .. } => Parameters::Unknown,
            Command::Execute { parameters, .. } => Parameters::Known(parameters),
        }
    }
}

/// How a virtual statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The end of its reply: warnings counted, or the error.
    pub result: Result<Completion, SqlError>,
    /// Its messages, for `SHOW WARNINGS`; `None` where it was a question about the statement before.
    pub messages: Option<Vec<Message>>,
}

impl Outcome {
    /// A statement that has failed leaves its error behind.
    fn failed(error: SqlError) -> Self {
        let message = Message {
            level: Level::Error,
            code: error.code,
            text: error.text.clone(),
        };
        Self {
            result: Err(error),
            messages: Some(vec![message]),
        }
    }
}

/// What is said of a statement that is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// How many sessions, or statements, it has ended.
    pub affected_rows: u64,
    /// A text for humans, as in `Matched: 12  Killed: 11  Failed: 1`.
    pub info: String,
    /// Of a PREPARE: how many parameters the statement takes.
    pub parameters: u16,
}

/// What the shim tells the session's end beside the packets, before it writes these.
#[derive(Debug, Default)]
struct Told {
    /// What the definitions of its reply are of, in their order.
    definitions: Vec<Defined>,
    outcome: Option<Outcome>,
}

/// What a definition is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defined {
    Parameter,
    Column(Kind),
}

/// Where the shim tells it.
type ToldCell = Arc<Mutex<Told>>;

fn told(cell: &ToldCell) -> MutexGuard<'_, Told> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where consoles are opened.
#[derive(Debug, Clone)]
pub struct Console {
    cluster: Arc<Cluster>,
    runtime: Handle,
}

impl Console {
    /// Consoles for `cluster`, that run on `runtime`.
    pub fn new(cluster: Arc<Cluster>, runtime: Handle) -> Self {
        Self { cluster, runtime }
    }

    /// Begins to run a virtual statement.
    pub fn open(&self, request: Request) -> Exchange {
        exchange::begin(request, Arc::clone(&self.cluster), &self.runtime)
    }
}
