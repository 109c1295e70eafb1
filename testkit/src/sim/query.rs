//! A SELECT over rows: which of them, which columns, which types.

use super::answers::{Answer, View};
use super::behaviour::ServerError;
use super::held_rows::HeldRows;
use super::rows::{Cell, Record};
use super::sessions::{Build, is_number};
use super::statement::{Item, Select, Value};

pub(super) struct Table {
    pub(super) columns: Vec<ColumnSpec>,
    pub(super) rows: Box<dyn Iterator<Item = Vec<Cell>> + Send>,
    /// Those that come after them.
    pub(super) held: Option<HeldRows>,
}

impl Table {
    /// All rows, one by one.
    pub(super) fn all_rows(self) -> Box<dyn Iterator<Item = Vec<Cell>> + Send> {
        match self.held {
            Some(held) => Box::new(self.rows.chain(held.rows)),
            None => self.rows,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnSpec {
    pub(super) name: String,
    pub(super) is_number: bool,
}

/// Where one column of the result comes from.
enum Source {
    Column(&'static str),
    Constant(Cell),
}

pub(super) fn query<R: Record>(
    select: &Select,
    columns: &[&'static str],
    records: impl Iterator<Item = R> + Send + 'static,
    view: &View<'_>,
) -> Answer {
    let known = |name: &str| {
        columns
            .iter()
            .find(|column| column.eq_ignore_ascii_case(name))
    };
    let mut filter = Vec::new();
    for (column, values) in &select.filter {
        let Some(column) = known(column) else {
            return Answer::Fail(no_column(column, "where clause"));
        };
        let values: Vec<String> = values
            .iter()
            .map(|value| shown(constant(value, view)))
            .collect();
        filter.push((column.to_lowercase(), values));
    }
    let passes = move |record: &R| {
        filter.iter().all(|(column, values)| {
            let cell = record.cell(column);
            values.iter().any(|value| cell.is(value))
        })
    };
    let records = records
        .filter(passes)
        .take(select.limit.unwrap_or(usize::MAX));
    if let [
        Item {
            name,
            value: Value::Call(call, _),
        },
    ] = select.items.as_slice()
        && call == "count"
    {
        let count = records.count() as u64;
        return Answer::Rows(one_row(vec![(name.clone(), Cell::Number(count))]));
    }
    let mut specs = Vec::new();
    let mut sources = Vec::new();
    for item in &select.items {
        let column = match &item.value {
            Value::All => {
                specs.extend(
                    columns
                        .iter()
                        .map(|column| spec(column, column, view.build)),
                );
                sources.extend(columns.iter().copied().map(Source::Column));
                continue;
            }
            Value::Column(column) => column,
            Value::Call(_, Some(argument)) if matches!(**argument, Value::Column(_)) => {
                match &**argument {
                    Value::Column(column) => column,
                    _ => continue,
                }
            }
            value => {
                let cell = constant(value, view);
                specs.push(constant_spec(&item.name, &cell));
                sources.push(Source::Constant(cell));
                continue;
            }
        };
        let Some(&column) = known(column) else {
            return Answer::Fail(no_column(column, "field list"));
        };
        specs.push(spec(&item.name, column, view.build));
        sources.push(Source::Column(column));
    }
    let names: Vec<String> = sources
        .iter()
        .map(|source| match source {
            Source::Column(column) => column.to_lowercase(),
            Source::Constant(_) => String::new(),
        })
        .collect();
    let row = move |record: R| {
        let cells = sources
            .iter()
            .zip(&names)
            .map(|(source, name)| match source {
                Source::Column(_) => record.cell(name),
                Source::Constant(cell) => cell.clone(),
            });
        cells.collect()
    };
    Answer::Rows(Table {
        columns: specs,
        rows: Box::new(records.map(row)),
        held: None,
    })
}

pub(super) fn constant(value: &Value, view: &View<'_>) -> Cell {
    match value {
        Value::Number(digits) => digits
            .parse()
            .map_or_else(|_| Cell::text(digits), Cell::Number),
        Value::Text(text) => Cell::text(text),
        Value::Call(name, _) => match name.as_str() {
            "connection_id" => Cell::Number(view.connection_id.into()),
            "host_ip" => Cell::text(view.place.ip.to_string()),
            "rpc_port" => Cell::Number(view.place.rpc_port.into()),
            "version" => Cell::text(view.build.version()),
            "user" | "current_user" | "session_user" => Cell::Text(format!("{}@%", view.user)),
            _ => Cell::Null,
        },
        Value::Variable(name) => match name.as_str() {
            "version" => Cell::text(view.build.version()),
            "version_comment" => Cell::text("simulated"),
            "max_allowed_packet" => Cell::Number(67_108_864),
            "wait_timeout" | "interactive_timeout" => Cell::Number(28_800),
            "autocommit" => Cell::Number(1),
            "port" => Cell::Number(view.place.sql_port.into()),
            "server_id" => Cell::Number(view.connection_id.into()),
            _ => Cell::Null,
        },
        Value::All | Value::Column(_) => Cell::Null,
    }
}

pub(super) fn one_row(cells: Vec<(String, Cell)>) -> Table {
    let columns = cells
        .iter()
        .map(|(name, cell)| constant_spec(name, cell))
        .collect();
    let row: Vec<Cell> = cells.into_iter().map(|(_, cell)| cell).collect();
    Table {
        columns,
        rows: Box::new(std::iter::once(row)),
        held: None,
    }
}

fn constant_spec(name: &str, cell: &Cell) -> ColumnSpec {
    ColumnSpec {
        name: name.to_owned(),
        is_number: matches!(cell, Cell::Number(_)),
    }
}

fn spec(name: &str, column: &str, build: Build) -> ColumnSpec {
    let column = column.to_lowercase();
    let of_servers = [
        "id",
        "svr_port",
        "inner_port",
        "with_rootserver",
        "block_migrate_in_time",
    ];
    let of_servers_too = [
        "stop_time",
        "start_service_time",
        "first_sessid",
        "with_partition",
    ];
    ColumnSpec {
        name: name.to_owned(),
        is_number: is_number(&column, build)
            || of_servers.contains(&column.as_str())
            || of_servers_too.contains(&column.as_str())
            || column == "last_offline_time",
    }
}

pub(super) fn shown(cell: Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text,
    }
}

fn no_column(column: &str, place: &str) -> ServerError {
    ServerError::with_sqlstate(
        1054,
        "42S22",
        format!("Unknown column '{column}' in '{place}'"),
    )
}
