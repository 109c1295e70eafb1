//! Functions of decimals. Both sides have the scale that the plan has given them.

use super::{Answer, Arguments, Definition};
use crate::sql::decimal::{Units, divide, parse, rescale, text, to_real};
use crate::sql::functions::real_text;
use crate::sql::plan::out_of_range;
use crate::wire::answer::SqlError;

pub(super) const FUNCTIONS: &[Definition] = &[
    ("my_decimal", 2, |a| {
        decimal(rescale(a.whole(0).into(), 0, a.scale(1)))
    }),
    ("my_decimal_rescale", 3, |a| {
        decimal(rescale(a.decimal(0), a.scale(1), a.scale(2)))
    }),
    ("my_decimal_of_text", 2, |a| {
        decimal(parse(a.text(0), a.scale(1)))
    }),
    ("my_decimal_of_real", 2, |a| {
        decimal(parse(&real_text(a.real(0)), a.scale(1)))
    }),
    ("my_decimal_text", 3, |a| {
        let units = rescale(a.decimal(0), a.scale(1), a.scale(2));
        let units = units.ok_or_else(too_large)?;
        Ok(Answer::Text(text(units, a.scale(2))))
    }),
    ("my_decimal_real", 2, |a| {
        Ok(Answer::Real(to_real(a.decimal(0), a.scale(1))))
    }),
    ("my_decimal_whole", 2, |a| {
        whole(rescale(a.decimal(0), a.scale(1), 0))
    }),
    ("my_decimal_add", 2, |a| {
        decimal(a.decimal(0).checked_add(a.decimal(1)))
    }),
    ("my_decimal_subtract", 2, |a| {
        decimal(a.decimal(0).checked_sub(a.decimal(1)))
    }),
    ("my_decimal_multiply", 2, |a| {
        decimal(a.decimal(0).checked_mul(a.decimal(1)))
    }),
    ("my_decimal_divide", 3, |a| {
        divided(a, |a, left, right| decimal(divide(left, right, a.scale(2))))
    }),
    ("my_decimal_modulo", 2, |a| {
        divided(a, |_, left, right| decimal(Some(left.wrapping_rem(right))))
    }),
    ("my_decimal_whole_divide", 2, |a| {
        divided(a, |_, left, right| whole(left.checked_div(right)))
    }),
    ("my_decimal_negative", 1, |a| {
        decimal(a.decimal(0).checked_neg())
    }),
    ("my_decimal_abs", 1, |a| decimal(a.decimal(0).checked_abs())),
    ("my_decimal_floor", 2, |a| {
        whole(Some(a.decimal(0).div_euclid(power(a.scale(1))?)))
    }),
    ("my_decimal_ceil", 2, |a| {
        let (units, unit) = (a.decimal(0), power(a.scale(1))?);
        whole(Some(units / unit + Units::from(units % unit > 0)))
    }),
    ("my_decimal_round", 4, |a| {
        rounded(a, |units, digits| rescale(units, digits, 0))
    }),
    ("my_decimal_truncate", 4, |a| {
        rounded(a, |units, digits| {
            Some(units / 10_i128.checked_pow(digits.into())?)
        })
    }),
    ("my_decimal_clamp", 2, |a| {
        let most = power(a.scale(1))? - 1;
        decimal(Some(a.decimal(0).clamp(-most, most)))
    }),
];

fn too_large() -> SqlError {
    out_of_range("DECIMAL")
}

fn decimal(units: Option<Units>) -> Result<Answer, SqlError> {
    units.map(Answer::decimal).ok_or_else(too_large)
}

fn whole(units: Option<Units>) -> Result<Answer, SqlError> {
    let number = units.and_then(|units| i64::try_from(units).ok());
    number
        .map(Answer::Whole)
        .ok_or_else(|| out_of_range("BIGINT"))
}

fn power(digits: u8) -> Result<Units, SqlError> {
    10_i128.checked_pow(digits.into()).ok_or_else(too_large)
}

/// NULL where the divisor is zero.
fn divided(
    a: &Arguments<'_, '_>,
    operation: fn(&Arguments<'_, '_>, Units, Units) -> Result<Answer, SqlError>,
) -> Result<Answer, SqlError> {
    match a.decimal(1) {
        0 => Ok(Answer::Null),
        right => operation(a, a.decimal(0), right),
    }
}

/// `(number, its scale, digits to keep, scale to give it)`: `cut` takes so many of the last digits off.
fn rounded(a: &Arguments<'_, '_>, cut: fn(Units, u8) -> Option<Units>) -> Result<Answer, SqlError> {
    let (units, scale, digits, shown) = (a.decimal(0), a.scale(1), a.whole(2), a.scale(3));
    let scale_wanted = i64::from(scale);
    if digits >= scale_wanted {
        return decimal(rescale(units, scale, shown));
    }
    let gone = u8::try_from(scale_wanted - digits).unwrap_or(u8::MAX);
    // More digits than it has: nothing is left.
    if gone > crate::sql::decimal::SCALE_MAX {
        return decimal(Some(0));
    }
    let kept = cut(units, gone).ok_or_else(too_large)?;
    if digits >= 0 {
        let digits = u8::try_from(digits).unwrap_or(u8::MAX);
        return decimal(rescale(kept, digits, shown));
    }
    let back = u8::try_from(-digits).unwrap_or(u8::MAX);
    decimal(kept.checked_mul(power(back)?))
}
