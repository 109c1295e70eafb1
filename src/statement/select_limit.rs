//! `SET [SESSION | @@SESSION. | @@] SQL_SELECT_LIMIT = {rows | DEFAULT}`
//!
//! The variable is the server's, and the statement goes there as it came. But it counts for the proxy's own tables,
//! too: it is how JDBC's `setMaxRows` limits a result.

use super::lexemes::{Lexeme, Lexemes, Undecided};

/// How many rows a SELECT without a LIMIT gives at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectLimit {
    /// So many.
    Rows(u64),
    /// All: the value is the default, or one that only the server can compute.
    None,
}

/// What the server has for all.
const ALL_ROWS: u64 = u64::MAX;

impl SelectLimit {
    /// What a statement sets it to for its session, if it is a SET that does so.
    pub fn set_by(text: &[u8]) -> Option<Self> {
        let mut lexemes = Lexemes::new(text, true);
        if !is(lexemes.word().ok()??, "SET") {
            return None;
        }
        // Its lexemes are looked at only if it may be one.
        if !lexemes.may_have(NAME.as_bytes()) {
            return None;
        }
        assignments(&mut lexemes).ok().flatten()
    }

    /// The number, if there is one.
    pub fn rows(self) -> Option<u64> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::None => None,
        }
    }
}

const NAME: &str = "SQL_SELECT_LIMIT";

/// What the last of a SET's assignments to the variable sets it to.
fn assignments(lexemes: &mut Lexemes<'_>) -> Result<Option<SelectLimit>, Undecided> {
    let mut set = None;
    // Without a word of its own an assignment is of the scope of the one before.
    let mut of_session = true;
    loop {
        let mut assigned = Assigned::Other;
        let mut next = lexemes.next()?;
        let mut scoped_here = of_session;
        if let Some(Lexeme::Word(word)) = next {
            if is(word, "STATEMENT") {
                // It sets for one statement, which is the server's.
                return Ok(set);
            }
            if let Some(scope) = scope(word) {
                of_session = scope;
                scoped_here = scope;
                next = lexemes.next()?;
            }
        }
        if next == Some(Lexeme::Symbol(b'@')) {
            (next, scoped_here) = system_variable(lexemes)?;
        }
        if let Some(Lexeme::Word(name) | Lexeme::Name(name)) = next
            && is(name, NAME)
        {
            next = lexemes.next()?;
            if next == Some(Lexeme::Symbol(b':')) {
                next = lexemes.next()?;
            }
            if next == Some(Lexeme::Symbol(b'=')) && scoped_here {
                assigned = Assigned::Limit(lexemes.next()?);
                next = lexemes.next()?;
            }
        }
        let ends_here = matches!(next, None | Some(Lexeme::Symbol(b',' | b';')));
        if let Assigned::Limit(value) = assigned {
            set = Some(if ends_here {
                limit(value)
            } else {
                SelectLimit::None
            });
        }
        if !goes_on(lexemes, next)? {
            return Ok(set);
        }
    }
}

/// What an assignment is to.
enum Assigned<'a> {
    Other,
    /// The variable; its value begins with this.
    Limit(Option<Lexeme<'a>>),
}

/// Whether a word says that what follows is the session's, or all sessions'; none if it is no such word.
fn scope(word: &[u8]) -> Option<bool> {
    if is(word, "SESSION") || is(word, "LOCAL") {
        return Some(true);
    }
    let of_all = ["GLOBAL", "PERSIST", "PERSIST_ONLY"];
    of_all.iter().any(|scope| is(word, scope)).then_some(false)
}

/// The name behind the first `@` of `@@[scope.]name`, and whether it is the session's.
fn system_variable<'a>(lexemes: &mut Lexemes<'a>) -> Result<(Option<Lexeme<'a>>, bool), Undecided> {
    let second = lexemes.next()?;
    if second != Some(Lexeme::Symbol(b'@')) {
        // A variable of the user's.
        return Ok((second, false));
    }
    let first = lexemes.next()?;
    let Some(Lexeme::Word(word)) = first else {
        return Ok((first, true));
    };
    let Some(of_session) = scope(word) else {
        return Ok((first, true));
    };
    match lexemes.next()? {
        Some(Lexeme::Symbol(b'.')) => Ok((lexemes.next()?, of_session)),
        other => Ok((other, of_session)),
    }
}

/// Goes on to behind the comma before the next assignment; `false` at the statement's end.
fn goes_on<'a>(lexemes: &mut Lexemes<'a>, mut next: Option<Lexeme<'a>>) -> Result<bool, Undecided> {
    let mut depth = 0_usize;
    loop {
        match next {
            None => return Ok(false),
            Some(Lexeme::Symbol(b';')) => return Ok(false),
            Some(Lexeme::Symbol(b',')) if depth == 0 => return Ok(true),
            Some(Lexeme::Symbol(b'(')) => depth += 1,
            Some(Lexeme::Symbol(b')')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        next = lexemes.next()?;
    }
}

fn limit(value: Option<Lexeme<'_>>) -> SelectLimit {
    let Some(Lexeme::Word(digits)) = value else {
        return SelectLimit::None;
    };
    let digits = std::str::from_utf8(digits).ok();
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(rows) if rows < ALL_ROWS => SelectLimit::Rows(rows),
        _ => SelectLimit::None,
    }
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_the_limit_of_a_session_is_seen_in_every_form() {
        for (text, limit) in [
            ("SET SQL_SELECT_LIMIT=200", SelectLimit::Rows(200)),
            ("set session sql_select_limit = 5;", SelectLimit::Rows(5)),
            ("SET LOCAL SQL_SELECT_LIMIT := 5", SelectLimit::Rows(5)),
            ("SET @@SQL_SELECT_LIMIT=0", SelectLimit::Rows(0)),
            ("SET @@session.sql_select_limit=7", SelectLimit::Rows(7)),
            (
                "/* console */ SET `sql_select_limit`=7 # x",
                SelectLimit::Rows(7),
            ),
            ("SET SQL_SELECT_LIMIT=DEFAULT", SelectLimit::None),
            (
                "SET SQL_SELECT_LIMIT=18446744073709551615",
                SelectLimit::None,
            ),
            ("SET SQL_SELECT_LIMIT=@x", SelectLimit::None),
            ("SET SQL_SELECT_LIMIT=1+1", SelectLimit::None),
            (
                "SET a=IF(1, 2, 3), @u = ',', SQL_SELECT_LIMIT=9, sql_mode=''",
                SelectLimit::Rows(9),
            ),
            (
                "SET NAMES utf8mb4, SQL_SELECT_LIMIT=9",
                SelectLimit::Rows(9),
            ),
            (
                "SET SQL_SELECT_LIMIT=9, SQL_SELECT_LIMIT=10",
                SelectLimit::Rows(10),
            ),
            (
                "SET GLOBAL a=1, SESSION SQL_SELECT_LIMIT=3",
                SelectLimit::Rows(3),
            ),
            ("SET @@GLOBAL.a=1, SQL_SELECT_LIMIT=3", SelectLimit::Rows(3)),
            ("SET SQL_SELECT_LIMIT=3; SELECT 1", SelectLimit::Rows(3)),
        ] {
            assert_eq!(SelectLimit::set_by(text.as_bytes()), Some(limit), "{text}");
        }
    }

    #[test]
    fn what_sets_something_else_does_not() {
        for text in [
            "",
            "SET",
            "SELECT @@SQL_SELECT_LIMIT=5",
            "SET GLOBAL SQL_SELECT_LIMIT=5",
            "SET GLOBAL a=1, SQL_SELECT_LIMIT=5",
            "SET @@global.SQL_SELECT_LIMIT=5",
            "SET PERSIST SQL_SELECT_LIMIT=5",
            "SET @SQL_SELECT_LIMIT=5",
            "SET @a = 'SQL_SELECT_LIMIT=5'",
            "SET a = f(1, SQL_SELECT_LIMIT=5)",
            "SET a=1; SET SQL_SELECT_LIMIT=5",
            "SET STATEMENT SQL_SELECT_LIMIT=5 FOR SELECT 1",
            "SET SQL_SELECT_LIMIT",
            "SET PASSWORD = 'SQL_SELECT_LIMIT'",
        ] {
            assert_eq!(SelectLimit::set_by(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            text in proptest::collection::vec(proptest::sample::select(&b"SET @.=,;()`'5\\sql_select_limit GLOBAL"[..]), 0..60)
        ) {
            let statement = [b"SET sql_select_limit", &text[..]].concat();
            let _ = SelectLimit::set_by(&statement);
        }
    }
}
