//! Why a server has not answered, as a DBA reads it.

use std::fmt;
use std::io;
use std::time::Duration;

use mysql_async::{DriverError, Error, IoError};

/// What happened, in the words of a failed node's State.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The connection was refused, or could not be made at all.
    Refused,
    /// Nothing came before the deadline.
    NoAnswer,
    /// The service account's login was refused.
    LoginFailed,
    /// The server answered with an error.
    NodeError,
    /// The connection ended, or went over to something that is no MySQL, before the answer was complete.
    BrokenOff,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "REFUSED",
            Self::NoAnswer => "NO ANSWER",
            Self::LoginFailed => "LOGIN FAILED",
            Self::NodeError => "NODE ERROR",
            Self::BrokenOff => "BROKEN OFF",
        })
    }
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for one of the node's two slots.
    Slot,
    /// Connecting and logging on.
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
            Self::Login => "connect and login",
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
}

impl NodeFailure {
    /// Nothing came before the deadline.
    pub fn no_answer(stage: Stage, elapsed: Duration) -> Self {
        Self {
            kind: FailureKind::NoAnswer,
            stage,
            elapsed,
            server_code: None,
            detail: String::new(),
        }
    }

    /// What came instead was no MySQL.
    pub fn garbage(stage: Stage, elapsed: Duration, detail: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::BrokenOff,
            stage,
            elapsed,
            server_code: None,
            detail: detail.into(),
        }
    }

    /// There is no TLS with the server, or its certificate does not show what it must.
    pub fn tls(elapsed: Duration, why: &io::Error) -> Self {
        Self {
            kind: FailureKind::LoginFailed,
            stage: Stage::Login,
            elapsed,
            server_code: None,
            detail: format!("no TLS with it: {why}"),
        }
    }

    /// What mysql_async says happened.
    pub fn from_driver(error: &Error, stage: Stage, elapsed: Duration) -> Self {
        let (kind, server_code, detail) = match error {
            Error::Server(error) if stage == Stage::Login => (
                FailureKind::LoginFailed,
                Some(error.code),
                error.message.clone(),
            ),
            Error::Server(error) => (
                FailureKind::NodeError,
                Some(error.code),
                error.message.clone(),
            ),
            Error::Io(IoError::Io(error)) if stage == Stage::Login && never_connected(error) => {
                (FailureKind::Refused, None, error.to_string())
            }
            Error::Driver(DriverError::ConnectionClosed) => (
                FailureKind::BrokenOff,
                None,
                "the server closed the connection".to_owned(),
            ),
            other => (FailureKind::BrokenOff, None, other.to_string()),
        };
        Self {
            kind,
            stage,
            elapsed,
            server_code,
            detail,
        }
    }

    /// Whether the server is there and has answered, if only with an error.
    pub fn is_an_answer(&self) -> bool {
        self.kind == FailureKind::NodeError
    }

    /// The code of the warning or the error about it; the README lists them. None is from 2000 to 2999,
    /// a client's own codes: MariaDB's client library takes an error with one of those for a malformed
    /// packet and never shows its text.
    pub fn code(&self) -> u16 {
        match self.kind {
            FailureKind::Refused => ER_CONNECT_TO_FOREIGN_DATA_SOURCE,
            FailureKind::NoAnswer => 4012,
            FailureKind::LoginFailed => self.server_code.unwrap_or(1045),
            FailureKind::NodeError => self.server_code.unwrap_or(1105),
            FailureKind::BrokenOff => ER_QUERY_ON_FOREIGN_DATA_SOURCE,
        }
    }

    /// One sentence: what, when, where in the conversation.
    pub fn describe(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let stage = self.stage;
        let detail = &self.detail;
        let code = self
            .server_code
            .map(|code| format!("error {code}: "))
            .unwrap_or_default();
        match self.kind {
            FailureKind::Refused => format!("not reached after {seconds:.1} s: {detail}"),
            FailureKind::NoAnswer => format!("no answer after {seconds:.1} s in {stage}"),
            FailureKind::LoginFailed => {
                format!("login of the service account failed: {code}{detail}")
            }
            FailureKind::NodeError => format!("{code}{detail}"),
            FailureKind::BrokenOff => {
                format!("broken off after {seconds:.1} s in {stage}: {detail}")
            }
        }
    }
}

/// Another server cannot be reached.
pub(crate) const ER_CONNECT_TO_FOREIGN_DATA_SOURCE: u16 = 1429;
/// Another server was reached, and lost.
pub(crate) const ER_QUERY_ON_FOREIGN_DATA_SOURCE: u16 = 1430;

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
