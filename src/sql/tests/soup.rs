//! No text makes the planner panic, however deep it is or whatever its words.

use super::*;

#[test]
fn what_is_nested_deeply_is_planned_or_refused() {
    for (open, close) in [
        ("(", ")"),
        ("NOT ", ""),
        ("- ", ""),
        ("IF(1,", ",2)"),
        ("(SELECT ", ")"),
        ("CASE WHEN 1 THEN ", " END"),
        (
            "CASE ",
            " WHEN 1 THEN 2 WHEN '3' THEN 4 WHEN 1.5 THEN 3 END",
        ),
        ("1 IN (", ")"),
        ("CONCAT(", ")"),
        ("(1 BETWEEN ", " AND 2)"),
        ("EXISTS (SELECT 1 WHERE ", ")"),
        ("(SELECT * FROM (SELECT ", " AS a) d)"),
    ] {
        for depth in [5, 12, 20, 40, 60, 200] {
            let text = format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth));
            let parsed = crate::statement::parse(&text);
            let Ok(crate::statement::Statement::Select(select)) = parsed else {
                assert!(depth > 5, "{text}: {parsed:?}");
                continue;
            };
            names(&select.query);
            if let Ok(plan) = plan_query(&select.query, &tables(), &context())
                && let Err(error) = run(&plan)
            {
                assert_ne!(error.code, 1105, "{text}: {error}");
            }
        }
    }
}

proptest::proptest! {
    /// Words in any order: whatever sqlparser takes for a query is planned or refused, and what is planned,
    /// SQLite understands.
    #[test]
    fn no_soup_of_words_makes_the_planner_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 1..24)
    ) {
        let text = format!("SELECT {}", words.join(" "));
        if let Ok(crate::statement::Statement::Select(select)) = crate::statement::parse(&text) {
            names(&select.query);
            if let Ok(plan) = plan_query(&select.query, &tables(), &context())
                && let Err(error) = run(&plan)
            {
                assert_ne!(error.code, 1105, "{text}: {error}");
            }
        }
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "obwarden.servers",
    "obwarden.server_sessions",
    "s",
    "v",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "1",
    "2",
    "0",
    "-1",
    "1.5",
    "1e3",
    "'a'",
    "'12'",
    "NULL",
    "TRUE",
    "id",
    "ip",
    "time",
    "user",
    "info",
    "s.id",
    "v.zone",
    "*",
    "s.*",
    "(",
    ")",
    "(",
    ")",
    ",",
    ",",
    "+",
    "-",
    "/",
    "DIV",
    "%",
    "=",
    "<=>",
    "<",
    "AND",
    "OR",
    "XOR",
    "NOT",
    "!",
    "~",
    "|",
    "&",
    "<<",
    "LIKE",
    "REGEXP",
    "IN (1, 'b')",
    "BETWEEN 1 AND",
    "IS NULL",
    "IS TRUE",
    "COUNT(*)",
    "SUM(",
    "AVG(",
    "MAX(",
    "GROUP_CONCAT(",
    "DISTINCT",
    "OVER ()",
    "OVER (PARTITION BY ip ORDER BY id)",
    "CONCAT(",
    "IF(",
    "ROUND(",
    "SUBSTRING(",
    "TRIM(",
    "NOW()",
    "INTERVAL 1 DAY",
    "CAST(id AS CHAR)",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "UNION",
    "UNION ALL SELECT",
    "EXCEPT",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "USING (ip)",
    "AS",
    "x",
    "WITH x AS (SELECT 1 a)",
    "EXISTS (SELECT 1)",
    "(SELECT 1)",
    "DESC",
    "FOR UPDATE",
    "?",
    "@a",
    "`id`",
];
