//! From sqlparser's tree to SQLite's text: names, types, and what is asked of which table.
//!
//! ```text
//!   query ─► select ─► from, expression ─► operators, call, time, aggregate ─► fragment (text and type)
//!                 └──► scope (what a name means)
//! ```
//!
//! No text of the statement goes into SQLite's: tables are `b0`, columns `c5`, sources `t1`, and literals are
//! quoted anew.

mod aggregate;
mod call;
mod expression;
mod fragment;
mod from;
mod names;
mod number;
mod operators;
mod planner;
mod query;
mod refusal;
mod rows;
mod scope;
mod select;
mod server_terms;
mod signature;
mod time;

use sqlparser::ast::Query;

use self::fragment::Fragment;
use self::planner::{Aggregates, Item, Place, Planner, Seen};
use self::query::limit_sql;
use self::refusal::{Clause, unknown_column};
use self::scope::{Scope, Source};
use super::{Context, Pick, Table};
use crate::table::Column;
use crate::wire::answer::SqlError;

pub(super) use self::fragment::Type;
pub use self::names::{Names, names, names_of};
pub(super) use self::refusal::out_of_range;
pub use self::server_terms::{server_terms, server_terms_of};

/// What SQLite is to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The columns of the result.
    pub columns: Vec<Column>,
    /// What must be in the database before it runs.
    pub tables: Vec<PlannedTable>,
    /// SQLite's text.
    pub(super) sql: String,
    /// The types of the result's values.
    pub(super) results: Vec<Type>,
}

/// A table, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTable {
    /// Its position among the tables that the plan was made with.
    pub table: usize,
    /// The positions of the columns that are needed, each one once; of aliases the column that they mean.
    pub columns: Vec<usize>,
    /// The types of these columns.
    pub(super) types: Vec<Type>,
}

/// Plans a SELECT over `tables`.
///
/// # Errors
/// As the client is to read them: a name that is unknown (1054, 1146) or ambiguous (1052), or something that is
/// not translated (1235).
pub fn plan_query(query: &Query, tables: &[Table], context: &Context) -> Result<Plan, SqlError> {
    let mut planner = Planner::new(tables, context);
    let rows = planner.query(query, None, context.select_limit)?;
    let columns = rows.items.iter().map(|item| Column {
        name: item.name.clone(),
        kind: item.fragment.kind.kind(),
    });
    Ok(planner.finish(columns.collect(), rows.kinds(), rows.as_is()))
}

/// Plans to pick rows of one table: the result has the columns at `output`, under the names there. Rows that
/// `ORDER BY` does not tell apart come in the order of the columns at `then_by`.
///
/// # Errors
/// As [`plan_query`].
pub fn plan_pick(
    pick: &Pick,
    table: &Table,
    output: &[(usize, Column)],
    then_by: &[usize],
    context: &Context,
) -> Result<Plan, SqlError> {
    let mut planner = Planner::new(std::slice::from_ref(table), context);
    planner.subqueries = false;
    planner.needed.table(0);
    let source = Source {
        name: table.name.to_owned(),
        in_schema: true,
        sql: "t0".to_owned(),
        columns: from::columns_of(table, 0),
    };
    let mut column = |at: usize| -> Result<Fragment, SqlError> {
        let column = source.columns.get(at);
        let column = column.ok_or_else(|| unknown_column(&at.to_string(), Clause::Fields))?;
        if let Some(column) = column.of_table {
            planner.needed.column(column);
        }
        Ok(Fragment::new(
            format!("{}.{}", source.sql, column.sql),
            column.kind,
        ))
    };
    let mut items = Vec::new();
    for (at, named) in output {
        items.push(Item {
            name: named.name.clone(),
            fragment: column(*at)?,
            seen: Seen::default(),
        });
    }
    let last: Result<Vec<String>, SqlError> =
        then_by.iter().map(|at| Ok(column(*at)?.key())).collect();
    let last = last?;

    let scope = Scope {
        sources: vec![source],
        outer: None,
    };
    let place = Place::new(&scope, Clause::Where, Aggregates::No);
    let filter = match &pick.filter {
        Some(filter) => format!(" WHERE {}", planner.condition(place, filter)?),
        None => String::new(),
    };
    let place = Place::new(&scope, Clause::OrderBy, Aggregates::No);
    let mut keys = Vec::new();
    for by in &pick.order_by {
        let key = select::order_key(&planner.expression(place, &by.expr)?);
        keys.push(format!("{key}{}", aggregate::direction(by)?));
    }
    keys.extend(last);
    let order = if keys.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {}", keys.join(","))
    };
    let limit = pick.limit.map(|limit| limit_sql(limit.rows, limit.offset));
    let rows = rows::Rows {
        with: String::new(),
        distinct: false,
        items,
        tail: format!(" FROM b0 AS t0{filter}"),
        order,
        limit: limit.unwrap_or_default(),
    };
    let columns = output.iter().map(|(_, column)| column.clone()).collect();
    Ok(planner.finish(columns, rows.kinds(), rows.as_is()))
}

impl Planner<'_> {
    fn finish(self, columns: Vec<Column>, results: Vec<Type>, sql: String) -> Plan {
        let tables = self.tables;
        let needed = self.needed.into_tables().map(|(at, columns)| {
            let types = columns.iter().map(|column| {
                let known = tables.get(at).and_then(|table| table.columns.get(*column));
                known.map_or(Type::Null, |column| Type::of(column.kind))
            });
            PlannedTable {
                table: at,
                types: types.collect(),
                columns: columns.into_iter().collect(),
            }
        });
        Plan {
            columns,
            tables: needed.collect(),
            sql,
            results,
        }
    }
}
