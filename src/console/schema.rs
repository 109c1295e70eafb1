//! What consoles ask of a database to draw its tables, answered for the proxy's own. No I/O: tables in, rows
//! out.

use crate::cluster::SmallTable;
use crate::sql::{Pick, SCHEMA, Shown, Table};
use crate::statement::{FIELD_COLUMN, Schema, TABLES_COLUMN};
use crate::table::{Column, Kind, Rows, Value};
use crate::wire::answer::SqlError;

const ER_NO_SUCH_TABLE: u16 = 1146;
const ER_NOT_SUPPORTED_YET: u16 = 1235;

/// The answer to a question about the tables, and what picks its rows.
///
/// # Errors
/// There is no such table; or it is no question about tables.
pub(super) fn describe(schema: &Schema, tables: &[Table]) -> Result<(SmallTable, Pick), SqlError> {
    let (columns, rows, pick) = match schema {
        Schema::Tables { full, pick } => (tables_columns(*full), tables_rows(tables, *full), pick),
        Schema::TableStatus { pick } => (status_columns(), status_rows(tables), pick),
        Schema::Columns { table, full, pick } => {
            let table = find(table, tables)?;
            (columns_columns(*full), columns_rows(table, *full), pick)
        }
        Schema::Indexes { table, pick } => {
            find(table, tables)?;
            let columns = index_columns();
            let none = Rows::new(columns.len());
            (columns, none, pick)
        }
        Schema::CreateTable { table } => {
            let table = find(table, tables)?;
            let columns = vec![Column::text("Table"), Column::long_text("Create Table")];
            let mut rows = Rows::new(columns.len());
            rows.push_row([table.name.into(), (&*create_table(table)).into()]);
            (columns, rows, &Pick::default())
        }
        Schema::Use => return Err(Schema::no_database()),
        Schema::Explain => {
            let text = format!("obwarden does not explain a SELECT over {SCHEMA}'s tables");
            return Err(SqlError::new(ER_NOT_SUPPORTED_YET, text));
        }
    };
    let table = SmallTable {
        name: "schema",
        columns,
        rows,
        messages: Vec::new(),
    };
    Ok((table, pick.clone()))
}

fn find<'t>(name: &str, tables: &'t [Table]) -> Result<&'t Table, SqlError> {
    let mut all = tables.iter();
    let found = all.find(|table| table.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let text = format!("Table '{SCHEMA}.{name}' doesn't exist");
        SqlError::new(ER_NO_SUCH_TABLE, text)
    })
}

/// As MariaDB calls a table that the server makes up.
const TABLE_TYPE: &str = "SYSTEM VIEW";

fn tables_columns(full: bool) -> Vec<Column> {
    let kind = full.then(|| Column::text("Table_type"));
    [Column::text(TABLES_COLUMN)]
        .into_iter()
        .chain(kind)
        .collect()
}

fn tables_rows(tables: &[Table], full: bool) -> Rows {
    let mut rows = Rows::new(tables_columns(full).len());
    let mut names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    names.sort_unstable();
    for name in names {
        rows.push(name.into());
        if full {
            rows.push(TABLE_TYPE.into());
        }
    }
    rows
}

fn status_columns() -> Vec<Column> {
    let numbers = [
        "Version",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Checksum",
    ];
    let names = [
        "Name",
        "Engine",
        "Version",
        "Row_format",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum",
        "Create_options",
        "Comment",
    ];
    let column = |name: &&str| match numbers.contains(name) {
        true => Column::number(name),
        false => Column::text(name),
    };
    names.iter().map(column).collect()
}

fn status_rows(tables: &[Table]) -> Rows {
    let columns = status_columns();
    let mut rows = Rows::new(columns.len());
    for table in tables {
        rows.push_row(columns.iter().map(|column| match column.name.as_str() {
            "Name" => table.name.into(),
            "Create_options" | "Comment" => "".into(),
            _ => Value::Null,
        }));
    }
    rows
}

/// The columns that a table is shown to have, with the type of each.
fn shown(table: &Table) -> impl Iterator<Item = (&str, String)> {
    let columns = table.columns.iter();
    let shown = columns.filter(|column| column.shown == Shown::Yes);
    shown.map(|column| (column.name.as_str(), type_name(column.kind)))
}

fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Number => "bigint(20) unsigned".to_owned(),
        Kind::Integer => "bigint(20)".to_owned(),
        Kind::Decimal(scale) => format!("decimal(65,{scale})"),
        Kind::Real => "double".to_owned(),
        Kind::Text => "varchar(1024)".to_owned(),
        Kind::LongText => "longtext".to_owned(),
    }
}

fn columns_columns(full: bool) -> Vec<Column> {
    let names: &[&str] = if full {
        &[
            FIELD_COLUMN,
            "Type",
            "Collation",
            "Null",
            "Key",
            "Default",
            "Extra",
            "Privileges",
            "Comment",
        ]
    } else {
        &[FIELD_COLUMN, "Type", "Null", "Key", "Default", "Extra"]
    };
    names.iter().map(|name| Column::text(name)).collect()
}

fn columns_rows(table: &Table, full: bool) -> Rows {
    let columns = columns_columns(full);
    let mut rows = Rows::new(columns.len());
    for (name, kind) in shown(table) {
        rows.push_row(columns.iter().map(|column| match column.name.as_str() {
            FIELD_COLUMN => name.into(),
            "Type" => (&*kind).into(),
            "Null" => "YES".into(),
            "Privileges" => "select".into(),
            "Key" | "Extra" | "Comment" => "".into(),
            _ => Value::Null,
        }));
    }
    rows
}

fn index_columns() -> Vec<Column> {
    let names = [
        "Table",
        "Non_unique",
        "Key_name",
        "Seq_in_index",
        "Column_name",
        "Collation",
        "Cardinality",
        "Sub_part",
        "Packed",
        "Null",
        "Index_type",
        "Comment",
        "Index_comment",
    ];
    let column = |name: &&str| match *name {
        "Non_unique" | "Seq_in_index" | "Cardinality" | "Sub_part" => Column::number(name),
        _ => Column::text(name),
    };
    names.iter().map(column).collect()
}

fn create_table(table: &Table) -> String {
    let columns: Vec<String> = shown(table)
        .map(|(name, kind)| format!("  `{name}` {kind} DEFAULT NULL"))
        .collect();
    let name = table.name;
    format!("CREATE TABLE `{name}` (\n{}\n)", columns.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::TableColumn;
    use crate::statement::{Statement, parse};

    fn tables() -> Vec<Table> {
        let columns = [Column::text("Ip"), Column::number("Port")];
        let mut columns: Vec<_> = columns.into_iter().map(TableColumn::of).collect();
        columns.push(TableColumn {
            name: "svr_ip".into(),
            kind: Kind::Text,
            shown: Shown::AliasOf(0),
        });
        vec![
            Table {
                name: "servers",
                columns,
            },
            Table {
                name: "clients",
                columns: Vec::new(),
            },
        ]
    }

    fn answer(text: &str) -> Result<String, u16> {
        let Ok(Statement::Schema(schema)) = parse(text) else {
            panic!("{text}: {:?}", parse(text));
        };
        let (table, _) = describe(&schema, &tables()).map_err(|error| error.code)?;
        assert!(
            table
                .rows
                .iter()
                .all(|row| row.values().count() == table.columns.len()),
            "{text}"
        );
        let rows = table.rows.iter().map(|row| {
            let values: Vec<_> = row.values().map(|value| value.to_string()).collect();
            values.join("|")
        });
        Ok(rows.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn tables_are_told_by_name() {
        assert_eq!(
            answer("SHOW TABLES FROM obwarden").as_deref(),
            Ok("clients\nservers")
        );
        assert_eq!(
            answer("SHOW FULL TABLES FROM obwarden").as_deref(),
            Ok("clients|SYSTEM VIEW\nservers|SYSTEM VIEW")
        );
        assert!(answer("SHOW TABLE STATUS FROM obwarden").is_ok());
    }

    #[test]
    fn a_table_tells_the_columns_that_a_star_shows() {
        assert_eq!(
            answer("DESCRIBE obwarden.Servers").as_deref(),
            Ok("ip|varchar(1024)|YES||NULL|\nport|bigint(20) unsigned|YES||NULL|")
        );
        assert_eq!(
            answer("SHOW CREATE TABLE obwarden.servers").as_deref(),
            Ok(
                "servers|CREATE TABLE `servers` (\n  `ip` varchar(1024) DEFAULT NULL,\n  `port` bigint(20) unsigned DEFAULT NULL\n)"
            )
        );
        assert_eq!(
            answer("SHOW INDEX FROM obwarden.servers").as_deref(),
            Ok("")
        );
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert_eq!(answer("DESCRIBE obwarden.sessions"), Err(1146));
        assert_eq!(answer("USE obwarden"), Err(1049));
        assert_eq!(answer("EXPLAIN SELECT * FROM obwarden.servers"), Err(1235));
    }
}
