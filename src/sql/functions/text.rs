//! Functions of texts. Places count characters, from 1 on.

use std::cmp::Ordering;

use super::{Answer, Arguments, Definition};
use crate::wire::answer::SqlError;

pub(super) const FUNCTIONS: &[Definition] = &[
    ("my_left", 2, left),
    ("my_right", 2, right),
    ("my_lower", 1, |a| {
        Ok(cased(a, |char| one(char.to_lowercase())))
    }),
    ("my_upper", 1, |a| {
        Ok(cased(a, |char| one(char.to_uppercase())))
    }),
    ("my_ltrim", 1, |a| {
        Ok(Answer::Text(a.text(0).trim_start_matches(' ').to_owned()))
    }),
    ("my_rtrim", 1, |a| {
        Ok(Answer::Text(a.text(0).trim_end_matches(' ').to_owned()))
    }),
    ("my_trim", 3, trim),
    ("my_reverse", 1, |a| {
        Ok(Answer::Text(a.text(0).chars().rev().collect()))
    }),
    ("my_replace", 3, replace),
    ("my_lpad", 3, |a| pad(a, true)),
    ("my_rpad", 3, |a| pad(a, false)),
    ("my_repeat", 2, repeat),
    ("my_substring", 2, substring),
    ("my_substring", 3, substring),
    ("my_substring_index", 3, substring_index),
    ("my_length", 1, |a| Ok(count(a.text(0).len()))),
    ("my_char_length", 1, |a| {
        Ok(count(a.text(0).chars().count()))
    }),
    ("my_ascii", 1, |a| {
        Ok(Answer::Whole(a.text(0).bytes().next().unwrap_or(0).into()))
    }),
    ("my_locate", 2, locate),
    ("my_locate", 3, locate),
    ("my_strcmp", 2, strcmp),
    ("my_inet_aton", 1, inet_aton),
    ("my_concat", -1, concat),
    ("my_hex_text", 1, hex),
    ("my_real", 1, |a| Ok(Answer::Real(number_prefix(a.text(0))))),
    ("my_whole", 1, |a| {
        Ok(Answer::Whole(whole_prefix(a.text(0))))
    }),
];

/// Those that see NULLs.
pub(super) const FUNCTIONS_OF_NULLS: &[Definition] = &[
    ("my_concat_ws", -1, concat_ws),
    ("my_row_key", -1, row_key),
    ("my_joined", 2, joined),
];

/// The longest text that a function makes, in bytes, as `max_allowed_packet` is.
pub(super) const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Of one character in UTF-8.
const CHAR_BYTES_MAX: usize = 4;

fn count(number: usize) -> Answer {
    Answer::Whole(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A number of characters; none for one below zero.
fn characters(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

pub(super) fn too_long() -> SqlError {
    SqlError::new(
        1301,
        format!("A result is larger than {TEXT_BYTES_MAX} bytes, the most that obwarden makes"),
    )
}

/// What stands before character number `at`, from 0 on, and what from there on.
fn split(text: &str, at: usize) -> (&str, &str) {
    match text.char_indices().nth(at) {
        Some((byte, _)) => text.split_at(byte),
        None => (text, ""),
    }
}

/// Each character in the other case, where that is one character.
fn cased(a: &Arguments<'_, '_>, case: fn(char) -> Option<char>) -> Answer {
    let chars = a.text(0).chars();
    Answer::Text(chars.map(|char| case(char).unwrap_or(char)).collect())
}

fn one(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

fn left(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    Ok(Answer::Text(
        split(a.text(0), characters(a.whole(1))).0.to_owned(),
    ))
}

fn right(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let text = a.text(0);
    let before = text.chars().count().saturating_sub(characters(a.whole(1)));
    Ok(Answer::Text(split(text, before).1.to_owned()))
}

/// `TRIM({BOTH | LEADING | TRAILING} what FROM text)`, 0, 1 or 2.
fn trim(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (mut text, what, side) = (a.text(0), a.text(1), a.whole(2));
    if what.is_empty() {
        return Ok(Answer::Text(text.to_owned()));
    }
    while side != 2
        && let Some(rest) = text.strip_prefix(what)
    {
        text = rest;
    }
    while side != 1
        && let Some(rest) = text.strip_suffix(what)
    {
        text = rest;
    }
    Ok(Answer::Text(text.to_owned()))
}

fn replace(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (text, from, to) = (a.text(0), a.text(1), a.text(2));
    if from.is_empty() {
        return Ok(Answer::Text(text.to_owned()));
    }
    let found = text.matches(from).count();
    if text.len().saturating_add(found.saturating_mul(to.len())) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Answer::Text(text.replace(from, to)))
}

fn pad(a: &Arguments<'_, '_>, at_the_left: bool) -> Result<Answer, SqlError> {
    let (text, wanted, with) = (a.text(0), a.whole(1), a.text(2));
    if wanted < 0 {
        return Ok(Answer::Null);
    }
    let wanted = characters(wanted);
    let Some(missing) = wanted.checked_sub(text.chars().count()) else {
        return Ok(Answer::Text(split(text, wanted).0.to_owned()));
    };
    if missing > TEXT_BYTES_MAX / CHAR_BYTES_MAX {
        return Err(too_long());
    }
    if with.is_empty() && missing > 0 {
        return Ok(Answer::Null);
    }
    let padding: String = with.chars().cycle().take(missing).collect();
    Ok(Answer::Text(if at_the_left {
        padding + text
    } else {
        text.to_owned() + &padding
    }))
}

fn repeat(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (text, times) = (a.text(0), characters(a.whole(1)));
    if text.is_empty() {
        return Ok(Answer::Text(String::new()));
    }
    if text.len().saturating_mul(times) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Answer::Text(text.repeat(times)))
}

/// `SUBSTRING(text, from [, length])`; from the end when `from` is below zero.
fn substring(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (text, from) = (a.text(0), a.whole(1));
    let before = match from {
        0 => return Ok(Answer::Text(String::new())),
        1.. => characters(from - 1),
        _ => {
            let chars = text.chars().count();
            let back = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
            match chars.checked_sub(back) {
                Some(before) => before,
                None => return Ok(Answer::Text(String::new())),
            }
        }
    };
    let rest = split(text, before).1;
    let cut = if a.len() > 2 {
        split(rest, characters(a.whole(2))).0
    } else {
        rest
    };
    Ok(Answer::Text(cut.to_owned()))
}

/// What stands before the `count`th delimiter, or behind it counted from the end.
fn substring_index(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (text, delimiter, wanted) = (a.text(0), a.text(1), a.whole(2));
    if delimiter.is_empty() || wanted == 0 {
        return Ok(Answer::Text(String::new()));
    }
    let mut places = text.match_indices(delimiter).map(|(at, _)| at);
    let back = usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX);
    let part = if wanted > 0 {
        places.nth(back - 1).map_or(text, |at| &text[..at])
    } else {
        // Delimiters that overlap are those that are found from the left here, too.
        let before = places.clone().count().checked_sub(back);
        let place = before.and_then(|before| places.nth(before));
        place.map_or(text, |at| &text[at + delimiter.len()..])
    };
    Ok(Answer::Text(part.to_owned()))
}

/// `LOCATE(what, text [, from])`, without regard to the case of ASCII letters.
fn locate(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let (what, text) = (a.text(0), a.text(1));
    let from = if a.len() > 2 { a.whole(2) } else { 1 };
    if from < 1 {
        return Ok(Answer::Whole(0));
    }
    let before = characters(from - 1);
    if before > text.chars().count() {
        return Ok(Answer::Whole(0));
    }
    let rest = split(text, before).1;
    let (rest, what) = (rest.to_ascii_lowercase(), what.to_ascii_lowercase());
    Ok(match rest.find(&what) {
        Some(at) => count(before + rest[..at].chars().count() + 1),
        None => Answer::Whole(0),
    })
}

/// The order of texts: ASCII letters as capitals, as MySQL's collations have it, and bytes. SQLite's NOCASE has
/// small letters, which is another order for what stands between the two, such as `_`, and ends at a NUL.
pub(super) fn collate(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let left = left.bytes().map(|byte| byte.to_ascii_uppercase());
    left.cmp(right.bytes().map(|byte| byte.to_ascii_uppercase()))
}

fn strcmp(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    Ok(Answer::Whole(collate(a.text(0), a.text(1)) as i64))
}

/// The number of an IPv4 address, also of a short one; NULL for a text that is none.
fn inet_aton(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let mut parts = Vec::new();
    for part in a.text(0).split('.') {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        match part.parse::<u8>() {
            Ok(part) if digits => parts.push(i64::from(part)),
            _ => return Ok(Answer::Null),
        }
    }
    Ok(match parts[..] {
        [d] => Answer::Whole(d),
        [a, d] => Answer::Whole(a << 24 | d),
        [a, b, d] => Answer::Whole(a << 24 | b << 16 | d),
        [a, b, c, d] => Answer::Whole(a << 24 | b << 16 | c << 8 | d),
        _ => Answer::Null,
    })
}

fn concat(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let texts: Vec<&str> = (0..a.len()).map(|at| a.text(at)).collect();
    together(&texts, "")
}

/// NULLs are left out, but a separator that is NULL makes all of it NULL.
fn concat_ws(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    if a.is_null(0) {
        return Ok(Answer::Null);
    }
    let there = (1..a.len()).filter(|at| !a.is_null(*at));
    let texts: Vec<&str> = there.map(|at| a.text(at)).collect();
    together(&texts, a.text(0))
}

fn together(texts: &[&str], separator: &str) -> Result<Answer, SqlError> {
    let bytes: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    if bytes > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Answer::Text(texts.join(separator)))
}

/// What tells rows of several values apart, as COUNT(DISTINCT a, b) does; NULL when one of them is.
fn row_key(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    use rusqlite::types::ValueRef;
    let mut key = Vec::new();
    for at in 0..a.len() {
        let bytes = match a.value(at) {
            ValueRef::Null => return Ok(Answer::Null),
            ValueRef::Integer(number) => number.to_be_bytes().to_vec(),
            ValueRef::Real(number) => (number + 0.0).to_be_bytes().to_vec(),
            ValueRef::Text(text) => text.to_ascii_lowercase(),
            ValueRef::Blob(blob) => blob.to_vec(),
        };
        key.extend_from_slice(&bytes.len().to_be_bytes());
        key.extend_from_slice(&bytes);
    }
    Ok(Answer::Blob(key))
}

/// The texts that `my_collected` has collected, with a separator between them.
fn joined(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let rusqlite::types::ValueRef::Blob(mut collected) = a.value(0) else {
        return Ok(Answer::Null);
    };
    let mut texts = Vec::new();
    while let Some((length, rest)) = collected.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        texts.push(std::str::from_utf8(text).unwrap_or_default());
        collected = rest;
    }
    together(&texts, a.text(1))
}

fn hex(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let text = a.text(0);
    if text.len() > TEXT_BYTES_MAX / 2 {
        return Err(too_long());
    }
    Ok(Answer::Text(
        text.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ))
}

/// The number that a text begins with, 0 for none.
pub(in crate::sql) fn number_prefix(text: &str) -> f64 {
    let text = text.trim_ascii_start();
    let bytes = text.as_bytes();
    let digits_from = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mut end = digits_from(sign);
    let mut digits = end - sign;
    if bytes.get(end) == Some(&b'.') {
        let behind = digits_from(end + 1);
        digits += behind - end - 1;
        end = behind;
    }
    if digits == 0 {
        return 0.0;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits_from(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let number: f64 = text[..end].parse().unwrap_or(0.0);
    number.clamp(f64::MIN, f64::MAX)
}

/// The whole number that a text begins with, 0 for none; the nearest there is for one that is too large.
pub(in crate::sql) fn whole_prefix(text: &str) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0_i64, |sum, digit| {
        let digit = i64::from(digit - b'0');
        let sum = sum.saturating_mul(10);
        if negative {
            sum.saturating_sub(digit)
        } else {
            sum.saturating_add(digit)
        }
    })
}
