//! SELECT: its columns, and what its clauses see.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, NamedWindowExpr, OrderByExpr, Select, SelectItem,
    SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};

use super::aggregate::direction;
use super::expression::bare;
use super::fragment::Fragment;
use super::number::literal_whole;
use super::planner::{Aggregates, Item, Place, Planner, Seen};
use super::refusal::{Clause, misplaced_aggregate, not_evaluated, unknown_column, unknown_table};
use super::rows::Rows;
use super::scope::{Name, Scope, Source, identifiers};
use crate::wire::answer::SqlError;

impl Planner<'_> {
    /// A SELECT, and the ORDER BY behind it.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order_by: &[OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<Rows, SqlError> {
        refuse_clauses(select)?;
        let around = (std::mem::take(&mut self.windows), self.seen);
        self.seen = Seen::default();
        let rows = self.select_inside(select, order_by, outer)?;
        (self.windows, self.seen) = around;
        Ok(rows)
    }

    fn select_inside(
        &mut self,
        select: &Select,
        order_by: &[OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<Rows, SqlError> {
        let mut scope = Scope {
            sources: Vec::new(),
            outer,
        };
        let from = self.from(&mut scope, &select.from)?;
        for window in &select.named_window {
            match &window.1 {
                NamedWindowExpr::WindowSpec(spec) => {
                    self.windows.push((window.0.value.clone(), spec.clone()));
                }
                NamedWindowExpr::NamedWindow(_) => {
                    return Err(not_evaluated("a window that is made from another"));
                }
            }
        }
        let scope = &scope;
        let mut conditions = Vec::new();
        if let Some(condition) = &select.selection {
            let place = Place::new(scope, Clause::Where, Aggregates::No);
            conditions.push(self.condition(place, condition)?);
        }
        let items = self.items(scope, &select.projection)?;
        let groups = self.groups(scope, &items, &select.group_by)?;
        let order = self.order(scope, &items, order_by)?;
        let having = match &select.having {
            Some(having) => Some(self.having(scope, &items, &groups, having)?),
            None => None,
        };

        let is_grouped = !groups.is_empty() || self.seen.aggregates;
        let mut tail = String::new();
        if !from.is_empty() {
            tail.push_str(&format!(" FROM {from}"));
        }
        let mut having = having;
        if !is_grouped {
            // Without groups, MySQL's HAVING is a second WHERE.
            conditions.extend(having.take());
        }
        if !conditions.is_empty() {
            tail.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        if !groups.is_empty() {
            let keys: Vec<String> = groups.iter().map(order_key).collect();
            tail.push_str(&format!(" GROUP BY {}", keys.join(",")));
        }
        if let Some(having) = having {
            tail.push_str(&format!(" HAVING {having}"));
        }
        Ok(Rows {
            with: String::new(),
            distinct: matches!(select.distinct, Some(Distinct::Distinct)),
            items,
            tail,
            order,
            limit: String::new(),
        })
    }

    fn items(
        &mut self,
        scope: &Scope<'_>,
        projection: &[SelectItem],
    ) -> Result<Vec<Item>, SqlError> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    items.push(self.item(scope, expr, name_of(expr))?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(self.item(scope, expr, alias.value.clone())?);
                }
                SelectItem::Wildcard(options) if is_plain(options) => {
                    if scope.sources.is_empty() {
                        return Err(SqlError::new(1096, "No tables used"));
                    }
                    // The columns of USING come first.
                    let all = || scope.sources.iter();
                    let is_merged = |name: &str| {
                        all().any(|source| {
                            let mut columns = source.columns.iter();
                            columns.any(|c| c.merged && c.name.eq_ignore_ascii_case(name))
                        })
                    };
                    for of_using in [true, false] {
                        for source in all() {
                            self.wildcard(&mut items, source, |name, merged| {
                                !merged && is_merged(name) == of_using
                            });
                        }
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) if is_plain(options) => {
                    let idents = identifiers(name)?;
                    let (schema, table) = match &idents[..] {
                        [table] => (None, &table.value),
                        [schema, table] => (Some(schema.value.as_str()), &table.value),
                        _ => return Err(not_evaluated("a name of so many parts")),
                    };
                    let mut sources = scope.sources.iter();
                    let source = sources.find(|source| source.is(schema, table));
                    let source = source.ok_or_else(|| unknown_table(&name.to_string()))?;
                    self.wildcard(&mut items, source, |_, _| true);
                }
                other => return Err(not_evaluated(format_args!("'{other}' as a column"))),
            }
        }
        Ok(items)
    }

    fn item(&mut self, scope: &Scope<'_>, expr: &Expr, name: String) -> Result<Item, SqlError> {
        let around = std::mem::take(&mut self.seen);
        let place = Place::new(scope, Clause::Fields, Aggregates::WithWindows);
        let fragment = self.expression(place, expr)?;
        let seen = std::mem::replace(&mut self.seen, around);
        self.seen.aggregates |= seen.aggregates;
        self.seen.windows |= seen.windows;
        Ok(Item {
            name,
            fragment,
            seen,
        })
    }

    /// The columns of a source that `*` shows and that are `wanted` by name, and by being merged into another.
    fn wildcard(
        &mut self,
        items: &mut Vec<Item>,
        source: &Source,
        wanted: impl Fn(&str, bool) -> bool,
    ) {
        let shown = source.columns.iter().filter(|column| column.shown);
        for column in shown.filter(|column| wanted(&column.name, column.merged)) {
            if let Some(column) = column.of_table {
                self.needed.column(column);
            }
            items.extend(Item::of(&source.sql, std::slice::from_ref(column)));
        }
    }

    fn groups(
        &mut self,
        scope: &Scope<'_>,
        items: &[Item],
        by: &GroupByExpr,
    ) -> Result<Vec<Fragment>, SqlError> {
        let GroupByExpr::Expressions(exprs, modifiers) = by else {
            return Err(not_evaluated("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(not_evaluated("GROUP BY … WITH ROLLUP"));
        }
        let place = Place {
            items,
            ..Place::new(scope, Clause::GroupBy, Aggregates::No)
        };
        let mut groups = Vec::new();
        for expr in exprs {
            let group = match position(expr, items, Clause::GroupBy)? {
                Some(at) => items[at].fragment.clone(),
                None => self.expression(place, expr)?,
            };
            let computed = |item: &&Item| item.seen.aggregates || item.seen.windows;
            let mut computed = items.iter().filter(computed);
            if let Some(item) = computed.find(|item| item.fragment == group) {
                return Err(SqlError::new(
                    1056,
                    format!("Can't group on '{}'", item.name),
                ));
            }
            groups.push(group);
        }
        Ok(groups)
    }

    fn having(
        &mut self,
        scope: &Scope<'_>,
        items: &[Item],
        groups: &[Fragment],
        having: &Expr,
    ) -> Result<String, SqlError> {
        // Those of the groups have no name of their own, but HAVING sees their columns.
        let mut items = items.to_vec();
        items.extend(groups.iter().map(|group| Item {
            name: String::new(),
            fragment: group.clone(),
            seen: Seen::default(),
        }));
        let place = Place {
            items: &items,
            ..Place::new(scope, Clause::Having, Aggregates::Allowed)
        };
        self.condition(place, having)
    }

    /// ` ORDER BY …`: names are those of the SELECT's columns first, but within an expression of the tables'.
    pub(super) fn order(
        &mut self,
        scope: &Scope<'_>,
        items: &[Item],
        by: &[OrderByExpr],
    ) -> Result<String, SqlError> {
        let place = Place {
            items,
            ..Place::new(scope, Clause::OrderBy, Aggregates::WithWindows)
        };
        let mut keys = Vec::new();
        for by in by {
            let known = match position(&by.expr, items, Clause::OrderBy)? {
                Some(at) => Some(at),
                None => match bare(&by.expr) {
                    Expr::Identifier(ident) => items
                        .iter()
                        .position(|item| item.name.eq_ignore_ascii_case(&ident.value)),
                    _ => None,
                },
            };
            let key = match known {
                Some(at) => (at + 1).to_string(),
                None => order_key(&self.expression(place, &by.expr)?),
            };
            keys.push(format!("{key}{}", direction(by)?));
        }
        Ok(if keys.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", keys.join(","))
        })
    }
}

/// A key to order or group by. SQLite takes a number that is written out for a position; as a constant it tells
/// no rows apart.
pub(super) fn order_key(fragment: &Fragment) -> String {
    if fragment.sql.bytes().all(|byte| byte.is_ascii_digit()) {
        return "NULL".to_owned();
    }
    fragment.key()
}

/// The position of a column that is named by number, from 0 on.
fn position(expr: &Expr, items: &[Item], clause: Clause) -> Result<Option<usize>, SqlError> {
    let Expr::Value(_) = expr else {
        return Ok(None);
    };
    let Some(number) = literal_whole(expr) else {
        return Ok(None);
    };
    let at = usize::try_from(number)
        .ok()
        .and_then(|at| at.checked_sub(1));
    match at.filter(|at| *at < items.len()) {
        Some(at) => Ok(Some(at)),
        None => Err(unknown_column(&number.to_string(), clause)),
    }
}

/// The name of a column that has no alias: as it is written.
fn name_of(expr: &Expr) -> String {
    match bare(expr) {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => match Name::of(parts) {
            Ok(name) => name.column.to_owned(),
            Err(_) => expr.to_string(),
        },
        Expr::Value(value) => match super::expression::literal_text(expr) {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    opt_ilike.is_none()
        && opt_exclude.is_none()
        && opt_except.is_none()
        && opt_replace.is_none()
        && opt_rename.is_none()
        && opt_alias.is_none()
}

fn refuse_clauses(select: &Select) -> Result<(), SqlError> {
    let refused = [
        (select.into.is_some(), "SELECT … INTO"),
        (
            matches!(select.distinct, Some(Distinct::On(_))),
            "DISTINCT ON",
        ),
        (select.top.is_some(), "TOP"),
        (select.exclude.is_some(), "EXCLUDE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.value_table_mode.is_some(), "SELECT AS"),
        (
            select
                .select_modifiers
                .as_ref()
                .is_some_and(|modifiers| modifiers.sql_calc_found_rows),
            "SQL_CALC_FOUND_ROWS",
        ),
    ];
    match refused.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(not_evaluated(what)),
        None => Ok(()),
    }
}

/// Aggregates where there are no groups to make.
pub(super) fn refuse_aggregates(seen: Seen) -> Result<(), SqlError> {
    if seen.aggregates {
        return Err(misplaced_aggregate());
    }
    Ok(())
}
