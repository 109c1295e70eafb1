//! Takes passwords out of statements before anybody writes them down.
//!
//! Statements come as people type them, and as servers show them: cut off in the middle of a literal, in
//! a dialect that nobody has told us. So nothing is parsed. Tokens are read one after the other, and what
//! stands where a password stands is hidden; rather too much than too little. Whether a backslash escapes
//! a quote depends on a session's mode, which is not known: what either reading hides is hidden.

mod places;
mod tokens;

use std::borrow::Cow;
use std::ops::Range;

use places::Places;
use tokens::{Escapes, Kind, Token, tokens};

/// What stands in a password's place, instead of it.
pub const MASK: &str = "'***'";

/// How deep statements within literals and comments of other statements are looked at.
const DEPTH_MAX: usize = 3;

/// A statement without the passwords in it.
pub fn mask(statement: &str) -> Cow<'_, str> {
    let secrets = secrets(statement, 0);
    if secrets.is_empty() {
        return Cow::Borrowed(statement);
    }
    let mut masked = String::with_capacity(statement.len());
    let mut at = 0;
    for secret in secrets {
        masked.push_str(&statement[at..secret.start]);
        masked.push_str(MASK);
        at = secret.end;
    }
    masked.push_str(&statement[at..]);
    Cow::Owned(masked)
}

/// A statement as it may be written down: without passwords, and of a longer one the first `chars_max` characters.
pub fn written_down(statement: &str, chars_max: usize) -> String {
    match statement.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}\u{2026}", mask(&statement[..end])),
        None => mask(statement).into_owned(),
    }
}

/// Where passwords stand, in order and apart from each other.
fn secrets(statement: &str, depth: usize) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for escapes in [Escapes::Backslash, Escapes::Doubled] {
        let mut places = Places::default();
        for token in tokens(statement, escapes) {
            if places.is_secret(&token, statement) {
                found.push(token.span);
            } else {
                found.extend(within(&token, statement, depth));
            }
        }
    }
    found.sort_by_key(|secret| secret.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for secret in found {
        match apart.last_mut() {
            Some(last) if secret.start < last.end => last.end = last.end.max(secret.end),
            _ => apart.push(secret),
        }
    }
    apart
}

/// The passwords of a statement that stands in a literal or a comment.
fn within(token: &Token<'_>, statement: &str, depth: usize) -> Vec<Range<usize>> {
    let is_literal = token.kind == Kind::Literal;
    if !(is_literal || token.kind == Kind::Comment) || !may_have_secrets(token.inside) {
        return Vec::new();
    }
    if depth == DEPTH_MAX {
        return vec![token.span.clone()];
    }
    let raw = secrets(token.inside, depth + 1);
    let quotes = ['\'', '"', '\\'];
    if is_literal && token.inside.contains(quotes) {
        // Its quotes are written in another way than the statement's within: one cannot say where in it.
        let unquoted = token
            .inside
            .replace("''", "'")
            .replace("\"\"", "\"")
            .replace('\\', "");
        let any = !raw.is_empty() || !secrets(&unquoted, depth + 1).is_empty();
        return any.then(|| token.span.clone()).into_iter().collect();
    }
    let begin = token.inside.as_ptr() as usize - statement.as_ptr() as usize;
    let moved = |secret: Range<usize>| begin + secret.start..begin + secret.end;
    raw.into_iter().map(moved).collect()
}

/// A quick no for what has no word in it that leads to a password.
fn may_have_secrets(text: &str) -> bool {
    let has = |word: &[u8]| {
        text.as_bytes()
            .windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word))
    };
    has(b"IDENTIFIED") || places::NAMES.iter().any(|name| has(name.as_bytes()))
}

#[cfg(test)]
mod tests;
