//! The tables that every battery finds, made anew for each run.

use std::path::Path;

use mysql_async::prelude::Queryable;
use testkit::cluster::Node;

use crate::battery::Server;

const TABLES: &str = include_str!("schema.sql");
/// seekdb has none.
const PROCEDURES: &str = include_str!("procedures.sql");
/// Between two statements of a file: procedures have semicolons in them.
const SEPARATOR: &str = ";;\n";

/// Makes the database, and an account of the same name with a password.
pub(crate) async fn create(node: &Node, server: Server, database: &str) {
    let mut conn = node.connect().await.expect("a login");
    let prelude = format!(
        "DROP DATABASE IF EXISTS {database};;\n\
         CREATE DATABASE {database} CHARACTER SET utf8mb4;;\n\
         USE {database};;\n\
         DROP USER IF EXISTS {database};;\n\
         CREATE USER {database} IDENTIFIED BY 'pass word';;\n\
         GRANT ALL ON {database}.* TO {database};;\n"
    );
    let patience = match server {
        Server::Mariadb => "",
        // What a server gives a packet and a statement, for blobs and for sleepers.
        Server::Seekdb => {
            "SET GLOBAL max_allowed_packet = 67108864;;\nSET GLOBAL ob_query_timeout = 60000000;;\n"
        }
    };
    let procedures = match server {
        Server::Mariadb => PROCEDURES,
        Server::Seekdb => "",
    };
    let script = [patience, &prelude, TABLES, procedures].concat();
    for sql in script.split(SEPARATOR).map(str::trim) {
        if !sql.is_empty() {
            conn.query_drop(sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }
    conn.disconnect().await.expect("its end");
}

/// What LOAD DATA LOCAL reads.
pub(crate) fn write_files(dir: &Path) {
    let many: String = (0..20_000).map(|n| format!("{n}\tname {n}\n")).collect();
    for (name, text) in [
        ("rows.tsv", "1\tone\n2\tzwölf\n3\t\\N\n"),
        ("loaded.tsv", "7\tseven\n"), // mysqlimport takes the table's name from it
        ("empty.tsv", ""),
        ("many.tsv", &many),
        ("bad.tsv", "1\tone\nx\ttwo\tmore\n"),
    ] {
        std::fs::write(dir.join(name), text).expect(name);
    }
}
