//! From sqlparser's tree to SQLite's text: names, types, and what is asked of which table.

use std::collections::BTreeSet;

use sqlparser::ast::Query;

use super::{Context, Pick, Table};
use crate::table::Column;
use crate::wire::answer::SqlError;

/// What SQLite is to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The columns of the result.
    pub columns: Vec<Column>,
    /// What must be in the database before it runs.
    pub tables: Vec<PlannedTable>,
}

/// A table, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTable {
    /// Its position among the tables that the plan was made with.
    pub table: usize,
    /// The positions of the columns that are needed, each one once; of aliases the column that they mean.
    pub columns: Vec<usize>,
}

/// The names in a statement, in lower case, before it is known what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Tables of [`super::SCHEMA`].
    pub tables: BTreeSet<String>,
    /// Tables of others, as they are written.
    pub others: BTreeSet<String>,
    /// All that may be a column.
    pub columns: BTreeSet<String>,
    /// There is a `*`, or a table's: all columns are needed.
    pub all_columns: bool,
}

/// The names in a query.
pub fn names(_query: &Query) -> Names {
    Names::default()
}

/// The names in what picks rows.
pub fn names_in_pick(_pick: &super::Pick) -> Names {
    Names::default()
}

/// Plans a SELECT over `tables`.
///
/// # Errors
/// As the client is to read them: a name that is unknown (1054, 1146) or ambiguous (1052), or something that is
/// not translated (1235).
pub fn plan_query(_query: &Query, _tables: &[Table], _context: &Context) -> Result<Plan, SqlError> {
    Err(SqlError::new(1235, "not yet"))
}

/// Plans to pick rows of one table: the result has the columns at `output`, under the names there. Rows that
/// `ORDER BY` does not tell apart come in the order of the columns at `then_by`.
///
/// # Errors
/// As [`plan_query`].
pub fn plan_pick(
    _pick: &Pick,
    _table: &Table,
    _output: &[(usize, Column)],
    _then_by: &[usize],
    _context: &Context,
) -> Result<Plan, SqlError> {
    Err(SqlError::new(1235, "not yet"))
}
