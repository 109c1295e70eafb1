//! Which places of a statement are a password's.

use super::tokens::{Kind, Token};

/// Names that have a password for a value, as they are or as a part of other names: `MASTER_PASSWORD`.
pub(super) const NAMES: [&str; 6] = [
    "PASSWORD",
    "PASSWD",
    "PWD",
    "SECRET",
    "ACCESS_KEY",
    "ACCESSKEY",
];

/// Walks through a statement, token by token.
#[derive(Debug, Default)]
pub(super) struct Places {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Elsewhere,
    /// Behind IDENTIFIED, where a plugin may be named before the password, or more of both behind it.
    Identified,
    /// A literal, or a word that is none of the grammar's, is a password: behind BY, AS, USING.
    By,
    /// Behind such a password and a comma: one more, if it is no account's name.
    Listed,
    /// Behind a name that has a password for a value.
    Named,
    /// Behind SET PASSWORD FOR: an account, and then its password.
    For,
    /// Behind `=`, or within so many brackets: a literal is a password.
    Value { brackets: usize },
}

impl Places {
    /// Whether the token is a password. Each token of the statement is to be shown, in order.
    pub(super) fn is_secret(&mut self, token: &Token<'_>, statement: &str) -> bool {
        let next = statement[token.span.end..].trim_start();
        let (state, secret) = match token.kind {
            Kind::Comment => (self.state, false),
            Kind::Literal => self.literal(next),
            Kind::Name => (self.name(token.inside), false),
            Kind::Word => self.word(token.inside, next),
            Kind::Sign(sign) => (self.sign(sign), false),
        };
        self.state = state;
        secret
    }

    fn literal(&self, next: &str) -> (State, bool) {
        match self.state {
            State::By => (State::Identified, true),
            State::Listed => (State::Listed, !next.starts_with('@')),
            State::Named => (State::Elsewhere, true),
            State::Value { brackets: 0 } => (State::Elsewhere, true),
            State::Value { brackets } => (State::Value { brackets }, true),
            State::Elsewhere | State::Identified | State::For => (self.state, false),
        }
    }

    fn name(&self, name: &str) -> State {
        match self.state {
            State::For | State::Identified => self.state,
            _ if names_password(name) => State::Named,
            State::Value { brackets: 1.. } => self.state,
            _ => State::Elsewhere,
        }
    }

    fn word(&self, word: &str, next: &str) -> (State, bool) {
        let is = |keywords: &[&str]| keywords.iter().any(|k| word.eq_ignore_ascii_case(k));
        let state = match self.state {
            _ if is(&["IDENTIFIED"]) => State::Identified,
            State::Identified if is(&["BY", "AS", "USING", "REPLACE"]) => State::By,
            State::By if is(&["PASSWORD"]) || is_prefix(word, next) || next.starts_with('(') => {
                State::By
            }
            State::By if is(&["RANDOM", "VALUES"]) => State::Identified,
            // OceanBase's Oracle mode takes a password without quotes.
            State::By => return (State::Identified, true),
            State::Identified => State::Identified,
            State::Named if is(&["FOR"]) => State::For,
            State::Named if is(&["TO", "LIKE", "IN", "NOT", "IS", "REGEXP", "RLIKE"]) => {
                State::Named
            }
            State::For if is(&["TO"]) => State::Value { brackets: 0 },
            State::For => State::For,
            _ if names_password(word) => State::Named,
            State::Named if is_prefix(word, next) => State::Named,
            State::Value { brackets: 1.. } => self.state,
            State::Value { .. } if is_prefix(word, next) || next.starts_with('(') => self.state,
            State::Value { .. } if is_hexadecimal(word) => return (State::Elsewhere, true),
            State::Elsewhere | State::Listed | State::Named | State::Value { .. } => {
                State::Elsewhere
            }
        };
        (state, false)
    }

    fn sign(&self, sign: char) -> State {
        match (self.state, sign) {
            (_, ';') => State::Elsewhere,
            (State::By, '(') => State::By,
            (State::Identified, ',') => State::Listed,
            (State::Identified | State::For, _) if sign != '=' => self.state,
            (State::Named, ':' | '<' | '>' | '!') => State::Named,
            (State::Named | State::For, '=') => State::Value { brackets: 0 },
            (State::Named, '(') => State::Value { brackets: 1 },
            (State::Value { brackets }, '(') => State::Value {
                brackets: brackets + 1,
            },
            (State::Value { brackets: 2.. }, ')') => match self.state {
                State::Value { brackets } => State::Value {
                    brackets: brackets - 1,
                },
                other => other,
            },
            (State::Value { brackets: 1.. }, sign) if sign != ')' => self.state,
            (State::Value { brackets: 0 }, '=' | '>') => self.state,
            (State::Listed, ',') => State::Listed,
            _ => State::Elsewhere,
        }
    }
}

fn names_password(name: &str) -> bool {
    NAMES.iter().any(|part| {
        name.as_bytes()
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
    })
}

/// Whether a word belongs to the literal behind it: `X'41'`, `N'a'`, `_utf8'a'`, `BINARY 'a'`.
fn is_prefix(word: &str, next: &str) -> bool {
    next.starts_with(['\'', '"'])
        && (word.starts_with('_')
            || ["X", "B", "N", "BINARY"]
                .iter()
                .any(|prefix| word.eq_ignore_ascii_case(prefix)))
}

fn is_hexadecimal(word: &str) -> bool {
    word.starts_with("0x") || word.starts_with("0b")
}
