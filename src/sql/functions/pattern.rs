//! LIKE and REGEXP. What a pattern means is found out once for as long as it stays the same.

use regex::{Regex, RegexBuilder};
use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::ValueRef;

use super::{Answer, Arguments, Fault, flags};
use crate::wire::answer::SqlError;

/// `my_like(pattern, text, escape)` and `my_regexp(pattern, text)`.
pub(super) fn register(connection: &Connection, fault: &Fault) -> rusqlite::Result<()> {
    connection.create_scalar_function("my_like", 3, flags(), |context| {
        if is_any_null(context) {
            return Ok(Answer::Null);
        }
        let arguments = Arguments(context);
        let escape = arguments.text(2).chars().next();
        let pattern = context.get_or_create_aux(0, |pattern| -> rusqlite::Result<_> {
            Ok(Like::new(text_of(pattern), escape))
        })?;
        Ok(Answer::truth(pattern.is_match(arguments.text(1))))
    })?;
    let fault = fault.clone();
    connection.create_scalar_function("my_regexp", 2, flags(), move |context| {
        if is_any_null(context) {
            return Ok(Answer::Null);
        }
        let regex = context.get_or_create_aux(0, |pattern| {
            regex(text_of(pattern)).map_err(|error| fault.put(error))
        })?;
        Ok(Answer::truth(regex.is_match(Arguments(context).text(1))))
    })
}

fn is_any_null(context: &Context<'_>) -> bool {
    let arguments = Arguments(context);
    (0..arguments.len()).any(|at| arguments.is_null(at))
}

fn text_of(value: ValueRef<'_>) -> &str {
    match value {
        ValueRef::Text(text) => std::str::from_utf8(text).unwrap_or_default(),
        _ => "",
    }
}

fn regex(pattern: &str) -> Result<Regex, SqlError> {
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(REGEX_BYTES_MAX)
        .build();
    regex.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim();
        SqlError::new(1139, format!("Got error '{last}' from regexp"))
    })
}

/// What a compiled pattern may take of memory, in bytes.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// A pattern of LIKE.
#[derive(Debug, PartialEq)]
struct Like(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    /// `%`
    Any,
    /// `_`
    One,
    /// A letter of ASCII in either case, else itself.
    Char(char),
}

impl Like {
    fn new(pattern: &str, escape: Option<char>) -> Self {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            let piece = match char {
                // At the end it stands for itself.
                char if Some(char) == escape => Piece::Char(chars.next().unwrap_or(char)),
                '%' => Piece::Any,
                '_' => Piece::One,
                char => Piece::Char(char),
            };
            if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
                pieces.push(piece);
            }
        }
        Self(pieces)
    }

    /// Goes through the text once, and back only to behind where the last `%` began.
    fn is_match(&self, text: &str) -> bool {
        let pieces = &self.0;
        let mut rest = text.chars();
        let mut at = 0;
        let mut again: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if pieces.get(at) == Some(&Piece::Any) {
                at += 1;
                if at == pieces.len() {
                    return true;
                }
                again = Some((at, rest.clone()));
                continue;
            }
            let mut behind = rest.clone();
            let next = behind.next();
            match (pieces.get(at), next) {
                (None, None) => return true,
                (Some(Piece::One), Some(_)) => {}
                (Some(Piece::Char(wanted)), Some(char)) if wanted.eq_ignore_ascii_case(&char) => {}
                _ => {
                    let Some((begin, from)) = &mut again else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    at = *begin;
                    rest = from.clone();
                    continue;
                }
            }
            at += 1;
            rest = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_in_mysql() {
        for (pattern, text, is_match) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("a%", "ABC", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("%b", "abc", false),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("_", "ä", true),
            ("Ä", "ä", false),
            (r"50\%", "50%", true),
            (r"50\%", "500", false),
            (r"a\_c", "abc", false),
            (r"a\", r"a\", true),
            (r"a\\b", r"a\b", true),
            ("%a%a%a%b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("%%", "x", true),
            ("a%_", "a", false),
            ("a%_", "ab", true),
            ("%ab%ab", "abab", true),
            ("%aab", "aaab", true),
        ] {
            let found = Like::new(pattern, Some('\\')).is_match(text);
            assert_eq!(found, is_match, "{text:?} LIKE {pattern:?}");
        }
        assert!(Like::new("a|%", Some('|')).is_match("a%"));
        assert!(Like::new(r"a\%", None).is_match(r"a\bc"));
    }

    #[test]
    fn a_pattern_that_is_none_is_an_error_and_so_is_one_that_takes_too_much() {
        assert_eq!(regex("a(").map_err(|error| error.code).err(), Some(1139));
        let large = "(x{1000}){1000}";
        assert_eq!(regex(large).map_err(|error| error.code).err(), Some(1139));
        assert!(regex("^AB.*c$").is_ok_and(|regex| regex.is_match("abxC")));
    }
}
