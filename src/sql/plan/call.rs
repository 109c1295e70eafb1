//! Calls of functions of single values, and the forms that are calls in all but their syntax.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, ObjectNamePart, TrimWhereField,
};

use super::expression::{case_of, compared, of_one_kind};
use super::fragment::{Fragment, Ground, Type};
use super::number::{cast, ceil_or_floor, is_unicode, round};
use super::operators::arithmetic;
use super::planner::{Place, Planner};
use super::refusal::{not_evaluated, wrong_argument_count};
use super::signature::{known, text_kind};
use crate::wire::answer::SqlError;

impl Planner<'_> {
    /// A call, and the forms that are calls in all but their syntax.
    pub(super) fn call(&mut self, place: Place<'_>, expr: &Expr) -> Result<Fragment, SqlError> {
        match expr {
            Expr::Function(function) => self.function(place, function),
            Expr::Cast {
                kind: CastKind::Cast,
                expr,
                data_type,
                format: None,
            } => {
                let fragment = self.expression(place, expr)?;
                cast(&fragment, data_type)
            }
            Expr::Convert {
                is_try: false,
                expr,
                data_type,
                charset,
                target_before_value: false,
                ..
            } => {
                let fragment = self.expression(place, expr)?;
                match (data_type, charset) {
                    (Some(data_type), None) => cast(&fragment, data_type),
                    (None, Some(charset)) if is_unicode(&charset.to_string()) => {
                        Ok(Fragment::new(fragment.as_text(), text_kind(&[&fragment])))
                    }
                    _ => Err(not_evaluated("CONVERT() to that character set")),
                }
            }
            Expr::Ceil { expr, field } => self.ceil_or_floor(place, expr, field, "ceil"),
            Expr::Floor { expr, field } => self.ceil_or_floor(place, expr, field, "floor"),
            Expr::Position { expr, r#in } => {
                let (what, text) = (self.expression(place, expr)?, self.expression(place, r#in)?);
                known("LOCATE", &[what, text])
            }
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let mut exprs: Vec<&Expr> = vec![expr, from];
                exprs.extend(substring_for.as_deref());
                let arguments = self.expressions(place, exprs)?;
                known("SUBSTRING", &arguments)
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters: None,
            } => {
                let text = self.expression(place, expr)?;
                let what = match trim_what {
                    Some(what) => self.expression(place, what)?,
                    None => Fragment::text(" "),
                };
                let side = match trim_where {
                    None | Some(TrimWhereField::Both) => 0,
                    Some(TrimWhereField::Leading) => 1,
                    Some(TrimWhereField::Trailing) => 2,
                };
                let kind = text_kind(&[&text]);
                let sql = format!("my_trim({},{},{side})", text.as_text(), what.as_text());
                Ok(Fragment::new(sql, kind))
            }
            Expr::Interval(_) => Err(not_evaluated("INTERVAL that is not added to a time")),
            other => {
                let mut text = other.to_string();
                if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS) {
                    text.truncate(end);
                }
                Err(not_evaluated(format_args!("'{text}'")))
            }
        }
    }

    fn function(&mut self, place: Place<'_>, function: &Function) -> Result<Fragment, SqlError> {
        let [ObjectNamePart::Identifier(name)] = &function.name.0[..] else {
            return Err(not_evaluated(format_args!("{}()", function.name)));
        };
        let name = name.value.to_ascii_uppercase();
        if let Some(fragment) = self.aggregate(place, &name, function)? {
            return Ok(fragment);
        }
        let arguments = plain_arguments(&name, function)?;
        if let Some(fragment) = self.time_function(place, &name, &arguments)? {
            return Ok(fragment);
        }
        let fragments = self.expressions(place, arguments.iter().copied())?;
        match (&name[..], fragments.len()) {
            ("IF", 3) => {
                let [condition, then, otherwise] = take(fragments)?;
                case_of(&[condition.as_truth()?], vec![then, otherwise])
            }
            ("IFNULL", 2) => coalesce(fragments),
            ("COALESCE", 1..) => coalesce(fragments),
            ("NULLIF", 2) => {
                let [left, right] = take(fragments)?;
                let equal = compared(&left, "=", &right)?;
                Ok(Fragment::new(
                    format!("(CASE WHEN {equal} THEN NULL ELSE {} END)", left.sql),
                    left.kind,
                ))
            }
            ("ISNULL", 1) => {
                let [one] = take(fragments)?;
                Ok(Fragment::truth_of(format!("({} IS NULL)", one.sql)))
            }
            ("CONCAT", 1..) => Ok(variadic("my_concat", &fragments)),
            ("CONCAT_WS", 2..) => Ok(variadic("my_concat_ws", &fragments)),
            ("GREATEST", 2..) => extreme("max", fragments),
            ("LEAST", 2..) => extreme("min", fragments),
            ("FIELD", 2..) => field(&fragments),
            ("ELT", 2..) => elt(fragments),
            ("INSTR", 2) => {
                let [text, what] = take(fragments)?;
                known("LOCATE", &[what, text])
            }
            ("HEX", 1) => {
                let [one] = take(fragments)?;
                let sql = match one.kind {
                    Type::Text | Type::LongText | Type::Moment => {
                        format!("my_hex_text({})", one.sql)
                    }
                    _ => format!("my_hex({})", one.as_whole()?),
                };
                Ok(Fragment::new(sql, text_kind(&[&one])))
            }
            ("ABS", 1) => {
                let [one] = take(fragments)?;
                let one = one.into_number()?;
                let function = match one.kind {
                    Type::Decimal { .. } => "my_decimal_abs",
                    Type::Real => "abs",
                    _ => "my_abs",
                };
                Ok(Fragment::new(format!("{function}({})", one.sql), one.kind))
            }
            ("SIGN", 1) => {
                let [one] = take(fragments)?;
                Ok(Fragment::new(
                    format!("my_sign({})", one.as_real()?),
                    Type::Signed,
                ))
            }
            ("MOD", 2) => {
                let [left, right] = take(fragments)?;
                arithmetic(left, &BinaryOperator::Modulo, right)
            }
            ("ROUND", 1 | 2) => round(fragments, arguments.get(1).copied(), "round"),
            ("TRUNCATE", 2) => round(fragments, arguments.get(1).copied(), "truncate"),
            ("CEILING", 1) => {
                let [one] = take(fragments)?;
                ceil_or_floor(&one, "ceil")
            }
            ("USER" | "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER", 0) => {
                Ok(Fragment::text(&self.context.user))
            }
            ("CONNECTION_ID", 0) => Ok(Fragment::new(
                self.context.connection_id.to_string(),
                Type::Unsigned,
            )),
            ("DATABASE" | "SCHEMA", 0) => Ok(Fragment::new("NULL", Type::Text)),
            _ => known(&name, &fragments),
        }
    }

    fn ceil_or_floor(
        &mut self,
        place: Place<'_>,
        expr: &Expr,
        field: &CeilFloorKind,
        which: &str,
    ) -> Result<Fragment, SqlError> {
        if !matches!(
            field,
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)
        ) {
            return Err(wrong_argument_count(which));
        }
        let one = self.expression(place, expr)?;
        ceil_or_floor(&one, which)
    }
}

/// Characters of something unknown that an error shows.
const SHOWN_CHARS: usize = 60;

/// The arguments of a call that has nothing but such.
pub(super) fn plain_arguments<'f>(
    name: &str,
    function: &'f Function,
) -> Result<Vec<&'f Expr>, SqlError> {
    let refused = || not_evaluated(format_args!("{name}() with such arguments"));
    if function.over.is_some()
        || function.filter.is_some()
        || function.null_treatment.is_some()
        || !function.within_group.is_empty()
        || function.parameters != FunctionArguments::None
    {
        return Err(refused());
    }
    let list = match &function.args {
        FunctionArguments::None => return Ok(Vec::new()),
        FunctionArguments::List(list) => list,
        FunctionArguments::Subquery(_) => return Err(refused()),
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(refused());
    }
    let plain = |argument: &'f FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => Err(refused()),
    };
    list.args.iter().map(plain).collect()
}

fn take<const N: usize>(fragments: Vec<Fragment>) -> Result<[Fragment; N], SqlError> {
    fragments
        .try_into()
        .map_err(|_| not_evaluated("that number of arguments"))
}

fn variadic(function: &str, fragments: &[Fragment]) -> Fragment {
    let kind = text_kind(&fragments.iter().collect::<Vec<_>>());
    let texts: Vec<String> = fragments.iter().map(Fragment::as_text).collect();
    Fragment::new(format!("{function}({})", texts.join(",")), kind)
}

fn coalesce(fragments: Vec<Fragment>) -> Result<Fragment, SqlError> {
    let (mut fragments, kind) = of_one_kind(fragments)?;
    // SQLite's takes two at least.
    fragments.push(Fragment::null());
    Ok(Fragment::new(
        format!("coalesce({})", joined(&fragments)),
        kind,
    ))
}

fn joined(fragments: &[Fragment]) -> String {
    let texts: Vec<&str> = fragments.iter().map(|one| one.sql.as_str()).collect();
    texts.join(",")
}

fn extreme(function: &str, fragments: Vec<Fragment>) -> Result<Fragment, SqlError> {
    let is_text = |fragment: &Fragment| fragment.kind.is_text() || fragment.kind == Type::Moment;
    let texts = fragments.iter().filter(|one| is_text(one)).count();
    let nulls = fragments
        .iter()
        .filter(|one| one.kind == Type::Null)
        .count();
    if texts != 0 && texts + nulls != fragments.len() {
        return Err(not_evaluated("GREATEST() or LEAST() of texts and numbers"));
    }
    let (fragments, kind) = of_one_kind(fragments)?;
    let ground = Ground::of(kind);
    let values: Result<Vec<String>, _> = fragments.iter().map(|one| one.on(ground)).collect();
    Ok(Fragment::new(
        format!("{function}({})", values?.join(",")),
        kind,
    ))
}

/// `FIELD(x, a, b)`: all as texts, or all as numbers.
fn field(fragments: &[Fragment]) -> Result<Fragment, SqlError> {
    let mut ground = None;
    for one in fragments {
        let next = Ground::of(one.kind);
        ground = Some(match ground {
            None => next,
            Some(ground) if ground == next || one.kind == Type::Null => ground,
            Some(Ground::Text | Ground::Moment) if one.kind == Type::Moment => Ground::Text,
            Some(_) => Ground::Real,
        });
    }
    let ground = ground.unwrap_or(Ground::Whole);
    let Some((wanted, list)) = fragments.split_first() else {
        return Err(wrong_argument_count("FIELD"));
    };
    let wanted = wanted.on(ground)?;
    let mut sql = String::from("(CASE");
    for (at, one) in list.iter().enumerate() {
        sql.push_str(&format!(
            " WHEN {wanted}={} THEN {}",
            one.on(ground)?,
            at + 1
        ));
    }
    sql.push_str(" ELSE 0 END)");
    Ok(Fragment::new(sql, Type::Signed))
}

fn elt(fragments: Vec<Fragment>) -> Result<Fragment, SqlError> {
    let mut fragments = fragments.into_iter();
    let Some(which) = fragments.next() else {
        return Err(wrong_argument_count("ELT"));
    };
    let which = which.as_whole()?;
    let texts: Vec<Fragment> = fragments.collect();
    let kind = text_kind(&texts.iter().collect::<Vec<_>>());
    let mut sql = format!("(CASE {which}");
    for (at, text) in texts.iter().enumerate() {
        sql.push_str(&format!(" WHEN {} THEN {}", at + 1, text.as_text()));
    }
    sql.push_str(" END)");
    Ok(Fragment::new(sql, kind))
}
