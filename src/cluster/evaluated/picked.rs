//! Rows that are there already, and what picks among them.

use super::evaluation::Evaluation;
use crate::cluster::Cluster;
use crate::cluster::list::{ListError, ListPart, ListParts, PartSender, in_parts};
use crate::sql::{self, Context, Pick, Table, TableColumn};
use crate::statement::diagnostics::Message;
use crate::table::{Column, Rows};

/// A whole table in memory.
#[derive(Debug, Clone)]
pub struct SmallTable {
    /// What expressions may call it.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, in the order in which they are shown.
    pub rows: Rows,
    /// What is to be said of it.
    pub messages: Vec<Message>,
}

impl Cluster {
    /// A list of those rows of a table that are picked. The last part is an end or an error.
    pub fn pick(&self, table: SmallTable, pick: Pick, context: Context) -> ListParts {
        let limits = self.settings.sql;
        in_parts(async move |sender| send_picked(table, &pick, &context, limits, &sender).await)
    }
}

/// Sends a table's rows, those that are picked.
pub(in crate::cluster) async fn send_picked(
    table: SmallTable,
    pick: &Pick,
    context: &Context,
    limits: sql::Limits,
    sender: &PartSender,
) -> Result<(), ListError> {
    let columns = table.columns.clone();
    let messages = table.messages.clone();
    let rows = if pick.is_all() {
        vec![table.rows]
    } else {
        picked(table, pick, context, limits).await?
    };
    let rows = rows.into_iter().map(ListPart::Rows);
    let parts = [ListPart::Columns(columns)].into_iter().chain(rows);
    for part in parts.chain([ListPart::End(messages)]) {
        // That the client has left shows in the channel's being closed.
        let _ = sender.send(Ok(part)).await;
    }
    Ok(())
}

async fn picked(
    table: SmallTable,
    pick: &Pick,
    context: &Context,
    limits: sql::Limits,
) -> Result<Vec<Rows>, ListError> {
    let width = table.columns.len();
    let output: Vec<_> = table.columns.iter().cloned().enumerate().collect();
    // A last column keeps the order of the rows.
    let order = Column::number(ORDER);
    let columns = table.columns.into_iter().chain([order]);
    let defined = Table {
        name: table.name,
        columns: columns.map(TableColumn::of).collect(),
    };
    let plan = sql::plan_pick(pick, &defined, &output, &[width], context)?;
    let needed = plan.tables.first().map(|planned| planned.columns.clone());
    let mut evaluation = Evaluation::begin_for_client(plan, limits).await?;
    if let Some(needed) = needed {
        evaluation
            .insert(0, numbered(&table.rows, width).project(&needed))
            .await?;
    }
    let mut picked = Vec::new();
    while let Some(rows) = evaluation.next().await? {
        picked.push(rows);
    }
    Ok(picked)
}

/// The name of the last column: none that a statement names by accident.
const ORDER: &str = "#order";

/// The same rows, each with its number behind its values.
fn numbered(rows: &Rows, width: usize) -> Rows {
    let mut numbered = Rows::new(width + 1);
    for (number, row) in rows.iter().enumerate() {
        let number = crate::table::Value::Number(number as u64);
        numbered.push_row(row.values().chain([number]));
    }
    numbered
}
