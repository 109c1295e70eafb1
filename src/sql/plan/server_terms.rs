//! What a statement says about servers: the conditions that decide whether a server needs to be asked at all.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    InTarget, JoinOperator, Query, Select, SetExpr, TableFactor,
};

use super::expression::bare;
use super::names::Walk;
use super::scope::identifiers;
use crate::sql::SCHEMA;

/// Of a query that names `obwarden.table` once, and there in a FROM of inner joins only: those conditions of
/// its WHERE, each of which every row must meet, that mention no other columns than `columns` of that table.
/// They name these without their table, so that a table of servers can be picked from with them.
pub fn server_terms(query: &Query, table: &str, columns: &[&str]) -> Option<Expr> {
    let mut walk = Walk::default();
    walk.query(query);
    let mentions = walk.mentions.iter().filter(|known| *known == table);
    if mentions.count() != 1 || query.with.is_some() {
        return None;
    }
    let SetExpr::Select(select) = &*query.body else {
        return None;
    };
    let name = name_in_from(select, table)?;
    let is_alone = select.from.len() == 1 && select.from.iter().all(|from| from.joins.is_empty());
    terms(
        select.selection.as_ref()?,
        &Columns {
            table: name,
            columns,
            unqualified: is_alone,
        },
    )
}

/// The same of a WHERE that stands by itself.
pub fn server_terms_of(filter: &Expr, table: &str, columns: &[&str]) -> Option<Expr> {
    terms(
        filter,
        &Columns {
            table,
            columns,
            unqualified: true,
        },
    )
}

/// The name under which a FROM of inner joins has the table.
fn name_in_from<'q>(select: &'q Select, table: &str) -> Option<&'q str> {
    let is_inner = |join: &sqlparser::ast::Join| {
        matches!(
            join.join_operator,
            JoinOperator::Join(_)
                | JoinOperator::Inner(_)
                | JoinOperator::CrossJoin(_)
                | JoinOperator::StraightJoin(_)
        )
    };
    let joins = || select.from.iter().flat_map(|from| &from.joins);
    if !joins().all(is_inner) {
        return None;
    }
    let factors = select.from.iter().map(|from| &from.relation);
    let mut factors = factors.chain(joins().map(|join| &join.relation));
    factors.find_map(|factor| {
        let TableFactor::Table { name, alias, .. } = factor else {
            return None;
        };
        match identifiers(name).ok()?[..] {
            [schema, known]
                if schema.value.eq_ignore_ascii_case(SCHEMA)
                    && known.value.eq_ignore_ascii_case(table) =>
            {
                let name = alias.as_ref().map_or(known, |alias| &alias.name);
                Some(name.value.as_str())
            }
            _ => None,
        }
    })
}

/// The columns that may be mentioned, and how.
struct Columns<'a> {
    table: &'a str,
    columns: &'a [&'a str],
    /// Whether they may be named without their table.
    unqualified: bool,
}

fn terms(filter: &Expr, columns: &Columns<'_>) -> Option<Expr> {
    let mut found = Vec::new();
    let mut rest = vec![filter];
    while let Some(expr) = rest.pop() {
        match bare(expr) {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => rest.extend([&**right, &**left]),
            term => found.extend(columns.only(term, &mut 0)),
        }
    }
    found.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    })
}

/// Terms that are nested deeper are left to the database.
const DEPTH_MAX: usize = 50;

impl Columns<'_> {
    /// The expression with its columns' bare names, if it mentions no others.
    fn only(&self, expr: &Expr, depth: &mut usize) -> Option<Expr> {
        *depth += 1;
        let known = if *depth > DEPTH_MAX {
            None
        } else {
            self.only_inside(expr, depth)
        };
        *depth -= 1;
        known
    }

    fn only_inside(&self, expr: &Expr, depth: &mut usize) -> Option<Expr> {
        let mut boxed = |expr: &Expr| self.only(expr, depth).map(Box::new);
        Some(match expr {
            Expr::Identifier(ident) if self.unqualified => self.column(ident)?,
            Expr::CompoundIdentifier(parts) => match &parts[..] {
                [table, column] if table.value.eq_ignore_ascii_case(self.table) => {
                    self.column(column)?
                }
                [schema, table, column]
                    if schema.value.eq_ignore_ascii_case(SCHEMA)
                        && table.value.eq_ignore_ascii_case(self.table) =>
                {
                    self.column(column)?
                }
                _ => return None,
            },
            Expr::Value(value) => Expr::Value(value.clone()),
            Expr::Nested(expr) => Expr::Nested(boxed(expr)?),
            Expr::BinaryOp { left, op, right } => Expr::BinaryOp {
                left: boxed(left)?,
                op: op.clone(),
                right: boxed(right)?,
            },
            Expr::UnaryOp { op, expr } => Expr::UnaryOp {
                op: *op,
                expr: boxed(expr)?,
            },
            Expr::IsNull(expr) => Expr::IsNull(boxed(expr)?),
            Expr::IsNotNull(expr) => Expr::IsNotNull(boxed(expr)?),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => Expr::Between {
                expr: boxed(expr)?,
                negated: *negated,
                low: boxed(low)?,
                high: boxed(high)?,
            },
            Expr::In {
                expr,
                target: InTarget::List(list),
                negated,
                global,
            } => {
                let expr = boxed(expr)?;
                let list: Option<Vec<Expr>> =
                    list.iter().map(|one| self.only(one, depth)).collect();
                Expr::In {
                    expr,
                    target: InTarget::List(list?),
                    negated: *negated,
                    global: *global,
                }
            }
            Expr::Like {
                negated,
                any,
                expr,
                pattern,
                escape_char,
            } => Expr::Like {
                negated: *negated,
                any: *any,
                expr: boxed(expr)?,
                pattern: boxed(pattern)?,
                escape_char: escape_char.clone(),
            },
            Expr::RLike {
                negated,
                expr,
                pattern,
                regexp,
            } => Expr::RLike {
                negated: *negated,
                expr: boxed(expr)?,
                pattern: boxed(pattern)?,
                regexp: *regexp,
            },
            Expr::Function(function) => Expr::Function(self.function(function, depth)?),
            _ => return None,
        })
    }

    fn column(&self, ident: &Ident) -> Option<Expr> {
        let mut columns = self.columns.iter();
        let known = columns.any(|column| ident.value.eq_ignore_ascii_case(column));
        known.then(|| Expr::Identifier(ident.clone()))
    }

    /// A call of a function that gives the same for the same arguments, as all do that a plan translates.
    fn function(&self, function: &Function, depth: &mut usize) -> Option<Function> {
        let mut function = function.clone();
        if function.over.is_some() {
            return None;
        }
        let FunctionArguments::List(list) = &mut function.args else {
            return None;
        };
        for argument in &mut list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
                return None;
            };
            *expr = self.only(expr, depth)?;
        }
        Some(function)
    }
}
