//! What the random commands say: texts of every outcome, and statements to prepare.

/// What runs behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mariadb,
    Seekdb,
}

impl Kind {
    /// The id that a PREPARE will be given after `attempts` others, `failed` of them in vain.
    pub(crate) fn next_id(self, attempts: u32, failed: u32) -> u32 {
        match self {
            Self::Mariadb => attempts + 1,
            Self::Seekdb => attempts - failed + 1,
        }
    }

    /// Whether ids begin at 1 again in a session that is reset.
    pub(crate) fn counts_anew(self) -> bool {
        self == Self::Seekdb
    }
}

pub(crate) const DATABASE: &str = "differential";

/// The name of the file that the server asks for.
pub(crate) const LOAD: &str = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE loaded";

/// Run once, before all sequences.
pub(crate) const SETUP: &[&str] = &[
    "DROP DATABASE IF EXISTS differential",
    "CREATE DATABASE differential",
    "USE differential",
    "CREATE TABLE t (a INT, b VARCHAR(8), c VARBINARY(64))",
    "INSERT INTO t VALUES (1, 'x', X'00ff80fe'), (2, NULL, NULL), (3, 'z', ''), (4, '', X'fbfcfdfeff')",
    "CREATE TABLE empty (a INT)",
    "CREATE TABLE loaded (a INT, b VARCHAR(8))",
    "CREATE TABLE numbers (n INT)",
    "INSERT INTO numbers VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
    "DROP USER IF EXISTS guest",
    "CREATE USER guest IDENTIFIED BY 'secret'",
    "CREATE PROCEDURE two_results() BEGIN SELECT 1; SELECT a FROM t ORDER BY a; END",
    "CREATE PROCEDURE out_parameter(OUT o INT) BEGIN SELECT 1; SET o = 7; END",
    "CREATE PROCEDURE fails() BEGIN SELECT 1; SELECT a FROM nowhere; END",
];

/// Run before each run of a sequence.
pub(crate) const RESTORE: &str = "DELETE FROM differential.loaded";

/// Statements that leave the session as it is, or bring it into one of a few states.
pub(crate) const TEXTS: &[&str] = &[
    "SELECT 1",
    "DO 1",
    "SELECT NULL",
    "SELECT '', NULL, 0, ''",
    "SELECT a, b, c FROM t ORDER BY a",
    "SELECT b FROM t WHERE b IS NULL",
    "SELECT a FROM empty",
    "SELECT x.n, y.n, z.n FROM numbers x, numbers y, numbers z ORDER BY 1, 2, 3",
    "SELECT REPEAT('v', 250), REPEAT('w', 251)",
    "SELECT REPEAT('l', 65535)",
    "SELECT REPEAT('l', 65536)",
    "SELECT n, REPEAT('m', 20000) FROM numbers ORDER BY n",
    "SELECT x.n, y.n, REPEAT('k', 3000) FROM numbers x, numbers y ORDER BY 1, 2",
    "SELECT X'00ff80fe00', 1.5, -7, 1e10",
    "SELECT DATABASE(), USER(), @a, @@autocommit",
    "SELECT ROW_COUNT(), LAST_INSERT_ID()",
    "INSERT INTO loaded VALUES (9, 'q'), (8, 'p')",
    "INSERT INTO loaded SELECT n, 'n' FROM numbers",
    "UPDATE loaded SET b = 'u' WHERE a > 4",
    "DELETE FROM loaded WHERE a = 9",
    "SELECT a, b FROM loaded ORDER BY a, b",
    "INSERT INTO loaded VALUES (1, 'much too long for it')",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET autocommit = 0",
    "SET autocommit = 1",
    "SET @a = 'some text'",
    "SET NAMES utf8mb4",
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "SET sql_mode = DEFAULT",
    "USE differential",
    "USE nowhere",
    "SELEKT",
    "SELECT nope FROM t",
    "SELECT * FROM nowhere.nothing",
    "SELECT CAST('x' AS SIGNED)",
    "SELECT CAST('x' AS SIGNED), CAST('y1' AS SIGNED)",
    "SELECT 1/0",
    "DROP TABLE IF EXISTS nowhere",
    "",
    " ",
    ";",
    "/* nothing */",
    "-- nothing",
    "  \n\t SELECT 2",
    "/* one */ /* two */ SELECT 3 -- three",
    "# comment\nSELECT 4;",
    "SELECT 5 ; ",
    "/*! SELECT 6 */",
    "(SELECT 7)",
    // More than one.
    "SELECT 1; DO 1; SELECT a FROM t ORDER BY a",
    "SELECT 1; SELECT nope; SELECT 2",
    "UPDATE loaded SET b = 'm' WHERE a = 8; SELECT a FROM empty",
    "SELECT ';'; SELECT \"it's; \\\" fine\"; SELECT 1 /* ; */",
    "SELECT CAST('x' AS SIGNED); SHOW WARNINGS",
    "DO 1; DO 2; DO 3",
    "SELECT n FROM numbers ORDER BY n; SELECT REPEAT('q', 70000); SELECT NULL;",
    // Almost the proxy's.
    "SHOW FULL TABLES",
    "SHOW TABLES LIKE 'nothing%'",
    "SHOW SERVER STATUS LIKE 'x'",
    "SHOW SERVER_SESSIONS",
    "SHOW SERVER",
    "SHOW FULL SERVER",
    "SHOW 'SERVER' SESSIONS",
    "EXPLAIN SHOW SERVER SESSIONS",
    "/*! SHOW SERVER SESSIONS */",
    "--SHOW SERVER SESSIONS",
    "SELECT 'SHOW SERVER SESSIONS'",
    "SELECT 'x; SHOW SERVER SESSIONS; KILL SERVER SESSION a 1'",
    "SELECT 1 /* ; SHOW SERVER SESSIONS */",
    "SELECT @@warning_count, 1",
    "SELECT @warning_count",
    "SHOW COUNT(1) WARNINGS",
    "KILL 0",
    "KILL QUERY 0",
    "KILL CONNECTION '4294967290'",
    "KILL SERVERS 1",
    "KILL",
    "KILL @nothing",
];

/// For MariaDB only. seekdb 1.4.0 crashes some time after it has dropped a call from its plan cache, and
/// after the error in a subquery it reports a change of a variable of its own now and then.
pub(crate) const MARIADB_TEXTS: &[&str] = &[
    ERROR_AFTER_ROWS,
    "CALL two_results()",
    "CALL two_results(); SELECT 1",
    "CALL out_parameter(@o)",
    "CALL fails()",
    "CALL nowhere()",
];

/// Questions about the statement before: the server's to answer as long as that was the server's.
pub(crate) const DIAGNOSTICS: &[&str] = &[
    "SHOW WARNINGS",
    "show warnings limit 1",
    "SHOW ERRORS",
    "SHOW COUNT(*) WARNINGS",
    "/* how many */ SELECT @@warning_count",
    "SELECT @@session.error_count;",
];

/// Statements for the proxy, which it answers in few packets and without asking anybody long.
pub(crate) const VIRTUAL: &[&str] = &[
    "SHOW SERVER SESSIONS",
    "show /* all */ full server sessions;",
    "SHOW SERVER SESSION",
    "KILL SERVER SESSION 127.0.0.1 0",
    "KILL SERVER whatever",
    "SELECT 1; SHOW SERVER SESSIONS",
];

const ERROR_AFTER_ROWS: &str =
    "SELECT IF(a < 3, a, (SELECT a FROM t u WHERE u.a < t.a)) FROM t ORDER BY a";

/// Bytes that are no UTF-8, in statements.
pub(crate) const NOT_UTF8: &[&[u8]] = &[
    b"SELECT _binary '\xff\xfe\x80'",
    b"SELECT 'caf\xe9'",
    b"/* \xc3\x28 */ SELECT 1",
    b"\xff\xff",
];

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    Int,
    Text,
}

/// A statement to prepare.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) sql: &'static str,
    pub(crate) parameters: &'static [Parameter],
}

const fn prepared(sql: &'static str, parameters: &'static [Parameter]) -> Prepared {
    Prepared { sql, parameters }
}

pub(crate) const PREPARED: &[Prepared] = {
    use Parameter::{Int, Text};
    &[
        prepared("SELECT a, b, c FROM t ORDER BY a", &[]),
        prepared("SELECT a FROM empty", &[]),
        prepared("SELECT a, b FROM t WHERE a > ? ORDER BY a", &[Int]),
        prepared("SELECT n, NULL FROM numbers WHERE n < ? ORDER BY n", &[Int]),
        prepared("INSERT INTO loaded VALUES (4, ?)", &[Text]),
        prepared("INSERT INTO loaded VALUES (?, ?)", &[Int, Text]),
        prepared("DELETE FROM loaded WHERE a = ?", &[Int]),
        prepared("SELECT ?, ?", &[Int, Text]),
        prepared("SELECT LENGTH(?)", &[Text]),
        prepared("SELECT REPEAT(?, 7000)", &[Text]),
    ]
};

/// The same, for MariaDB only: executed twice, `DO` damages seekdb 1.4.0's memory.
pub(crate) const MARIADB_PREPARED: &[Prepared] = &[
    prepared("DO 1", &[]),
    prepared(ERROR_AFTER_ROWS, &[]),
    prepared("CALL two_results()", &[]),
    prepared("CALL out_parameter(?)", &[Parameter::Int]),
];

/// MariaDB executes this one in bulk.
pub(crate) const BULK: Prepared =
    prepared("INSERT INTO loaded VALUES (?, 'bulk')", &[Parameter::Int]);

/// Statements that cannot be prepared.
pub(crate) const UNPREPARABLE: &[&str] = &[
    "SELEKT ?",
    "SELECT nope FROM t",
    "SELECT * FROM nowhere.nothing WHERE a = ?",
];
