use proptest::prelude::*;

use super::*;

#[test]
fn what_stands_in_a_passwords_place_is_hidden_and_nothing_else() {
    for (statement, masked) in [
        (
            "CREATE USER 'a'@'%' IDENTIFIED BY 'pw'",
            "CREATE USER 'a'@'%' IDENTIFIED BY '***'",
        ),
        (
            "create user a identified by \"pw\" account lock",
            "create user a identified by '***' account lock",
        ),
        (
            "CREATE USER a IDENTIFIED BY PASSWORD '*AB'",
            "CREATE USER a IDENTIFIED BY PASSWORD '***'",
        ),
        (
            "ALTER USER a IDENTIFIED WITH mysql_native_password BY 'pw' REPLACE 'old'",
            "ALTER USER a IDENTIFIED WITH mysql_native_password BY '***' REPLACE '***'",
        ),
        (
            "ALTER USER a IDENTIFIED WITH 'sha2' AS '$A$pw'",
            "ALTER USER a IDENTIFIED WITH 'sha2' AS '***'",
        ),
        (
            "CREATE USER a IDENTIFIED VIA ed25519 USING PASSWORD('pw') OR unix_socket",
            "CREATE USER a IDENTIFIED VIA ed25519 USING PASSWORD('***') OR unix_socket",
        ),
        (
            "CREATE USER a IDENTIFIED VIA x USING 'h1' OR y USING 'h2'",
            "CREATE USER a IDENTIFIED VIA x USING '***' OR y USING '***'",
        ),
        (
            "CREATE USER a IDENTIFIED BY 'p', 'b'@'%' IDENTIFIED BY 'q'",
            "CREATE USER a IDENTIFIED BY '***', 'b'@'%' IDENTIFIED BY '***'",
        ),
        (
            "SET DECRYPTION IDENTIFIED BY 'p','q'",
            "SET DECRYPTION IDENTIFIED BY '***','***'",
        ),
        (
            "CREATE USER a IDENTIFIED BY pw1 DEFAULT",
            "CREATE USER a IDENTIFIED BY '***' DEFAULT",
        ),
        (
            "ALTER USER a IDENTIFIED BY RANDOM PASSWORD",
            "ALTER USER a IDENTIFIED BY RANDOM PASSWORD",
        ),
        (
            "GRANT ALL ON *.* TO 'a' IDENTIFIED BY 'pw' WITH GRANT OPTION",
            "GRANT ALL ON *.* TO 'a' IDENTIFIED BY '***' WITH GRANT OPTION",
        ),
        ("SET PASSWORD = 'pw'", "SET PASSWORD = '***'"),
        ("SET PASSWORD='pw'", "SET PASSWORD='***'"),
        (
            "SET PASSWORD FOR 'a'@'b' = 'pw'",
            "SET PASSWORD FOR 'a'@'b' = '***'",
        ),
        (
            "SET PASSWORD FOR a@b = PASSWORD('pw')",
            "SET PASSWORD FOR a@b = PASSWORD('***')",
        ),
        (
            "SET PASSWORD FOR a@b TO 'pw'",
            "SET PASSWORD FOR a@b TO '***'",
        ),
        (
            "SET PASSWORD = OLD_PASSWORD( 'pw' )",
            "SET PASSWORD = OLD_PASSWORD( '***' )",
        ),
        ("SELECT PASSWORD('pw'), 'x'", "SELECT PASSWORD('***'), 'x'"),
        (
            "SET @password := 'pw', @b = 'x'",
            "SET @password := '***', @b = 'x'",
        ),
        (
            "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='pw', MASTER_USER='u'",
            "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='***', MASTER_USER='u'",
        ),
        (
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = 'pw'",
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = '***'",
        ),
        (
            "START SLAVE USER='u' PASSWORD='pw'",
            "START SLAVE USER='u' PASSWORD='***'",
        ),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (USER 'u', PASSWORD 'pw', PORT 1)",
            "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (USER 'u', PASSWORD '***', PORT 1)",
        ),
        (
            "UPDATE u SET `password` = SHA2(CONCAT('pw', 'salt'), 256), name = 'n'",
            "UPDATE u SET `password` = SHA2(CONCAT('***', '***'), 256), name = 'n'",
        ),
        (
            "SELECT 1 FROM u WHERE pwd IN ('a', 'b') AND n = 'x'",
            "SELECT 1 FROM u WHERE pwd IN ('***', '***') AND n = 'x'",
        ),
        (
            "SELECT 1 FROM u WHERE u.password = v.password AND n = 'x'",
            "SELECT 1 FROM u WHERE u.password = v.password AND n = 'x'",
        ),
        ("SET PASSWORD = X'7077'", "SET PASSWORD = X'***'"),
        ("SET PASSWORD = 0x7077", "SET PASSWORD = '***'"),
        (
            "SET PASSWORD = _utf8mb4'pw'",
            "SET PASSWORD = _utf8mb4'***'",
        ),
        (
            "SET PASSWORD = /* ' */ 'pw'",
            "SET PASSWORD = /* ' */ '***'",
        ),
        (
            "CREATE USER a IDENTIFIED\n\tBY -- the word's\n 'pw'",
            "CREATE USER a IDENTIFIED\n\tBY -- the word's\n '***'",
        ),
        (
            "CREATE USER a /*!50706 IDENTIFIED BY 'pw' */ x",
            "CREATE USER a /*!50706 IDENTIFIED BY '***' */ x",
        ),
        (
            "/* CREATE USER a IDENTIFIED BY 'pw' */ SELECT 'x'",
            "/* CREATE USER a IDENTIFIED BY '***' */ SELECT 'x'",
        ),
        (
            "SELECT 1; SET PASSWORD = 'pw'; SELECT 'x'",
            "SELECT 1; SET PASSWORD = '***'; SELECT 'x'",
        ),
        (
            "ALTER USER a PASSWORD EXPIRE; SELECT 'x'",
            "ALTER USER a PASSWORD EXPIRE; SELECT 'x'",
        ),
        (
            "SELECT 'it''s', \"x\" FROM t WHERE a = 'b'",
            "SELECT 'it''s', \"x\" FROM t WHERE a = 'b'",
        ),
        (
            "KILL SERVER SESSION 10.0.0.1 7 COMMENT 'too slow'",
            "KILL SERVER SESSION 10.0.0.1 7 COMMENT 'too slow'",
        ),
        ("", ""),
    ] {
        assert_eq!(mask(statement), masked);
    }
}

#[test]
fn quotes_within_a_password_do_not_end_it() {
    for literal in [
        "'a''pw'",
        "'a\\'pw'",
        "'\\\\'",
        "\"a\\\"pw\"",
        "\"a\"\"pw\"",
        "'a\"pw'",
        "'\\\\\\'pw'",
        "'\u{fc}\\'pw'",
    ] {
        let statement = format!("CREATE USER a IDENTIFIED BY {literal} ACCOUNT LOCK");
        let masked = mask(&statement);
        assert!(
            masked.starts_with("CREATE USER a IDENTIFIED BY '***'"),
            "{masked}"
        );
        assert!(!masked.contains("pw"), "{masked}");
    }
    // Where a backslash is a character like any other.
    let statement = "CREATE USER a IDENTIFIED BY 'x\\', b IDENTIFIED BY 'pw'";
    assert!(!mask(statement).contains("pw"), "{}", mask(statement));
}

#[test]
fn a_statement_within_another_is_looked_at_too() {
    for (statement, left) in [
        (
            "PREPARE s FROM 'CREATE USER a IDENTIFIED BY \"pw\"'",
            "PREPARE s FROM ",
        ),
        (
            "EXECUTE IMMEDIATE 'SET PASSWORD = ''pw'''",
            "EXECUTE IMMEDIATE ",
        ),
        (
            "KILL SERVER SESSION h 7 COMMENT 'IDENTIFIED BY ''pw'''",
            "KILL SERVER SESSION h 7 COMMENT ",
        ),
        (
            "KILL SERVER SESSION h 7 COMMENT 'IDENTIFIED BY \\'pw\\''",
            "KILL SERVER SESSION h 7 COMMENT ",
        ),
        (
            "KILL SERVER SESSION h 7 COMMENT \"IDENTIFIED BY 'pw'\"",
            "KILL SERVER SESSION h 7 COMMENT ",
        ),
    ] {
        let masked = mask(statement);
        assert!(
            masked.starts_with(left) && !masked.contains("pw"),
            "{masked}"
        );
    }
}

#[test]
fn wherever_a_statement_is_cut_off_no_part_of_a_password_shows() {
    for statement in [
        "CREATE USER a IDENTIFIED BY 'ZZ''ZZ' ACCOUNT LOCK",
        "CREATE USER a IDENTIFIED WITH p AS \"ZZ\\\"ZZ\" ACCOUNT LOCK",
        "SET PASSWORD FOR 'a'@'b' = PASSWORD('ZZ\\'ZZ')",
        "CHANGE MASTER TO MASTER_PASSWORD='ZZZZ', MASTER_HOST='h'",
        "PREPARE s FROM 'SET PASSWORD = \"ZZZZ\"'",
        "PREPARE s FROM 'SET PASSWORD = ''ZZZZ'' '",
        "/* IDENTIFIED BY 'ZZZZ' */ SELECT 1",
        "SELECT 1 -- IDENTIFIED BY 'ZZZZ'",
    ] {
        for (end, _) in statement.char_indices() {
            let masked = mask(&statement[..end]);
            assert!(!masked.contains('Z'), "{masked}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC*") {
        mask(&text);
    }

    #[test]
    fn no_statement_like_text_is_too_strange(
        text in "(IDENTIFIED BY |PASSWORD|SET |FOR |'|\"|`|\\\\|/\\*|/\\*!|\\*/|--|#|\\(|\\)|,|=|;|@|x| |\n|\u{fc}){0,40}"
    ) {
        mask(&text);
    }

    #[test]
    fn a_password_of_any_characters_is_hidden(password in "[Z'\"\\\\;,()@`#*/ -]{1,12}") {
        let quoted = password.replace('\\', "\\\\").replace('\'', "''");
        let statement = format!("CREATE USER a IDENTIFIED BY '{quoted}' ACCOUNT LOCK");
        let masked = mask(&statement);
        prop_assert!(!masked.contains('Z'), "{}", masked);
    }
}

#[test]
fn a_statement_that_is_too_long_is_cut_and_a_password_at_the_cut_does_not_show() {
    let statement = "SET PASSWORD = 'ZZZZ'";
    let cut = statement.len() - "ZZ'".len();
    assert_eq!(written_down(statement, cut), "SET PASSWORD = '***'\u{2026}");
    assert_eq!(
        written_down(statement, statement.len()),
        "SET PASSWORD = '***'"
    );
    assert_eq!(written_down("\u{e9}\u{e9}", 1), "\u{e9}\u{2026}");
}
