//! The values that clients send for the placeholders of prepared statements, as SQL writes them.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>

use mysql_common::constants::ColumnType;

use super::Malformed;
use super::cursor::Cursor;

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A number as SQL writes it: digits, and before, among or behind them `-`, `.` and an exponent.
    Number(String),
    /// A text; of dates and times as SQL writes them.
    Text(String),
}

/// How a client sends a parameter: the code of its type, and a byte of flags.
pub type ParameterType = [u8; 2];

/// In the second byte of a type: the integer has no sign.
const UNSIGNED: u8 = 0x80;

/// What is wrong with a value that is all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadValue {
    /// It is not what its type says.
    Is(&'static str),
    /// It is a text in other bytes.
    NotUtf8,
}

/// A value as it was sent.
pub(super) enum Raw<'a> {
    Null,
    Number(String),
    Real(f64),
    /// Digits that a client has written.
    Decimal(&'a [u8]),
    Bits(&'a [u8]),
    Text(&'a [u8]),
    Time(String),
    Unknown,
}

impl<'a> Raw<'a> {
    /// Reads a value of the type that is said.
    pub(super) fn read(cursor: &mut Cursor<'a>, type_of: ParameterType) -> Result<Self, Malformed> {
        raw(cursor, type_of)
    }

    /// The value as SQL writes it.
    pub(super) fn parameter(self) -> Result<Parameter, BadValue> {
        let (number, otherwise) = match self {
            Self::Null => return Ok(Parameter::Null),
            Self::Text(bytes) => return text(bytes),
            Self::Time(text) => return Ok(Parameter::Text(text)),
            Self::Number(digits) => return Ok(Parameter::Number(digits)),
            Self::Real(real) => (real_number(real), "no finite number"),
            Self::Decimal(digits) => (decimal(digits), "no decimal number"),
            Self::Bits(bits) => (bits_number(bits), "a BIT of more than 64 bits"),
            Self::Unknown => (None, "of a type that is not known"),
        };
        number.map(Parameter::Number).ok_or(BadValue::Is(otherwise))
    }
}

fn raw<'a>(cursor: &mut Cursor<'a>, [code, flags]: ParameterType) -> Result<Raw<'a>, Malformed> {
    use ColumnType as Type;
    let Ok(kind) = Type::try_from(code) else {
        return Ok(Raw::Unknown);
    };
    let unsigned = flags & UNSIGNED != 0;
    Ok(match kind {
        Type::MYSQL_TYPE_NULL => Raw::Null,
        Type::MYSQL_TYPE_TINY => integer(cursor.array::<1>("TINYINT")?, unsigned),
        Type::MYSQL_TYPE_SHORT | Type::MYSQL_TYPE_YEAR => {
            integer(cursor.array::<2>("SMALLINT")?, unsigned)
        }
        Type::MYSQL_TYPE_LONG | Type::MYSQL_TYPE_INT24 => {
            integer(cursor.array::<4>("INT")?, unsigned)
        }
        Type::MYSQL_TYPE_LONGLONG => integer(cursor.array::<8>("BIGINT")?, unsigned),
        Type::MYSQL_TYPE_FLOAT => Raw::Real(f64::from(f32::from_le_bytes(cursor.array("FLOAT")?))),
        Type::MYSQL_TYPE_DOUBLE => Raw::Real(f64::from_le_bytes(cursor.array("DOUBLE")?)),
        Type::MYSQL_TYPE_DECIMAL | Type::MYSQL_TYPE_NEWDECIMAL => {
            Raw::Decimal(cursor.lenenc_bytes("DECIMAL")?)
        }
        Type::MYSQL_TYPE_DATE | Type::MYSQL_TYPE_NEWDATE => Raw::Time(date(cursor, false)?),
        Type::MYSQL_TYPE_DATETIME | Type::MYSQL_TYPE_TIMESTAMP => Raw::Time(date(cursor, true)?),
        Type::MYSQL_TYPE_TIME => Raw::Time(time(cursor)?),
        Type::MYSQL_TYPE_BIT => Raw::Bits(cursor.lenenc_bytes("BIT")?),
        Type::MYSQL_TYPE_VARCHAR
        | Type::MYSQL_TYPE_VAR_STRING
        | Type::MYSQL_TYPE_STRING
        | Type::MYSQL_TYPE_ENUM
        | Type::MYSQL_TYPE_SET
        | Type::MYSQL_TYPE_JSON
        | Type::MYSQL_TYPE_TINY_BLOB
        | Type::MYSQL_TYPE_MEDIUM_BLOB
        | Type::MYSQL_TYPE_LONG_BLOB
        | Type::MYSQL_TYPE_BLOB
        | Type::MYSQL_TYPE_GEOMETRY => Raw::Text(cursor.lenenc_bytes("string")?),
        _ => Raw::Unknown,
    })
}

/// A little-endian integer as SQL writes it.
fn integer<'a, const N: usize>(bytes: [u8; N], unsigned: bool) -> Raw<'a> {
    let negative = !unsigned && bytes.last().is_some_and(|high| high & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    wide[..N].copy_from_slice(&bytes);
    Raw::Number(i128::from_le_bytes(wide).to_string())
}

/// A number of binary precision as SQL writes it. A whole one is written whole: clients that know no other
/// numbers send ids and limits so.
fn real_number(real: f64) -> Option<String> {
    if !real.is_finite() {
        return None;
    }
    let is_whole = real.fract() == 0.0 && real.abs() <= WHOLE_MAX;
    Some(if is_whole {
        format!("{}", real as i64)
    } else {
        format!("{real:e}")
    })
}

/// Up to here every whole number is one of binary precision: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a client sends for a decimal number, if SQL would read it as one.
fn decimal(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = are_digits(whole) && are_digits(fraction);
    let is_there = !whole.is_empty() || !fraction.is_empty();
    let exponent_is_number = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    });
    (is_number && is_there && exponent_is_number).then(|| format!("{sign}{unsigned}"))
}

/// The number that a BIT's bytes are, the highest first.
fn bits_number(bits: &[u8]) -> Option<String> {
    let leading = bits.iter().take_while(|byte| **byte == 0).count();
    let bits = &bits[leading..];
    let mut wide = [0; 8];
    let at = wide.len().checked_sub(bits.len())?;
    wide[at..].copy_from_slice(bits);
    Some(u64::from_be_bytes(wide).to_string())
}

/// A text of which the bytes are what the client has sent.
pub(super) fn text(bytes: &[u8]) -> Result<Parameter, BadValue> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Parameter::Text(text.to_owned())),
        Err(_) => Err(BadValue::NotUtf8),
    }
}

/// A DATE, or a DATETIME, as SQL writes it.
fn date(cursor: &mut Cursor<'_>, with_time: bool) -> Result<String, Malformed> {
    let [y, e, month, day, hour, minute, second, m, i, c, r, _] =
        fields(cursor, &[0, 4, 7, 11], "DATE")?;
    let year = u16::from_le_bytes([y, e]);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if !with_time {
        return Ok(date);
    }
    let micros = fraction([m, i, c, r]);
    Ok(format!("{date} {hour:02}:{minute:02}:{second:02}{micros}"))
}

/// A TIME as SQL writes it.
fn time(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    let [negative, d, a, y, s, hour, minute, second, m, i, c, r] =
        fields(cursor, &[0, 8, 12], "TIME")?;
    let sign = if negative == 0 { "" } else { "-" };
    let days = u64::from(u32::from_le_bytes([d, a, y, s]));
    let hours = days * 24 + u64::from(hour);
    let micros = fraction([m, i, c, r]);
    Ok(format!("{sign}{hours:02}:{minute:02}:{second:02}{micros}"))
}

/// The longest of the values that tell a date or a time, in bytes.
const TIME_BYTES_MAX: usize = 12;

/// The fields of a date or a time, which is sent in one of the `lengths`. Those that are not sent are zero.
fn fields(
    cursor: &mut Cursor<'_>,
    lengths: &[u8],
    name: &'static str,
) -> Result<[u8; TIME_BYTES_MAX], Malformed> {
    let length = cursor.u8(name)?;
    if !lengths.contains(&length) {
        return Err(Malformed(name));
    }
    let sent = cursor.take(length.into(), name)?;
    let mut bytes = [0; TIME_BYTES_MAX];
    bytes[..sent.len()].copy_from_slice(sent);
    Ok(bytes)
}

/// What stands behind the seconds for so many microseconds.
fn fraction(micros: [u8; 4]) -> String {
    match u32::from_le_bytes(micros) {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a value of type `code` and these bytes is.
    fn read(code: u8, flags: u8, bytes: &[u8]) -> Result<Parameter, BadValue> {
        let mut cursor = Cursor::new(bytes);
        let raw = Raw::read(&mut cursor, [code, flags]).unwrap();
        assert!(cursor.rest().is_empty(), "type {code}");
        raw.parameter()
    }

    fn number(digits: &str) -> Result<Parameter, BadValue> {
        Ok(Parameter::Number(digits.to_owned()))
    }

    fn text_of(text: &str) -> Result<Parameter, BadValue> {
        Ok(Parameter::Text(text.to_owned()))
    }

    #[test]
    fn integers_of_every_width_keep_their_sign() {
        for (code, width) in [(1, 1), (2, 2), (13, 2), (3, 4), (9, 4), (8, 8)] {
            let bytes = vec![0xff; width];
            let largest = (1_u128 << (8 * width)) - 1;
            assert_eq!(read(code, 0x80, &bytes), number(&largest.to_string()));
            assert_eq!(read(code, 0, &bytes), number("-1"), "type {code}");
        }
        assert_eq!(
            read(8, 0, &i64::MIN.to_le_bytes()),
            number("-9223372036854775808")
        );
        assert_eq!(read(3, 0, &5_i32.to_le_bytes()), number("5"));
    }

    #[test]
    fn numbers_of_binary_precision_are_whole_where_they_are() {
        for (real, digits) in [
            (60.0, "60"),
            (-3.0, "-3"),
            (-0.0, "0"),
            (0.5, "5e-1"),
            (1e300, "1e300"),
            (-1.25e-7, "-1.25e-7"),
        ] {
            assert_eq!(read(5, 0, &f64::to_le_bytes(real)), number(digits));
        }
        assert_eq!(read(4, 0, &1.5_f32.to_le_bytes()), number("1.5e0"));
        // As a server does: what a FLOAT is, in a DOUBLE's digits.
        let tenth = read(4, 0, &0.1_f32.to_le_bytes());
        assert_eq!(tenth, number("1.0000000149011612e-1"));
        for real in [f64::NAN, f64::INFINITY] {
            let read = read(5, 0, &real.to_le_bytes());
            assert_eq!(read, Err(BadValue::Is("no finite number")));
        }
    }

    #[test]
    fn a_decimal_is_a_number_and_nothing_else() {
        for (sent, digits) in [
            ("12.50", "12.50"),
            ("-.5", "-.5"),
            ("+7", "7"),
            (" 3. ", "3."),
            ("1E-3", "1E-3"),
        ] {
            for code in [0, 246] {
                let bytes = [&[sent.len() as u8], sent.as_bytes()].concat();
                assert_eq!(read(code, 0, &bytes), number(digits), "{sent}");
            }
        }
        for sent in [
            "", "-", ".", "1 OR 1", "--1", "0x1f", "1e", "1.2.3", "NaN", "\u{661}",
        ] {
            let bytes = [&[sent.len() as u8], sent.as_bytes()].concat();
            let read = read(246, 0, &bytes);
            assert_eq!(read, Err(BadValue::Is("no decimal number")), "{sent}");
        }
    }

    #[test]
    fn texts_and_blobs_of_every_type_are_texts() {
        for code in [15, 253, 254, 247, 248, 245, 249, 250, 251, 252, 255] {
            assert_eq!(read(code, 0, b"\x04it's"), text_of("it's"));
        }
        assert_eq!(read(254, 0, b"\x01\xff"), Err(BadValue::NotUtf8));
    }

    #[test]
    fn a_bit_is_the_number_of_its_bytes() {
        assert_eq!(read(16, 0, b"\x01\x05"), number("5"));
        assert_eq!(read(16, 0, b"\0"), number("0"));
        let nine = b"\x09\0\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(read(16, 0, nine), number(&u64::MAX.to_string()));
        let too_long = b"\x09\x01\0\0\0\0\0\0\0\0";
        assert!(read(16, 0, too_long).is_err());
    }

    #[test]
    fn dates_and_times_are_written_as_sql_writes_them() {
        let date = [0xe8, 0x07, 2, 29];
        let moment = [&date[..], &[23, 5, 9]].concat();
        let exact = [&moment[..], &[64, 0, 0, 0]].concat();
        let sent = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
        for (code, bytes, text) in [
            (10, sent(&date), "2024-02-29"),
            (14, sent(&moment), "2024-02-29"),
            (12, sent(&date), "2024-02-29 00:00:00"),
            (7, sent(&moment), "2024-02-29 23:05:09"),
            (12, sent(&exact), "2024-02-29 23:05:09.000064"),
            (12, sent(&[]), "0000-00-00 00:00:00"),
            (11, sent(&[]), "00:00:00"),
            (11, sent(&[0, 0, 0, 0, 0, 1, 2, 3]), "01:02:03"),
            (
                11,
                sent(&[1, 2, 0, 0, 0, 1, 2, 3, 7, 0, 0, 0]),
                "-49:02:03.000007",
            ),
        ] {
            assert_eq!(read(code, 0, &bytes), text_of(text));
        }
        let longest = [&[0xff; 4][..], &[23, 59, 59]].concat();
        let longest = [&[0][..], &longest].concat();
        assert_eq!(read(11, 0, &sent(&longest)), text_of("103079215103:59:59"));
    }

    #[test]
    fn a_date_of_a_wrong_length_is_malformed() {
        for (code, length) in [(10, 5), (12, 12), (11, 7), (7, 0xff)] {
            let bytes = [&[length][..], &[0; 255]].concat();
            assert!(Raw::read(&mut Cursor::new(&bytes), [code, 0]).is_err());
        }
    }

    #[test]
    fn a_type_that_nobody_knows_is_said_to_be_that() {
        for code in [17, 100, 200, 243, 244] {
            let read = read(code, 0, &[]);
            assert_eq!(read, Err(BadValue::Is("of a type that is not known")));
        }
        assert_eq!(read(6, 0, &[]), Ok(Parameter::Null));
    }
}
