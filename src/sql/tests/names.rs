//! The names in a statement, the columns that it needs, and what it says about servers.

use super::*;

#[test]
fn names_are_found_in_every_clause() {
    let text = "WITH c AS (SELECT a1 FROM obwarden.Servers) \
        SELECT b1 x, COUNT(DISTINCT b2), SUM(b3) OVER (PARTITION BY b4 ORDER BY b5) FROM obwarden.server_sessions s \
        JOIN c ON s.c1 = c.c2 LEFT JOIN mysql.user u USING (c3), (SELECT d1 FROM other) d \
        WHERE e1 LIKE e2 AND e3 BETWEEN e4 AND e5 OR e6 IN (e7, (SELECT e8 FROM c)) AND IF(e9, 1, -e10) \
        GROUP BY f1, CASE f2 WHEN f3 THEN f4 ELSE f5 END HAVING TRIM(g1 FROM g2) = SUBSTRING(g3, 1) \
        UNION SELECT NOW() - INTERVAL h1 DAY, (h2, h3) = (1, 2), h4 IS NULL ORDER BY i1";
    let found = names(&query(text));
    let tables: Vec<&str> = found.tables.iter().map(String::as_str).collect();
    assert_eq!(tables, ["server_sessions", "servers"]);
    let others: Vec<&str> = found.others.iter().map(String::as_str).collect();
    assert_eq!(others, ["mysql.user", "other"]);
    let wanted = "a1 b1 b2 b3 b4 b5 c1 c2 c3 d1 e1 e2 e3 e4 e5 e6 e7 e8 e9 e10 f1 f2 f3 f4 f5 g1 g2 g3 h1 h2 h3 h4 i1";
    for column in wanted.split(' ') {
        assert!(found.columns.contains(column), "{column} in {found:?}");
    }
    assert!(!found.all_columns);
    for text in [
        "SELECT * FROM obwarden.servers",
        "SELECT 1, s.* FROM obwarden.servers s",
    ] {
        assert!(names(&query(text)).all_columns, "{text}");
    }
    assert!(!names(&query("SELECT COUNT(*), 2 * port FROM obwarden.servers")).all_columns);
    let found = names_of([&filter("Time > 5 AND `User` = 'x'")]);
    assert_eq!(
        found.columns.into_iter().collect::<Vec<_>>(),
        ["time", "user"]
    );
}

#[test]
fn only_the_columns_that_are_needed_are_planned() {
    let plan = plan_query(
        &query("SELECT s.id, COUNT(*) FROM obwarden.server_sessions s JOIN obwarden.server_sessions t ON s.svr_ip = t.ip \
            WHERE EXISTS (SELECT 1 FROM obwarden.servers)"),
        &tables(),
        &context(),
    )
    .expect("a plan");
    let needed: Vec<(usize, &[usize])> = plan
        .tables
        .iter()
        .map(|table| (table.table, &table.columns[..]))
        .collect();
    assert_eq!(needed, [(0, &[0, 2][..]), (1, &[])]);
    let names: Vec<&str> = plan
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["id", "COUNT(*)"]);
    assert_eq!(plan.columns[0].kind, Kind::Number);
}

/// The terms about servers, as text.
fn terms(text: &str) -> Option<String> {
    let columns = ["ip", "svr_ip", "port", "zone"];
    server_terms(&query(text), "server_sessions", &columns).map(|terms| terms.to_string())
}

#[test]
fn terms_about_servers_are_those_that_every_row_must_meet() {
    for (filter, found) in [
        ("ip = '10.0.0.1'", Some("ip = '10.0.0.1'")),
        (
            "s.ip = '10.0.0.1' AND id > 5 AND (port IN (1, 2))",
            Some("ip = '10.0.0.1' AND port IN (1, 2)"),
        ),
        ("ip = 'a' OR ip = 'b'", Some("ip = 'a' OR ip = 'b'")),
        ("ip = 'a' OR id = 5", None),
        ("NOT (zone LIKE 'z%')", Some("NOT (zone LIKE 'z%')")),
        ("ip IN (SELECT ip FROM obwarden.servers)", None),
        (
            "CONCAT(svr_ip, ':', port) = 'a:1' AND time > 1",
            Some("CONCAT(svr_ip, ':', port) = 'a:1'"),
        ),
        ("ip = user", None),
        ("id = 1", None),
    ] {
        let text = format!("SELECT id FROM obwarden.server_sessions s WHERE {filter}");
        assert_eq!(terms(&text).as_deref(), found, "{filter}");
    }
    for (text, found) in [
        (
            "SELECT 1 FROM obwarden.server_sessions s JOIN obwarden.servers v ON 1 WHERE s.ip = 'a' AND zone = 'z'",
            Some("ip = 'a'"),
        ),
        (
            "SELECT 1 FROM obwarden.servers v LEFT JOIN obwarden.server_sessions s ON 1 WHERE s.ip = 'a'",
            None,
        ),
        (
            "SELECT 1 FROM obwarden.server_sessions a, obwarden.server_sessions b WHERE a.ip = 'a'",
            None,
        ),
        (
            "SELECT 1 FROM obwarden.server_sessions WHERE ip = 'a' UNION SELECT 2 FROM obwarden.server_sessions",
            None,
        ),
        (
            "SELECT 1 FROM (SELECT * FROM obwarden.server_sessions) d WHERE ip = 'a'",
            None,
        ),
        ("SELECT 1 FROM obwarden.server_sessions LIMIT 1", None),
    ] {
        assert_eq!(terms(text).as_deref(), found, "{text}");
    }
    let found = server_terms_of(&filter("Ip = 'a' AND time > 1"), "server_sessions", &["ip"]);
    assert_eq!(
        found.map(|terms| terms.to_string()).as_deref(),
        Some("Ip = 'a'")
    );
}
