//! The same battery of things with clients that share no code with obwarden, straight to the server
//! and through obwarden: what works directly and not through the proxy is a defect.
//!
//! A client's battery is a program in the client's own language. It prints a line a step,
//! `topic/step: outcome` (see `transcript.rs`), and what it prints straight to the server is what
//! it has to print through obwarden. What a server does not support is an error on both ways.
//! `OBWARDEN_TRANSCRIPTS` names a directory to write all transcripts to.

mod battery;
mod mysql_async_steps;
mod mysql_cli;
mod programs;
mod schema;
#[path = "../support/mod.rs"]
mod support;
mod transcript;
mod virtual_statements;

use battery::Client;

/// A test a client and server.
macro_rules! batteries {
    ($server:ident: $($client:ident),+ $(,)?) => {
        mod $server {
            $(#[tokio::test]
            async fn $client() {
                crate::battery::on::$server(&super::$client()).await;
            })+
        }
    };
}

batteries!(mariadb: mysql, pymysql, connector_python, connector_python_c, mysqlclient, sqlalchemy,
    mysql2, mariadb_js, connector_j, mysql_async, mycli);
// Without mysql_async, which has TLS in builds other than the one that obwarden itself rests on.
batteries!(mariadb_with_tls: mysql, pymysql, connector_python, connector_python_c, mysqlclient,
    sqlalchemy, mysql2, mariadb_js, connector_j, mycli);
// Without connector_python_c: Oracle's C library takes seekdb's answer to a login for malformed,
// straight from the server, too.
batteries!(seekdb: mysql, pymysql, connector_python, mysqlclient, sqlalchemy, mysql2, mariadb_js,
    connector_j, mysql_async, mycli);

/// MariaDB's command line.
fn mysql() -> Client {
    Client::new("mysql", mysql_cli::run)
        .lacks(&["prepared", "pipelining"])
        // A session that has killed its own query hears nothing of it.
        .odd_on_seekdb(&["cancel/itself!"])
}

fn pymysql() -> Client {
    let run = programs::python("pymysql_battery.py", &[]);
    Client::new("pymysql", run).lacks(&["prepared", "pipelining"])
}

/// Oracle's mysql-connector-python, in Python alone.
fn connector_python() -> Client {
    let run = programs::python("connector_battery.py", &["pure"]);
    Client::new("connector_python", run)
        .lacks(&["pipelining"])
        .odd_on_seekdb(&[
            // 4001: the server takes none of the types that this client sends.
            "prepared/parameters",
            "prepared/again with other types",
            "results/statistics",
        ])
}

/// The same on Oracle's C library.
fn connector_python_c() -> Client {
    let run = programs::python("connector_battery.py", &["c"]);
    Client::new("connector_python_c", run).lacks(&["pipelining"])
}

/// MySQLdb, on MariaDB's C library.
fn mysqlclient() -> Client {
    let run = programs::python("mysqlclient_battery.py", &[]);
    Client::new("mysqlclient", run).lacks(&["prepared", "pipelining"])
}

/// SQLAlchemy on PyMySQL.
fn sqlalchemy() -> Client {
    let run = programs::python("sqlalchemy_battery.py", &[]);
    Client::new("sqlalchemy", run)
        .lacks(&["prepared", "pipelining"])
        .says(&[
            (
                "console/inspected",
                "ok [[], [clients, kill_log, server_sessions, servers], \
                 [ip VARCHAR(length=1024), port BIGINT(display_width=20, unsigned=True), \
                 latency_ms BIGINT(display_width=20, unsigned=True)], [], [], [], [True, False]] | alive",
            ),
            (
                "console/reflected",
                "ok [[['root', 3]], [True]] | alive",
            ),
        ])
}

/// mysql2, of npm.
fn mysql2() -> Client {
    Client::new("mysql2", programs::node("mysql2_battery.js"))
}

/// mariadb, of npm: it sends on without waiting for replies.
fn mariadb_js() -> Client {
    Client::new("mariadb_js", programs::node("mariadb_battery.js"))
        // The client refuses it where the server is no MariaDB.
        .odd_on_seekdb(&["reset/change user"])
}

/// MariaDB Connector/J.
fn connector_j() -> Client {
    Client::new("connector_j", programs::java("Battery")).says(&[
        ("console/application name", "ok [3, 1] | alive"),
        ("console/setMaxRows", "ok [2, 4, 3] | alive"),
        ("console/SQL_SELECT_LIMIT", "ok [2, 3, 4, 3] | alive"),
        (
            "console/fetch size, useServerPrepStmts=true",
            "ok [25, true, 3] | alive",
        ),
        ("console/metadata, useServerPrepStmts=true", JDBC_METADATA),
        (
            "console/fetch size, useServerPrepStmts=false",
            "ok [25, true, 3] | alive",
        ),
        ("console/metadata, useServerPrepStmts=false", JDBC_METADATA),
        ("console/scrolled", "ok [3, true, true, true] | alive"),
        ("console/autocommit off", "ok [3, true, 0] | alive"),
        (
            "console/parameters' metadata",
            "ok [2, 2, \"n\", \"BIGINT\"] | alive",
        ),
        ("console/no such table!", "error 1146 | alive"),
        ("console/among the server's tables!", "error 1235 | alive"),
    ])
}

/// How Connector/J describes columns of every kind, and reads their values.
const JDBC_METADATA: &str = "ok [id BIGINT UNSIGNED as BIGINT unsigned, \
     What it runs MEDIUMTEXT java.lang.String signed, half DECIMAL java.math.BigDecimal signed, \
     real_one DOUBLE java.lang.Double signed, below BIGINT as BIGINT signed, \
     nothing VARCHAR java.lang.String signed, true, null, 1.0, -1, 4, true] | alive";

/// mysql_async, in Rust.
fn mysql_async() -> Client {
    Client::new("mysql_async", mysql_async_steps::run).lacks(&["pipelining"])
}

/// mycli, a console on PyMySQL: by option, and on a terminal.
fn mycli() -> Client {
    Client::new("mycli", programs::python("mycli_battery.py", &[]))
        // It ends with its first error.
        .lacks(&["prepared", "blobs", "reset", "pipelining"])
        .says_only(&[
            ("sessions/picked", "ok 2, 1 | ended"),
            (
                "select/grouped",
                "ok +------+----------+--------+--------+------+\\n\
                 | user | sessions |  share | info   | said |\\n\
                 +------+----------+--------+--------+------+\\n\
                 | root |        3 | 0.3333 | <null> | -    |\\n\
                 +------+----------+--------+--------+------+ | alive",
            ),
            (
                "servers/selected",
                "ok +------+-----------+\\n\
                 | zone | reachable |\\n\
                 +------+-----------+\\n\
                 | z1   | YES       |\\n\
                 | z2   | YES       |\\n\
                 +------+-----------+ | alive",
            ),
            (
                "warden/status",
                "ok +----------------------+-------+\\n\
                 | Variable_name        | Value |\\n\
                 +----------------------+-------+\\n\
                 | Node_connections_max | 2     |\\n\
                 +----------------------+-------+ | alive",
            ),
            (
                "tables/names",
                "ok +--------------------+\\n\
                 | Tables_in_obwarden |\\n\
                 +--------------------+\\n\
                 | clients            |\\n\
                 | kill_log           |\\n\
                 | server_sessions    |\\n\
                 | servers            |\\n\
                 +--------------------+ | alive",
            ),
            ("tables/used!", "error (1049 | ended"),
            ("console/on a terminal", "ok as it should be | ended"),
            (
                "kill/explained",
                "ok Verdict, killable, killable, killable | ended",
            ),
            ("kill/where", "ok  | alive"),
        ])
}
