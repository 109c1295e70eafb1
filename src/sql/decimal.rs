//! Numbers with a fixed count of digits behind the point, exact as MySQL's DECIMAL: 38 digits at most.
//!
//! In the database such a number is a blob of sixteen bytes, a whole number of the smallest unit, of which the
//! bytes compare as the numbers do. So `=`, ORDER BY, GROUP BY and MIN need nothing of their own, as long as
//! both sides have the same scale; the plan sees to that.

/// A number of units; what a unit is, the plan knows.
pub(super) type Units = i128;

/// Most digits behind the point.
pub(super) const SCALE_MAX: u8 = 38;

const SIGN: u128 = 1 << 127;

/// As it stands in the database.
pub(super) fn to_blob(units: Units) -> [u8; 16] {
    (units as u128 ^ SIGN).to_be_bytes()
}

/// The number in a blob; `None` for a blob that is none.
pub(super) fn of_blob(blob: &[u8]) -> Option<Units> {
    let bytes: [u8; 16] = blob.try_into().ok()?;
    Some((u128::from_be_bytes(bytes) ^ SIGN) as Units)
}

fn power(digits: u8) -> Option<Units> {
    10_i128.checked_pow(digits.into())
}

/// The same number at another scale, rounded half away from zero; `None` when it has too many digits.
pub(super) fn rescale(units: Units, from: u8, to: u8) -> Option<Units> {
    if to >= from {
        return units.checked_mul(power(to - from)?);
    }
    let unit = power(from - to)?;
    let (whole, rest) = (units / unit, units % unit);
    let away = if rest.unsigned_abs() >= (unit as u128).div_ceil(2) {
        rest.signum()
    } else {
        0
    };
    whole.checked_add(away)
}

/// The quotient with `digits` more digits than the difference of their scales, cut off; `None` when it has too
/// many. The divisor is not zero.
pub(super) fn divide(left: Units, right: Units, digits: u8) -> Option<Units> {
    let Some(widened) = left.checked_mul(power(digits)?) else {
        // The quotient may fit where the dividend does not: digit by digit.
        let (mut quotient, mut rest) = (left.checked_div(right)?, left.checked_rem(right)?);
        for _ in 0..digits {
            let next = rest.checked_mul(10)?;
            quotient = quotient
                .checked_mul(10)?
                .checked_add(next.checked_div(right)?)?;
            rest = next.checked_rem(right)?;
        }
        return Some(quotient);
    };
    widened.checked_div(right)
}

/// What a text begins with, as MySQL reads a number in it: rounded to `scale`, zero when there is none.
pub(super) fn parse(text: &str, scale: u8) -> Option<Units> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mut units, mut behind, mut exponent, mut point) = (0_i128, 0_i32, 0_i32, false);
    let mut up = false;
    let wanted = i32::from(scale);
    for (at, byte) in digits.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if units <= i128::MAX / 100 {
                    units = units * 10 + i128::from(byte - b'0');
                    behind += i32::from(point);
                } else if !point {
                    return None;
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if at > 0 => {
                exponent = exponent_of(&digits[at + 1..]);
                break;
            }
            _ => break,
        }
    }
    // From `behind` digits behind the point, moved by the exponent, to those wanted.
    let mut shift = wanted - behind + exponent;
    while shift > 0 && units != 0 {
        units = units.checked_mul(10)?;
        shift -= 1;
    }
    while shift < 0 && units != 0 {
        up = units % 10 >= 5;
        units /= 10;
        shift += 1;
    }
    if shift == 0 && up {
        units += 1;
    }
    Some(if negative { -units } else { units })
}

/// The exponent that a text begins with; 0 when there is none. Larger ones than any number has are cut.
fn exponent_of(text: &str) -> i32 {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let exponent = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0, |sum: i32, digit| {
            (sum * 10 + i32::from(digit - b'0')).min(1_000)
        });
    if negative { -exponent } else { exponent }
}

/// As MySQL writes it, with all digits of its scale.
pub(super) fn text(units: Units, scale: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = units.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, behind) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{behind}")
}

/// The nearest number of binary precision.
pub(super) fn to_real(units: Units, scale: u8) -> f64 {
    text(units, scale).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_compare_as_the_numbers_do() {
        let numbers = [i128::MIN, -100, -1, 0, 1, 255, 256, i128::MAX];
        for pair in numbers.windows(2) {
            assert!(to_blob(pair[0]) < to_blob(pair[1]), "{pair:?}");
        }
        for number in numbers {
            assert_eq!(of_blob(&to_blob(number)), Some(number));
        }
        assert_eq!(of_blob(b"short"), None);
    }

    #[test]
    fn texts_are_read_as_far_as_they_are_numbers_and_rounded_half_away_from_zero() {
        for (read, scale, units) in [
            ("3.5", 4, 35_000),
            ("-0.0078", 6, -7_800),
            ("7", 0, 7),
            ("7 seconds", 1, 70),
            (" \t12.345x", 2, 1_235),
            ("-12.345", 2, -1_235),
            ("12.3449", 2, 1_234),
            ("1e2", 0, 100),
            ("15e-1", 0, 2),
            ("1e-9", 2, 0),
            (".5", 1, 5),
            ("", 2, 0),
            ("abc", 2, 0),
            ("-", 2, 0),
            ("e5", 2, 0),
            ("0e9999999999", 2, 0),
        ] {
            assert_eq!(parse(read, scale), Some(units), "{read:?}");
        }
        assert_eq!(parse("1e39", 0), None);
        assert_eq!(parse(&"9".repeat(50), 0), None);
        assert_eq!(parse(&format!("0.{}", "3".repeat(60)), 3), Some(333));
    }

    #[test]
    fn a_scale_is_changed_with_rounding_or_said_to_be_too_large() {
        assert_eq!(rescale(15, 1, 0), Some(2));
        assert_eq!(rescale(-15, 1, 0), Some(-2));
        assert_eq!(rescale(14, 1, 0), Some(1));
        assert_eq!(rescale(5, 0, 3), Some(5_000));
        assert_eq!(rescale(i128::MAX, 0, 1), None);
        assert_eq!(rescale(1, 0, 39), None);
    }

    #[test]
    fn a_quotient_is_exact_also_where_the_dividend_has_no_room() {
        assert_eq!(divide(1, 3, 9), Some(333_333_333));
        assert_eq!(divide(-7, 2, 1), Some(-35));
        let large = 10_i128.pow(37);
        assert_eq!(divide(large, large, 9), Some(1_000_000_000));
        assert_eq!(divide(large, 1, 9), None);
    }

    #[test]
    fn a_text_has_all_digits_of_its_scale() {
        for (units, scale, written) in [
            (35_000, 4, "3.5000"),
            (-7, 3, "-0.007"),
            (0, 2, "0.00"),
            (12, 0, "12"),
        ] {
            assert_eq!(text(units, scale), written);
        }
    }
}
