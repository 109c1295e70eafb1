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
mod tests {
    use super::*;

    #[test]
    fn virtual_statements_go_to_the_console_however_they_are_written() {
        for text in [
            "SHOW SERVER SESSIONS",
            "show server sessions;",
            "  \n\tShow\n FULL /* all */ Server -- really\n Sessions # now",
            "/* ApplicationName=DBeaver */ SHOW SERVER SESSIONS",
            "/*Mine*/SHOW SERVER SESSIONS",
            "KILL SERVER SESSION 10.0.0.1 5",
            "kill/**/server session 10.0.0.1:2881 '5';",
            "kill server whatever",
            "SHOW SERVER SESSION",
            "show servers",
            "/* who */ Show Servers WHERE Status = 'ACTIVE'",
            "SHOW ACTIVE SERVER SESSIONS",
            "show warden clients",
            "SHOW WARDEN anything",
            "KILL SERVER SESSIONS WHERE Time > 60",
            "EXPLAIN KILL SERVER SESSION 10.0.0.1 5",
            "SELECT * FROM obwarden.servers",
            "select count(*) from `OBWARDEN` . `server_sessions` s",
            "SELECT 'x.y' FROM t JOIN obwarden /* a */ .servers",
            "WITH a AS (SELECT * FROM obwarden.servers) SELECT * FROM a",
            "(SELECT ip FROM obwarden.servers) UNION SELECT 1",
            "SHOW TABLES FROM obwarden",
            "show full tables in `obwarden` like 's%'",
            "SHOW TABLE STATUS FROM obwarden",
            "SHOW FULL COLUMNS FROM `servers` FROM `obwarden`",
            "SHOW FIELDS IN obwarden.servers",
            "SHOW INDEX FROM servers IN obwarden",
            "SHOW CREATE TABLE `obwarden`.`servers`",
            "DESC obwarden.servers",
            "EXPLAIN SELECT * FROM obwarden.servers",
            "use Obwarden;",
            "USE `obwarden`",
        ] {
            assert_eq!(route(text.as_bytes(), true), Ok(Route::Console), "{text}");
        }
    }

    #[test]
    fn everything_else_goes_to_the_server() {
        for text in [
            "",
            ";",
            "SELECT 1",
            "SHOW SERVER STATUS",
            "SHOW SERVER",
            "SHOW FULL SERVERS",
            "SHOW `SERVERS`",
            "SHOW TABLES",
            "SHOW TABLES FROM test LIKE 'obwarden.%'",
            "SHOW TABLES FROM 'obwarden'",
            "SHOW COLUMNS FROM obwarden",
            "SHOW COLUMNS FROM servers FROM test",
            "SHOW CREATE TABLE obwarden",
            "SHOW CREATE USER obwarden",
            "SHOW GRANTS FOR obwarden",
            "SELECT 'obwarden.servers'",
            "SELECT \"obwarden\".servers",
            "SELECT 1 /* obwarden.servers */",
            "SELECT obwarden FROM t",
            "SELECT * FROM test.obwarden",
            "INSERT INTO obwarden.servers VALUES (1)",
            "EXPLAIN KILL 5",
            "EXPLAIN SELECT 1",
            "DESC t",
            "USE test",
            "USE obwarden2",
            "SHOW FULL PROCESSLIST",
            "SHOW SERVER_SESSIONS",
            "/*!50000 SHOW SERVER SESSIONS */",
            "'SHOW SERVER SESSIONS'",
            "EXPLAIN SHOW SERVER SESSIONS",
            "SELECT @@version_comment",
            "SELECT @@warning_count, 1",
            "KILL",
            "KILL @x",
            "a; b",
            "insert into t values ('x; SHOW SERVER SESSIONS')",
            "select \"it\\\"s; kill server session 1 1\" ; select 2",
            "--not a comment\nSHOW SERVER SESSIONS",
        ] {
            assert_eq!(route(text.as_bytes(), true), Ok(Route::Backend), "{text}");
        }
    }

    #[test]
    fn a_virtual_statement_among_others_is_never_half_run() {
        for text in [
            "SELECT 1; SHOW SERVER SESSIONS",
            "SHOW SERVER SESSIONS; SELECT 1",
            "select ';' ;; kill server session a 1;",
            "KILL SERVER SESSION 10.0.0.1 5; KILL SERVER SESSION 10.0.0.2 6",
            "set @a = 1 /* ; */; SHOW FULL SERVER SESSIONS",
        ] {
            assert_eq!(route(text.as_bytes(), true), Ok(Route::Mixed), "{text}");
        }
        assert_eq!(
            route(b"SHOW SERVER SESSIONS; -- done", true),
            Ok(Route::Console)
        );
    }

    /// `\xbf\x5c` is one character in GBK; with NO_BACKSLASH_ESCAPES a backslash is never more than one.
    #[test]
    fn a_text_that_ends_in_a_backslash_by_the_servers_reading_is_not_refused() {
        for text in [
            &b"SELECT '\xbf\x5c', '; SHOW SERVER SESSIONS'"[..],
            b"INSERT INTO t VALUES ('C:\\', '; kill server session a 1;')",
            b"SELECT 'it\\'s; SHOW SERVER SESSIONS'",
        ] {
            assert_eq!(route(text, true), Ok(Route::Backend));
        }
        for text in [
            &b"SELECT 'C:\\x'; SHOW SERVER SESSIONS"[..],
            b"SELECT '\xbf\x5cx'; SHOW SERVER SESSIONS",
        ] {
            assert_eq!(route(text, true), Ok(Route::Mixed));
        }
    }

    #[test]
    fn a_servers_own_kill_tells_what_it_ends_and_its_id() {
        let id = SessionId::parse("7").unwrap();
        for (text, kind) in [
            ("KILL 7", KillKind::Session),
            ("kill query 7", KillKind::Query),
            ("KILL CONNECTION '7'", KillKind::Session),
            ("KILL QUERY /* x */ 7;", KillKind::Query),
        ] {
            for (behind, alone) in [("", true), (" ;; -- x", true), ("; SELECT 1", false)] {
                let text = format!("{text}{behind}");
                let kill = KillById { kind, id, alone };
                assert_eq!(
                    route(text.as_bytes(), true),
                    Ok(Route::Kill(kill)),
                    "{text}"
                );
            }
        }
        for text in [
            "KILL 0",
            "KILL QUERY 4294967296",
            "KILL 7+1",
            "KILL '7' + 1",
            "KILL CONNECTION_ID()",
            "SELECT 1; KILL 7",
        ] {
            assert_eq!(route(text.as_bytes(), true), Ok(Route::Backend), "{text}");
        }
    }

    #[test]
    fn diagnostics_follow_the_last_statement() {
        for text in [
            "SHOW WARNINGS",
            "show warnings limit 10",
            "SHOW ERRORS;",
            "SHOW COUNT(*) WARNINGS",
            "SELECT @@warning_count",
            "select @@session.error_count;",
        ] {
            assert_eq!(
                route(text.as_bytes(), true),
                Ok(Route::Diagnostics),
                "{text}"
            );
        }
    }

    #[test]
    fn a_question_about_the_last_statement_may_have_others_behind_it() {
        let route = |text: &str| route(text.as_bytes(), true);
        assert_eq!(
            route("SHOW WARNINGS; SELECT 1"),
            Ok(Route::DiagnosticsAndMore)
        );
        assert_eq!(route("SHOW WARNINGS;;"), Ok(Route::Diagnostics));
        assert_eq!(
            route("SHOW WARNINGS; SHOW SERVER SESSIONS"),
            Ok(Route::Mixed)
        );
        assert_eq!(route("SELECT 1; SHOW WARNINGS"), Ok(Route::Backend));
    }

    #[test]
    fn a_statement_that_is_not_all_there_is_decided_as_the_whole_one_or_not_yet() {
        for text in [
            "/* hello */ SHOW FULL SERVER SESSIONS",
            "SELECT @@warning_count",
            "SELECT * FROM t",
            "KILL QUERY 12345",
            "SHOW SERVER STATUS",
            "SHOW SERVERS",
            "-- x\nKILL SERVER SESSION 10.0.0.1 5",
            "SELECT a.b, 'obwarden' FROM `obwarden`.servers",
            "SHOW FULL COLUMNS FROM servers FROM obwarden",
            "EXPLAIN KILL SERVER SESSION 10.0.0.1 5",
            "(SELECT 1 FROM obwarden.servers)",
        ] {
            let whole = route(text.as_bytes(), true).unwrap();
            for cut in 0..text.len() {
                if let Ok(early) = route(&text.as_bytes()[..cut], false) {
                    assert_eq!(early, whole, "{text} cut at {cut}");
                }
            }
        }
        assert_eq!(route(b"INSERT INTO", false), Ok(Route::Backend));
        assert_eq!(route(b"SELECT *", false), Err(Undecided));
        assert_eq!(route(b"SEL", false), Err(Undecided));
    }
}
