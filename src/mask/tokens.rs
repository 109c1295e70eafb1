//! The tokens of a statement in any of MySQL's dialects, also of one that ends in the middle.

use std::ops::Range;

/// How a quote stands in a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Twice, or behind a backslash.
    Backslash,
    /// Twice: NO_BACKSLASH_ESCAPES.
    Doubled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a name, a number, a variable.
    Word,
    /// A name in backticks.
    Name,
    /// In single or double quotes, closed or not.
    Literal,
    Comment,
    /// Any other character.
    Sign(char),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// Where in the statement, quotes and all.
    pub(super) span: Range<usize>,
    /// Without the quotes, or a comment's signs.
    pub(super) inside: &'a str,
}

/// All tokens but white space.
pub(super) fn tokens(statement: &str, escapes: Escapes) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &statement[at..];
            let first = rest.chars().next()?;
            let (kind, length, inside) = token(rest, first, escapes);
            let token = kind.map(|kind| Token {
                kind,
                span: at..at + length,
                inside: &rest[inside],
            });
            at += length;
            if token.is_some() {
                return token;
            }
        }
    })
}

/// The kind of what `rest` begins with (none: white space), its length, and where its inside is.
fn token(rest: &str, first: char, escapes: Escapes) -> (Option<Kind>, usize, Range<usize>) {
    let second = rest[first.len_utf8()..].chars().next();
    match (first, second) {
        (space, _) if space.is_whitespace() => (None, space.len_utf8(), 0..0),
        ('\'' | '"', _) => {
            let (inside, length) = quoted(rest, first, escapes);
            (Some(Kind::Literal), length, inside)
        }
        ('`', _) => {
            let (inside, length) = quoted(rest, '`', Escapes::Doubled);
            (Some(Kind::Name), length, inside)
        }
        // One that servers run: what is in it are tokens like any others.
        ('/', Some('*')) if rest[2..].starts_with(['!', '+']) || rest[2..].starts_with("M!") => {
            let begin = 2 + rest[2..].find(['!', '+']).unwrap_or_default() + 1;
            let digits = rest[begin..].bytes().take_while(u8::is_ascii_digit).count();
            (None, begin + digits, 0..0)
        }
        ('*', Some('/')) => (None, 2, 0..0),
        ('/', Some('*')) => {
            let end = rest[2..].find("*/").map_or(rest.len(), |end| 2 + end);
            (Some(Kind::Comment), (end + 2).min(rest.len()), 2..end)
        }
        ('#', _) => line_comment(rest, 1),
        ('-', Some('-')) if rest[2..].chars().next().is_none_or(char::is_whitespace) => {
            line_comment(rest, 2)
        }
        (letter, _) if is_word(letter) || letter == '@' => {
            let end = rest.find(|c| !is_word(c) && c != '@').unwrap_or(rest.len());
            (Some(Kind::Word), end, 0..end)
        }
        (sign, _) => {
            let length = sign.len_utf8();
            (Some(Kind::Sign(sign)), length, 0..length)
        }
    }
}

fn line_comment(rest: &str, begin: usize) -> (Option<Kind>, usize, Range<usize>) {
    let end = rest.find('\n').unwrap_or(rest.len());
    (Some(Kind::Comment), end, begin..end)
}

/// Where the inside of what `rest` begins with is, and how long it is with its quotes.
fn quoted(rest: &str, quote: char, escapes: Escapes) -> (Range<usize>, usize) {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes == Escapes::Backslash {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return (1..at, at + 1);
        }
    }
    (1..rest.len(), rest.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(statement: &str) -> Vec<(Kind, &str)> {
        tokens(statement, Escapes::Backslash)
            .map(|token| (token.kind, token.inside))
            .collect()
    }

    #[test]
    fn every_kind_is_read_and_cut_off_ones_too() {
        assert_eq!(
            read("a@b 'c''d\\'e' \"f'\" `g``h` /* i */ -- j\n# k\n/*!50000 l */ =("),
            [
                (Kind::Word, "a@b"),
                (Kind::Literal, "c''d\\'e"),
                (Kind::Literal, "f'"),
                (Kind::Name, "g``h"),
                (Kind::Comment, " i "),
                (Kind::Comment, " j"),
                (Kind::Comment, " k"),
                (Kind::Word, "l"),
                (Kind::Sign('='), "="),
                (Kind::Sign('('), "("),
            ]
        );
        for (cut, last) in [
            ("x 'abc", (Kind::Literal, "abc")),
            ("x 'abc\\", (Kind::Literal, "abc\\")),
            ("x '", (Kind::Literal, "")),
            ("x /* abc", (Kind::Comment, " abc")),
            ("x /*", (Kind::Comment, "")),
            ("x /* abc *", (Kind::Comment, " abc *")),
            ("x --", (Kind::Comment, "")),
            ("x `abc", (Kind::Name, "abc")),
        ] {
            assert_eq!(read(cut).last(), Some(&last), "{cut}");
        }
    }
}
