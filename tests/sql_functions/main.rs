//! What obwarden computes is what MariaDB computes: the same rows in the same tables, and each expression and
//! each SELECT on both sides. Values, NULLs, names and kinds of columns must be the same; where obwarden does
//! not evaluate something, it must say so.
//!
//! MariaDB compares with a collation that is nearest to obwarden's: letters without case and trailing spaces
//! told apart. It takes umlauts for vowels, so that no text here depends on that.

mod expressions;
mod here;
mod queries;
mod refused;
mod rows;
mod there;

use sqlparser::ast::{Query, Statement};
use sqlparser::parser::Parser;

use obwarden::statement::Grammar;

/// How a column's values are told, as far as both sides agree on it: a decimal without digits behind its point
/// is a whole number to every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Whole,
    Decimal(u8),
    Real,
    Text,
}

/// What a statement gives: its columns, and the rows as texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    /// `None` where all is NULL, and has no kind.
    pub(crate) kinds: Vec<Option<Kind>>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The same with its rows in some order that only they decide.
    pub(crate) fn sorted(mut self) -> Self {
        self.rows.sort();
        self
    }

    /// The same without the kinds of columns that are all NULL: there they say nothing.
    fn with_kinds_of_values(mut self) -> Self {
        for (at, kind) in self.kinds.iter_mut().enumerate() {
            if self.rows.iter().all(|row| row[at].is_none()) {
                *kind = None;
            }
        }
        self
    }

    /// The same as both sides write it: numbers of binary precision with as many digits as they agree on.
    pub(crate) fn comparable(self) -> Self {
        let mut table = self.with_kinds_of_values();
        let Self { rows, kinds, .. } = &mut table;
        for row in rows {
            for (value, kind) in row.iter_mut().zip(&*kinds) {
                if let (Some(text), Some(Kind::Real)) = (value, kind) {
                    let number: f64 = text.parse().expect("a number");
                    *text = format!("{number:.12e}");
                }
            }
        }
        table
    }

    /// Whether it differs in nothing that a client sees.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let same_kind =
            |(a, b): (&Option<Kind>, &Option<Kind>)| a.is_none() || b.is_none() || a == b;
        self.rows == other.rows
            && self.kinds.len() == other.kinds.len()
            && self.kinds.iter().zip(&other.kinds).all(same_kind)
    }
}

pub(crate) fn query(text: &str) -> Box<Query> {
    let parsed = Parser::parse_sql(&Grammar::default(), text);
    match parsed.map(|mut statements| statements.pop()) {
        Ok(Some(Statement::Query(query))) => query,
        other => panic!("{text}: {other:?}"),
    }
}
