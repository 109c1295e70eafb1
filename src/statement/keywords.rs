//! Routes a statement by its first keywords, before anything is parsed and without allocating.
//!
//! Whatever is not clearly the proxy's goes to the server as it came. A packet of up to
//! [`UNDECIDED_BYTES_MAX`] is looked at whole, because a virtual statement may stand behind a `;` in it,
//! and running the part before it would be half of what was asked.

use super::{KillKind, SessionId};

pub use super::lexemes::Undecided;
use super::lexemes::{Backslash, Lexeme, Lexemes, after_statement};
use crate::sql::SCHEMA;

/// How many bytes of a statement are held back at most while its route is not decided.
pub const UNDECIDED_BYTES_MAX: usize = 8 * 1024;

/// Where a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To the server.
    Backend,
    /// To the server that holds the session: the client's own, unless the session is known to be elsewhere.
    Kill(KillById),
    /// To the console.
    Console,
    /// To whichever of the two answered the last statement.
    Diagnostics,
    /// The same, but with other statements behind it: only the server can answer all of them.
    DiagnosticsAndMore,
    /// Nowhere: a virtual statement among others in one packet.
    Mixed,
}

/// The server's own `KILL [CONNECTION | QUERY] id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillById {
    /// What is to end.
    pub kind: KillKind,
    /// The session's id, on whichever server.
    pub id: SessionId,
    /// No other statement stands behind it.
    pub alone: bool,
}

/// Decides where a statement goes that begins with `text` and, if `whole`, ends with it.
pub fn route(text: &[u8], whole: bool) -> Result<Route, Undecided> {
    let first = route_one(text, whole)?;
    if !whole || memchr::memchr(b';', text).is_none() {
        return Ok(first);
    }
    let usual = route_all(text, first, Backslash::Escapes)?;
    // It depends on the session's character set and SQL mode where a text ends that has backslashes in it. What
    // stands in a text by either reading is the server's.
    if usual == Route::Mixed && first != Route::Console && memchr::memchr(b'\\', text).is_some() {
        return route_all(text, first, Backslash::IsText);
    }
    Ok(usual)
}

/// Routes a whole packet of which the first statement goes to `first`.
fn route_all(text: &[u8], first: Route, backslash: Backslash) -> Result<Route, Undecided> {
    let mut statements = 0;
    let mut console = first == Route::Console;
    let mut rest = text;
    while !rest.is_empty() {
        if Lexemes::new(rest, true)
            .next()?
            .is_some_and(|lexeme| lexeme != Lexeme::Symbol(b';'))
        {
            statements += 1;
            console |= route_one(rest, true)? == Route::Console;
        }
        rest = after_statement(rest, backslash);
    }
    Ok(match first {
        _ if console && statements > 1 => Route::Mixed,
        Route::Diagnostics if statements > 1 => Route::DiagnosticsAndMore,
        Route::Kill(kill) => Route::Kill(KillById {
            alone: statements <= 1,
            ..kill
        }),
        first => first,
    })
}

fn route_one(text: &[u8], whole: bool) -> Result<Route, Undecided> {
    let mut lexemes = Lexemes::new(text, whole);
    let first = lexemes.word()?;
    if is(first, b"SHOW") {
        return route_show(lexemes);
    }
    if is(first, b"KILL") {
        return route_kill(lexemes);
    }
    if is(first, b"EXPLAIN") || is(first, b"DESCRIBE") || is(first, b"DESC") {
        let mut ahead = lexemes.clone();
        let kills = is(ahead.word()?, b"KILL") && is(ahead.word()?, b"SERVER");
        return if kills {
            Ok(Route::Console)
        } else {
            route_tables(lexemes)
        };
    }
    if is(first, b"USE") {
        return route_schema(&mut lexemes);
    }
    if is(first, b"SELECT") {
        return match route_select(lexemes.clone())? {
            Route::Backend => route_tables(lexemes),
            route => Ok(route),
        };
    }
    if is(first, b"WITH") || text.trim_ascii_start().starts_with(b"(") {
        return route_tables(Lexemes::new(text, whole));
    }
    Ok(Route::Backend)
}

/// A statement that names one of the proxy's own tables: `obwarden.servers`.
fn route_tables(mut lexemes: Lexemes<'_>) -> Result<Route, Undecided> {
    if !lexemes.may_have(SCHEMA.as_bytes()) {
        return if lexemes.is_whole() {
            Ok(Route::Backend)
        } else {
            Err(Undecided)
        };
    }
    let mut after_schema = false;
    while let Some(lexeme) = lexemes.next()? {
        match lexeme {
            Lexeme::Symbol(b';') => break,
            Lexeme::Symbol(b'.') if after_schema => return Ok(Route::Console),
            lexeme => after_schema = is_schema(lexeme),
        }
    }
    Ok(Route::Backend)
}

/// What goes to the console if the next lexeme is the name of the proxy's own tables' schema.
fn route_schema(lexemes: &mut Lexemes<'_>) -> Result<Route, Undecided> {
    let named = lexemes.next()?.is_some_and(is_schema);
    Ok(if named {
        Route::Console
    } else {
        Route::Backend
    })
}

fn is_schema(lexeme: Lexeme<'_>) -> bool {
    match lexeme {
        Lexeme::Word(name) | Lexeme::Name(name) => name.eq_ignore_ascii_case(SCHEMA.as_bytes()),
        Lexeme::Quoted(_) | Lexeme::Symbol(_) => false,
    }
}

/// `SHOW [FULL | ACTIVE] SERVER SESSION[S]`, `SHOW SERVERS`, `SHOW WARDEN …`, `SHOW TABLES FROM obwarden` and its
/// kin, `SHOW WARNINGS`, `SHOW ERRORS`, `SHOW COUNT(*) WARNINGS|ERRORS`.
fn route_show(mut lexemes: Lexemes<'_>) -> Result<Route, Undecided> {
    let mut word = lexemes.word()?;
    if is(word, b"WARNINGS") || is(word, b"ERRORS") {
        return Ok(Route::Diagnostics);
    }
    if is(word, b"COUNT") {
        for symbol in *b"(*)" {
            if lexemes.next()? != Some(Lexeme::Symbol(symbol)) {
                return Ok(Route::Backend);
            }
        }
        let word = lexemes.word()?;
        let counts = is(word, b"WARNINGS") || is(word, b"ERRORS");
        return Ok(if counts {
            Route::Diagnostics
        } else {
            Route::Backend
        });
    }
    if is(word, b"SERVERS") || is(word, b"WARDEN") {
        return Ok(Route::Console);
    }
    if is(word, b"EXTENDED") {
        word = lexemes.word()?;
    }
    if is(word, b"FULL") || is(word, b"ACTIVE") {
        word = lexemes.word()?;
    }
    if is(word, b"SERVER") {
        let word = lexemes.word()?;
        let ours = is(word, b"SESSIONS") || is(word, b"SESSION");
        return Ok(if ours { Route::Console } else { Route::Backend });
    }
    route_show_schema(word, lexemes)
}

/// `SHOW TABLES FROM obwarden`, `SHOW COLUMNS FROM servers FROM obwarden`, `SHOW CREATE TABLE obwarden.servers`.
fn route_show_schema(word: Option<&[u8]>, mut lexemes: Lexemes<'_>) -> Result<Route, Undecided> {
    let of_schema = is(word, b"TABLES") || (is(word, b"TABLE") && is(lexemes.word()?, b"STATUS"));
    if of_schema {
        let word = lexemes.word()?;
        return if is(word, b"FROM") || is(word, b"IN") {
            route_schema(&mut lexemes)
        } else {
            Ok(Route::Backend)
        };
    }
    if is(word, b"CREATE") {
        let is_table = is(lexemes.word()?, b"TABLE");
        return if is_table {
            route_tables(lexemes)
        } else {
            Ok(Route::Backend)
        };
    }
    let of_table: [&[u8]; 5] = [b"COLUMNS", b"FIELDS", b"INDEX", b"INDEXES", b"KEYS"];
    if !of_table.iter().any(|kind| is(word, kind)) {
        return Ok(Route::Backend);
    }
    let word = lexemes.word()?;
    if !(is(word, b"FROM") || is(word, b"IN")) {
        return Ok(Route::Backend);
    }
    let first = lexemes.next()?.is_some_and(is_schema);
    match lexemes.next()? {
        Some(Lexeme::Symbol(b'.')) if first => Ok(Route::Console),
        Some(Lexeme::Word(word)) if is(Some(word), b"FROM") || is(Some(word), b"IN") => {
            route_schema(&mut lexemes)
        }
        _ => Ok(Route::Backend),
    }
}

/// `KILL SERVER …`, and the server's own `KILL [CONNECTION|QUERY] id`.
fn route_kill(mut lexemes: Lexemes<'_>) -> Result<Route, Undecided> {
    let mut lexeme = lexemes.next()?;
    let mut kind = KillKind::Session;
    if let Some(Lexeme::Word(word)) = lexeme {
        if word.eq_ignore_ascii_case(b"SERVER") {
            return Ok(Route::Console);
        }
        let query = word.eq_ignore_ascii_case(b"QUERY");
        if query {
            kind = KillKind::Query;
        }
        if query || word.eq_ignore_ascii_case(b"CONNECTION") {
            lexeme = lexemes.next()?;
        }
    }
    let id = match lexeme {
        Some(Lexeme::Word(word) | Lexeme::Quoted(word)) => {
            std::str::from_utf8(word).ok().and_then(SessionId::parse)
        }
        _ => None,
    };
    // What goes on behind the id is an expression, which the server is to compute.
    let ends = matches!(lexemes.next()?, None | Some(Lexeme::Symbol(b';')));
    let kill = id.filter(|_| ends).map(|id| KillById {
        kind,
        id,
        alone: true,
    });
    Ok(kill.map_or(Route::Backend, Route::Kill))
}

/// `SELECT @@[SESSION.]WARNING_COUNT`, or `ERROR_COUNT`, and nothing more.
fn route_select(mut lexemes: Lexemes<'_>) -> Result<Route, Undecided> {
    for _ in 0..2 {
        if lexemes.next()? != Some(Lexeme::Symbol(b'@')) {
            return Ok(Route::Backend);
        }
    }
    let mut word = lexemes.word()?;
    if is(word, b"SESSION") {
        if lexemes.next()? != Some(Lexeme::Symbol(b'.')) {
            return Ok(Route::Backend);
        }
        word = lexemes.word()?;
    }
    let counts = is(word, b"WARNING_COUNT") || is(word, b"ERROR_COUNT");
    let alone = counts && matches!(lexemes.next()?, None | Some(Lexeme::Symbol(b';')));
    Ok(if alone {
        Route::Diagnostics
    } else {
        Route::Backend
    })
}

fn is(word: Option<&[u8]>, keyword: &[u8]) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(keyword))
}

#[cfg(test)]
mod tests;
