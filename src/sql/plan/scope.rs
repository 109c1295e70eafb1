//! Names: which column of which table an identifier means, in MySQL's order of search.

use std::collections::BTreeSet;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::fragment::{Fragment, Type};
use super::refusal::{Clause, ambiguous_column, not_evaluated, unknown_column};
use crate::sql::SCHEMA;
use crate::wire::answer::SqlError;

/// A column of a source.
#[derive(Debug, Clone)]
pub(super) struct SourceColumn {
    /// As `*` names it; found in any letter case.
    pub(super) name: String,
    pub(super) kind: Type,
    /// Whether `*` shows it.
    pub(super) shown: bool,
    /// Its name in SQLite's text, without its table's.
    pub(super) sql: String,
    /// Of one of obwarden's tables: that table's position, and the column's.
    pub(super) of_table: Option<(usize, usize)>,
    /// Another column of the same name stands for it where no table is named: USING has made them one.
    pub(super) merged: bool,
}

/// A table, a derived table or a common table expression in FROM.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// As other parts of the statement name it.
    pub(super) name: String,
    /// Whether it may be named as `obwarden.name`.
    pub(super) in_schema: bool,
    /// Its name in SQLite's text.
    pub(super) sql: String,
    pub(super) columns: Vec<SourceColumn>,
}

impl Source {
    pub(super) fn is(&self, schema: Option<&str>, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            && schema.is_none_or(|schema| self.in_schema && schema.eq_ignore_ascii_case(SCHEMA))
    }
}

/// What is in FROM, and around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'s> {
    pub(super) sources: Vec<Source>,
    /// Of a subquery: what its outer query has.
    pub(super) outer: Option<&'s Scope<'s>>,
}

/// A column that a name means.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) fragment: Fragment,
    pub(super) of_table: Option<(usize, usize)>,
}

impl Scope<'_> {
    /// The column that a name means here or, failing that, in an outer query.
    pub(super) fn find(&self, name: &Name<'_>, clause: Clause) -> Result<Found, SqlError> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(found) = here.find_here(name, clause)? {
                return Ok(found);
            }
            scope = here.outer;
        }
        Err(unknown_column(&name.to_string(), clause))
    }

    /// The column that a name means here.
    pub(super) fn find_here(
        &self,
        name: &Name<'_>,
        clause: Clause,
    ) -> Result<Option<Found>, SqlError> {
        let mut found = None;
        let sources = self
            .sources
            .iter()
            .filter(|source| name.table.is_none_or(|table| source.is(name.schema, table)));
        for source in sources {
            for column in &source.columns {
                if !column.name.eq_ignore_ascii_case(name.column)
                    || (column.merged && name.table.is_none())
                {
                    continue;
                }
                if found.is_some() {
                    return Err(ambiguous_column(&name.to_string(), clause));
                }
                found = Some(Found {
                    fragment: Fragment::new(format!("{}.{}", source.sql, column.sql), column.kind),
                    of_table: column.of_table,
                });
            }
        }
        Ok(found)
    }
}

/// `[[schema.]table.]column`
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) schema: Option<&'a str>,
    pub(super) table: Option<&'a str>,
    pub(super) column: &'a str,
}

impl<'a> Name<'a> {
    pub(super) fn of(parts: &'a [Ident]) -> Result<Self, SqlError> {
        let part = |at: usize| parts.get(at).map(|ident: &Ident| ident.value.as_str());
        let name = match parts {
            [column] => Self {
                schema: None,
                table: None,
                column: &column.value,
            },
            [_, column] => Self {
                schema: None,
                table: part(0),
                column: &column.value,
            },
            [_, _, column] => Self {
                schema: part(0),
                table: part(1),
                column: &column.value,
            },
            _ => return Err(not_evaluated("a name of so many parts")),
        };
        if parts
            .iter()
            .any(|part| part.quote_style.is_none() && part.value.starts_with('@'))
        {
            return Err(not_evaluated(format_args!("the variable {name}")));
        }
        Ok(name)
    }
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [self.schema, self.table].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(self.column)
    }
}

/// The identifiers of an object's name.
pub(super) fn identifiers(name: &ObjectName) -> Result<Vec<&Ident>, SqlError> {
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => Ok(ident),
        ObjectNamePart::Function(_) => Err(not_evaluated("a name that is computed")),
    });
    parts.collect()
}

/// Of each of obwarden's tables the columns that are needed; `None` for a table that is not used.
#[derive(Debug, Clone, Default)]
pub(super) struct Needed(Vec<Option<BTreeSet<usize>>>);

impl Needed {
    pub(super) fn of(tables: usize) -> Self {
        Self(vec![None; tables])
    }

    pub(super) fn table(&mut self, table: usize) {
        if let Some(needed) = self.0.get_mut(table) {
            needed.get_or_insert_default();
        }
    }

    pub(super) fn column(&mut self, (table, column): (usize, usize)) {
        if let Some(needed) = self.0.get_mut(table) {
            needed.get_or_insert_default().insert(column);
        }
    }

    /// The tables that are used, each with its columns.
    pub(super) fn into_tables(self) -> impl Iterator<Item = (usize, BTreeSet<usize>)> {
        let numbered = self.0.into_iter().enumerate();
        numbered.filter_map(|(table, columns)| Some((table, columns?)))
    }
}
