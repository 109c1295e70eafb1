//! `[WHERE expr] [ORDER BY …] [LIMIT …]` behind a statement that is no SELECT.

use super::parse::{ParseError, Reader};
use crate::sql::{Limit, Pick};

/// How a statement's form writes it.
pub(super) const FORM: &str =
    "[WHERE expr] [ORDER BY expr [ASC | DESC], ...] [LIMIT [offset,] rows]";

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
    let limit = if reader.word("LIMIT") {
        Some(limit(reader, form)?)
    } else {
        None
    };
    Ok(Pick {
        filter,
        order_by,
        limit,
    })
}

fn limit(reader: &mut Reader<'_>, form: &'static str) -> Result<Limit, ParseError> {
    let Some(first) = reader.number() else {
        return Err(reader.syntax(form));
    };
    let behind = if reader.comma() {
        Some(true)
    } else {
        reader.word("OFFSET").then_some(false)
    };
    let Some(is_comma) = behind else {
        return Ok(Limit {
            offset: 0,
            rows: first,
        });
    };
    let Some(second) = reader.number() else {
        return Err(reader.syntax(form));
    };
    let (offset, rows) = if is_comma {
        (first, second)
    } else {
        (second, first)
    };
    Ok(Limit { offset, rows })
}
