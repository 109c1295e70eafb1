//! The statements that the proxy answers itself.
//!
//! ```text
//!   packet's first bytes ─► keywords (no allocation) ─► parse (sqlparser) ─► Statement
//! ```
//!
//! Exactly the beginnings that [`keywords`] knows are reserved; everything else is the server's. One
//! statement has one file here, one variant, one arm in [`parse`] and one test.

pub mod diagnostics;
pub mod dialect;
pub mod keywords;
mod kill;
mod lexemes;
mod parse;
mod pick;
pub mod server_ref;
mod show_server_sessions;
mod show_servers;

pub use diagnostics::Diagnostics;
pub use kill::{Kill, KillKind, Reason};
pub use parse::{ParseError, parse};
pub use server_ref::{ServerRef, SessionId};
pub use show_server_sessions::ShowServerSessions;
pub use show_servers::ShowServers;

/// A statement that the proxy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `SHOW [FULL] SERVER SESSIONS`
    ShowServerSessions(ShowServerSessions),
    /// `SHOW SERVERS`
    ShowServers(ShowServers),
    /// `KILL SERVER {SESSION | CONNECTION | QUERY} server id [COMMENT 'reason']`
    Kill(Kill),
    /// `SHOW WARNINGS` and its kin, when the last statement was the proxy's.
    Diagnostics(Diagnostics),
}
