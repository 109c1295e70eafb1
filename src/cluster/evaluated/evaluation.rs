//! A database at work: rows go in as servers answer, the plan runs, rows come out.
//!
//! SQLite blocks, so that it has a thread to itself. What is dropped is interrupted: a client that leaves, or
//! whose statement is ended, leaves no work behind.

use std::ops::ControlFlow;

use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

use crate::sql::{Database, Interrupter, Limits, Plan};
use crate::table::Rows;
use crate::wire::answer::SqlError;

/// Batches of rows that may wait to go in, and to come out.
const BATCHES_WAITING_MAX: usize = 4;

/// Evaluations at once that go on as fast as their clients read. Each holds a thread, of which the runtime has 512:
/// the others are for kills, and for resolving names, which wait for no client.
const FOR_CLIENTS_MAX: usize = 256;

static FOR_CLIENTS: Semaphore = Semaphore::const_new(FOR_CLIENTS_MAX);

/// "User has exceeded the resource".
const ER_USER_LIMIT_REACHED: u16 = 1226;

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
    /// Begins to evaluate `plan` for a client, which may read as slowly as it likes.
    ///
    /// # Errors
    /// When there can be no database, or there are too many of them (1226).
    pub(in crate::cluster) async fn begin_for_client(
        plan: Plan,
        limits: Limits,
    ) -> Result<Self, SqlError> {
        let permit = FOR_CLIENTS.try_acquire().map_err(|_| too_many())?;
        Self::begin_with(plan, limits, Some(permit)).await
    }

    /// Begins to evaluate `plan` for what waits for no client.
    ///
    /// # Errors
    /// When there can be no database.
    pub(in crate::cluster) async fn begin(plan: Plan, limits: Limits) -> Result<Self, SqlError> {
        Self::begin_with(plan, limits, None).await
    }

    /// `permit` is given back when the thread has ended.
    async fn begin_with(
        plan: Plan,
        limits: Limits,
        permit: Option<SemaphorePermit<'static>>,
    ) -> Result<Self, SqlError> {
        let (input, rows_in) = mpsc::channel(BATCHES_WAITING_MAX);
        let (rows_out, output) = mpsc::channel(BATCHES_WAITING_MAX);
        let (opened, opening) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
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

fn too_many() -> SqlError {
    let text = format!(
        "obwarden evaluates {FOR_CLIENTS_MAX} statements for clients already, cursors among them; end some, or try \
         again"
    );
    SqlError::new(ER_USER_LIMIT_REACHED, text)
}

fn broken_off() -> SqlError {
    SqlError::new(1105, "obwarden: the evaluation has broken off")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::sql::{Context, Pick, Table, TableColumn, plan_pick};
    use crate::table::Column;

    const LIMITS: Limits = Limits {
        rows_max: 10,
        timeout: Duration::from_secs(10),
    };

    fn plan() -> Plan {
        let column = Column::number("Id");
        let table = Table {
            name: "servers",
            columns: vec![TableColumn::of(column.clone())],
        };
        let context = Context {
            user: "root@localhost".to_owned(),
            connection_id: 1,
            now: SystemTime::UNIX_EPOCH,
            select_limit: None,
            backslash_escapes: true,
        };
        plan_pick(&Pick::default(), &table, &[(0, column)], &[], &context).unwrap()
    }

    #[tokio::test]
    async fn clients_that_do_not_read_leave_threads_for_kills() {
        let mut waiting = Vec::new();
        for _ in 0..FOR_CLIENTS_MAX {
            waiting.push(Evaluation::begin_for_client(plan(), LIMITS).await.unwrap());
        }
        let refused = Evaluation::begin_for_client(plan(), LIMITS).await;
        assert_eq!(refused.unwrap_err().code, ER_USER_LIMIT_REACHED);
        let mut for_a_kill = Evaluation::begin(plan(), LIMITS).await.unwrap();
        assert!(for_a_kill.next().await.is_ok());
        drop(waiting);
        let free = FOR_CLIENTS.acquire_many(FOR_CLIENTS_MAX as u32);
        let free = tokio::time::timeout(Duration::from_secs(20), free).await;
        assert!(free.is_ok(), "what is dropped gives its thread back");
    }
}
