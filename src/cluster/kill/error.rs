//! Why nothing was killed, or why nobody knows: each says which of the two.

use std::net::SocketAddr;

use crate::audit::{ER_ERROR_ON_WRITE, NotRecorded};
use crate::cluster::failure::NodeFailure;
use crate::cluster::topology::TopologyError;
use crate::statement::{KillKind, ServerRef, SessionId};
use crate::wire::answer::SqlError;

/// Nothing was killed, or nobody knows.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// It is not known which servers there are, or what the account may do.
    #[error("{0}; nothing was killed")]
    Topology(#[from] TopologyError),
    /// The cluster has no such server.
    #[error("{server} is no server of this cluster; its servers are {known}")]
    UnknownServer { server: ServerRef, known: String },
    /// Several servers are at that address.
    #[error("{server} may be any of {candidates}; name its port, too")]
    Ambiguous {
        server: ServerRef,
        candidates: String,
    },
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
    /// There is no record of it, and nothing is killed without one.
    #[error("{0}; nothing was killed, since audit_required is set")]
    NotRecorded(#[from] NotRecorded),
    /// The statement was to end before KILL was sent.
    #[error("Query execution was interrupted; nothing was killed")]
    Cancelled,
}

impl KillError {
    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        let code = match self {
            Self::Topology(_) | Self::OutcomeUnknown { .. } => 1105,
            Self::UnknownServer { .. } | Self::Ambiguous { .. } | Self::OnSeveralServers { .. } => {
                1210
            }
            Self::Unreachable { failure, .. }
            | Self::PerhapsOnSeveralServers { failure, .. }
            | Self::Refused { failure, .. } => failure.code(),
            Self::UnknownId { .. } => 1094,
            Self::Denied { .. } | Self::OwnSession { .. } => 1095,
            Self::NotRecorded(_) => ER_ERROR_ON_WRITE,
            Self::Cancelled => 1317,
        };
        SqlError::new(code, self.to_string())
    }
}
