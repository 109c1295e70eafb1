//! A statement's answer: read from the driver row by row, and kept packed.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, QueryResult, TextProtocol, Value as DriverValue};

use super::budget::Share;
use super::failure::{NodeFailure, Stage};
use crate::deadline::Deadline;
use crate::table::{Rows, Value};

/// A statement's answer, read to its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Answer {
    /// Column names as the server gives them.
    pub(super) columns: Vec<String>,
    /// Every value as text, or NULL.
    pub(super) rows: Rows,
}

impl Answer {
    /// Where the column `name` stands, in any letter case.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }

    /// An answer as tests write it.
    #[cfg(test)]
    pub(super) fn of(columns: &[&str], rows: &[&[Option<&str>]]) -> Self {
        let mut answer = Self {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Rows::new(columns.len()),
        };
        for row in rows {
            let values = row.iter().map(|value| Value::text_or_null(*value));
            answer.rows.push_row(values);
        }
        answer
    }
}

/// Runs a statement and reads its answer. What its rows take of memory is taken from `share`; the time that
/// this waits does not count. When this fails the connection is of no more use, unless the failure is the
/// server's own error.
///
/// # Errors
/// When the answer was not complete before the deadline, or is an error.
pub(super) async fn read_answer(
    conn: &mut Conn,
    sql: &str,
    mut deadline: Deadline,
    share: &mut Share,
) -> Result<Answer, NodeFailure> {
    let mut result = until(deadline, Stage::Query, conn.query_iter(sql)).await?;
    let columns = result.columns().unwrap_or_default();
    let columns = columns.iter().map(|column| column.name_str().into_owned());
    let columns: Vec<String> = columns.collect();
    let mut rows = Rows::new(columns.len());
    loop {
        let reading = read_rows(&mut result, &mut rows, share);
        let more = until(deadline, Stage::Read, reading)
            .await
            .map_err(|failure| failure.dropping(rows.len()))?;
        let Some(bytes) = more else { break };
        deadline = deadline.later(share.take(bytes).await);
    }
    until(deadline, Stage::Read, result.drop_result()).await?;
    Ok(Answer { columns, rows })
}

/// Reads rows up to the last, or until `share` has no bytes left: says how many are wanted then.
async fn read_rows(
    result: &mut QueryResult<'_, '_, TextProtocol>,
    rows: &mut Rows,
    share: &mut Share,
) -> mysql_async::Result<Option<usize>> {
    while let Some(row) = result.next().await? {
        let before = rows.memory_bytes();
        for value in &row.unwrap_raw() {
            rows.push(match value {
                Some(DriverValue::Bytes(bytes)) => Value::Text(bytes),
                // In the text protocol servers send nothing else.
                _ => Value::Null,
            });
        }
        let grown = rows.memory_bytes() - before;
        if !share.take_now(grown) {
            return Ok(Some(grown));
        }
    }
    Ok(None)
}

/// Waits for the driver, but not beyond the deadline. A panic in it, on whatever a server has sent, is an error
/// like any other.
pub(super) async fn until<T>(
    deadline: Deadline,
    stage: Stage,
    work: impl Future<Output = mysql_async::Result<T>>,
) -> Result<T, NodeFailure> {
    match deadline.limit(AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(error))) => Err(NodeFailure::from_driver(&error, stage, deadline.elapsed())),
        Ok(Err(_panic)) => {
            let detail = "what it has sent cannot be read";
            Err(NodeFailure::garbage(stage, deadline.elapsed(), detail))
        }
        Err(_) => Err(NodeFailure::no_answer(stage, deadline.elapsed())),
    }
}
