//! What the router gives the session to do.

use crate::statement::keywords::KillById;

/// A command that the session answers, or sees to it that the right server does.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::session) enum Request {
    /// A statement for the console.
    Query(Vec<u8>),
    /// Prepare a statement for the console.
    Prepare(Vec<u8>),
    /// Execute a statement that lives in the session.
    Execute {
        id: u32,
        /// The whole command.
        payload: Vec<u8>,
    },
    /// Execute a statement that lives in the session many times in one command, as MariaDB's clients do.
    BulkExecute,
    /// Fetch so many rows from a statement that lives in the session; none where the number is missing.
    Fetch { id: u32, rows: Option<u32> },
    /// Reset a statement that lives in the session.
    Reset { id: u32 },
    /// Make the schema of the proxy's own tables the default database.
    UseSchema,
    /// A virtual statement among others in one packet.
    Mixed,
    /// A KILL by a thread id. The server that has this session is to answer it.
    Kill {
        kill: KillById,
        /// The whole command, as it came.
        packet: Vec<u8>,
    },
    /// A packet for the console that is longer than `packet_bytes_max`.
    TooLong,
    /// Log in as another user.
    ChangeUser(Vec<u8>),
}
