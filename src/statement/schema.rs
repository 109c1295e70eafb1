//! What consoles ask of a database to draw its tables: `SHOW TABLES FROM obwarden`, `DESCRIBE obwarden.servers`
//! and their kin.

use super::parse::{ParseError, Reader};
use super::pick;
use crate::sql::{Pick, SCHEMA};
use crate::wire::answer::SqlError;

const ER_BAD_DB_ERROR: u16 = 1049;

/// A question about the proxy's own tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// `SHOW [FULL] TABLES {FROM | IN} obwarden [LIKE … | WHERE …]`
    Tables {
        /// With a column that tells what each is.
        full: bool,
        /// Which of them.
        pick: Pick,
    },
    /// `SHOW TABLE STATUS {FROM | IN} obwarden [LIKE … | WHERE …]`
    TableStatus {
        /// Of which of them.
        pick: Pick,
    },
    /// `SHOW [FULL] {COLUMNS | FIELDS} {FROM | IN} table {FROM | IN} obwarden [LIKE … | WHERE …]`, and
    /// `{DESCRIBE | DESC | EXPLAIN} obwarden.table [column]`
    Columns {
        /// The table's name, as it is written.
        table: String,
        /// With what nobody needs: collations, privileges, comments.
        full: bool,
        /// Which of them.
        pick: Pick,
    },
    /// `SHOW {INDEX | INDEXES | KEYS} {FROM | IN} table {FROM | IN} obwarden`: there are none.
    Indexes {
        /// The table's name, as it is written.
        table: String,
        /// Which of them.
        pick: Pick,
    },
    /// `SHOW CREATE TABLE obwarden.table`
    CreateTable {
        /// The table's name, as it is written.
        table: String,
    },
    /// `USE obwarden`: there is no such database.
    Use,
    /// `EXPLAIN SELECT …` over these tables: not supported.
    Explain,
}

impl Schema {
    /// The error of who makes it the default database.
    pub fn no_database() -> SqlError {
        let text = format!(
            "Unknown database '{SCHEMA}': it is no database to use; its tables are always there, as \
             {SCHEMA}.server_sessions"
        );
        SqlError::new(ER_BAD_DB_ERROR, text)
    }

    const FORM: &'static str = "SHOW [FULL] TABLES FROM obwarden | SHOW TABLE STATUS FROM obwarden | \
         SHOW [FULL] COLUMNS FROM obwarden.table | SHOW INDEX FROM obwarden.table | \
         SHOW CREATE TABLE obwarden.table | DESCRIBE obwarden.table";

    /// Reads what follows `SHOW`.
    pub(super) fn parse_show(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let _ = reader.word("EXTENDED");
        let full = reader.word("FULL");
        let schema = if reader.word("TABLES") {
            Self::from_schema(reader)?;
            let pick = Self::pick(reader, TABLES_COLUMN)?;
            Self::Tables { full, pick }
        } else if reader.word("TABLE") {
            if !reader.word("STATUS") {
                return Err(reader.syntax(Self::FORM));
            }
            Self::from_schema(reader)?;
            let pick = Self::pick(reader, "Name")?;
            Self::TableStatus { pick }
        } else if reader.word("COLUMNS") || reader.word("FIELDS") {
            let table = Self::from_table(reader)?;
            let pick = Self::pick(reader, FIELD_COLUMN)?;
            Self::Columns { table, full, pick }
        } else if reader.word("INDEX") || reader.word("INDEXES") || reader.word("KEYS") {
            let table = Self::from_table(reader)?;
            let pick = pick::parse(reader, Self::FORM)?;
            Self::Indexes { table, pick }
        } else if reader.word("CREATE") && reader.word("TABLE") {
            let table = Self::qualified_table(reader)?;
            Self::CreateTable { table }
        } else {
            return Err(reader.syntax(Self::FORM));
        };
        reader.end(Self::FORM)?;
        Ok(schema)
    }

    /// Reads what follows `DESCRIBE`, `DESC` or `EXPLAIN`.
    pub(super) fn parse_describe(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if reader.begins_query() {
            return Ok(Self::Explain);
        }
        let table = Self::qualified_table(reader)?;
        let pick = match reader.name() {
            Some(column) => pick::equal(FIELD_COLUMN, column),
            None => Pick::default(),
        };
        reader.end(Self::FORM)?;
        Ok(Self::Columns {
            table,
            full: false,
            pick,
        })
    }

    /// Reads what follows `USE`.
    pub(super) fn parse_use(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Self::schema(reader)?;
        reader.end("USE database")?;
        Ok(Self::Use)
    }

    fn from_schema(reader: &mut Reader<'_>) -> Result<(), ParseError> {
        if !(reader.word("FROM") || reader.word("IN")) {
            return Err(reader.syntax(Self::FORM));
        }
        Self::schema(reader)
    }

    fn schema(reader: &mut Reader<'_>) -> Result<(), ParseError> {
        match reader.name() {
            Some(name) if name.eq_ignore_ascii_case(SCHEMA) => Ok(()),
            _ => Err(reader.syntax(Self::FORM)),
        }
    }

    /// `FROM obwarden.table`, or `FROM table FROM obwarden`.
    fn from_table(reader: &mut Reader<'_>) -> Result<String, ParseError> {
        if !(reader.word("FROM") || reader.word("IN")) {
            return Err(reader.syntax(Self::FORM));
        }
        let Some(first) = reader.name() else {
            return Err(reader.syntax(Self::FORM));
        };
        if !reader.period() {
            Self::from_schema(reader)?;
            return Ok(first);
        }
        match reader.name() {
            Some(table) => {
                // The database may be named once more.
                if reader.word("FROM") || reader.word("IN") {
                    Self::schema(reader)?;
                }
                Ok(table)
            }
            None => Err(reader.syntax(Self::FORM)),
        }
    }

    fn qualified_table(reader: &mut Reader<'_>) -> Result<String, ParseError> {
        Self::schema(reader)?;
        let table = reader.period().then(|| reader.name()).flatten();
        table.ok_or_else(|| reader.syntax(Self::FORM))
    }

    fn pick(reader: &mut Reader<'_>, column: &str) -> Result<Pick, ParseError> {
        if reader.peek_is("LIKE") {
            return pick::like(reader, column, Self::FORM);
        }
        pick::parse(reader, Self::FORM)
    }
}

/// The column of `SHOW TABLES` that has the names.
pub const TABLES_COLUMN: &str = "Tables_in_obwarden";

/// The column of `SHOW COLUMNS` that has the names.
pub const FIELD_COLUMN: &str = "Field";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    fn parsed(text: &str) -> Schema {
        match parse(text) {
            Ok(Statement::Schema(schema)) => schema,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn filter(pick: Pick) -> Option<String> {
        pick.filter.map(|filter| filter.to_string())
    }

    #[test]
    fn tables_are_listed_as_consoles_ask_for_them() {
        for (text, is_full, like) in [
            ("SHOW TABLES FROM obwarden", false, None),
            (
                "show full tables in `OBWARDEN` like 's%';",
                true,
                Some("Tables_in_obwarden LIKE 's%'"),
            ),
            (
                "SHOW FULL TABLES FROM `obwarden` WHERE Table_type != 'VIEW'",
                true,
                Some("Table_type <> 'VIEW'"),
            ),
        ] {
            let Schema::Tables { full, pick } = parsed(text) else {
                panic!("{text}");
            };
            assert_eq!((full, filter(pick).as_deref()), (is_full, like), "{text}");
        }
        assert!(matches!(
            parsed("SHOW TABLE STATUS FROM obwarden LIKE 'x'"),
            Schema::TableStatus { .. }
        ));
    }

    #[test]
    fn columns_are_listed_in_every_form() {
        for (text, is_full, column) in [
            ("DESC obwarden.servers", false, None),
            ("describe `obwarden`.`servers`;", false, None),
            ("EXPLAIN obwarden.servers ip", false, Some("Field = 'ip'")),
            ("SHOW COLUMNS FROM servers FROM obwarden", false, None),
            ("SHOW FIELDS IN obwarden.servers", false, None),
            (
                "SHOW FULL COLUMNS FROM `servers` IN `obwarden` LIKE '%'",
                true,
                Some("Field LIKE '%'"),
            ),
        ] {
            let Schema::Columns { table, full, pick } = parsed(text) else {
                panic!("{text}");
            };
            assert_eq!((full, table.as_str()), (is_full, "servers"), "{text}");
            assert_eq!(filter(pick).as_deref(), column, "{text}");
        }
    }

    #[test]
    fn the_other_questions_name_a_table_or_the_database() {
        let table = "servers".to_owned();
        assert_eq!(
            parsed("SHOW CREATE TABLE obwarden.servers"),
            Schema::CreateTable { table }
        );
        assert!(matches!(
            parsed("SHOW INDEX FROM servers FROM obwarden"),
            Schema::Indexes { .. }
        ));
        assert_eq!(parsed("USE obwarden"), Schema::Use);
        assert_eq!(parsed("use `obwarden`;"), Schema::Use);
        assert_eq!(
            parsed("EXPLAIN SELECT * FROM obwarden.servers"),
            Schema::Explain
        );
    }
}
