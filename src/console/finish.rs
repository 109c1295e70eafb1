//! Finishes opensrv's packets: puts in what it cannot say. Pure: a packet in, a packet out.
//!
//! opensrv writes character set 33 and length 1024 for every column, no warnings, no status flags, and
//! errors of its own list only.

use std::borrow::Cow;

use mysql_common::constants::ColumnFlags;

use super::{Defined, Outcome};
use crate::table::Kind;
use crate::wire::answer::{OkAnswer, STATUS_LASTING, SqlError};
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::cursor::Cursor;
use crate::wire::reply::Role;

/// `utf8mb4_general_ci`.
const UTF8MB4: u16 = 45;
/// `binary`: the character set of numbers, and of what nobody knows.
const BINARY: u16 = 63;

/// What a reply is to be finished with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) capabilities: Capabilities,
    pub(super) extended: ExtendedCapabilities,
    /// The backend's last status flags.
    pub(super) status: u16,
    /// The statement's outcome, once it is known.
    pub(super) outcome: Option<&'a Outcome>,
    /// More status flags for the end of rows.
    pub(super) end_flags: u16,
}

impl Finish<'_> {
    /// The packet to send in place of `payload`, of which `role` says what it is.
    pub(super) fn packet<'p>(&self, role: Role, payload: &'p [u8]) -> Cow<'p, [u8]> {
        match role {
            Role::DefinitionsEnd => Cow::Owned(self.end_of_rows(0)),
            Role::End => Cow::Owned(self.last(payload)),
            Role::Header | Role::Definition | Role::Row | Role::Exchange | Role::Unasked => {
                Cow::Borrowed(payload)
            }
        }
    }

    /// The definition to send in place of `payload`: with the character set, length, flags and digits of what it
    /// defines, and for who reads it the field of MariaDB's that says nothing more of a type.
    pub(super) fn definition<'p>(&self, payload: &'p [u8], defined: Defined) -> Cow<'p, [u8]> {
        let type_info = self.extended.has(ExtendedCapabilities::EXTENDED_TYPE_INFO);
        definition(payload, Details::of(defined), type_info)
            .map_or(Cow::Borrowed(payload), Cow::Owned)
    }

    /// The end of rows, or of definitions, with these status flags besides the usual ones.
    pub(super) fn end_of_rows(&self, flags: u16) -> Vec<u8> {
        let mut end = self.end();
        end.status |= flags;
        end.affected_rows = 0;
        end.info.clear();
        end.end_of_rows_payload(self.capabilities)
    }

    fn last(&self, payload: &[u8]) -> Vec<u8> {
        match (self.outcome, payload.first()) {
            (
                Some(Outcome {
                    result: Err(error), ..
                }),
                _,
            ) => error.payload(),
            (Some(_), Some(0x00)) => self.end().ok_payload(),
            (Some(_), Some(0xfe)) => self.end_of_rows(self.end_flags),
            _ => SqlError::new(1105, "the statement ended without an answer").payload(),
        }
    }

    fn end(&self) -> OkAnswer {
        let messages = self
            .outcome
            .and_then(|outcome| outcome.messages.as_ref())
            .map_or(0, Vec::len);
        let completion = self
            .outcome
            .and_then(|outcome| outcome.result.as_ref().ok());
        let completion = completion.cloned().unwrap_or_default();
        OkAnswer {
            affected_rows: completion.affected_rows,
            status: self.status & STATUS_LASTING,
            warnings: u16::try_from(messages).unwrap_or(u16::MAX),
            info: completion.info,
        }
    }
}

/// What a definition says of its column, besides the name and the type.
#[derive(Debug, Clone, Copy)]
struct Details {
    character_set: u16,
    /// In bytes, or for numbers in digits and signs.
    length: u32,
    flags: ColumnFlags,
    /// Digits behind the point.
    decimals: u8,
}

impl Details {
    /// As MariaDB 10.11 says them of a value that is computed.
    fn of(defined: Defined) -> Self {
        let number = |length, decimals| Self {
            character_set: BINARY,
            length,
            flags: ColumnFlags::BINARY_FLAG,
            decimals,
        };
        let text = |length, flags| Self {
            character_set: UTF8MB4,
            length,
            flags,
            decimals: 0,
        };
        match defined {
            Defined::Parameter => number(0, 0),
            Defined::Column(Kind::Number) => {
                let mut number = number(20, 0);
                number.flags |= ColumnFlags::UNSIGNED_FLAG;
                number
            }
            Defined::Column(Kind::Integer) => number(20, 0),
            // 65 digits, a point and a sign.
            Defined::Column(Kind::Decimal(scale)) => number(67, scale),
            Defined::Column(Kind::Real) => number(23, DECIMALS_NOT_FIXED),
            // 1024 characters of up to four bytes each.
            Defined::Column(Kind::Text) => text(4 * 1024, ColumnFlags::empty()),
            // OceanBase's limit of Info, 262,143 characters.
            Defined::Column(Kind::LongText) => text(4 * 262_143, ColumnFlags::BLOB_FLAG),
        }
    }
}

/// Of a number with any digits behind its point.
const DECIMALS_NOT_FIXED: u8 = 31;

/// A column definition with these details. opensrv has put in others.
fn definition(payload: &[u8], details: Details, type_info: bool) -> Option<Vec<u8>> {
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
    let mut finished = payload.to_vec();
    let fields = finished.get_mut(at..)?.first_chunk_mut::<10>()?;
    fields[..2].copy_from_slice(&details.character_set.to_le_bytes());
    fields[2..6].copy_from_slice(&details.length.to_le_bytes());
    // Behind the type.
    fields[7..9].copy_from_slice(&details.flags.bits().to_le_bytes());
    fields[9] = details.decimals;
    if type_info {
        finished.insert(names_end, 0); // its length
    }
    Some(finished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Completion;
    use crate::statement::diagnostics::Message;
    use crate::wire::answer::{eof_status, ok_status};

    const AUTOCOMMIT: u16 = 0x0002;
    const MORE_RESULTS: u16 = 0x0008;

    fn outcome(messages: usize) -> Outcome {
        Outcome {
            result: Ok(Completion::default()),
            messages: Some(vec![Message::note(1, "x"); messages]),
        }
    }

    fn finish(outcome: Option<&Outcome>) -> Finish<'_> {
        Finish {
            capabilities: Capabilities(0),
            extended: ExtendedCapabilities(0),
            status: 0,
            outcome,
            end_flags: 0,
        }
    }

    /// A definition as opensrv writes it, from the length of its rest on, and what MariaDB 10.11 says of such a
    /// column (seen in its own replies).
    #[test]
    fn a_column_is_defined_as_mariadb_defines_its_own() {
        for (kind, type_code, expected) in [
            (
                Kind::Number,
                8,
                &b"\x0c\x3f\0\x14\0\0\0\x08\xa0\0\0\0\0"[..],
            ),
            (Kind::Integer, 8, b"\x0c\x3f\0\x14\0\0\0\x08\x80\0\0\0\0"),
            (
                Kind::Decimal(4),
                0xf6,
                b"\x0c\x3f\0\x43\0\0\0\xf6\x80\0\x04\0\0",
            ),
            (Kind::Real, 5, b"\x0c\x3f\0\x17\0\0\0\x05\x80\0\x1f\0\0"),
            (Kind::Text, 0xfd, b"\x0c\x2d\0\0\x10\0\0\xfd\0\0\0\0\0"),
            (
                Kind::LongText,
                0xfc,
                b"\x0c\x2d\0\xfc\xff\x0f\0\xfc\x10\0\0\0\0",
            ),
        ] {
            let names = b"\x03def\0\0\0\x02Id\0";
            let mut packet = [&names[..], b"\x0c\x21\0\0\x04\0\0"].concat();
            packet.extend_from_slice(&[type_code, 0x20, 0, 0, 0, 0]);
            let defined = Defined::Column(kind);
            let finished = finish(None).definition(&packet, defined).into_owned();
            assert_eq!(&finished[..names.len()], names);
            assert_eq!(&finished[names.len()..], expected, "{kind:?}");
        }
    }

    #[test]
    fn a_parameter_is_of_no_character_set() {
        let packet = b"\x03def\0\0\0\x01?\0\x0c\x21\0\0\x04\0\0\xfd\0\0\0\0\0";
        let finished = finish(None).definition(packet, Defined::Parameter);
        assert_eq!(&finished[10..], b"\x0c\x3f\0\0\0\0\0\xfd\x80\0\0\0\0");
        for cut in 0..packet.len() {
            // Whatever is cut off, nothing panics.
            finish(None).definition(&packet[..cut], Defined::Parameter);
        }
    }

    #[test]
    fn a_client_that_reads_mariadbs_type_info_finds_the_field_in_a_virtual_column() {
        let packet = b"\x03def\0\0\0\x02Id\0\x0c\x21\0\0\x04\0\0\x08\x20\0\0\0\0";
        let finish = Finish {
            extended: ExtendedCapabilities::EXTENDED_TYPE_INFO,
            ..finish(None)
        };
        let defined = Defined::Column(Kind::Number);
        let finished = finish.definition(packet, defined).into_owned();
        assert_eq!(finished.len(), packet.len() + 1);
        assert_eq!(&finished[10..15], [0, 0, 0x0c, 63, 0]);
    }

    #[test]
    fn an_ok_tells_what_was_done_and_the_end_of_rows_does_not() {
        let outcome = Outcome {
            result: Ok(Completion {
                affected_rows: 11,
                info: "Killed: 11".to_owned(),
                parameters: 0,
            }),
            messages: Some(Vec::new()),
        };
        let finish = finish(Some(&outcome));
        let ok = finish.packet(Role::End, &[0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(*ok, *b"\0\x0b\0\0\0\0\0\x0aKilled: 11");
        let end = finish.packet(Role::End, &[0xfe, 0, 0, 0, 0]);
        assert_eq!(*end, [0xfe, 0, 0, 0, 0]);
    }

    #[test]
    fn the_end_of_rows_counts_warnings_and_keeps_only_flags_that_are_still_true() {
        let outcome = outcome(2);
        let finish = Finish {
            status: AUTOCOMMIT | MORE_RESULTS,
            ..finish(Some(&outcome))
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
        let finish = finish(Some(&outcome));
        assert_eq!(
            *finish.packet(Role::End, b"\xff\x51\x04#HY000"),
            error.payload()
        );
    }

    #[test]
    fn a_reply_without_an_outcome_is_an_error_never_an_ok() {
        assert_eq!(
            finish(None).packet(Role::End, &[0, 0, 0, 0, 0, 0, 0])[0],
            0xff
        );
    }
}
