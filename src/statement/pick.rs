//! `[WHERE expr] [ORDER BY …] [LIMIT …]` behind a statement that is no SELECT.

use sqlparser::ast::{BinaryOperator, Expr, Ident, Value};

use super::parse::{ParseError, Reader};
use crate::sql::{Limit, Pick};

/// Reads it; each part may be absent.
pub(super) fn parse(reader: &mut Reader<'_>, form: &'static str) -> Result<Pick, ParseError> {
    let filter = if reader.word("WHERE") {
        Some(reader.expression()?)
    } else {
        None
    };
    let order_by = if reader.word("ORDER") {
        if !reader.word("BY") {
            return Err(reader.syntax(form));
        }
        reader.order_by()?
    } else {
        Vec::new()
    };
    Ok(Pick {
        filter,
        order_by,
        limit: limit(reader, form)?,
    })
}

/// Reads `LIKE 'pattern'` as a condition on `column`.
pub(super) fn like(
    reader: &mut Reader<'_>,
    column: &str,
    form: &'static str,
) -> Result<Pick, ParseError> {
    let pattern = reader.word("LIKE").then(|| reader.quoted()).flatten();
    let Some(pattern) = pattern else {
        return Err(reader.syntax(form));
    };
    let filter = Expr::Like {
        negated: false,
        any: false,
        expr: Box::new(Expr::Identifier(Ident::new(column))),
        pattern: Box::new(Expr::Value(Value::SingleQuotedString(pattern).into())),
        escape_char: None,
    };
    Ok(Pick {
        filter: Some(filter),
        ..Pick::default()
    })
}

/// `LIMIT [offset,] rows` or `LIMIT rows OFFSET offset`.
pub(super) fn limit(
    reader: &mut Reader<'_>,
    form: &'static str,
) -> Result<Option<Limit>, ParseError> {
    if !reader.word("LIMIT") {
        return Ok(None);
    }
    let first = reader.number();
    let (offset, rows) = if reader.comma() {
        (first, reader.number())
    } else if reader.word("OFFSET") {
        (reader.number(), first)
    } else {
        (Some(0), first)
    };
    match (offset, rows) {
        (Some(offset), Some(rows)) => Ok(Some(Limit { offset, rows })),
        _ => Err(reader.syntax(form)),
    }
}

/// The condition that `column` is `value`.
pub(super) fn equal(column: &str, value: String) -> Pick {
    let filter = Expr::BinaryOp {
        left: Box::new(Expr::Identifier(Ident::new(column))),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::Value(Value::SingleQuotedString(value).into())),
    };
    Pick {
        filter: Some(filter),
        ..Pick::default()
    }
}
