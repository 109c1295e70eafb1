//! Why nothing was killed, or why nobody knows: each says which of the two.

use std::net::SocketAddr;

use crate::audit::{ER_ERROR_ON_WRITE, NotRecorded};
use crate::cluster::failure::NodeFailure;
use crate::cluster::list::ListError;
use crate::cluster::named::NamedError;
use crate::cluster::topology::TopologyError;
use crate::statement::{KillKind, SessionId};
use crate::wire::answer::SqlError;

/// Nothing was killed, or nobody knows.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// It is not known which servers there are, or what the account may do.
    #[error("{0}; nothing was killed")]
    Topology(#[from] TopologyError),
    /// It is not known which server is meant.
    #[error("{0}")]
    Named(NamedError),
    /// No server was named, and several have that id.
    #[error(
        "{id} is a session of {servers}, of each another one; nothing was killed: name the server, as in \
         KILL SERVER {kind} {one} {id}"
    )]
    OnSeveralServers {
        kind: KillKind,
        id: SessionId,
        servers: String,
        one: SocketAddr,
    },
    /// No server was named, and the caller's own cannot be asked whether it has that id, too.
    #[error(
        "{id} is a session of {there}, but {here} cannot be asked whether it has that id, too: {failure}; \
         nothing was killed: name the server, as in KILL SERVER {kind} {there} {id}"
    )]
    PerhapsOnSeveralServers {
        kind: KillKind,
        id: SessionId,
        there: SocketAddr,
        here: String,
        failure: NodeFailure,
    },
    /// The server could not be asked for its sessions.
    #[error("{server}: {failure}; nothing was killed")]
    Unreachable {
        server: String,
        failure: NodeFailure,
    },
    /// The session is not there, or may not be seen.
    #[error("Unknown thread id: {id} on {server}{elsewhere}")]
    UnknownId {
        id: SessionId,
        server: String,
        elsewhere: String,
    },
    /// The session is another account's.
    #[error("You are not owner of thread {id} on {server} (needs SUPER)")]
    Denied { id: SessionId, server: String },
    /// The session is one of the proxy's own.
    #[error(
        "{id} on {server} is a service session of obwarden itself, which is not killed through it"
    )]
    OwnSession { id: SessionId, server: String },
    /// The server answered KILL with an error.
    #[error("{server} refused: {failure}")]
    Refused {
        server: String,
        failure: NodeFailure,
    },
    /// The connection was lost after KILL had been sent.
    #[error(
        "outcome unknown: KILL was sent to {server}, but then: {failure}; list its sessions to see"
    )]
    OutcomeUnknown {
        server: String,
        failure: NodeFailure,
    },
    /// It is not known which sessions are meant.
    #[error("{0}; nothing was killed")]
    NotChosen(#[from] ListError),
    /// Not every server has told its sessions, and that is demanded.
    #[error("strict_listing is set, so that nothing was killed: {0}")]
    NotAllTold(String),
    /// More sessions are meant than a statement may end that names no LIMIT.
    #[error(
        "{matched} sessions match; kill_victims_max is {victims_max}: nothing was killed; add a LIMIT or a narrower WHERE"
    )]
    TooMany { matched: u64, victims_max: usize },
    /// There is no record of it, and nothing is killed without one.
    #[error("{0}; nothing was killed, since audit_required is set")]
    NotRecorded(#[from] NotRecorded),
    /// The statement was to end before KILL was sent.
    #[error("Query execution was interrupted; nothing was killed")]
    Cancelled,
    /// The statement was to end when some KILLs had been sent, and not all.
    #[error(
        "Query execution was interrupted: of {matched} that match {killed} were killed before, and to {not_tried} \
         no KILL was sent"
    )]
    CancelledBetween {
        matched: u64,
        killed: u64,
        not_tried: u64,
    },
}

impl From<NamedError> for KillError {
    fn from(error: NamedError) -> Self {
        match error {
            NamedError::Topology(error) => Self::Topology(error),
            error => Self::Named(error),
        }
    }
}

impl KillError {
    /// Whether it is the server's own answer to a KILL.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::UnknownId { .. })
    }

    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        let code = match self {
            Self::Topology(_) | Self::OutcomeUnknown { .. } | Self::NotAllTold(_) => 1105,
            Self::NotChosen(error) => error.to_sql().code,
            Self::Named(error) => error.to_sql().code,
            Self::OnSeveralServers { .. } | Self::TooMany { .. } => 1210,
            Self::Unreachable { failure, .. }
            | Self::PerhapsOnSeveralServers { failure, .. }
            | Self::Refused { failure, .. } => failure.code(),
            Self::UnknownId { .. } => 1094,
            Self::Denied { .. } | Self::OwnSession { .. } => 1095,
            Self::NotRecorded(_) => ER_ERROR_ON_WRITE,
            Self::Cancelled | Self::CancelledBetween { .. } => 1317,
        };
        SqlError::new(code, self.to_string())
    }
}
