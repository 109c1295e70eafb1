//! What a plan knows while it is being made, and where in a statement it is.

use sqlparser::ast::WindowSpec;

use super::fragment::Fragment;
use super::refusal::{Clause, unknown_column};
use super::scope::{Found, Name, Needed, Scope, SourceColumn};
use crate::sql::{Context, Table};
use crate::wire::answer::SqlError;

/// A plan that is being made.
pub(super) struct Planner<'a> {
    pub(super) tables: &'a [Table],
    pub(super) context: &'a Context,
    pub(super) needed: Needed,
    /// The common table expressions that may be named, innermost last.
    pub(super) common: Vec<Common>,
    /// How many names have been given.
    pub(super) named: usize,
    /// Whether there may be subqueries.
    pub(super) subqueries: bool,
    /// How many queries it is in.
    pub(super) queries: usize,
    /// How deep in an expression it is.
    pub(super) depth: usize,
    /// The windows that the SELECT which is being read has named.
    pub(super) windows: Vec<(String, WindowSpec)>,
    /// Aggregates, and window functions, in the SELECT that is being read.
    pub(super) seen: Seen,
}

/// What a SELECT has that others have not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) aggregates: bool,
    pub(super) windows: bool,
}

/// A common table expression.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) columns: Vec<SourceColumn>,
}

/// A place in a statement: which names it sees, and what may stand there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'s> {
    pub(super) scope: &'s Scope<'s>,
    pub(super) clause: Clause,
    /// The columns of the SELECT, where they may be named.
    pub(super) items: &'s [Item],
    pub(super) aggregates: Aggregates,
}

/// Whether aggregates may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregates {
    Allowed,
    /// And window functions, too.
    WithWindows,
    No,
}

/// A column of a SELECT.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) fragment: Fragment,
    /// What is in it.
    pub(super) seen: Seen,
}

impl<'s> Place<'s> {
    pub(super) fn new(scope: &'s Scope<'s>, clause: Clause, aggregates: Aggregates) -> Self {
        Self {
            scope,
            clause,
            items: &[],
            aggregates,
        }
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(tables: &'a [Table], context: &'a Context) -> Self {
        Self {
            tables,
            context,
            needed: Needed::of(tables.len()),
            common: Vec::new(),
            named: 0,
            subqueries: true,
            queries: 0,
            depth: 0,
            windows: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// A name for a source.
    pub(super) fn new_name(&mut self) -> String {
        self.named += 1;
        format!("t{}", self.named)
    }

    /// The column, or the column of the SELECT, that a name means.
    pub(super) fn column(
        &mut self,
        place: Place<'_>,
        name: &Name<'_>,
    ) -> Result<Fragment, SqlError> {
        let found = match place.clause {
            Clause::Having => return self.column_of_groups(place, name),
            _ => place.scope.find_here(name, place.clause)?,
        };
        if let Some(found) = found {
            return Ok(self.need(found));
        }
        if let Some(item) = item_named(place, name) {
            return Ok(item.clone());
        }
        let found = place.scope.find(name, place.clause)?;
        Ok(self.need(found))
    }

    /// HAVING sees the columns of the SELECT first, and of the tables' those that the SELECT or GROUP BY has.
    fn column_of_groups(
        &mut self,
        place: Place<'_>,
        name: &Name<'_>,
    ) -> Result<Fragment, SqlError> {
        let here = place.scope.find_here(name, place.clause);
        if let Some(item) = item_named(place, name) {
            return Ok(item.clone());
        }
        if let Some(found) = here? {
            let is_known = place
                .items
                .iter()
                .any(|item| item.fragment == found.fragment);
            if !is_known {
                return Err(unknown_column(&name.to_string(), place.clause));
            }
            return Ok(self.need(found));
        }
        let outer = place.scope.outer;
        let found = outer.map(|outer| outer.find(name, place.clause));
        let found = found.unwrap_or_else(|| Err(unknown_column(&name.to_string(), place.clause)));
        Ok(self.need(found?))
    }

    fn need(&mut self, found: Found) -> Fragment {
        if let Some(column) = found.of_table {
            self.needed.column(column);
        }
        found.fragment
    }
}

/// The column of the SELECT that has a name; columns that only GROUP BY has are without one.
fn item_named<'s>(place: Place<'s>, name: &Name<'_>) -> Option<&'s Fragment> {
    if name.table.is_some() || name.column.is_empty() {
        return None;
    }
    let mut items = place.items.iter();
    let item = items.find(|item| item.name.eq_ignore_ascii_case(name.column))?;
    Some(&item.fragment)
}
