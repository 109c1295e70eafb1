//! The door to SQLite: one database in memory for one statement.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode};

use super::functions::{self, Fault};
use super::plan::out_of_range;
use super::values::{Stored, declared, push};
use super::{Limits, Plan};
use crate::table::{Rows, Value};
use crate::wire::answer::SqlError;

/// A database that lives for one statement. Everything here blocks: it is for a thread that may.
pub struct Database {
    connection: Connection,
    plan: Plan,
    /// Of each table, how a row is inserted.
    inserts: Vec<String>,
    rows: u64,
    limits: Limits,
    watch: Watch,
    fault: Fault,
}

/// What may end the work of a database.
#[derive(Debug, Clone, Default)]
struct Watch {
    interrupted: Arc<AtomicBool>,
    /// When SQLite must be done.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Watch {
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn until(&self) -> Option<Instant> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_until(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn is_over(&self) -> bool {
        self.is_interrupted() || self.until().is_some_and(|until| Instant::now() >= until)
    }
}

/// Ends what a database runs, from another thread.
#[derive(Debug, Clone)]
pub struct Interrupter(Arc<AtomicBool>);

impl Interrupter {
    /// What runs, or begins to run, ends with 1317.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Steps of SQLite's machine between two looks at the clock.
const STEPS_A_LOOK: i32 = 10_000;

/// SQLite's own limits: its text is made here, and is never long; nothing is attached.
const SQLITE_LIMITS: [(Limit, i32); 6] = [
    (Limit::SQLITE_LIMIT_LENGTH, 64 * 1024 * 1024),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 16 * 1024 * 1024),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1),
];

/// Nothing outlasts the statement, so that nothing is kept for a crash, and nothing goes to a file.
const PRAGMAS: &str =
    "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    PRAGMA temp_store = MEMORY; PRAGMA locking_mode = EXCLUSIVE;";

impl Database {
    /// A database with the plan's tables, which are empty.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn open(plan: &Plan, limits: Limits) -> Result<Self, SqlError> {
        let connection = Connection::open_in_memory().map_err(|error| sqlite_error(&error))?;
        let mut database = Self {
            connection,
            plan: plan.clone(),
            inserts: Vec::new(),
            rows: 0,
            limits,
            watch: Watch::default(),
            fault: Fault::default(),
        };
        let prepared = database.prepare();
        prepared.map_err(|error| database.error(&error))?;
        Ok(database)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        let connection = &mut self.connection;
        connection.execute_batch(PRAGMAS)?;
        for (limit, value) in SQLITE_LIMITS {
            connection.set_limit(limit, value)?;
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        functions::register(connection, &self.fault)?;
        let watch = self.watch.clone();
        connection.progress_handler(STEPS_A_LOOK, Some(move || watch.is_over()))?;
        for planned in &self.plan.tables {
            let name = planned.table;
            let mut columns: Vec<String> = planned
                .columns
                .iter()
                .zip(&planned.types)
                .map(|(column, kind)| format!("c{column} {}", declared(*kind)))
                .collect();
            if columns.is_empty() {
                // A table has a column at least.
                columns.push("no_column".to_owned());
            }
            connection.execute_batch(&format!("CREATE TABLE b{name} ({})", columns.join(",")))?;
            let values = vec!["?"; columns.len()].join(",");
            self.inserts
                .push(format!("INSERT INTO b{name} VALUES ({values})"));
        }
        connection.execute_batch("BEGIN")
    }

    /// What ends its work from another thread.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Arc::clone(&self.watch.interrupted))
    }

    /// Adds a row to the plan's table number `table`: the values of its columns, in their order.
    ///
    /// # Errors
    /// When there are too many rows (1104), or a number has no room in its column (1690).
    pub fn insert(&mut self, table: usize, values: &[Value<'_>]) -> Result<(), SqlError> {
        self.rows += 1;
        if self.rows > self.limits.rows_max {
            return Err(too_many_rows(self.limits.rows_max));
        }
        let (Some(planned), Some(insert)) = (self.plan.tables.get(table), self.inserts.get(table))
        else {
            return Ok(());
        };
        let inserted = (|| {
            let mut statement = self.connection.prepare_cached(insert)?;
            for (at, kind) in planned.types.iter().enumerate() {
                let value = values.get(at).copied().unwrap_or(Value::Null);
                statement.raw_bind_parameter(at + 1, Stored::new(value, *kind))?;
            }
            statement.raw_execute()
        })();
        inserted.map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Runs the plan, and gives its rows in batches of about `batch_bytes` for as long as `each` goes on.
    ///
    /// # Errors
    /// When it takes too long (3024), has too many rows (1104), is interrupted (1317), or cannot be computed.
    pub fn run(
        &mut self,
        batch_bytes: usize,
        mut each: impl FnMut(Rows) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        self.watch
            .set_until(Some(Instant::now() + self.limits.timeout));
        let run = self.run_until(batch_bytes, &mut each);
        self.watch.set_until(None);
        match run {
            Ok(()) => Ok(()),
            Err(Ended::Answer(error)) => Err(error),
            Err(Ended::Sqlite(error)) => Err(self.error(&error)),
        }
    }

    fn run_until(
        &self,
        batch_bytes: usize,
        each: &mut impl FnMut(Rows) -> ControlFlow<()>,
    ) -> Result<(), Ended> {
        if self.watch.is_interrupted() {
            return Err(Ended::Answer(interrupted()));
        }
        self.connection.execute_batch("PRAGMA query_only = ON")?;
        let mut statement = self.connection.prepare(&self.plan.sql)?;
        let mut found = statement.query([])?;
        let width = self.plan.results.len();
        let mut rows = Rows::new(width);
        let mut given = 0;
        while let Some(row) = found.next()? {
            given += 1;
            if given > self.limits.rows_max {
                return Err(Ended::Answer(too_many_rows(self.limits.rows_max)));
            }
            for (at, kind) in self.plan.results.iter().enumerate() {
                push(&mut rows, row.get_ref(at)?, *kind)?;
            }
            if rows.memory_bytes() >= batch_bytes {
                // The client's time is not SQLite's.
                let paused = Instant::now();
                let goes_on = each(std::mem::replace(&mut rows, Rows::new(width)));
                let until = self.watch.until();
                self.watch
                    .set_until(until.map(|until| until + paused.elapsed()));
                if goes_on.is_break() {
                    return Ok(());
                }
                if self.watch.is_interrupted() {
                    return Err(Ended::Answer(interrupted()));
                }
            }
        }
        if !rows.is_empty() {
            // It is the last one, whatever it says.
            let _ = each(rows);
        }
        Ok(())
    }

    /// SQLite's error as a client reads it.
    fn error(&self, error: &Error) -> SqlError {
        if let Some(error) = self.fault.take() {
            return error;
        }
        if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return if self.watch.is_interrupted() {
                interrupted()
            } else {
                too_slow(self.limits.timeout)
            };
        }
        sqlite_error(error)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("plan", &self.plan)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Why a run has ended.
enum Ended {
    Sqlite(Error),
    Answer(SqlError),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<SqlError> for Ended {
    fn from(error: SqlError) -> Self {
        Self::Answer(error)
    }
}

fn too_many_rows(rows_max: u64) -> SqlError {
    SqlError::new(
        1104,
        format!("more than {rows_max} rows would have to be looked at; narrow the statement down"),
    )
}

fn too_slow(timeout: Duration) -> SqlError {
    SqlError::new(
        3024,
        format!(
            "Query execution was interrupted, maximum statement execution time of {:.1} s exceeded",
            timeout.as_secs_f64()
        ),
    )
}

fn interrupted() -> SqlError {
    SqlError::new(1317, "Query execution was interrupted")
}

fn sqlite_error(error: &Error) -> SqlError {
    if let Error::ToSqlConversionFailure(kind) = error {
        return out_of_range(&kind.to_string());
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::OutOfMemory) => SqlError::new(1037, "Out of memory"),
        Some(ErrorCode::TooBig) => SqlError::new(1301, "A value or the statement is too large"),
        _ => SqlError::new(1105, format!("The statement cannot be computed: {error}")),
    }
}
