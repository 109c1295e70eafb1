//! The door to SQLite: one database in memory for one statement.

use std::ops::ControlFlow;

use super::{Limits, Plan};
use crate::table::{Rows, Value};
use crate::wire::answer::SqlError;

/// A database that lives for one statement. Everything here blocks: it is for a thread that may.
#[derive(Debug)]
pub struct Database {}

/// Ends what a database runs, from another thread.
#[derive(Debug)]
pub struct Interrupter {}

impl Interrupter {
    /// What runs, or begins to run, ends with 1317.
    pub fn interrupt(&self) {}
}

impl Database {
    /// A database with the plan's tables, which are empty.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn open(_plan: &Plan, _limits: Limits) -> Result<Self, SqlError> {
        Ok(Self {})
    }

    /// What ends its work from another thread.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter {}
    }

    /// Adds a row to the plan's table number `table`: the values of its columns, in their order.
    ///
    /// # Errors
    /// When there are too many rows (1104).
    pub fn insert(&mut self, _table: usize, _values: &[Value<'_>]) -> Result<(), SqlError> {
        Ok(())
    }

    /// Runs the plan, and gives its rows in batches of about `batch_bytes` for as long as `each` goes on.
    ///
    /// # Errors
    /// When it takes too long (3024), has too many rows (1104), is interrupted (1317), or cannot be computed.
    pub fn run(
        &mut self,
        _batch_bytes: usize,
        _each: impl FnMut(Rows) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        Ok(())
    }
}
