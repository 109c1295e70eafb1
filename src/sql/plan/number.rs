//! Rounding and CAST: the type of what they give is in their arguments.

use sqlparser::ast::{DataType, ExactNumberInfo, Expr, UnaryOperator, Value};

use super::expression::bare;
use super::fragment::{Fragment, Type};
use super::refusal::{not_evaluated, wrong_argument_count};
use super::signature::text_kind;
use crate::sql::decimal::SCALE_MAX;
use crate::wire::answer::SqlError;

pub(super) fn ceil_or_floor(one: &Fragment, which: &str) -> Result<Fragment, SqlError> {
    let one = one.clone().into_number()?;
    Ok(match one.kind {
        Type::Decimal { carried, .. } => Fragment::new(
            format!("my_decimal_{which}({},{carried})", one.sql),
            Type::Signed,
        ),
        Type::Real => Fragment::new(format!("my_real_{which}({})", one.sql), Type::Real),
        _ => one,
    })
}

/// ROUND and TRUNCATE; how many digits must be a literal where the type depends on it.
pub(super) fn round(
    fragments: Vec<Fragment>,
    digits: Option<&Expr>,
    which: &str,
) -> Result<Fragment, SqlError> {
    let mut fragments = fragments.into_iter();
    let Some(one) = fragments.next() else {
        return Err(wrong_argument_count(which));
    };
    let one = one.into_number()?;
    let digits_sql = match fragments.next() {
        Some(digits) => digits.as_whole()?,
        None => "0".to_owned(),
    };
    let sql = &one.sql;
    match one.kind {
        Type::Null => Ok(one),
        Type::Real => Ok(Fragment::new(
            format!("my_real_{which}({sql},{digits_sql})"),
            Type::Real,
        )),
        Type::Decimal { carried, .. } => {
            let Some(digits) = digits.map_or(Some(0), literal_whole) else {
                return Err(not_evaluated("ROUND() to a computed number of digits"));
            };
            let shown = u8::try_from(digits.clamp(0, SCALE_MAX.into())).unwrap_or(SCALE_MAX);
            Ok(Fragment::new(
                format!("my_decimal_{which}({sql},{carried},{digits},{shown})"),
                Type::decimal(shown),
            ))
        }
        _ => Ok(Fragment::new(
            format!("my_whole_{which}({sql},{digits_sql})"),
            one.kind,
        )),
    }
}

/// A whole number that is written out.
pub(super) fn literal_whole(expr: &Expr) -> Option<i64> {
    match bare(expr) {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => literal_whole(expr)?.checked_neg(),
        _ => None,
    }
}

pub(super) fn cast(fragment: &Fragment, to: &DataType) -> Result<Fragment, SqlError> {
    let sql = match to {
        DataType::Signed | DataType::SignedInteger => {
            return Ok(Fragment::new(fragment.as_whole()?, Type::Signed));
        }
        DataType::Unsigned | DataType::UnsignedInteger => {
            let whole = fragment.as_whole()?;
            return Ok(Fragment::new(
                format!("my_unsigned({whole})"),
                Type::Unsigned,
            ));
        }
        DataType::Double(..) | DataType::Real => {
            return Ok(Fragment::new(fragment.as_real()?, Type::Real));
        }
        DataType::Decimal(info) | DataType::Dec(info) => {
            let (precision, scale) = match info {
                ExactNumberInfo::None => (DECIMAL_PRECISION, 0),
                ExactNumberInfo::Precision(precision) => (*precision, 0),
                ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
            };
            let scale = u8::try_from(scale).ok().filter(|scale| *scale <= SCALE_MAX);
            let precision = u8::try_from(precision)
                .ok()
                .filter(|digits| *digits <= SCALE_MAX);
            let (Some(scale), Some(precision)) = (scale, precision) else {
                return Err(not_evaluated(format_args!("CAST() to {to}")));
            };
            if scale > precision {
                return Err(not_evaluated(format_args!("CAST() to {to}")));
            }
            let sql = format!(
                "my_decimal_clamp({},{precision})",
                fragment.as_decimal(scale)?
            );
            return Ok(Fragment::new(sql, Type::decimal(scale)));
        }
        DataType::Char(None) | DataType::Character(None) => fragment.as_text(),
        DataType::Char(Some(length)) | DataType::Character(Some(length)) => {
            let text = fragment.as_text();
            let length = length.to_string();
            let digits: String = length.chars().take_while(char::is_ascii_digit).collect();
            if digits.len() != length.len() {
                return Err(not_evaluated(format_args!("CAST() to {to}")));
            }
            format!("my_left({text},{digits})")
        }
        DataType::Datetime(None | Some(0)) => {
            return Ok(Fragment::new(fragment.as_moment()?, Type::Moment));
        }
        _ => return Err(not_evaluated(format_args!("CAST() to {to}"))),
    };
    Ok(Fragment::new(sql, text_kind(&[fragment])))
}

/// Of `CAST(x AS DECIMAL)`.
const DECIMAL_PRECISION: u64 = 10;

pub(super) fn is_unicode(charset: &str) -> bool {
    ["utf8", "utf8mb3", "utf8mb4"]
        .iter()
        .any(|known| charset.eq_ignore_ascii_case(known))
}
