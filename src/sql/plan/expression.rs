//! Expressions: one arm for each form of sqlparser's tree.

use sqlparser::ast::{CaseWhen, Expr, InTarget, Query, Value};

use super::fragment::{Fragment, Ground, Type};
use super::planner::{Place, Planner};
use super::refusal::{not_evaluated, out_of_range, too_deep, wrong_column_count};
use super::scope::Name;
use crate::sql::decimal;
use crate::wire::answer::SqlError;

/// How deep expressions may be nested; chains of AND and OR count once.
const DEPTH_MAX: usize = 100;

/// The longest piece of SQLite's text, in bytes: some forms name an operand more than once.
const SQL_BYTES_MAX: usize = 1024 * 1024;

impl Planner<'_> {
    /// An expression's value.
    pub(super) fn expression(
        &mut self,
        place: Place<'_>,
        expr: &Expr,
    ) -> Result<Fragment, SqlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let fragment = self.expression_inside(place, expr)?;
        self.depth -= 1;
        check_length(&fragment.sql)?;
        Ok(fragment)
    }

    /// An expression as a condition.
    pub(super) fn condition(&mut self, place: Place<'_>, expr: &Expr) -> Result<String, SqlError> {
        self.expression(place, expr)?.as_truth()
    }

    /// Expressions, each by itself.
    pub(super) fn expressions<'e>(
        &mut self,
        place: Place<'_>,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<Vec<Fragment>, SqlError> {
        let exprs = exprs.into_iter();
        exprs.map(|expr| self.expression(place, expr)).collect()
    }

    fn expression_inside(&mut self, place: Place<'_>, expr: &Expr) -> Result<Fragment, SqlError> {
        match expr {
            Expr::Nested(expr) => self.expression(place, expr),
            Expr::Identifier(ident) => self.column(place, &Name::of(std::slice::from_ref(ident))?),
            Expr::CompoundIdentifier(parts) => self.column(place, &Name::of(parts)?),
            Expr::Value(value) => literal(&value.value),
            Expr::Prefixed { prefix, value } => match &**value {
                Expr::Value(value) if prefix.value.to_ascii_lowercase().starts_with("_utf8") => {
                    literal(&value.value)
                }
                _ => Err(not_evaluated(format_args!("the character set {prefix}"))),
            },
            Expr::BinaryOp { left, op, right } => self.binary(place, left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(place, *op, expr),
            Expr::IsNull(expr) => self.is(place, expr, "IS NULL"),
            Expr::IsNotNull(expr) => self.is(place, expr, "IS NOT NULL"),
            Expr::IsTrue(expr) => self.is_truth(place, expr, "IS TRUE"),
            Expr::IsNotTrue(expr) => self.is_truth(place, expr, "IS NOT TRUE"),
            Expr::IsFalse(expr) => self.is_truth(place, expr, "IS FALSE"),
            Expr::IsNotFalse(expr) => self.is_truth(place, expr, "IS NOT FALSE"),
            Expr::IsUnknown(expr) => self.is_truth(place, expr, "IS NULL"),
            Expr::IsNotUnknown(expr) => self.is_truth(place, expr, "IS NOT NULL"),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let [expr, low, high] = [expr, low, high].map(|expr| self.expression(place, expr));
                between(&expr?, &low?, &high?, *negated)
            }
            Expr::In {
                expr,
                target: InTarget::List(list),
                negated,
                global: false,
            } => self.in_list(place, expr, list, *negated),
            Expr::In {
                expr,
                target: InTarget::Subquery(query),
                negated,
                global: false,
            } => self.in_query(place, expr, query, *negated),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let escape = match escape_char.as_deref() {
                    Some(escape) => escape_of(escape)?,
                    None if self.context.backslash_escapes => "\\".to_owned(),
                    None => String::new(),
                };
                let expr = self.expression(place, expr)?.as_text();
                let pattern = self.expression(place, pattern)?.as_text();
                let escape = Fragment::text(&escape).sql;
                Ok(maybe_not(
                    format!("my_like({pattern},{expr},{escape})"),
                    *negated,
                ))
            }
            Expr::RLike {
                negated,
                expr,
                pattern,
                ..
            } => {
                let expr = self.expression(place, expr)?.as_text();
                let pattern = self.expression(place, pattern)?.as_text();
                Ok(maybe_not(format!("my_regexp({pattern},{expr})"), *negated))
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(
                place,
                operand.as_deref(),
                conditions,
                else_result.as_deref(),
            ),
            Expr::Exists { subquery, negated } => {
                let query = self.subquery(place, subquery)?;
                Ok(maybe_not(format!("EXISTS ({})", query.as_is()), *negated))
            }
            Expr::Subquery(query) => self.scalar(place, query),
            Expr::Tuple(_) => Err(wrong_column_count(1)),
            other => self.call(place, other),
        }
    }

    fn is(&mut self, place: Place<'_>, expr: &Expr, is: &str) -> Result<Fragment, SqlError> {
        let fragment = self.expression(place, expr)?;
        Ok(Fragment::truth_of(format!("({} {is})", fragment.sql)))
    }

    fn is_truth(&mut self, place: Place<'_>, expr: &Expr, is: &str) -> Result<Fragment, SqlError> {
        let truth = self.condition(place, expr)?;
        Ok(Fragment::truth_of(format!("({truth} {is})")))
    }

    /// Values of each pair are compared by their own types, so that a list of several types is several lists.
    fn in_list(
        &mut self,
        place: Place<'_>,
        expr: &Expr,
        list: &[Expr],
        negated: bool,
    ) -> Result<Fragment, SqlError> {
        if let Expr::Tuple(parts) = bare(expr) {
            return self.tuple_in_list(place, parts, list, negated);
        }
        let left = self.expression(place, expr)?;
        let list = self.expressions(place, list)?;
        let mut grounds: Vec<(Ground, Vec<String>)> = Vec::new();
        for value in &list {
            let ground = Ground::between(left.kind, value.kind)?;
            let value = value.on(ground)?;
            match grounds.iter_mut().find(|(known, _)| *known == ground) {
                Some((_, values)) => values.push(value),
                None => grounds.push((ground, vec![value])),
            }
        }
        let mut lists = Vec::new();
        for (ground, values) in grounds {
            lists.push(format!("({} IN ({}))", left.on(ground)?, values.join(",")));
        }
        let any = format!("({})", lists.join(" OR "));
        Ok(maybe_not(any, negated))
    }

    fn tuple_in_list(
        &mut self,
        place: Place<'_>,
        parts: &[Expr],
        list: &[Expr],
        negated: bool,
    ) -> Result<Fragment, SqlError> {
        let mut rows = Vec::new();
        for row in list {
            rows.push(self.tuple_equals(place, parts, row)?);
            check_length(&rows.join(""))?;
        }
        Ok(maybe_not(
            super::operators::balanced(&rows, " OR "),
            negated,
        ))
    }

    /// `(a, b) = (c, d)`
    pub(super) fn tuple_equals(
        &mut self,
        place: Place<'_>,
        left: &[Expr],
        right: &Expr,
    ) -> Result<String, SqlError> {
        let Expr::Tuple(right) = bare(right) else {
            return Err(wrong_column_count(left.len()));
        };
        if left.len() != right.len() {
            return Err(wrong_column_count(left.len()));
        }
        let mut equal = Vec::new();
        for (left, right) in left.iter().zip(right) {
            let (left, right) = (
                self.expression(place, left)?,
                self.expression(place, right)?,
            );
            equal.push(compared(&left, "=", &right)?);
        }
        Ok(format!("({})", equal.join(" AND ")))
    }

    fn in_query(
        &mut self,
        place: Place<'_>,
        expr: &Expr,
        query: &Query,
        negated: bool,
    ) -> Result<Fragment, SqlError> {
        let parts = match bare(expr) {
            Expr::Tuple(parts) => self.expressions(place, parts)?,
            one => vec![self.expression(place, one)?],
        };
        let query = self.subquery(place, query)?;
        if query.kinds().len() != parts.len() {
            return Err(wrong_column_count(parts.len()));
        }
        let mut left = Vec::new();
        let mut grounds = Vec::new();
        for (part, kind) in parts.iter().zip(query.kinds()) {
            let ground = Ground::between(part.kind, kind)?;
            left.push(part.on(ground)?);
            grounds.push(ground);
        }
        let left = left.join(",");
        let right = query.on(&grounds)?;
        Ok(maybe_not(format!("(({left}) IN ({right}))"), negated))
    }

    /// A subquery of one column as a value: NULL where it gives no row, and an error where it gives several.
    fn scalar(&mut self, place: Place<'_>, query: &Query) -> Result<Fragment, SqlError> {
        let query = self.subquery(place, query)?;
        let [kind] = query.kinds()[..] else {
            return Err(wrong_column_count(1));
        };
        let text = query.as_is();
        Ok(Fragment::new(
            format!("(SELECT my_only(c0) FROM ({text}))"),
            kind,
        ))
    }

    fn case(
        &mut self,
        place: Place<'_>,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        else_result: Option<&Expr>,
    ) -> Result<Fragment, SqlError> {
        let operand = operand.map(|operand| self.expression(place, operand));
        let operand = operand.transpose()?;
        let mut whens = Vec::new();
        let mut results = Vec::new();
        let mut bytes = 0;
        for when in conditions {
            let condition = self.expression(place, &when.condition)?;
            let condition = match &operand {
                Some(operand) => compared(operand, "=", &condition)?,
                None => condition.as_truth()?,
            };
            bytes += condition.len();
            if bytes > SQL_BYTES_MAX {
                return Err(too_deep());
            }
            whens.push(condition);
            results.push(self.expression(place, &when.result)?);
        }
        let otherwise = match else_result {
            Some(result) => self.expression(place, result)?,
            None => Fragment::null(),
        };
        results.push(otherwise);
        case_of(&whens, results)
    }
}

/// `CASE WHEN .. THEN .. ELSE .. END`, with one more result than there are conditions.
pub(super) fn case_of(whens: &[String], results: Vec<Fragment>) -> Result<Fragment, SqlError> {
    let (results, kind) = of_one_kind(results)?;
    let mut sql = String::from("(CASE");
    let mut results = results.into_iter();
    for (when, then) in whens.iter().zip(results.by_ref()) {
        sql.push_str(&format!(" WHEN {when} THEN {}", then.sql));
    }
    if let Some(otherwise) = results.next() {
        sql.push_str(&format!(" ELSE {}", otherwise.sql));
    }
    sql.push_str(" END)");
    Ok(Fragment::new(sql, kind))
}

/// Values of several types as values of the type that holds them all.
pub(super) fn of_one_kind(fragments: Vec<Fragment>) -> Result<(Vec<Fragment>, Type), SqlError> {
    let kinds = fragments.iter().map(|fragment| fragment.kind);
    let kind = kinds.fold(Type::Null, Type::or);
    let fragments = fragments.into_iter();
    let fragments: Result<_, _> = fragments.map(|fragment| fragment.into_kind(kind)).collect();
    Ok((fragments?, kind))
}

/// A comparison, by the types of its sides.
pub(super) fn compared(left: &Fragment, op: &str, right: &Fragment) -> Result<String, SqlError> {
    let ground = Ground::between(left.kind, right.kind)?;
    let (left, right) = (left.on(ground)?, right.on(ground)?);
    Ok(format!("({left} {op} {right})"))
}

fn between(
    expr: &Fragment,
    low: &Fragment,
    high: &Fragment,
    negated: bool,
) -> Result<Fragment, SqlError> {
    let lower = compared(expr, ">=", low)?;
    let upper = compared(expr, "<=", high)?;
    Ok(maybe_not(format!("({lower} AND {upper})"), negated))
}

pub(super) fn maybe_not(sql: String, negated: bool) -> Fragment {
    Fragment::truth_of(if negated { format!("(NOT {sql})") } else { sql })
}

/// The expression without the parentheses around it.
pub(super) fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// The text of a literal.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match bare(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn escape_of(expr: &Expr) -> Result<String, SqlError> {
    let escape = literal_text(expr).filter(|escape| escape.chars().nth(1).is_none());
    escape
        .map(str::to_owned)
        .ok_or_else(|| SqlError::new(1210, "Incorrect arguments to ESCAPE"))
}

fn literal(value: &Value) -> Result<Fragment, SqlError> {
    match value {
        Value::Number(digits, _) => number(digits),
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::NationalStringLiteral(text) => Ok(Fragment::text(text)),
        Value::Boolean(truth) => Ok(Fragment::new(u8::from(*truth).to_string(), Type::Signed)),
        Value::Null => Ok(Fragment::null()),
        // It has a value when it is executed.
        Value::Placeholder(_) => Ok(Fragment::null()),
        other => Err(not_evaluated(format_args!("the literal {other}"))),
    }
}

fn number(digits: &str) -> Result<Fragment, SqlError> {
    if digits.contains(['e', 'E']) {
        let real: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if !real.is_finite() {
            return Err(out_of_range("DOUBLE"));
        }
        return Ok(Fragment::new(format!("{real:e}"), Type::Real));
    }
    match digits.split_once('.') {
        Some((_, behind)) => {
            let scale = u8::try_from(behind.len()).unwrap_or(u8::MAX);
            let units = if scale <= decimal::SCALE_MAX {
                decimal::parse(digits, scale)
            } else {
                None
            };
            let units = units.ok_or_else(|| out_of_range("DECIMAL"))?;
            Ok(Fragment::decimal(units, scale))
        }
        None => {
            let number: i64 = digits.parse().map_err(|_| out_of_range("BIGINT"))?;
            Ok(Fragment::new(number.to_string(), Type::Signed))
        }
    }
}

fn check_length(sql: &str) -> Result<(), SqlError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(too_deep());
    }
    Ok(())
}
