//! Finishes opensrv's packets: puts in what it cannot say. Pure: a packet in, a packet out.
//!
//! opensrv writes character set 33 and length 1024 for every column, no warnings, no status flags, and
//! errors of its own list only.

use std::borrow::Cow;

use mysql_common::constants::ColumnType;

use super::Outcome;
use crate::wire::answer::{OkAnswer, STATUS_LASTING, SqlError};
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::cursor::Cursor;
use crate::wire::reply::Role;

/// `utf8mb4_general_ci`.
const UTF8MB4: u16 = 45;
/// `binary`: the character set of numbers.
const BINARY: u16 = 63;

/// Length of an ordinary text's column, in bytes: 1024 characters of up to four bytes each.
const TEXT_BYTES: u32 = 4 * 1024;
/// Length of a long text's column, in bytes: OceanBase's limit of Info, 262,143 characters.
const LONG_TEXT_BYTES: u32 = 4 * 262_143;
/// Digits of a BIGINT UNSIGNED.
const NUMBER_DIGITS: u32 = 20;

/// What a reply is to be finished with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) capabilities: Capabilities,
    pub(super) extended: ExtendedCapabilities,
    /// The backend's last status flags.
    pub(super) status: u16,
    /// The statement's outcome, once it is known.
    pub(super) outcome: Option<&'a Outcome>,
}

impl Finish<'_> {
    /// The packet to send in place of `payload`, of which `role` says what it is.
    pub(super) fn packet<'p>(&self, role: Role, payload: &'p [u8]) -> Cow<'p, [u8]> {
        match role {
            Role::Definition => {
                let type_info = self.extended.has(ExtendedCapabilities::EXTENDED_TYPE_INFO);
                definition(payload, type_info).map_or(Cow::Borrowed(payload), Cow::Owned)
            }
            Role::DefinitionsEnd => Cow::Owned(self.end().end_of_rows_payload(self.capabilities)),
            Role::End => Cow::Owned(self.last(payload)),
            Role::Header | Role::Row | Role::Exchange | Role::Unasked => Cow::Borrowed(payload),
        }
    }

    fn last(&self, payload: &[u8]) -> Vec<u8> {
        match (self.outcome, payload.first()) {
            (
                Some(Outcome {
                    result: Err(error), ..
                }),
                _,
            ) => error.payload(),
            (Some(_), Some(0x00)) => self.end().ok_payload(self.capabilities),
            (Some(_), Some(0xfe)) => self.end().end_of_rows_payload(self.capabilities),
            _ => SqlError::new(1105, "the statement ended without an answer").payload(),
        }
    }

    fn end(&self) -> OkAnswer {
        let messages = self
            .outcome
            .and_then(|outcome| outcome.messages.as_ref())
            .map_or(0, Vec::len);
        OkAnswer {
            affected_rows: 0,
            status: self.status & STATUS_LASTING,
            warnings: u16::try_from(messages).unwrap_or(u16::MAX),
            info: String::new(),
        }
    }
}

/// A column definition with the character set and length that its type asks for, and with `type_info`
/// the field of MariaDB's that says nothing more of it.
fn definition(payload: &[u8], type_info: bool) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(payload);
    for field in [
        "catalog",
        "schema",
        "table",
        "original table",
        "name",
        "original name",
    ] {
        cursor.lenenc_bytes(field).ok()?;
    }
    let names_end = payload.len() - cursor.rest().len();
    cursor.lenenc("length of the rest").ok()?;
    let at = payload.len() - cursor.rest().len();
    let &[_, _, _, _, _, _, kind, ..] = cursor.rest() else {
        return None;
    };
    let (character_set, length) = match ColumnType::try_from(kind) {
        Ok(ColumnType::MYSQL_TYPE_LONGLONG) => (BINARY, NUMBER_DIGITS),
        Ok(ColumnType::MYSQL_TYPE_BLOB) => (UTF8MB4, LONG_TEXT_BYTES),
        _ => (UTF8MB4, TEXT_BYTES),
    };
    let mut finished = payload.to_vec();
    finished[at..at + 2].copy_from_slice(&character_set.to_le_bytes());
    finished[at + 2..at + 6].copy_from_slice(&length.to_le_bytes());
    if type_info {
        finished.insert(names_end, 0); // its length
    }
    Some(finished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::diagnostics::Message;
    use crate::wire::answer::{eof_status, ok_status};

    const AUTOCOMMIT: u16 = 0x0002;
    const MORE_RESULTS: u16 = 0x0008;

    fn outcome(messages: usize) -> Outcome {
        Outcome {
            result: Ok(()),
            messages: Some(vec![Message::note(1, "x"); messages]),
        }
    }

    #[test]
    fn a_number_is_no_text_and_a_text_is_utf8mb4() {
        let mut packet = b"\x03def\0\0\0\x02Id\0\x0c\x21\0\0\x04\0\0\x08\x20\0\0\0\0".to_vec();
        let finish = Finish {
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities(0),
            status: 0,
            outcome: None,
        };
        let number = finish.packet(Role::Definition, &packet).into_owned();
        assert_eq!(&number[12..18], [63, 0, 20, 0, 0, 0]);
        packet[18] = 0xfd;
        let text = finish.packet(Role::Definition, &packet).into_owned();
        assert_eq!(&text[12..18], [45, 0, 0, 16, 0, 0]);
        assert_eq!(text.len(), packet.len());
    }

    #[test]
    fn a_client_that_reads_mariadbs_type_info_finds_the_field_in_a_virtual_column() {
        let packet = b"\x03def\0\0\0\x02Id\0\x0c\x21\0\0\x04\0\0\x08\x20\0\0\0\0";
        let finish = Finish {
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities::EXTENDED_TYPE_INFO,
            status: 0,
            outcome: None,
        };
        let finished = finish.packet(Role::Definition, packet).into_owned();
        assert_eq!(finished.len(), packet.len() + 1);
        assert_eq!(&finished[10..15], [0, 0, 0x0c, 63, 0]);
    }

    #[test]
    fn the_end_of_rows_counts_warnings_and_keeps_only_flags_that_are_still_true() {
        let outcome = outcome(2);
        let finish = Finish {
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities(0),
            status: AUTOCOMMIT | MORE_RESULTS,
            outcome: Some(&outcome),
        };
        let end = finish.packet(Role::End, &[0xfe, 0, 0, 0, 0]).into_owned();
        assert_eq!(end, [0xfe, 2, 0, 2, 0]);
        assert_eq!(eof_status(&end), Some(AUTOCOMMIT));
        let modern = Finish {
            capabilities: Capabilities::DEPRECATE_EOF,
            ..finish
        };
        let end = modern
            .packet(Role::End, &[0xfe, 0, 0, 0, 0, 0, 0])
            .into_owned();
        assert_eq!(ok_status(&end), Some(AUTOCOMMIT));
    }

    #[test]
    fn an_error_has_the_statements_own_code_and_state() {
        let error = SqlError::new(1094, "Unknown thread id: 7");
        let outcome = Outcome {
            result: Err(error.clone()),
            messages: None,
        };
        let finish = Finish {
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities(0),
            status: 0,
            outcome: Some(&outcome),
        };
        assert_eq!(
            *finish.packet(Role::End, b"\xff\x51\x04#HY000"),
            error.payload()
        );
    }

    #[test]
    fn a_reply_without_an_outcome_is_an_error_never_an_ok() {
        let finish = Finish {
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities(0),
            status: 0,
            outcome: None,
        };
        assert_eq!(finish.packet(Role::End, &[0, 0, 0, 0, 0, 0, 0])[0], 0xff);
    }
}
