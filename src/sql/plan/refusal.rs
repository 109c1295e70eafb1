//! The errors of a plan, as clients read them.

use std::fmt;

use crate::wire::answer::SqlError;

/// The part of a statement in which a name stands, as MySQL's errors call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Fields,
    On,
    Where,
    GroupBy,
    Having,
    OrderBy,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fields => "field list",
            Self::On => "on clause",
            Self::Where => "where clause",
            Self::GroupBy => "group statement",
            Self::Having => "having clause",
            Self::OrderBy => "order clause",
        })
    }
}

/// Something that MySQL may know, but that is not translated.
pub(super) fn not_evaluated(what: impl fmt::Display) -> SqlError {
    SqlError::new(
        1235,
        format!("obwarden does not evaluate {what} over its own tables"),
    )
}

/// A value that has no room in its type.
pub(in crate::sql) fn out_of_range(kind: &str) -> SqlError {
    SqlError::new(1690, format!("{kind} value is out of range"))
}

pub(super) fn unknown_column(name: &str, clause: Clause) -> SqlError {
    SqlError::new(1054, format!("Unknown column '{name}' in '{clause}'"))
}

pub(super) fn ambiguous_column(name: &str, clause: Clause) -> SqlError {
    SqlError::new(1052, format!("Column '{name}' in {clause} is ambiguous"))
}

pub(super) fn unknown_table(name: &str) -> SqlError {
    SqlError::new(1146, format!("Table '{name}' doesn't exist"))
}

pub(super) fn table_of_the_server(name: &str) -> SqlError {
    SqlError::new(
        1235,
        format!(
            "'{name}' is a table of the server, and obwarden's tables and the server's cannot be \
             mixed in one statement"
        ),
    )
}

pub(super) fn misplaced_aggregate() -> SqlError {
    SqlError::new(1111, "Invalid use of group function")
}

pub(super) fn misplaced_window(name: &str) -> SqlError {
    SqlError::new(
        3593,
        format!("You cannot use the window function '{name}' in this context"),
    )
}

pub(super) fn wrong_argument_count(name: &str) -> SqlError {
    SqlError::new(
        1582,
        format!("Incorrect parameter count in the call to native function '{name}'"),
    )
}

pub(super) fn wrong_column_count(wanted: usize) -> SqlError {
    SqlError::new(1241, format!("Operand should contain {wanted} column(s)"))
}

pub(super) fn too_deep() -> SqlError {
    not_evaluated("an expression that is nested so deeply")
}
