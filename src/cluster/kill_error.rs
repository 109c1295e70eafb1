//! Why nothing was killed, or why nobody knows: each says which of the two.

use super::failure::NodeFailure;
use super::topology::TopologyError;
use crate::statement::{ServerRef, SessionId};
use crate::wire::answer::SqlError;

/// Nothing was killed, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    #[error("{0}; nothing was killed")]
    Topology(#[from] TopologyError),
    #[error("{server} is no server of this cluster; its servers are {known}")]
    UnknownServer { server: ServerRef, known: String },
    #[error("{server} may be any of {candidates}; name its port, too")]
    Ambiguous {
        server: ServerRef,
        candidates: String,
    },
    #[error("{server}: {failure}; nothing was killed")]
    Unreachable {
        server: String,
        failure: NodeFailure,
    },
    #[error("Unknown thread id: {id} on {server}{elsewhere}")]
    UnknownId {
        id: SessionId,
        server: String,
        elsewhere: String,
    },
    #[error("You are not owner of thread {id} on {server} (needs SUPER)")]
    Denied { id: SessionId, server: String },
    #[error(
        "{id} on {server} is a service session of obwarden itself, which is not killed through it"
    )]
    OwnSession { id: SessionId, server: String },
    #[error("{server} refused: {failure}")]
    Refused {
        server: String,
        failure: NodeFailure,
    },
    #[error(
        "outcome unknown: KILL was sent to {server}, but then: {failure}; list its sessions to see"
    )]
    OutcomeUnknown {
        server: String,
        failure: NodeFailure,
    },
    #[error("Query execution was interrupted; nothing was killed")]
    Cancelled,
}

impl KillError {
    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        let code = match self {
            Self::Topology(_) | Self::OutcomeUnknown { .. } => 1105,
            Self::UnknownServer { .. } | Self::Ambiguous { .. } => 1210,
            Self::Unreachable { failure, .. } | Self::Refused { failure, .. } => failure.code(),
            Self::UnknownId { .. } => 1094,
            Self::Denied { .. } | Self::OwnSession { .. } => 1095,
            Self::Cancelled => 1317,
        };
        SqlError::new(code, self.to_string())
    }
}
