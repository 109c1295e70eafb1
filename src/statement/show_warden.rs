//! `SHOW WARDEN {CLIENTS | STATUS} [WHERE …] [ORDER BY …] [LIMIT …]`

use super::parse::{ParseError, Reader};
use super::pick;
use crate::sql::Pick;

/// What this proxy knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowWarden {
    /// Of which matter.
    pub what: WardenMatter,
    /// Which rows.
    pub pick: Pick,
}

/// What there is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WardenMatter {
    /// The clients that are connected through it.
    Clients,
    /// Counters and settings.
    Status,
}

impl ShowWarden {
    const FORM: &'static str =
        "SHOW WARDEN {CLIENTS | STATUS} [WHERE expr] [ORDER BY ...] [LIMIT ...]";

    /// Reads what follows `SHOW`.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if !reader.word("WARDEN") {
            return Err(reader.syntax(Self::FORM));
        }
        let what = if reader.word("CLIENTS") {
            WardenMatter::Clients
        } else if reader.word("STATUS") {
            WardenMatter::Status
        } else {
            return Err(reader.syntax(Self::FORM));
        };
        let pick = if what == WardenMatter::Status && reader.peek_is("LIKE") {
            pick::like(reader, "Variable_name", Self::FORM)?
        } else {
            pick::parse(reader, Self::FORM)?
        };
        reader.end(Self::FORM)?;
        Ok(Self { what, pick })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    #[test]
    fn each_matter_is_read_with_what_picks_its_rows() {
        for (text, what, filter) in [
            ("show warden clients", WardenMatter::Clients, None),
            (
                "SHOW WARDEN STATUS LIKE 'Bytes%';",
                WardenMatter::Status,
                Some("Variable_name LIKE 'Bytes%'"),
            ),
            (
                "SHOW WARDEN CLIENTS WHERE User = 'dba' LIMIT 1",
                WardenMatter::Clients,
                Some("User = 'dba'"),
            ),
        ] {
            let Ok(Statement::ShowWarden(show)) = parse(text) else {
                panic!("{text}: {:?}", parse(text));
            };
            let picked = show.pick.filter.map(|filter| filter.to_string());
            assert_eq!((show.what, picked.as_deref()), (what, filter), "{text}");
        }
    }

    #[test]
    fn any_other_matter_gets_the_right_form() {
        for text in [
            "SHOW WARDEN",
            "SHOW WARDEN CLIENT",
            "SHOW WARDEN CLIENTS LIKE 'x'",
            "SHOW WARDEN STATUS LIKE x",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.to_sql().code, 1064, "{text}");
            assert!(error.to_string().ends_with(ShowWarden::FORM), "{error}");
        }
    }
}
