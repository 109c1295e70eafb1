//! A statement's lexemes, without allocating, where its end may not be there yet.

/// More bytes are needed to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecided;

/// What a backslash in a quoted text is. In GBK it may be the second byte of a character, and with
/// `NO_BACKSLASH_ESCAPES` it is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backslash {
    Escapes,
    IsText,
}

/// A piece of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme<'a> {
    /// Letters, digits, `_`, `$`, and bytes beyond ASCII.
    Word(&'a [u8]),
    /// What stands in backticks.
    Name(&'a [u8]),
    /// What stands in quotes, escapes as they are.
    Quoted(&'a [u8]),
    Symbol(u8),
}

/// The lexemes of a statement of which the end may not be there yet.
#[derive(Debug, Clone)]
pub(super) struct Lexemes<'a> {
    rest: &'a [u8],
    whole: bool,
    backslash: Backslash,
}

impl<'a> Lexemes<'a> {
    pub(super) fn new(text: &'a [u8], whole: bool) -> Self {
        Self {
            rest: text,
            whole,
            backslash: Backslash::Escapes,
        }
    }

    /// Whether what is there ends the statement's packet.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// How many bytes are left.
    pub(super) fn rest_bytes(&self) -> usize {
        self.rest.len()
    }

    /// Whether `name` stands anywhere in what is there, in any letter case: a quick look that spares most
    /// statements a slower one.
    pub(super) fn may_have(&self, name: &[u8]) -> bool {
        let Some((&first, _)) = name.split_first() else {
            return true;
        };
        memchr::memchr2_iter(
            first.to_ascii_lowercase(),
            first.to_ascii_uppercase(),
            self.rest,
        )
        .filter_map(|at| self.rest.get(at..at + name.len()))
        .any(|found| found.eq_ignore_ascii_case(name))
    }

    /// The next lexeme if it is a word; nothing is said about any other.
    pub(super) fn word(&mut self) -> Result<Option<&'a [u8]>, Undecided> {
        Ok(match self.next()? {
            Some(Lexeme::Word(word)) => Some(word),
            _ => None,
        })
    }

    /// The next lexeme behind white space and comments; `None` at the statement's end.
    pub(super) fn next(&mut self) -> Result<Option<Lexeme<'a>>, Undecided> {
        self.skip_blanks()?;
        let Some(&first) = self.rest.first() else {
            return if self.whole { Ok(None) } else { Err(Undecided) };
        };
        if is_word_byte(first) {
            let len = self.rest.iter().position(|&byte| !is_word_byte(byte));
            return self.cut(len.ok_or(())).map(|word| Some(Lexeme::Word(word)));
        }
        if matches!(first, b'\'' | b'"' | b'`') {
            self.rest = &self.rest[1..];
            let end = match self.backslash {
                Backslash::Escapes => end_of_quoted(self.rest, first),
                Backslash::IsText => memchr::memchr(first, self.rest),
            };
            let quoted = self.cut(end.ok_or(()))?;
            self.rest = self.rest.get(1..).unwrap_or_default();
            return Ok(Some(match first {
                b'`' => Lexeme::Name(quoted),
                _ => Lexeme::Quoted(quoted),
            }));
        }
        self.rest = &self.rest[1..];
        Ok(Some(Lexeme::Symbol(first)))
    }

    /// Cuts `len` bytes off, or all that is left if it is certain that nothing follows.
    fn cut(&mut self, len: Result<usize, ()>) -> Result<&'a [u8], Undecided> {
        let len = match len {
            Ok(len) => len,
            Err(()) if self.whole => self.rest.len(),
            Err(()) => return Err(Undecided),
        };
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(head)
    }

    /// Skips white space and comments. `/*! … */` is no comment but code for the server.
    fn skip_blanks(&mut self) -> Result<(), Undecided> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let end = match self.rest {
                [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..] => return Ok(()),
                [b'/', b'*', text @ ..] => memchr::memmem::find(text, b"*/").map(|at| at + 4),
                [b'#', ..] | [b'-', b'-', b' ' | b'\t' | b'\n' | b'\r', ..] => {
                    memchr::memchr(b'\n', self.rest).map(|at| at + 1)
                }
                [b'-', b'-'] if self.whole => Some(2),
                [b'-'] | [b'-', b'-'] | [b'/'] if !self.whole => return Err(Undecided),
                _ => return Ok(()),
            };
            self.cut(end.ok_or(()))?;
        }
    }
}

/// What is left of `text` behind the `;` that ends its first statement.
pub(super) fn after_statement(text: &[u8], backslash: Backslash) -> &[u8] {
    let mut lexemes = Lexemes {
        backslash,
        ..Lexemes::new(text, true)
    };
    loop {
        match lexemes.next() {
            Ok(Some(Lexeme::Symbol(b';'))) => return lexemes.rest,
            Ok(Some(_)) => {}
            Ok(None) | Err(Undecided) => return &[],
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// Where the closing `quote` of a quoted text stands. A doubled one closes and opens again, which is the
/// same for finding the end.
fn end_of_quoted(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(quote, b'\\', text.get(at..)?) {
        let here = at + found;
        if text[here] == quote {
            return Some(here);
        }
        at = if quote == b'`' { here + 1 } else { here + 2 };
    }
    None
}
