//! FROM: tables, derived tables, and joins of them.

use sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
};

use super::fragment::Type;
use super::planner::{Aggregates, Place, Planner};
use super::refusal::{Clause, not_evaluated, table_of_the_server, unknown_column, unknown_table};
use super::scope::{Name, Scope, Source, SourceColumn, identifiers};
use crate::sql::{SCHEMA, Shown, Table};
use crate::wire::answer::SqlError;

impl Planner<'_> {
    /// FROM as SQLite's text; its sources go into `scope`.
    pub(super) fn from(
        &mut self,
        scope: &mut Scope<'_>,
        from: &[TableWithJoins],
    ) -> Result<String, SqlError> {
        let mut parts = Vec::new();
        for table in from {
            // The comma binds less than JOIN, and ON sees only the tables of its own join.
            let mut joined = Scope {
                sources: Vec::new(),
                outer: scope.outer,
            };
            let sql = self.joined(&mut joined, table)?;
            parts.push(if from.len() > 1 && !table.joins.is_empty() {
                format!("({sql})")
            } else {
                sql
            });
            for source in joined.sources {
                check_name(scope, &source)?;
                scope.sources.push(source);
            }
        }
        Ok(parts.join(","))
    }

    fn joined(
        &mut self,
        scope: &mut Scope<'_>,
        table: &TableWithJoins,
    ) -> Result<String, SqlError> {
        let mut sql = self.factor(scope, &table.relation)?;
        for join in &table.joins {
            sql = format!("{sql} {}", self.join(scope, join)?);
        }
        Ok(sql)
    }

    fn join(&mut self, scope: &mut Scope<'_>, join: &Join) -> Result<String, SqlError> {
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::StraightJoin(constraint) => ("JOIN", constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            _ => return Err(not_evaluated("such a join")),
        };
        if join.global {
            return Err(not_evaluated("GLOBAL JOIN"));
        }
        let left = scope.sources.len();
        let right = self.factor(scope, &join.relation)?;
        let on = match constraint {
            JoinConstraint::On(condition) => {
                let place = Place::new(scope, Clause::On, Aggregates::No);
                self.condition(place, condition)?
            }
            JoinConstraint::Using(names) => self.using(scope, left, names, word == "RIGHT JOIN")?,
            JoinConstraint::None if word == "JOIN" => "1".to_owned(),
            JoinConstraint::None => return Err(not_evaluated("an outer join without ON")),
            _ => return Err(not_evaluated("NATURAL JOIN")),
        };
        Ok(format!("{word} {right} ON {on}"))
    }

    /// `USING (a, b)`: equal columns, of which each pair is one from here on.
    fn using(
        &mut self,
        scope: &mut Scope<'_>,
        left: usize,
        names: &[ObjectName],
        keep_right: bool,
    ) -> Result<String, SqlError> {
        let mut conditions = Vec::new();
        for name in names {
            let idents = identifiers(name)?;
            let [ident] = idents[..] else {
                return Err(not_evaluated("such a USING"));
            };
            let name = Name {
                schema: None,
                table: None,
                column: &ident.value,
            };
            let side = |sources: &[Source]| Scope {
                sources: sources.to_vec(),
                outer: None,
            };
            let missing = || unknown_column(&ident.value, Clause::Fields);
            let (first, second) = scope.sources.split_at(left);
            let first = side(first)
                .find_here(&name, Clause::Fields)?
                .ok_or_else(missing)?;
            let second = side(second)
                .find_here(&name, Clause::Fields)?
                .ok_or_else(missing)?;
            for found in [&first, &second] {
                if let Some(column) = found.of_table {
                    self.needed.column(column);
                }
            }
            conditions.push(super::expression::compared(
                &first.fragment,
                "=",
                &second.fragment,
            )?);
            let (from, to) = if keep_right {
                (0, left)
            } else {
                (left, scope.sources.len())
            };
            for source in &mut scope.sources[from..to] {
                for column in &mut source.columns {
                    column.merged |= column.name.eq_ignore_ascii_case(&ident.value);
                }
            }
        }
        Ok(format!("({})", conditions.join(" AND ")))
    }

    fn factor(&mut self, scope: &mut Scope<'_>, factor: &TableFactor) -> Result<String, SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_directives,
                inheritance: None,
            } if with_hints.is_empty() && partitions.is_empty() && index_directives.is_empty() => {
                let (sql, source) = self.table(name, alias.as_ref())?;
                check_name(scope, &source)?;
                scope.sources.push(source);
                Ok(sql)
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                sample: None,
            } => {
                let Some(alias) = alias else {
                    return Err(SqlError::new(
                        1248,
                        "Every derived table must have its own alias",
                    ));
                };
                let query = self.query(subquery, None, None)?.settled()?;
                let columns = query.source_columns(alias_columns(alias)?)?;
                let source = Source {
                    name: alias.name.value.clone(),
                    in_schema: false,
                    sql: self.new_name(),
                    columns,
                };
                check_name(scope, &source)?;
                let sql = format!("({}) AS {}", query.as_is(), source.sql);
                scope.sources.push(source);
                Ok(sql)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => Ok(format!("({})", self.joined(scope, table_with_joins)?)),
            other => Err(not_evaluated(format_args!("'{other}' in FROM"))),
        }
    }

    /// A table of obwarden's, or a common table expression.
    fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<(String, Source), SqlError> {
        let idents = identifiers(name)?;
        let seen_as = |name: &str| alias.map_or(name, |alias| &alias.name.value).to_owned();
        if let Some(alias) = alias
            && !alias.columns.is_empty()
        {
            return Err(not_evaluated("names of columns behind a table's alias"));
        }
        match &idents[..] {
            [schema, table] if schema.value.eq_ignore_ascii_case(SCHEMA) => {
                let position = self
                    .tables
                    .iter()
                    .position(|known| known.name.eq_ignore_ascii_case(&table.value));
                let Some(position) = position else {
                    return Err(unknown_table(&name.to_string()));
                };
                self.needed.table(position);
                let known = &self.tables[position];
                let source = Source {
                    name: seen_as(&table.value),
                    in_schema: alias.is_none(),
                    sql: self.new_name(),
                    columns: columns_of(known, position),
                };
                Ok((format!("b{position} AS {}", source.sql), source))
            }
            [table] => {
                let common = self
                    .common
                    .iter()
                    .rev()
                    .find(|common| common.name.eq_ignore_ascii_case(&table.value));
                let Some(common) = common.cloned() else {
                    return Err(table_of_the_server(&table.value));
                };
                let source = Source {
                    name: seen_as(&table.value),
                    in_schema: false,
                    sql: self.new_name(),
                    columns: common.columns,
                };
                Ok((format!("{} AS {}", common.sql, source.sql), source))
            }
            _ => Err(table_of_the_server(&name.to_string())),
        }
    }
}

/// The columns of one of obwarden's tables, as names find them.
pub(super) fn columns_of(table: &Table, position: usize) -> Vec<SourceColumn> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(at, column)| {
            let meant = match column.shown {
                Shown::AliasOf(meant) => meant,
                Shown::Yes | Shown::No => at,
            };
            let kind = table.columns.get(meant).unwrap_or(column).kind;
            SourceColumn {
                name: column.name.clone(),
                kind: Type::of(kind),
                shown: column.shown == Shown::Yes,
                sql: format!("c{meant}"),
                of_table: Some((position, meant)),
                merged: false,
            }
        })
        .collect()
}

/// The names behind an alias: `AS x (a, b)`.
pub(super) fn alias_columns(alias: &TableAlias) -> Result<Vec<String>, SqlError> {
    let names = alias.columns.iter().map(|column| match column.data_type {
        None => Ok(column.name.value.clone()),
        Some(_) => Err(not_evaluated("types behind an alias")),
    });
    names.collect()
}

fn check_name(scope: &Scope<'_>, source: &Source) -> Result<(), SqlError> {
    let taken = |known: &Source| {
        known.name.eq_ignore_ascii_case(&source.name) && known.in_schema == source.in_schema
    };
    if scope.sources.iter().any(taken) {
        return Err(SqlError::new(
            1066,
            format!("Not unique table/alias: '{}'", source.name),
        ));
    }
    Ok(())
}
