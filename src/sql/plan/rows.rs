//! What a query gives: columns with names and types, and SQLite's text that gives them.

use super::fragment::{Fragment, Ground, Type};
use super::planner::Item;
use super::refusal::wrong_column_count;
use super::scope::SourceColumn;
use crate::wire::answer::SqlError;

/// A query that has been translated. Its columns are `c0`, `c1`, … for what is around it.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// `WITH … `, or nothing.
    pub(super) with: String,
    pub(super) distinct: bool,
    pub(super) items: Vec<Item>,
    /// ` FROM … WHERE … GROUP BY … HAVING …`
    pub(super) tail: String,
    /// ` ORDER BY …`, or nothing.
    pub(super) order: String,
    /// ` LIMIT …`, or nothing.
    pub(super) limit: String,
}

impl Rows {
    /// The types of its columns.
    pub(super) fn kinds(&self) -> Vec<Type> {
        self.items.iter().map(|item| item.fragment.kind).collect()
    }

    /// Whether it can be part of a compound as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.with.is_empty() && self.order.is_empty() && self.limit.is_empty()
    }

    /// SQLite's text.
    pub(super) fn as_is(&self) -> String {
        let items = self.items.iter().map(|item| item.fragment.key());
        self.text(items)
    }

    /// SQLite's text, with its columns ready to be compared.
    pub(super) fn on(&self, grounds: &[Ground]) -> Result<String, SqlError> {
        let items = self.items.iter().zip(grounds);
        let items: Result<Vec<String>, _> = items
            .map(|(item, ground)| item.fragment.on(*ground))
            .collect();
        Ok(self.text(items?.into_iter()))
    }

    fn text(&self, items: impl Iterator<Item = String>) -> String {
        let items: Vec<String> = items
            .enumerate()
            .map(|(at, item)| format!("{item} AS c{at}"))
            .collect();
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let Self {
            with,
            tail,
            order,
            limit,
            ..
        } = self;
        format!(
            "{with}SELECT {distinct}{}{tail}{order}{limit}",
            items.join(",")
        )
    }

    /// The same rows with columns of other types.
    pub(super) fn into_kinds(mut self, kinds: &[Type]) -> Result<Self, SqlError> {
        for (item, kind) in self.items.iter_mut().zip(kinds) {
            item.fragment = item.fragment.clone().into_kind(*kind)?;
        }
        Ok(self)
    }

    /// As a table keeps them.
    pub(super) fn settled(self) -> Result<Self, SqlError> {
        let kinds: Vec<Type> = self.kinds().into_iter().map(Type::settled).collect();
        self.into_kinds(&kinds)
    }

    /// Its columns as those of a source, under other names when there are any.
    pub(super) fn source_columns(&self, names: Vec<String>) -> Result<Vec<SourceColumn>, SqlError> {
        if !names.is_empty() && names.len() != self.items.len() {
            return Err(wrong_column_count(names.len()));
        }
        let mut columns: Vec<SourceColumn> = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            let name = names.get(at).unwrap_or(&item.name).clone();
            if columns
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(&name))
            {
                return Err(SqlError::new(
                    1060,
                    format!("Duplicate column name '{name}'"),
                ));
            }
            columns.push(SourceColumn {
                name,
                kind: item.fragment.kind,
                shown: true,
                sql: format!("c{at}"),
                of_table: None,
                merged: false,
            });
        }
        Ok(columns)
    }
}

impl Item {
    /// Columns of a source by their names.
    pub(super) fn of(source: &str, columns: &[SourceColumn]) -> Vec<Self> {
        let columns = columns.iter();
        columns
            .map(|column| Self {
                name: column.name.clone(),
                fragment: Fragment::new(format!("{source}.{}", column.sql), column.kind),
                seen: super::planner::Seen::default(),
            })
            .collect()
    }
}
