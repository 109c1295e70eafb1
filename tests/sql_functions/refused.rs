//! What is wrong on both sides, and what obwarden does not evaluate: an error that names it.

use crate::{here, there};

#[tokio::test]
async fn what_mariadb_refuses_is_refused_with_the_same_code() {
    let mut conn = there::connect().await;
    for text in [
        "SELECT nope FROM obwarden.server_sessions",
        "SELECT id FROM obwarden.server_sessions WHERE nope = 1",
        "SELECT id FROM obwarden.server_sessions ORDER BY nope",
        "SELECT id FROM obwarden.server_sessions GROUP BY nope",
        "SELECT id FROM obwarden.server_sessions ORDER BY 2",
        "SELECT id FROM obwarden.server_sessions GROUP BY 0",
        "SELECT id AS x FROM obwarden.server_sessions WHERE x = 1",
        "SELECT x.id FROM obwarden.server_sessions",
        "SELECT server_sessions.id FROM obwarden.server_sessions s",
        "SELECT id FROM obwarden.nothing",
        "SELECT ip FROM obwarden.servers a, obwarden.servers b",
        "SELECT a.ip FROM obwarden.servers a JOIN obwarden.servers a ON 1",
        "SELECT id FROM obwarden.server_sessions WHERE COUNT(*) > 1",
        "SELECT SUM(COUNT(*)) FROM obwarden.server_sessions",
        "SELECT (SELECT 1, 2)",
        "SELECT delta - id FROM obwarden.server_sessions",
        "SELECT id FROM obwarden.server_sessions WHERE id = (SELECT ip FROM obwarden.servers)",
        "SELECT 1 UNION SELECT 1, 2",
        "SELECT id FROM obwarden.server_sessions WHERE info REGEXP 'a('",
        "SELECT port - 100000 FROM obwarden.server_sessions",
        "SELECT delta * 9223372036854775807 FROM obwarden.server_sessions",
        "SELECT x FROM (SELECT 1)",
        "SELECT a FROM (SELECT 1 a, 2 a) d",
        "SELECT *",
        "SELECT LEFT('a') FROM obwarden.servers",
        "SELECT IFNULL(1) FROM obwarden.servers",
        "SELECT COUNT(*) c FROM obwarden.servers GROUP BY c",
    ] {
        let theirs = match there::run(&mut conn, text).await {
            Err(mysql_async::Error::Server(error)) => error.code,
            other => panic!("MariaDB: {text}: {other:?}"),
        };
        match here::run(text) {
            Err(ours) if ours.code == theirs => {}
            Err(ours) if OF_ITS_GRAMMAR.contains(&(text, ours.code)) && theirs == 1064 => {}
            other => panic!("{text}: there {theirs}, here {other:?}"),
        }
    }
}

/// What is a matter of MariaDB's grammar (1064), and has a code of its own in MySQL.
const OF_ITS_GRAMMAR: [(&str, u16); 3] = [
    ("SELECT x FROM (SELECT 1)", 1248),
    ("SELECT LEFT('a') FROM obwarden.servers", 1582),
    ("SELECT IFNULL(1) FROM obwarden.servers", 1582),
];

#[test]
fn what_is_not_evaluated_is_an_error_that_names_it() {
    for (text, named) in [
        (
            "SELECT SOUNDEX(user) FROM obwarden.server_sessions",
            "SOUNDEX()",
        ),
        ("SELECT RAND()", "RAND()"),
        ("SELECT DATE_FORMAT(NOW(), '%Y')", "DATE_FORMAT()"),
        ("SELECT SLEEP(1)", "SLEEP()"),
        (
            "SELECT user FROM obwarden.server_sessions WHERE BINARY user = 'a'",
            "BINARY",
        ),
        (
            "SELECT user COLLATE utf8mb4_bin FROM obwarden.server_sessions",
            "COLLATE",
        ),
        ("SELECT @@version", "@@version"),
        ("SELECT @a := 1", "@a"),
        (
            "SELECT PERCENT_RANK() OVER (ORDER BY id) FROM obwarden.server_sessions",
            "PERCENT_RANK()",
        ),
        (
            "SELECT id FROM obwarden.server_sessions WHERE NOW()",
            "a time as a condition",
        ),
        (
            "SELECT id FROM obwarden.server_sessions FOR UPDATE",
            "FOR UPDATE",
        ),
        (
            "SELECT ip, COUNT(*) FROM obwarden.servers GROUP BY ip WITH ROLLUP",
            "ROLLUP",
        ),
        (
            "SELECT * FROM obwarden.servers NATURAL JOIN obwarden.server_sessions",
            "NATURAL",
        ),
        (
            "WITH RECURSIVE x AS (SELECT 1 n UNION ALL SELECT n + 1 FROM x) SELECT * FROM x",
            "RECURSIVE",
        ),
        ("SELECT NOW() + 1", "INTERVAL"),
        ("SELECT GREATEST('a', 1)", "GREATEST()"),
        ("SELECT x'41'", "41"),
        (
            "SELECT id = ANY (SELECT 1) FROM obwarden.server_sessions",
            "ANY",
        ),
        ("SELECT info->'$.a' FROM obwarden.server_sessions", "->"),
        (
            "SELECT MATCH (info) AGAINST ('x') FROM obwarden.server_sessions",
            "MATCH",
        ),
        (
            "SELECT id FROM obwarden.server_sessions JOIN mysql.user",
            "cannot be mixed",
        ),
        (
            "SELECT id FROM obwarden.server_sessions, dual2",
            "cannot be mixed",
        ),
    ] {
        match here::run(text) {
            Err(error) => {
                assert_eq!(error.code, 1235, "{text}: {error}");
                assert!(error.text.contains(named), "{text}: {error}");
            }
            Ok(table) => panic!("{text}: {table:?}"),
        }
    }
}
