//! A whole query: WITH, UNION and its kin, ORDER BY and LIMIT.

use sqlparser::ast::{
    Expr, LimitClause, OrderByExpr, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Value,
    With,
};

use super::expression::bare;
use super::fragment::Type;
use super::from::alias_columns;
use super::number::literal_whole;
use super::planner::{Common, Item, Place, Planner, Seen};
use super::refusal::{not_evaluated, too_deep};
use super::rows::Rows;
use super::scope::{Scope, Source};
use crate::wire::answer::SqlError;

/// How deep queries may be nested.
const QUERY_DEPTH_MAX: usize = 30;

impl Planner<'_> {
    /// A subquery of an expression.
    pub(super) fn subquery(&mut self, place: Place<'_>, query: &Query) -> Result<Rows, SqlError> {
        if !self.subqueries {
            return Err(not_evaluated("a subquery in the WHERE of such a statement"));
        }
        self.query(query, Some(place.scope), None)
    }

    /// A query. Without a LIMIT of its own it gives at most `rows_max` rows.
    pub(super) fn query(
        &mut self,
        query: &Query,
        outer: Option<&Scope<'_>>,
        rows_max: Option<u64>,
    ) -> Result<Rows, SqlError> {
        self.queries += 1;
        if self.queries > QUERY_DEPTH_MAX {
            return Err(too_deep());
        }
        refuse_clauses(query)?;
        let known = self.common.len();
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let order_by = match query.order_by.as_ref() {
            None => &[][..],
            Some(order_by) => match &order_by.kind {
                OrderByKind::Expressions(by) if order_by.interpolate.is_none() => by,
                _ => return Err(not_evaluated("such an ORDER BY")),
            },
        };
        let mut rows = self.body(&query.body, order_by, outer)?;
        let limit = match &query.limit_clause {
            Some(limit) => limit_of(limit)?,
            None => rows_max
                .map(|rows| format!(" LIMIT {}", to_sqlite(rows)))
                .unwrap_or_default(),
        };
        // A query in parentheses may have a LIMIT and a WITH already.
        if !rows.limit.is_empty() && !limit.is_empty() {
            rows = self.as_table(rows)?;
        }
        if !limit.is_empty() {
            rows.limit = limit;
        }
        if !with.is_empty() {
            if !rows.with.is_empty() {
                rows = self.as_table(rows)?;
            }
            rows.with = with;
        }
        self.common.truncate(known);
        self.queries -= 1;
        Ok(rows)
    }

    /// `WITH name AS (…), …`
    fn with(&mut self, with: &With) -> Result<String, SqlError> {
        if with.recursive {
            return Err(not_evaluated("WITH RECURSIVE"));
        }
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            if cte.from.is_some() || cte.materialized.is_some() {
                return Err(not_evaluated("such a WITH"));
            }
            let rows = self.query(&cte.query, None, None)?.settled()?;
            let columns = rows.source_columns(alias_columns(&cte.alias)?)?;
            let sql = self.new_name();
            parts.push(format!("{sql} AS ({})", rows.as_is()));
            self.common.push(Common {
                name: cte.alias.name.value.clone(),
                sql,
                columns,
            });
        }
        Ok(format!("WITH {} ", parts.join(",")))
    }

    fn body(
        &mut self,
        body: &SetExpr,
        order_by: &[OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<Rows, SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by, outer),
            SetExpr::Query(query) => {
                let rows = self.query(query, outer, None)?;
                if order_by.is_empty() {
                    return Ok(rows);
                }
                self.ordered(rows, order_by)
            }
            SetExpr::SetOperation { .. } => {
                let rows = self.compound(body, outer)?;
                self.ordered(rows, order_by)
            }
            SetExpr::Values(_) => Err(not_evaluated("VALUES")),
            SetExpr::Table(_) => Err(not_evaluated("TABLE")),
            _ => Err(not_evaluated("such a query")),
        }
    }

    /// `a UNION b EXCEPT c`: the branches' columns have common types.
    fn compound(&mut self, body: &SetExpr, outer: Option<&Scope<'_>>) -> Result<Rows, SqlError> {
        let mut parts = Vec::new();
        let mut rest = body;
        while let SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } = rest
        {
            parts.push((operator(*op, *set_quantifier)?, &**right));
            rest = left;
        }
        parts.push(("", rest));
        let mut branches = Vec::new();
        for (operator, body) in parts.into_iter().rev() {
            branches.push((operator, self.body(body, &[], outer)?));
        }
        let first = match branches.first() {
            Some((_, first)) => first.clone(),
            None => return Err(not_evaluated("such a query")),
        };
        let mut kinds = vec![Type::Null; first.items.len()];
        for (_, rows) in &branches {
            if rows.items.len() != kinds.len() {
                return Err(SqlError::new(
                    1222,
                    "The used SELECT statements have a different number of columns",
                ));
            }
            for (kind, of_branch) in kinds.iter_mut().zip(rows.kinds()) {
                *kind = kind.or(of_branch).settled();
            }
        }
        let mut sql = String::new();
        for (operator, rows) in branches {
            let rows = if rows.is_plain() {
                rows
            } else {
                self.as_table(rows)?
            };
            sql.push_str(operator);
            sql.push_str(&rows.into_kinds(&kinds)?.as_is());
        }
        let named = self.new_name();
        let items = first.items.iter().zip(&kinds).enumerate();
        let items = items.map(|(at, (item, kind))| Item {
            name: item.name.clone(),
            fragment: super::fragment::Fragment::new(format!("{named}.c{at}"), *kind),
            seen: Seen::default(),
        });
        Ok(Rows {
            with: String::new(),
            distinct: false,
            items: items.collect(),
            tail: format!(" FROM ({sql}) AS {named}"),
            order: String::new(),
            limit: String::new(),
        })
    }

    /// The same rows in an order that names only their columns.
    fn ordered(&mut self, rows: Rows, order_by: &[OrderByExpr]) -> Result<Rows, SqlError> {
        if order_by.is_empty() {
            return Ok(rows);
        }
        let mut rows = self.as_table(rows)?;
        let seen = std::mem::take(&mut self.seen);
        rows.order = self.order(&Scope::default(), &rows.items, order_by)?;
        super::select::refuse_aggregates(self.seen)?;
        self.seen = seen;
        Ok(rows)
    }

    /// `SELECT c0, c1, … FROM (…)`
    fn as_table(&mut self, rows: Rows) -> Result<Rows, SqlError> {
        let source = Source {
            name: String::new(),
            in_schema: false,
            sql: self.new_name(),
            columns: Vec::new(),
        };
        let text = rows.as_is();
        let items = rows.items.into_iter().enumerate();
        let items = items.map(|(at, item)| Item {
            fragment: super::fragment::Fragment::new(
                format!("{}.c{at}", source.sql),
                item.fragment.kind,
            ),
            seen: Seen::default(),
            name: item.name,
        });
        Ok(Rows {
            with: String::new(),
            distinct: false,
            items: items.collect(),
            tail: format!(" FROM ({text}) AS {}", source.sql),
            order: String::new(),
            limit: String::new(),
        })
    }
}

fn operator(op: SetOperator, quantifier: SetQuantifier) -> Result<&'static str, SqlError> {
    Ok(match (op, quantifier) {
        (SetOperator::Union, SetQuantifier::All) => " UNION ALL ",
        (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => " UNION ",
        (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => " EXCEPT ",
        (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => " INTERSECT ",
        _ => return Err(not_evaluated(format_args!("{op} {quantifier}"))),
    })
}

fn limit_of(limit: &LimitClause) -> Result<String, SqlError> {
    let (rows, offset) = match limit {
        LimitClause::LimitOffset {
            limit: Some(rows),
            offset,
            limit_by,
        } if limit_by.is_empty() => (rows, offset.as_ref().map(|offset| &offset.value)),
        LimitClause::OffsetCommaLimit { offset, limit } => (limit, Some(offset)),
        _ => return Err(not_evaluated("such a LIMIT")),
    };
    let offset = match offset {
        Some(offset) => count(offset)?,
        None => 0,
    };
    Ok(limit_sql(count(rows)?, offset))
}

/// ` LIMIT …`
pub(super) fn limit_sql(rows: u64, offset: u64) -> String {
    format!(" LIMIT {} OFFSET {}", to_sqlite(rows), to_sqlite(offset))
}

/// SQLite's numbers have a sign.
fn to_sqlite(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn count(expr: &Expr) -> Result<u64, SqlError> {
    let refused = || not_evaluated("a LIMIT that is no whole number");
    if let Some(rows) = literal_whole(expr) {
        return u64::try_from(rows).map_err(|_| refused());
    }
    match bare(expr) {
        Expr::Value(value) => match &value.value {
            // What is only prepared is not run.
            Value::Placeholder(_) => Ok(1),
            // Many a driver sends parameters as texts.
            Value::SingleQuotedString(digits) => digits.parse().map_err(|_| refused()),
            // Such as 18446744073709551615.
            other => other.to_string().parse().map_err(|_| refused()),
        },
        _ => Err(refused()),
    }
}

fn refuse_clauses(query: &Query) -> Result<(), SqlError> {
    let refused = [
        (query.fetch.is_some(), "FETCH"),
        (!query.locks.is_empty(), "FOR UPDATE or FOR SHARE"),
        (query.for_clause.is_some(), "FOR"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT"),
        (!query.pipe_operators.is_empty(), "|>"),
    ];
    match refused.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(not_evaluated(what)),
        None => Ok(()),
    }
}
