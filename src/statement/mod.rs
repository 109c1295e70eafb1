//! The statements that the proxy answers itself.
//!
//! ```text
//!   packet's first bytes ─► keywords (no allocation) ─► parse (sqlparser) ─► Statement
//! ```
//!
//! Exactly the beginnings that [`keywords`] knows are reserved; everything else is the server's. One
//! statement has one file here, one variant, one arm in [`parse`] and one test.

pub mod diagnostics;
mod dialect;
pub mod keywords;
mod kill;
mod kill_many;
mod lexemes;
mod parse;
mod pick;
mod placeholders;
mod schema;
mod select;
mod select_limit;
pub mod server_ref;
mod show_server_sessions;
mod show_servers;
mod show_warden;
mod size;

pub use diagnostics::Diagnostics;
pub use dialect::Grammar;
pub use kill::{Kill, KillKind, Reason};
pub use kill_many::{ExplainKill, KillMany};
pub use parse::{ParseError, Prepared, parse, parse_prepared, parse_with};
pub use placeholders::{Parameters, filled};
pub use schema::{FIELD_COLUMN, Schema, TABLES_COLUMN};
pub use select::Select;
pub use select_limit::SelectLimit;
pub use server_ref::{ServerRef, SessionId};
pub use show_server_sessions::{SessionsForm, ShowServerSessions};
pub use show_servers::ShowServers;
pub use show_warden::{ShowWarden, WardenMatter};

/// A statement that the proxy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `SHOW [FULL | ACTIVE] SERVER SESSIONS …`
    ShowServerSessions(ShowServerSessions),
    /// `SHOW SERVERS …`
    ShowServers(ShowServers),
    /// `SHOW WARDEN {CLIENTS | STATUS} …`
    ShowWarden(ShowWarden),
    /// `SELECT … FROM obwarden.… …`
    Select(Select),
    /// `SHOW TABLES FROM obwarden` and its kin.
    Schema(Schema),
    /// `KILL SERVER {SESSION | CONNECTION | QUERY} server id [COMMENT 'reason']`
    Kill(Kill),
    /// `KILL SERVER {SESSIONS | QUERIES} WHERE …`
    KillMany(KillMany),
    /// `EXPLAIN KILL SERVER …`
    ExplainKill(ExplainKill),
    /// `SHOW WARNINGS` and its kin, when the last statement was the proxy's.
    Diagnostics(Diagnostics),
}

impl Statement {
    /// Whether it may end something, so that there must be a record of it.
    pub fn kills(&self) -> bool {
        matches!(self, Self::Kill(_) | Self::KillMany(_))
    }
}
