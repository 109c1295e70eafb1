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
