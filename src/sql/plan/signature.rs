//! The functions of texts and whole numbers that are called as they are: which arguments they take, and what
//! they give.

use super::fragment::{Fragment, Type};
use super::refusal::{not_evaluated, wrong_argument_count};
use crate::wire::answer::SqlError;

/// As what a function takes an argument.
#[derive(Debug, Clone, Copy)]
enum As {
    Text,
    Whole,
}

/// A function of texts and whole numbers, of which one of ours does the work; NULL is NULL.
struct Signature {
    names: &'static [&'static str],
    function: &'static str,
    takes: &'static [As],
    /// How many of the last arguments may be left out.
    optional: usize,
    gives: Type,
}

const fn signature(
    names: &'static [&'static str],
    function: &'static str,
    takes: &'static [As],
    gives: Type,
) -> Signature {
    Signature {
        names,
        function,
        takes,
        optional: 0,
        gives,
    }
}

const fn with_optional(signature: Signature) -> Signature {
    Signature {
        optional: 1,
        ..signature
    }
}

use As::{Text, Whole};

const SIGNATURES: &[Signature] = &[
    signature(&["LEFT"], "my_left", &[Text, Whole], Type::Text),
    signature(&["RIGHT"], "my_right", &[Text, Whole], Type::Text),
    signature(&["LOWER", "LCASE"], "my_lower", &[Text], Type::Text),
    signature(&["UPPER", "UCASE"], "my_upper", &[Text], Type::Text),
    signature(&["LTRIM"], "my_ltrim", &[Text], Type::Text),
    signature(&["RTRIM"], "my_rtrim", &[Text], Type::Text),
    signature(&["REVERSE"], "my_reverse", &[Text], Type::Text),
    signature(&["REPLACE"], "my_replace", &[Text, Text, Text], Type::Text),
    signature(&["LPAD"], "my_lpad", &[Text, Whole, Text], Type::Text),
    signature(&["RPAD"], "my_rpad", &[Text, Whole, Text], Type::Text),
    signature(&["REPEAT"], "my_repeat", &[Text, Whole], Type::Text),
    signature(
        &["SUBSTRING_INDEX"],
        "my_substring_index",
        &[Text, Text, Whole],
        Type::Text,
    ),
    with_optional(signature(
        &["MID", "SUBSTR", "SUBSTRING"],
        "my_substring",
        &[Text, Whole, Whole],
        Type::Text,
    )),
    signature(
        &["LENGTH", "OCTET_LENGTH"],
        "my_length",
        &[Text],
        Type::Signed,
    ),
    signature(
        &["CHAR_LENGTH", "CHARACTER_LENGTH"],
        "my_char_length",
        &[Text],
        Type::Signed,
    ),
    signature(&["ASCII"], "my_ascii", &[Text], Type::Signed),
    with_optional(signature(
        &["LOCATE"],
        "my_locate",
        &[Text, Text, Whole],
        Type::Signed,
    )),
    signature(&["STRCMP"], "my_strcmp", &[Text, Text], Type::Signed),
    signature(&["INET_ATON"], "my_inet_aton", &[Text], Type::Signed),
];

/// A call of a function that is in the table.
pub(super) fn known(name: &str, fragments: &[Fragment]) -> Result<Fragment, SqlError> {
    let signature = SIGNATURES
        .iter()
        .find(|signature| signature.names.contains(&name));
    let Some(signature) = signature else {
        if NAMES.contains(&name) {
            return Err(wrong_argument_count(name));
        }
        return Err(not_evaluated(format_args!("{name}()")));
    };
    let most = signature.takes.len();
    if !(most - signature.optional..=most).contains(&fragments.len()) {
        return Err(wrong_argument_count(name));
    }
    let mut arguments = Vec::new();
    for (fragment, wanted) in fragments.iter().zip(signature.takes) {
        arguments.push(match wanted {
            Text => fragment.as_text(),
            Whole => fragment.as_whole()?,
        });
    }
    let kind = if signature.gives == Type::Text {
        text_kind(&fragments.iter().collect::<Vec<_>>())
    } else {
        signature.gives
    };
    let sql = format!("{}({})", signature.function, arguments.join(","));
    Ok(Fragment::new(sql, kind))
}

/// Those that are not in the table, for the error about their arguments.
const NAMES: &[&str] = &[
    "IF",
    "IFNULL",
    "COALESCE",
    "NULLIF",
    "ISNULL",
    "CONCAT",
    "CONCAT_WS",
    "GREATEST",
    "LEAST",
    "FIELD",
    "ELT",
    "INSTR",
    "HEX",
    "ABS",
    "SIGN",
    "MOD",
    "ROUND",
    "TRUNCATE",
    "CEILING",
    "USER",
    "CURRENT_USER",
    "SESSION_USER",
    "SYSTEM_USER",
    "CONNECTION_ID",
    "DATABASE",
    "SCHEMA",
];

/// The type of a text that is made of others.
pub(super) fn text_kind(of: &[&Fragment]) -> Type {
    if of.iter().any(|one| one.kind == Type::LongText) {
        Type::LongText
    } else {
        Type::Text
    }
}
