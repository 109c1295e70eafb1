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
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::audit::Caller;
use crate::cluster::Cluster;
use crate::statement::diagnostics::Message;
use crate::wire::answer::SqlError;
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
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
            cancel,
        }
    }
}

/// How a virtual statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The end of its reply: warnings counted, or the error.
    pub result: Result<(), SqlError>,
    /// Its messages, for `SHOW WARNINGS`; `None` where it was a question about the statement before.
    pub messages: Option<Vec<Message>>,
}

/// Where the shim leaves the statement's outcome, before its last packet is written.
type OutcomeCell = Arc<Mutex<Option<Outcome>>>;

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
