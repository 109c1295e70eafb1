//! OK, EOF and ERR packets: what the proxy says in its own name, and the flags it reads off a server's.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_response_packets.html>

use std::fmt;

use mysql_common::constants::StatusFlags;

use super::Malformed;
use super::capabilities::Capabilities;
use super::cursor::{Cursor, put_lenenc, put_lenenc_bytes};

/// First byte of an OK packet.
pub(super) const OK: u8 = 0x00;
/// First byte of an ERR packet.
pub(super) const ERR: u8 = 0xff;

/// Whether a session whose last status flags these are has the SQL mode `NO_BACKSLASH_ESCAPES`.
pub fn takes_backslashes_as_they_are(status: u16) -> bool {
    status & StatusFlags::SERVER_STATUS_NO_BACKSLASH_ESCAPES.bits() != 0
}

/// Of a server's last status flags, those that stay true while somebody else answers.
pub const STATUS_LASTING: u16 = StatusFlags::SERVER_STATUS_IN_TRANS.bits()
    | StatusFlags::SERVER_STATUS_AUTOCOMMIT.bits()
    | StatusFlags::SERVER_STATUS_NO_BACKSLASH_ESCAPES.bits()
    | StatusFlags::SERVER_STATUS_IN_TRANS_READONLY.bits();

/// An error as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// MySQL's or OceanBase's error code.
    pub code: u16,
    /// Its SQLSTATE.
    pub state: [u8; 5],
    /// One clear sentence.
    pub text: String,
}

impl SqlError {
    /// SQLSTATE of errors that have none of their own.
    pub const GENERAL: [u8; 5] = *b"HY000";

    /// An error with the SQLSTATE that MySQL gives its code.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        let state = match code {
            1040 | 1251 => *b"08004",
            1045 => *b"28000",
            1043 | 1053 | 1153 | 1159 => *b"08S01",
            1064 => *b"42000",
            1044 | 1049 | 1142 | 1143 | 1227 | 1235 | 1461 => *b"42000",
            1066 | 1139 | 1248 | 1582 => *b"42000",
            1052 => *b"23000",
            1054 => *b"42S22",
            1060 => *b"42S21",
            1146 => *b"42S02",
            1222 | 1241 | 1242 => *b"21000",
            1690 => *b"22003",
            1317 => *b"70100",
            _ => Self::GENERAL,
        };
        Self {
            code,
            state,
            text: text.into(),
        }
    }

    /// The payload of its ERR packet.
    pub fn payload(&self) -> Vec<u8> {
        let mut payload = vec![ERR];
        payload.extend_from_slice(&self.code.to_le_bytes());
        payload.push(b'#');
        payload.extend_from_slice(&self.state);
        payload.extend_from_slice(self.text.as_bytes());
        payload
    }

    /// The payload of its ERR packet in place of a greeting: clients know of no SQLSTATE yet, and would
    /// show it as text.
    pub fn payload_before_greeting(&self) -> Vec<u8> {
        let mut payload = vec![ERR];
        payload.extend_from_slice(&self.code.to_le_bytes());
        payload.extend_from_slice(self.text.as_bytes());
        payload
    }

    /// Reads an ERR packet's payload. Before the login there is no SQLSTATE in it.
    pub fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        if cursor.u8("error packet")? != ERR {
            return Err(Malformed("error packet"));
        }
        let code = cursor.u16("error code")?;
        let mut state = Self::GENERAL;
        if cursor.rest().first() == Some(&b'#') {
            cursor.u8("SQLSTATE marker")?;
            state = cursor.array("SQLSTATE")?;
        }
        let text = String::from_utf8_lossy(cursor.rest()).into_owned();
        Ok(Self { code, state, text })
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.code,
            String::from_utf8_lossy(&self.state),
            self.text
        )
    }
}

/// The end of a reply that is no error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OkAnswer {
    /// Rows that the statement has changed.
    pub affected_rows: u64,
    /// Server status flags.
    pub status: u16,
    /// How many messages it has left behind.
    pub warnings: u16,
    /// A text for humans, as in `Records: 3  Duplicates: 0`.
    pub info: String,
}

impl OkAnswer {
    /// The payload of an OK packet.
    pub fn ok_payload(&self) -> Vec<u8> {
        self.payload(OK)
    }

    /// The payload of the packet that ends a result set for a client with `capabilities` in force.
    pub fn end_of_rows_payload(&self, capabilities: Capabilities) -> Vec<u8> {
        if capabilities.has(Capabilities::DEPRECATE_EOF) {
            return self.payload(0xfe);
        }
        let mut payload = vec![0xfe];
        payload.extend_from_slice(&self.warnings.to_le_bytes());
        payload.extend_from_slice(&self.status.to_le_bytes());
        payload
    }

    fn payload(&self, first: u8) -> Vec<u8> {
        let mut payload = vec![first];
        put_lenenc(&mut payload, self.affected_rows);
        put_lenenc(&mut payload, 0);
        payload.extend_from_slice(&self.status.to_le_bytes());
        payload.extend_from_slice(&self.warnings.to_le_bytes());
        // MySQL's manual has it without its length where sessions are not tracked; servers send that in any case, and
        // clients read it.
        if !self.info.is_empty() {
            put_lenenc_bytes(&mut payload, self.info.as_bytes());
        }
        payload
    }
}

/// The status flags of an OK packet (also one in an EOF's place).
pub fn ok_status(payload: &[u8]) -> Option<u16> {
    let mut cursor = Cursor::new(payload.get(1..)?);
    cursor.lenenc("affected rows").ok()?;
    cursor.lenenc("last insert id").ok()?;
    cursor.u16("status flags").ok()
}

/// The status flags of an EOF packet.
pub fn eof_status(payload: &[u8]) -> Option<u16> {
    let mut cursor = Cursor::new(payload.get(3..)?);
    cursor.u16("status flags").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_back_as_written() {
        let error = SqlError::new(1094, "Unknown thread id: 7");
        assert_eq!(SqlError::read(&error.payload()), Ok(error));
    }

    #[test]
    fn an_error_before_the_login_has_no_sqlstate() {
        let error = SqlError::read(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!(
            error,
            SqlError {
                code: 1040,
                state: *b"HY000",
                text: "Too many connections".into()
            }
        );
    }

    #[test]
    fn a_text_for_humans_stands_behind_its_length() {
        let ok = |info: &str| OkAnswer {
            affected_rows: 11,
            status: 2,
            warnings: 1,
            info: info.into(),
        };
        let told = ok("Killed: 11").ok_payload();
        assert_eq!(told, b"\x00\x0b\x00\x02\x00\x01\x00\x0aKilled: 11");
        assert_eq!(ok("").ok_payload(), told[..7]);
    }

    #[test]
    fn status_is_found_behind_length_encoded_counts() {
        let payload = [0, 0xfc, 1, 2, 0xfd, 1, 2, 3, 0x22, 0x40, 5, 0];
        assert_eq!(ok_status(&payload), Some(0x4022));
        for cut in 0..10 {
            assert_eq!(ok_status(&payload[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn the_end_of_rows_takes_the_form_that_the_client_knows() {
        let end = OkAnswer {
            status: 2,
            warnings: 1,
            ..OkAnswer::default()
        };
        assert_eq!(end.end_of_rows_payload(Capabilities(0)), [0xfe, 1, 0, 2, 0]);
        assert_eq!(
            end.end_of_rows_payload(Capabilities::DEPRECATE_EOF),
            [0xfe, 0, 0, 2, 0, 1, 0]
        );
    }
}
