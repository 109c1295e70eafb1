//! Functions of whole numbers and of numbers of binary precision. What has no room is an error, never another
//! number.

use super::{Answer, Arguments, Definition};
use crate::sql::plan::out_of_range;
use crate::wire::answer::SqlError;

pub(super) const FUNCTIONS: &[Definition] = &[
    ("my_add", 3, |a| whole(a, i64::checked_add)),
    ("my_subtract", 3, |a| whole(a, i64::checked_sub)),
    ("my_multiply", 3, |a| whole(a, i64::checked_mul)),
    ("my_divide", 3, |a| divided(a, i64::checked_div)),
    ("my_modulo", 3, |a| {
        divided(a, |left, right| Some(left.wrapping_rem(right)))
    }),
    ("my_abs", 1, |a| {
        let number = a.whole(0).checked_abs();
        number
            .map(Answer::Whole)
            .ok_or_else(|| out_of_range("BIGINT"))
    }),
    ("my_sign", 1, |a| Ok(Answer::Whole(sign(a.real(0))))),
    ("my_bit_and", 2, |a| {
        bits(a.whole(0) as u64 & a.whole(1) as u64)
    }),
    ("my_bit_or", 2, |a| {
        bits(a.whole(0) as u64 | a.whole(1) as u64)
    }),
    ("my_bit_xor", 2, |a| {
        bits(a.whole(0) as u64 ^ a.whole(1) as u64)
    }),
    ("my_bit_not", 1, |a| bits(!(a.whole(0) as u64))),
    ("my_shift_left", 2, |a| shifted(a, u64::checked_shl)),
    ("my_shift_right", 2, |a| shifted(a, u64::checked_shr)),
    ("my_hex", 1, |a| {
        Ok(Answer::Text(format!("{:X}", a.whole(0))))
    }),
    ("my_unsigned", 1, |a| bits(a.whole(0) as u64)),
    ("my_whole_round", 2, whole_round),
    ("my_whole_truncate", 2, whole_truncate),
    ("my_finite", 1, |a| finite(a.real(0))),
    ("my_rounded", 1, |a| rounded(a.real(0))),
    ("my_real_modulo", 2, |a| {
        let (left, right) = (a.real(0), a.real(1));
        Ok(if right == 0.0 {
            Answer::Null
        } else {
            Answer::Real(left % right)
        })
    }),
    ("my_real_divide", 2, |a| {
        let (left, right) = (a.real(0), a.real(1));
        if right == 0.0 {
            return Ok(Answer::Null);
        }
        rounded((left / right).trunc())
    }),
    ("my_real_floor", 1, |a| Ok(Answer::Real(a.real(0).floor()))),
    ("my_real_ceil", 1, |a| Ok(Answer::Real(a.real(0).ceil()))),
    ("my_real_round", 2, |a| real_round(a, f64::round_ties_even)),
    ("my_real_truncate", 2, |a| real_round(a, f64::trunc)),
    ("my_real_text", 1, |a| {
        Ok(Answer::Text(real_text(a.real(0))))
    }),
];

/// An operation on two whole numbers; the third argument says whether the result is unsigned.
fn whole(
    a: &Arguments<'_, '_>,
    operation: fn(i64, i64) -> Option<i64>,
) -> Result<Answer, SqlError> {
    let unsigned = a.whole(2) == 1;
    let result = operation(a.whole(0), a.whole(1)).filter(|result| !unsigned || *result >= 0);
    let kind = if unsigned {
        "BIGINT UNSIGNED"
    } else {
        "BIGINT"
    };
    result.map(Answer::Whole).ok_or_else(|| out_of_range(kind))
}

fn divided(
    a: &Arguments<'_, '_>,
    operation: fn(i64, i64) -> Option<i64>,
) -> Result<Answer, SqlError> {
    if a.whole(1) == 0 {
        return Ok(Answer::Null);
    }
    whole(a, operation)
}

/// Sixty-four bits as a number that is not below zero.
fn bits(bits: u64) -> Result<Answer, SqlError> {
    let number = i64::try_from(bits).map(Answer::Whole);
    number.map_err(|_| out_of_range("BIGINT UNSIGNED"))
}

fn shifted(
    a: &Arguments<'_, '_>,
    operation: fn(u64, u32) -> Option<u64>,
) -> Result<Answer, SqlError> {
    let places = u32::try_from(a.whole(1)).unwrap_or(u32::MAX);
    bits(operation(a.whole(0) as u64, places).unwrap_or(0))
}

fn sign(number: f64) -> i64 {
    if number > 0.0 {
        1
    } else if number < 0.0 {
        -1
    } else {
        0
    }
}

fn finite(number: f64) -> Result<Answer, SqlError> {
    if number.is_finite() {
        Ok(Answer::Real(number))
    } else {
        Err(out_of_range("DOUBLE"))
    }
}

/// The nearest whole number.
fn rounded(number: f64) -> Result<Answer, SqlError> {
    let number = number.round_ties_even();
    // 2^63 is the first that has no room.
    if (-TWO_TO_63..TWO_TO_63).contains(&number) {
        Ok(Answer::Whole(number as i64))
    } else {
        Err(out_of_range("BIGINT"))
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// The unit of `ROUND(n, -digits)`; `None` when every number rounds to zero.
fn unit(digits: i64) -> Option<i64> {
    10_i64.checked_pow(u32::try_from(digits.unsigned_abs()).ok()?)
}

fn whole_round(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (number, digits) = (a.whole(0), a.whole(1));
    if digits >= 0 {
        return Ok(Answer::Whole(number));
    }
    let Some(unit) = unit(digits) else {
        return Ok(Answer::Whole(0));
    };
    let (rest, half) = (i128::from(number % unit), i128::from(unit) / 2);
    let away = if rest.abs() >= half {
        i128::from(number.signum()) * i128::from(unit)
    } else {
        0
    };
    let result = i64::try_from(i128::from(number) - rest + away);
    result
        .map(Answer::Whole)
        .map_err(|_| out_of_range("BIGINT"))
}

fn whole_truncate(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (number, digits) = (a.whole(0), a.whole(1));
    Ok(Answer::Whole(match digits {
        0.. => number,
        _ => unit(digits).map_or(0, |unit| number - number % unit),
    }))
}

fn real_round(a: &Arguments<'_, '_>, operation: fn(f64) -> f64) -> Result<Answer, SqlError> {
    let (number, digits) = (a.real(0), a.whole(1).clamp(-400, 400) as i32);
    let unit = 10_f64.powi(digits.abs());
    let result = if digits >= 0 {
        let many = number * unit;
        if many.is_finite() {
            operation(many) / unit
        } else {
            number
        }
    } else if unit.is_finite() {
        operation(number / unit) * unit
    } else {
        0.0
    };
    finite(result)
}

/// As MySQL writes it: the fewest digits that read back as the same number.
pub(in crate::sql) fn real_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (EXPONENT_MIN..EXPONENT_MAX).contains(&exponent) {
        return number.to_string();
    }
    format!("{digits}e{exponent}")
}

/// From where on numbers are written with an exponent.
const EXPONENT_MAX: i32 = 15;
const EXPONENT_MIN: i32 = -15;
