//! SQL over tables of the proxy's own: a statement that sqlparser has read is translated, tree for tree, and
//! evaluated by SQLite, in memory, in one database a statement.
//!
//! ```text
//!   Query, Pick ─► plan (names, types, SQLite's text) ─► Plan ─► Database: create, insert, run ─► Rows
//! ```
//!
//! What MySQL and SQLite mean by the same text is not always the same; nothing here is silently different. A
//! function or a syntax that is not translated is an error that names it.

mod database;
mod decimal;
mod functions;
mod moment;
mod plan;
#[cfg(test)]
mod tests;
mod values;

use std::time::{Duration, SystemTime};

use sqlparser::ast::{Expr, OrderByExpr};

use crate::table::{Column, Kind};

pub use database::{Database, Interrupter};
pub use plan::{
    Names, Plan, PlannedTable, names, names_of, plan_pick, plan_query, server_terms,
    server_terms_of,
};

/// The name before the dot of each of the tables.
pub const SCHEMA: &str = "obwarden";

/// A table that statements may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// As in `obwarden.server_sessions`, in lower case.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<TableColumn>,
}

/// A column of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// In lower case; found in any letter case.
    pub name: String,
    /// Which values it has.
    pub kind: Kind,
    /// How `*` shows it.
    pub shown: Shown,
}

/// Whether `*` shows a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It does.
    Yes,
    /// It does not: it is there for those who name it.
    No,
    /// It does not: it is another name of the column at this position.
    AliasOf(usize),
}

/// What a statement may name of its session, and how much it may give.
#[derive(Debug, Clone)]
pub struct Context {
    /// The account that asks: `USER()`.
    pub user: String,
    /// `CONNECTION_ID()`.
    pub connection_id: u32,
    /// `NOW()`, in UTC.
    pub now: SystemTime,
    /// `SQL_SELECT_LIMIT`: a SELECT without a LIMIT gives no more rows.
    pub select_limit: Option<u64>,
    /// Whether a backslash in a LIKE's pattern escapes what follows it: not so with `NO_BACKSLASH_ESCAPES`.
    pub backslash_escapes: bool,
}

/// `WHERE`, `ORDER BY` and `LIMIT` of a statement that is no SELECT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pick {
    /// Which rows.
    pub filter: Option<Expr>,
    /// In which order.
    pub order_by: Vec<OrderByExpr>,
    /// How many.
    pub limit: Option<Limit>,
}

impl Pick {
    /// Whether it takes all rows as they come.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// `LIMIT [offset,] rows` or `LIMIT rows OFFSET offset`, each a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Rows to leave out at first.
    pub offset: u64,
    /// Rows at most.
    pub rows: u64,
}

/// What a database may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows in its tables, and rows of its result.
    pub rows_max: u64,
    /// How long SQLite may work, without what it waits for.
    pub timeout: Duration,
}

impl TableColumn {
    /// A column that `*` shows.
    pub fn of(column: Column) -> Self {
        Self {
            name: column.name.to_ascii_lowercase(),
            kind: column.kind,
            shown: Shown::Yes,
        }
    }
}
