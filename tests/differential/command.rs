//! Commands as bytes, and what their replies look like, read from the protocol's documentation and not
//! from the code under test.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>

use std::fmt;

pub(crate) const PART_BYTES_MAX: usize = 0xff_ffff;

/// In MariaDB's protocol: the statement that was prepared last.
pub(crate) const LAST_PREPARED: u32 = u32::MAX;

/// What a reply looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Nothing,
    OnePacket,
    Results,
    Prepared,
    Rows,
    Definitions,
    Login,
}

/// How much of two replies must be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Equal {
    /// Every byte; of a request to switch the method of authentication all but the scramble.
    Bytes,
    /// The text but for its numbers: they count what the server has done so far.
    TextWithoutNumbers,
    /// All but the rows: they tell of other sessions, and of the port that this one comes from.
    AllButRows,
}

/// The prepared statement that a command names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// The one that the session's n-th PREPARE has made, counted from 0.
    Nth(usize),
    Id(u32),
}

/// One command.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) kind: &'static str,
    /// Its payload. Where it names a statement the id's four bytes are put in when it is sent.
    payload: Vec<u8>,
    pub(crate) names: Option<Named>,
    pub(crate) shape: Shape,
    pub(crate) equal: Equal,
    /// The payloads that the client sends when the server asks for them: a file, or a login's answer.
    pub(crate) turn: Option<Vec<Vec<u8>>>,
}

impl Command {
    pub(crate) fn new(kind: &'static str, shape: Shape, payload: Vec<u8>) -> Self {
        Self {
            kind,
            payload,
            names: None,
            shape,
            equal: Equal::Bytes,
            turn: None,
        }
    }

    fn of(kind: &'static str, shape: Shape, code: u8, rest: &[u8]) -> Self {
        Self::new(kind, shape, [&[code], rest].concat())
    }

    fn naming(mut self, statement: Named) -> Self {
        self.names = Some(statement);
        self
    }

    pub(crate) fn with_turn(mut self, turn: Vec<Vec<u8>>) -> Self {
        self.turn = Some(turn);
        self
    }

    pub(crate) fn quit() -> Self {
        Self::of("QUIT", Shape::Nothing, 0x01, b"")
    }

    pub(crate) fn init_db(name: &[u8]) -> Self {
        Self::of("INIT_DB", Shape::OnePacket, 0x02, name)
    }

    pub(crate) fn query(sql: impl AsRef<[u8]>) -> Self {
        Self::of("QUERY", Shape::Results, 0x03, sql.as_ref())
    }

    pub(crate) fn field_list(table: &str, wildcard: &str) -> Self {
        let rest = format!("{table}\0{wildcard}");
        Self::of("FIELD_LIST", Shape::Definitions, 0x04, rest.as_bytes())
    }

    pub(crate) fn statistics() -> Self {
        let mut command = Self::of("STATISTICS", Shape::OnePacket, 0x09, b"");
        command.equal = Equal::TextWithoutNumbers;
        command
    }

    pub(crate) fn process_info() -> Self {
        let mut command = Self::of("PROCESS_INFO", Shape::Results, 0x0a, b"");
        command.equal = Equal::AllButRows;
        command
    }

    pub(crate) fn process_kill(id: u32) -> Self {
        let id = id.to_le_bytes();
        Self::of("PROCESS_KILL", Shape::OnePacket, 0x0c, &id)
    }

    pub(crate) fn debug() -> Self {
        Self::of("DEBUG", Shape::OnePacket, 0x0d, b"")
    }

    pub(crate) fn ping() -> Self {
        Self::of("PING", Shape::OnePacket, 0x0e, b"")
    }

    /// With the native method; the answer to the server's scramble is `answer`.
    pub(crate) fn change_user(
        user: &str,
        database: &str,
        answer: &[u8],
        attributes: &[u8],
    ) -> Self {
        let mut rest = [user.as_bytes(), &[0, answer.len() as u8], answer].concat();
        rest.extend_from_slice(database.as_bytes());
        rest.extend_from_slice(&[0, 45, 0]);
        rest.extend_from_slice(b"mysql_native_password\0");
        rest.extend_from_slice(attributes);
        Self::of("CHANGE_USER", Shape::Login, 0x11, &rest).with_turn(vec![answer.to_vec()])
    }

    pub(crate) fn prepare(sql: impl AsRef<[u8]>) -> Self {
        Self::of("STMT_PREPARE", Shape::Prepared, 0x16, sql.as_ref())
    }

    /// `parameters` is what follows the count of iterations: null bitmap, types, values.
    pub(crate) fn execute(statement: Named, cursor: bool, parameters: &[u8]) -> Self {
        let mut rest = vec![0, 0, 0, 0, u8::from(cursor), 1, 0, 0, 0];
        rest.extend_from_slice(parameters);
        Self::of("STMT_EXECUTE", Shape::Results, 0x17, &rest).naming(statement)
    }

    pub(crate) fn long_data(statement: Named, parameter: u16, data: &[u8]) -> Self {
        let mut rest = vec![0; 4];
        rest.extend_from_slice(&parameter.to_le_bytes());
        rest.extend_from_slice(data);
        Self::of("STMT_SEND_LONG_DATA", Shape::Nothing, 0x18, &rest).naming(statement)
    }

    pub(crate) fn close(statement: Named) -> Self {
        Self::of("STMT_CLOSE", Shape::Nothing, 0x19, &[0; 4]).naming(statement)
    }

    pub(crate) fn reset(statement: Named) -> Self {
        Self::of("STMT_RESET", Shape::OnePacket, 0x1a, &[0; 4]).naming(statement)
    }

    pub(crate) fn set_option(option: u16) -> Self {
        let option = option.to_le_bytes();
        Self::of("SET_OPTION", Shape::OnePacket, 0x1b, &option)
    }

    pub(crate) fn fetch(statement: Named, rows: u32) -> Self {
        let mut rest = vec![0; 4];
        rest.extend_from_slice(&rows.to_le_bytes());
        Self::of("STMT_FETCH", Shape::Rows, 0x1c, &rest).naming(statement)
    }

    pub(crate) fn reset_connection() -> Self {
        Self::of("RESET_CONNECTION", Shape::OnePacket, 0x1f, b"")
    }

    /// MariaDB's bulk execution of a statement with one INT parameter.
    pub(crate) fn bulk_execute(statement: Named, numbers: &[i32]) -> Self {
        const SEND_TYPES: u16 = 128;
        let mut rest = vec![0; 4];
        rest.extend_from_slice(&SEND_TYPES.to_le_bytes());
        rest.extend_from_slice(&[0x03, 0]);
        for number in numbers {
            rest.push(0);
            rest.extend_from_slice(&number.to_le_bytes());
        }
        Self::of("STMT_BULK_EXECUTE", Shape::Results, 0xfa, &rest).naming(statement)
    }

    /// A command that servers do not know, or know no more.
    pub(crate) fn unknown(code: u8) -> Self {
        Self::of("unknown", Shape::OnePacket, code, b"x")
    }

    pub(crate) fn empty() -> Self {
        Self::new("empty packet", Shape::OnePacket, Vec::new())
    }

    /// Whether it makes the session as new.
    pub(crate) fn begins_anew(&self) -> bool {
        matches!(self.kind, "RESET_CONNECTION" | "CHANGE_USER")
    }

    /// Appends the command's packet, with `id` for the statement that it names.
    pub(crate) fn put(&self, out: &mut Vec<u8>, id: Option<u32>) {
        let mut payload = self.payload.clone();
        if let Some(id) = id {
            payload[1..5].copy_from_slice(&id.to_le_bytes());
        }
        put_packet(out, 0, &payload);
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_BYTES: usize = 120;
        let shown = &self.payload[..self.payload.len().min(SHOWN_BYTES)];
        let cut = if shown.len() < self.payload.len() {
            "…"
        } else {
            ""
        };
        let shown = shown.get(1..).unwrap_or_default().escape_ascii();
        write!(f, "{} {shown}{cut}", self.kind)?;
        if let Some(statement) = self.names {
            write!(f, " [{statement:?}]")?;
        }
        write!(f, " ({} bytes)", self.payload.len())
    }
}

/// Appends `payload` as a packet, in parts if it is long.
pub(crate) fn put_packet(out: &mut Vec<u8>, mut sequence: u8, mut payload: &[u8]) {
    loop {
        let (part, rest) = payload.split_at(payload.len().min(PART_BYTES_MAX));
        out.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
        out.push(sequence);
        out.extend_from_slice(part);
        if part.len() < PART_BYTES_MAX {
            return;
        }
        (sequence, payload) = (sequence.wrapping_add(1), rest);
    }
}
