//! A database at work: rows go in as servers answer, the plan runs, rows come out.
//!
//! SQLite blocks, so that it has a thread to itself. What is dropped is interrupted: a client that leaves, or
//! whose statement is ended, leaves no work behind.

use std::ops::ControlFlow;

use tokio::sync::{mpsc, oneshot};

use crate::sql::{Database, Interrupter, Limits, Plan};
use crate::table::Rows;
use crate::wire::answer::SqlError;

/// Batches of rows that may wait to go in, and to come out.
const BATCHES_WAITING_MAX: usize = 4;

/// How large a batch of the result is, in bytes.
const BATCH_BYTES: usize = 32 * 1024;

/// A plan that is being evaluated.
#[derive(Debug)]
pub(in crate::cluster) struct Evaluation {
    input: Option<mpsc::Sender<Input>>,
    output: mpsc::Receiver<Result<Rows, SqlError>>,
    interrupter: Option<Interrupter>,
}

/// Rows of one of the plan's tables.
#[derive(Debug)]
struct Input {
    table: usize,
    rows: Rows,
}

impl Evaluation {
    /// Begins to evaluate `plan`.
    ///
    /// # Errors
    /// When there can be no database.
    pub(in crate::cluster) async fn begin(plan: Plan, limits: Limits) -> Result<Self, SqlError> {
        let (input, rows_in) = mpsc::channel(BATCHES_WAITING_MAX);
        let (rows_out, output) = mpsc::channel(BATCHES_WAITING_MAX);
        let (opened, opening) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let database = Database::open(&plan, limits);
            let mut database = match database {
                Ok(database) => database,
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            if opened.send(Ok(database.interrupter())).is_ok()
                && let Err(error) = work(&mut database, rows_in, &rows_out)
            {
                let _ = rows_out.blocking_send(Err(error));
            }
        });
        let opened = opening.await.unwrap_or_else(|_| Err(broken_off()));
        Ok(Self {
            input: Some(input),
            output,
            interrupter: Some(opened?),
        })
    }

    /// Adds rows to the plan's table number `table`.
    ///
    /// # Errors
    /// When they are too many.
    pub(in crate::cluster) async fn insert(
        &mut self,
        table: usize,
        rows: Rows,
    ) -> Result<(), SqlError> {
        let Some(input) = &self.input else {
            return Err(broken_off());
        };
        if input.send(Input { table, rows }).await.is_ok() {
            return Ok(());
        }
        // It has ended: it says why.
        match self.output.recv().await {
            Some(Err(error)) => Err(error),
            _ => Err(broken_off()),
        }
    }

    /// The next rows of the result; none after the last. No rows can be added any more.
    ///
    /// # Errors
    /// When they cannot be computed.
    pub(in crate::cluster) async fn next(&mut self) -> Result<Option<Rows>, SqlError> {
        self.input = None;
        self.output.recv().await.transpose()
    }
}

impl Drop for Evaluation {
    fn drop(&mut self) {
        if let Some(interrupter) = self.interrupter.take() {
            interrupter.interrupt();
        }
    }
}

/// Takes all rows, and then gives those of the result.
fn work(
    database: &mut Database,
    mut rows_in: mpsc::Receiver<Input>,
    rows_out: &mpsc::Sender<Result<Rows, SqlError>>,
) -> Result<(), SqlError> {
    while let Some(Input { table, rows }) = rows_in.blocking_recv() {
        insert_all(database, table, &rows)?;
    }
    database.run(BATCH_BYTES, |rows| match rows_out.blocking_send(Ok(rows)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    })
}

fn insert_all(database: &mut Database, table: usize, rows: &Rows) -> Result<(), SqlError> {
    let mut values = Vec::new();
    for row in rows.iter() {
        values.clear();
        values.extend(row.values());
        database.insert(table, &values)?;
    }
    Ok(())
}

fn broken_off() -> SqlError {
    SqlError::new(1105, "obwarden: the evaluation has broken off")
}
