//! Splits a statement into words, quoted texts and signs; comments and white space are dropped.

use std::ops::Range;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Without quotes; of a hexadecimal literal, what it stands for.
    pub(super) text: String,
    /// A word in lower case; empty for everything else.
    pub(super) word: String,
    /// Where it stands in the statement.
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a name (also in backticks), a number or a variable.
    Word,
    Text,
    Sign,
}

impl Token {
    pub(super) fn sign(&self) -> Option<char> {
        (self.kind == Kind::Sign)
            .then(|| self.text.chars().next())
            .flatten()
    }
}

pub(super) fn tokens(statement: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = statement[at..].chars().next() {
        let rest = &statement[at..];
        let (token, length) = match next {
            _ if next.is_whitespace() => (None, next.len_utf8()),
            _ if rest.starts_with("/*") => {
                (None, rest.find("*/").map_or(rest.len(), |end| end + 2))
            }
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            _ if rest.starts_with("-- ") => (None, rest.find('\n').unwrap_or(rest.len())),
            '\'' | '"' => {
                let (text, length) = quoted(rest, next);
                (Some((Kind::Text, text)), length)
            }
            '`' => {
                let (text, length) = quoted(rest, next);
                (Some((Kind::Word, text)), length)
            }
            'x' | 'X' if rest[1..].starts_with('\'') => {
                let (digits, length) = quoted(&rest[1..], '\'');
                (Some((Kind::Text, unhex(&digits))), length + 1)
            }
            _ if in_word(next) => {
                let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                let word = &rest[..length];
                match word.strip_prefix("0x") {
                    Some(digits) => (Some((Kind::Text, unhex(digits))), length),
                    None => (Some((Kind::Word, word.to_owned())), length),
                }
            }
            _ => (Some((Kind::Sign, next.to_string())), next.len_utf8()),
        };
        found.extend(token.map(|(kind, text)| Token {
            kind,
            word: match kind {
                Kind::Word => text.to_lowercase(),
                Kind::Text | Kind::Sign => String::new(),
            },
            text,
            span: at..at + length,
        }));
        at += length;
    }
    found
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '@')
}

/// The text between quotes, and how many bytes it takes with them. Doubled quotes and backslashes
/// are undone.
fn quoted(from: &str, quote: char) -> (String, usize) {
    let mut text = String::new();
    let mut chars = from.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            text.extend(chars.next().map(|(_, escaped)| escaped));
        } else if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, c)| *c == quote).is_some() {
            text.push(quote);
        } else {
            return (text, at + 1);
        }
    }
    (text, from.len())
}

fn unhex(digits: &str) -> String {
    let nibbles: Vec<u8> = digits
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    let bytes: Vec<u8> = nibbles
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_texts_and_signs_without_comments() {
        let found = tokens("/* x */ Kill `a``b` 'it''s' X'4142' 0x4344 # end\n -- 'more\n;");
        let seen: Vec<_> = found
            .iter()
            .map(|token| (token.kind, token.text.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (Kind::Word, "Kill"),
                (Kind::Word, "a`b"),
                (Kind::Text, "it's"),
                (Kind::Text, "AB"),
                (Kind::Text, "CD"),
                (Kind::Sign, ";"),
            ]
        );
        assert_eq!(found[0].word, "kill");
    }

    #[test]
    fn a_quote_or_comment_that_never_ends_takes_the_rest() {
        assert_eq!(tokens("'abc")[0].text, "abc");
        assert!(tokens("/* abc").is_empty());
    }
}
