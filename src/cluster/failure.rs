//! Why a server has not answered, as a DBA reads it.

use std::fmt;
use std::io;
use std::time::Duration;

use mysql_async::{DriverError, Error, IoError, ServerError};

/// What happened, in the words of a failed node's State.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The connection was refused, or could not be made at all.
    Refused,
    /// Nothing came before the deadline: no connection, or no answer on it.
    NoAnswer,
    /// The service account's login was refused.
    LoginFailed,
    /// The server answered with an error.
    NodeError,
    /// The connection ended before the answer was complete.
    BrokenOff,
    /// What came is no MySQL.
    Garbage,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "REFUSED",
            Self::NoAnswer => "NO ANSWER",
            Self::LoginFailed => "LOGIN FAILED",
            Self::NodeError => "NODE ERROR",
            Self::BrokenOff | Self::Garbage => "BROKEN OFF",
        })
    }
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for one of the node's slots.
    Slot,
    /// Looking for the address behind a name.
    Resolve,
    /// Connecting.
    Connect,
    /// Logging on, from the greeting to the end.
    Login,
    /// Waiting for a statement's answer.
    Query,
    /// In the middle of an answer.
    Read,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slot => "waiting for a service connection",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Query => "query",
            Self::Read => "reading the answer",
        })
    }
}

/// A server that has not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct NodeFailure {
    /// What happened.
    pub kind: FailureKind,
    /// What was being done.
    pub stage: Stage,
    /// Since the statement began.
    pub elapsed: Duration,
    /// The server's own error code, if it sent one.
    pub server_code: Option<u16>,
    /// What the server or the system said, if anything.
    pub detail: String,
    /// Rows that had come before the answer broke off; they are not shown.
    pub rows_dropped: usize,
}

impl NodeFailure {
    fn new(kind: FailureKind, stage: Stage, elapsed: Duration, detail: impl Into<String>) -> Self {
        Self {
            kind,
            stage,
            elapsed,
            server_code: None,
            detail: detail.into(),
            rows_dropped: 0,
        }
    }

    /// Nothing came before the deadline.
    pub fn no_answer(stage: Stage, elapsed: Duration) -> Self {
        Self::new(FailureKind::NoAnswer, stage, elapsed, "")
    }

    /// What came instead was no MySQL.
    pub fn garbage(stage: Stage, elapsed: Duration, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Garbage, stage, elapsed, detail)
    }

    /// There is no address behind its name.
    pub fn unresolved(elapsed: Duration, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, Stage::Resolve, elapsed, detail)
    }

    /// The server answered, but not what it must.
    pub fn wrong(elapsed: Duration, detail: impl Into<String>) -> Self {
        Self::new(FailureKind::NodeError, Stage::Query, elapsed, detail)
    }

    /// There is no TLS with the server, or its certificate does not show what it must.
    pub fn tls(elapsed: Duration, why: &io::Error) -> Self {
        let detail = format!("no TLS with it: {why}");
        Self::new(FailureKind::LoginFailed, Stage::Login, elapsed, detail)
    }

    /// The server answered with an error.
    fn server_error(error: &ServerError, stage: Stage, elapsed: Duration) -> Self {
        let kind = match stage {
            Stage::Login => FailureKind::LoginFailed,
            _ => FailureKind::NodeError,
        };
        Self {
            server_code: Some(error.code),
            ..Self::new(kind, stage, elapsed, error.message.clone())
        }
    }

    /// What mysql_async says happened.
    pub fn from_driver(error: &Error, stage: Stage, elapsed: Duration) -> Self {
        use FailureKind::{BrokenOff, Garbage, Refused};
        let connecting = matches!(stage, Stage::Connect | Stage::Login);
        let (kind, stage, detail) = match error {
            Error::Server(error) => return Self::server_error(error, stage, elapsed),
            Error::Io(IoError::Io(error)) if connecting && never_connected(error) => {
                (Refused, Stage::Connect, error.to_string())
            }
            Error::Io(IoError::Io(error)) if has_ended(error) => {
                (BrokenOff, stage, error.to_string())
            }
            Error::Driver(DriverError::ConnectionClosed) => {
                (BrokenOff, stage, "the server closed the connection".into())
            }
            other => (Garbage, stage, other.to_string()),
        };
        Self::new(kind, stage, elapsed, detail)
    }

    /// The same failure, of which it has turned out that it never came to a connection.
    #[must_use]
    pub fn before_connecting(self) -> Self {
        Self {
            stage: Stage::Connect,
            ..self
        }
    }

    /// The same failure, in the middle of an answer of which `rows` had come.
    #[must_use]
    pub fn dropping(self, rows: usize) -> Self {
        Self {
            rows_dropped: rows,
            ..self
        }
    }

    /// Whether the server is there and has answered, if only with an error.
    pub fn is_an_answer(&self) -> bool {
        self.kind == FailureKind::NodeError
    }

    /// Whether it never came to a connection on which anything could be asked, for reasons that are not the
    /// service account's.
    pub fn is_unreached(&self) -> bool {
        matches!(self.stage, Stage::Connect | Stage::Login) && self.kind != FailureKind::LoginFailed
    }

    /// The code of the warning or the error about it; the README lists them. None is from 2000 to 2999,
    /// a client's own codes: MariaDB's client library takes an error with one of those for a malformed
    /// packet and never shows its text.
    pub fn code(&self) -> u16 {
        match self.kind {
            FailureKind::Refused => ER_CONNECT_TO_FOREIGN_DATA_SOURCE,
            FailureKind::NoAnswer if self.stage == Stage::Connect => {
                ER_CONNECT_TO_FOREIGN_DATA_SOURCE
            }
            FailureKind::NoAnswer => OB_TIMEOUT,
            FailureKind::LoginFailed => self.server_code.unwrap_or(1045),
            FailureKind::NodeError => self.server_code.unwrap_or(1105),
            FailureKind::BrokenOff => ER_QUERY_ON_FOREIGN_DATA_SOURCE,
            FailureKind::Garbage => ER_MALFORMED_PACKET,
        }
    }

    /// One sentence: what, when, where in the conversation.
    pub fn describe(&self) -> String {
        let after = format!(
            "after {:.1} s in {}",
            self.elapsed.as_secs_f64(),
            self.stage
        );
        let detail = &self.detail;
        let code = self
            .server_code
            .map(|code| format!("error {code}: "))
            .unwrap_or_default();
        let mut told = match self.kind {
            FailureKind::Refused if self.stage == Stage::Resolve => {
                format!("its name is not resolved {after}: {detail}")
            }
            FailureKind::Refused => format!("not reached {after}: {detail}"),
            FailureKind::NoAnswer if self.stage == Stage::Connect => {
                format!("no connection {after}")
            }
            FailureKind::NoAnswer => format!("no answer {after}"),
            FailureKind::LoginFailed => {
                format!("the service account was not let in {after}: {code}{detail}")
            }
            FailureKind::NodeError => format!("it answered {after}: {code}{detail}"),
            FailureKind::BrokenOff => format!("broken off {after}: {detail}"),
            FailureKind::Garbage => format!("what came {after} is no MySQL: {detail}"),
        };
        match self.rows_dropped {
            0 => {}
            1 => told += "; the row that had come is dropped",
            rows => told += &format!("; the {rows} rows that had come are dropped"),
        }
        told
    }
}

/// OceanBase's own code for a statement that took too long.
const OB_TIMEOUT: u16 = 4012;
/// Malformed communication packet.
const ER_MALFORMED_PACKET: u16 = 1835;
/// Another server cannot be reached.
pub(crate) const ER_CONNECT_TO_FOREIGN_DATA_SOURCE: u16 = 1429;
/// Another server was reached, and lost.
pub(crate) const ER_QUERY_ON_FOREIGN_DATA_SOURCE: u16 = 1430;

/// Whether a connection has ended, rather than brought something that cannot be read.
fn has_ended(error: &io::Error) -> bool {
    if error.kind() == io::ErrorKind::Other {
        return error.to_string().contains(ENDED_IN_A_PACKET);
    }
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

/// What the driver's reader of packets says when the stream ends in the middle of one; it has no kind for it.
const ENDED_IN_A_PACKET: &str = "bytes remaining on stream";

/// Whether no TCP connection came about, so that the server is not there rather than in trouble.
fn never_connected(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::TimedOut
    )
}
