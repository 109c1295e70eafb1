//! The names in a statement, before it is known which tables there are and what they have.
//!
//! They decide which columns are asked of the servers, so that there may be too many of them, but none too few.
//! What a plan refuses anyway is not looked into.

use std::collections::BTreeSet;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, GroupByExpr, InTarget, JoinConstraint, JoinOperator, NamedWindowExpr,
    ObjectName, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, WindowSpec, WindowType,
};

use super::expression::bare;
use super::scope::identifiers;
use crate::sql::SCHEMA;

/// The names in a statement, in lower case, before it is known what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Tables of [`crate::sql::SCHEMA`].
    pub tables: BTreeSet<String>,
    /// Tables of others, as they are written.
    pub others: BTreeSet<String>,
    /// All that may be a column.
    pub columns: BTreeSet<String>,
    /// There is a `*`, or a table's: all columns are needed.
    pub all_columns: bool,
}

/// The names in a query.
pub fn names(query: &Query) -> Names {
    let mut walk = Walk::default();
    walk.query(query);
    walk.names
}

/// The names in expressions, of which none may have a subquery.
pub fn names_of<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Names {
    let mut walk = Walk::default();
    for expr in exprs {
        walk.expr(expr);
    }
    walk.names
}

/// A walk through a statement.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) names: Names,
    /// The tables of obwarden's that it has come by, each time.
    pub(super) mentions: Vec<String>,
    /// The names of common table expressions, which are no tables.
    common: Vec<String>,
}

impl Walk {
    pub(super) fn query(&mut self, query: &Query) {
        let known = self.common.len();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                if with.recursive {
                    self.common.push(cte.alias.name.value.to_ascii_lowercase());
                }
                self.query(&cte.query);
                self.common.push(cte.alias.name.value.to_ascii_lowercase());
            }
        }
        self.body(&query.body);
        if let Some(order_by) = &query.order_by
            && let OrderByKind::Expressions(by) = &order_by.kind
        {
            self.order_by(by);
        }
        self.common.truncate(known);
    }

    fn body(&mut self, body: &SetExpr) {
        let mut rest = body;
        while let SetExpr::SetOperation { left, right, .. } = rest {
            self.body(right);
            rest = left;
        }
        match rest {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            _ => {}
        }
    }

    fn select(&mut self, select: &Select) {
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    self.expr(expr);
                }
                _ => self.names.all_columns = true,
            }
        }
        for table in &select.from {
            self.joined(table);
        }
        let GroupByExpr::Expressions(groups, _) = &select.group_by else {
            return;
        };
        self.exprs(groups);
        self.exprs(select.selection.iter().chain(&select.having));
        for window in &select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &window.1 {
                self.window(spec);
            }
        }
    }

    fn joined(&mut self, table: &TableWithJoins) {
        self.factor(&table.relation);
        for join in &table.joins {
            self.factor(&join.relation);
            match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::StraightJoin(constraint) => self.constraint(constraint),
                _ => {}
            }
        }
    }

    fn constraint(&mut self, constraint: &JoinConstraint) {
        match constraint {
            JoinConstraint::On(condition) => self.expr(condition),
            JoinConstraint::Using(names) => {
                for ident in names
                    .iter()
                    .filter_map(|name| identifiers(name).ok())
                    .flatten()
                {
                    self.column(&ident.value);
                }
            }
            _ => {}
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, .. } => self.table(name),
            TableFactor::Derived { subquery, .. } => self.query(subquery),
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => self.joined(table_with_joins),
            _ => {}
        }
    }

    fn table(&mut self, name: &ObjectName) {
        match identifiers(name).as_deref() {
            Ok([schema, table]) if schema.value.eq_ignore_ascii_case(SCHEMA) => {
                let table = table.value.to_ascii_lowercase();
                self.mentions.push(table.clone());
                self.names.tables.insert(table);
            }
            Ok([table]) if self.common.contains(&table.value.to_ascii_lowercase()) => {}
            _ => {
                self.names.others.insert(name.to_string());
            }
        }
    }

    fn column(&mut self, name: &str) {
        self.names.columns.insert(name.to_ascii_lowercase());
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn order_by(&mut self, by: &[OrderByExpr]) {
        self.exprs(by.iter().map(|by| &by.expr));
    }

    fn expr(&mut self, expr: &Expr) {
        // Chains may be long.
        let mut expr = bare(expr);
        while let Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } = expr
        {
            self.expr(right);
            expr = bare(left);
        }
        match expr {
            Expr::Identifier(ident) => self.column(&ident.value),
            Expr::CompoundIdentifier(parts) => {
                if let Some(column) = parts.last() {
                    self.column(&column.value);
                }
            }
            Expr::BinaryOp { left, right, .. } => self.exprs([&**left, &**right]),
            Expr::UnaryOp { expr, .. }
            | Expr::Nested(expr)
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsTrue(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotUnknown(expr)
            | Expr::Cast { expr, .. }
            | Expr::Convert { expr, .. }
            | Expr::Ceil { expr, .. }
            | Expr::Floor { expr, .. } => self.expr(expr),
            Expr::Between {
                expr, low, high, ..
            } => self.exprs([&**expr, &**low, &**high]),
            Expr::In { expr, target, .. } => {
                self.expr(expr);
                match target {
                    InTarget::List(list) => self.exprs(list),
                    InTarget::Subquery(query) => self.query(query),
                    _ => {}
                }
            }
            Expr::Like { expr, pattern, .. } | Expr::RLike { expr, pattern, .. } => {
                self.exprs([&**expr, &**pattern]);
            }
            Expr::Position { expr, r#in } => self.exprs([&**expr, &**r#in]),
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                self.expr(expr);
                self.exprs(
                    substring_from
                        .iter()
                        .chain(substring_for)
                        .map(|expr| &**expr),
                );
            }
            Expr::Trim {
                expr, trim_what, ..
            } => {
                self.expr(expr);
                self.exprs(trim_what.iter().map(|expr| &**expr));
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                self.exprs(operand.iter().chain(else_result).map(|expr| &**expr));
                for when in conditions {
                    self.exprs([&when.condition, &when.result]);
                }
            }
            Expr::Interval(interval) => self.expr(&interval.value),
            Expr::Tuple(exprs) => self.exprs(exprs),
            Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => self.query(subquery),
            Expr::Function(function) => self.function(function),
            _ => {}
        }
    }

    fn function(&mut self, function: &Function) {
        if let FunctionArguments::List(list) = &function.args {
            for argument in &list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                    self.expr(expr);
                }
            }
            for clause in &list.clauses {
                if let FunctionArgumentClause::OrderBy(by) = clause {
                    self.order_by(by);
                }
            }
        }
        if let Some(WindowType::WindowSpec(spec)) = &function.over {
            self.window(spec);
        }
    }

    fn window(&mut self, spec: &WindowSpec) {
        self.exprs(&spec.partition_by);
        self.order_by(&spec.order_by);
    }
}
