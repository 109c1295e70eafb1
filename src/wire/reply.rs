//! Follows a server's replies to where each one ends, from packet headers and first bytes alone.
//!
//! ```text
//!   command sent ──► expect() ─┐
//!                              ▼             ┌─► Outcome (which command, how it ended)
//!   server's bytes ─► feed() ─► one reply ───┤
//!                              ▲             └─► Turn (the client owes file data)
//!                              └── the next expected reply
//! ```
//!
//! Invariant: a reply is over exactly when the server has nothing more to say about that command, so
//! that whatever comes next in the stream belongs to the next command in the queue.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>

use std::collections::VecDeque;

use super::answer::{ERR, OK, eof_status, ok_status};
use super::command::{Command, ReplyShape};
use super::packet::{PART_BYTES_MAX, PacketWalker, Passed, Report};

/// `SERVER_MORE_RESULTS_EXISTS`: another result of the same command follows.
const MORE_RESULTS: u16 = 0x0008;
/// `SERVER_STATUS_CURSOR_EXISTS`: the rows stay on the server until they are fetched.
pub const CURSOR_EXISTS: u16 = 0x0040;
/// `SERVER_STATUS_LAST_ROW_SENT`: a fetch has come to the end of the rows, and the cursor is closed.
pub const LAST_ROW_SENT: u16 = 0x0080;

/// First byte of a LOCAL INFILE request.
const LOCAL_INFILE: u8 = 0xfb;
/// First byte of an EOF packet, and of an OK packet in its place.
const EOF: u8 = 0xfe;

/// An EOF packet is shorter than this; a longer packet with its first byte is a row.
const EOF_BYTES_LIMIT: usize = 9;

/// A reply that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The command that was answered.
    pub command: Command,
    /// Whether it ended in anything but an ERR packet.
    pub succeeded: bool,
}

/// Whose turn it is inside a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// The server's: what the client sends now is the next command.
    #[default]
    Server,
    /// The client's: it sends the contents of a file, ended by an empty packet.
    ClientSendsFile,
}

/// What a packet is in its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The beginning of a result set or of a prepare's reply.
    Header,
    /// A column or parameter definition.
    Definition,
    /// The EOF after definitions.
    DefinitionsEnd,
    /// A row.
    Row,
    /// OK, EOF or ERR: the end of a result, or the only packet of a reply.
    End,
    /// A request for a file: no result.
    Exchange,
    /// Nobody asked for it: a server's last word before it closes.
    Unasked,
}

/// Where in the current reply the stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Its first packet, or the first of its next result.
    Start,
    /// The final packet of a LOCAL INFILE exchange.
    AfterFile,
    /// `left` definitions, and after them `then` more (parameters, then columns).
    Definitions { left: u64, then: u64 },
    /// The EOF packet after definitions.
    DefinitionsEnd { then: u64 },
    /// Rows (or, for a field list, definitions) until EOF or ERR.
    UntilEof,
}

/// Follows the replies of one connection.
#[derive(Debug)]
pub struct ReplyTracker {
    walker: PacketWalker,
    replies: Replies,
}

/// The part of the tracker that knows replies and not bytes.
#[derive(Debug)]
struct Replies {
    deprecate_eof: bool,
    expected: VecDeque<Command>,
    position: Position,
    turn: Turn,
    status: u16,
}

impl ReplyTracker {
    /// For a connection on which `CLIENT_DEPRECATE_EOF` is in force or not, after its login, of which
    /// `status` is the last server status.
    pub fn new(deprecate_eof: bool, status: u16) -> Self {
        Self {
            walker: PacketWalker::default(),
            replies: Replies {
                deprecate_eof,
                expected: VecDeque::new(),
                position: Position::Start,
                turn: Turn::Server,
                status,
            },
        }
    }

    /// Notes that `command` goes to the server now. Its reply comes after those expected so far.
    pub fn expect(&mut self, command: Command) {
        if command.reply() != ReplyShape::None {
            self.replies.expected.push_back(command);
        }
    }

    /// The command that is being answered, if any is.
    pub fn running(&self) -> Option<Command> {
        self.replies.expected.front().copied()
    }

    /// Whether all replies are complete.
    pub fn idle(&self) -> bool {
        self.replies.expected.is_empty() && self.walker.at_boundary()
    }

    /// Whose turn it is.
    pub fn turn(&self) -> Turn {
        self.replies.turn
    }

    /// Notes that the client has sent what it owed: the whole file.
    pub fn client_has_sent(&mut self) {
        self.replies.turn = Turn::Server;
    }

    /// The server's status flags as of the last reply's end.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html>
    pub fn status(&self) -> u16 {
        self.replies.status
    }

    /// Takes the server's next bytes, however they are cut, and reports each reply that ends in them.
    pub fn feed(&mut self, bytes: &[u8], mut on_outcome: impl FnMut(Outcome)) {
        let replies = &mut self.replies;
        self.walker.walk(bytes, |packet| {
            if let (_, Some(outcome)) = replies.packet(packet) {
                on_outcome(outcome);
            }
            match replies.position {
                Position::UntilEof => Report::AllButRows,
                _ => Report::EveryPacket,
            }
        });
    }

    /// Takes one whole packet and says what it is. For callers that frame packets themselves.
    pub fn packet(&mut self, payload: &[u8]) -> (Role, Option<Outcome>) {
        self.replies.packet(Passed {
            head: payload,
            payload_bytes: payload.len(),
        })
    }
}

impl Replies {
    fn packet(&mut self, packet: Passed<'_>) -> (Role, Option<Outcome>) {
        let Some(&command) = self.expected.front() else {
            return (Role::Unasked, None);
        };
        let first = packet.head.first().copied();
        match (self.position, command.reply()) {
            (_, ReplyShape::None) => (Role::Unasked, None),
            (_, ReplyShape::OnePacket) => self.one_packet(command, packet),
            (_, _) if first == Some(ERR) => self.end(command, false),
            (Position::Start, ReplyShape::Prepared) => self.prepared(command, packet),
            (Position::Start, ReplyShape::Rows) | (Position::UntilEof, _) => {
                self.until_eof(command, packet, Role::Row)
            }
            (Position::Start, ReplyShape::Definitions) => {
                self.until_eof(command, packet, Role::Definition)
            }
            (Position::Start | Position::AfterFile, _) => self.result(command, packet),
            (Position::Definitions { left, then }, shape) => {
                self.definition(command, shape, left, then)
            }
            (Position::DefinitionsEnd { then }, shape) => {
                self.definitions_end(command, shape, packet, then)
            }
        }
    }

    /// Any packet ends it. Only OK and EOF packets carry status flags, and a text may begin like one:
    /// that is harmless only for commands which are not answered in text.
    fn one_packet(&mut self, command: Command, packet: Passed<'_>) -> (Role, Option<Outcome>) {
        let first = packet.head.first().copied();
        if command != Command::STATISTICS {
            match first {
                Some(OK) => self.status = ok_status(packet.head).unwrap_or(self.status),
                Some(EOF) => self.status = eof_status(packet.head).unwrap_or(self.status),
                _ => {}
            }
        }
        self.end(command, first != Some(ERR))
    }

    /// The first packet of a result.
    fn result(&mut self, command: Command, packet: Passed<'_>) -> (Role, Option<Outcome>) {
        match packet.head {
            [OK, ..] => self.end_of_result(command, ok_status(packet.head)),
            [EOF, ..] if packet.payload_bytes < EOF_BYTES_LIMIT => {
                self.end_of_result(command, eof_status(packet.head))
            }
            [LOCAL_INFILE, ..] => {
                self.position = Position::AfterFile;
                self.turn = Turn::ClientSendsFile;
                // The server takes whatever it has received behind this command for the file.
                self.expected.truncate(1);
                (Role::Exchange, None)
            }
            head => {
                let columns = super::cursor::Cursor::new(head)
                    .lenenc("column count")
                    .unwrap_or(0);
                self.position = Position::Definitions {
                    left: columns,
                    then: 0,
                };
                if columns == 0 {
                    self.position = Position::UntilEof;
                }
                (Role::Header, None)
            }
        }
    }

    /// The first packet of a prepare's reply: statement id, columns, parameters, warnings.
    fn prepared(&mut self, command: Command, packet: Passed<'_>) -> (Role, Option<Outcome>) {
        let &[
            OK,
            _,
            _,
            _,
            _,
            columns_low,
            columns_high,
            params_low,
            params_high,
            ..,
        ] = packet.head
        else {
            return self.end(command, false);
        };
        let columns = u64::from(u16::from_le_bytes([columns_low, columns_high]));
        let params = u64::from(u16::from_le_bytes([params_low, params_high]));
        let (_, outcome) = self.next_definitions(command, [params, columns]);
        (Role::Header, outcome)
    }

    /// Goes on to the first group of definitions that is not empty, or ends a prepare's reply.
    fn next_definitions(&mut self, command: Command, groups: [u64; 2]) -> (Role, Option<Outcome>) {
        match groups {
            [0, 0] => self.end(command, true),
            [0, left] => {
                self.position = Position::Definitions { left, then: 0 };
                (Role::Header, None)
            }
            [left, then] => {
                self.position = Position::Definitions { left, then };
                (Role::Header, None)
            }
        }
    }

    fn definition(
        &mut self,
        command: Command,
        shape: ReplyShape,
        left: u64,
        then: u64,
    ) -> (Role, Option<Outcome>) {
        self.position = match left - 1 {
            0 if !self.deprecate_eof => Position::DefinitionsEnd { then },
            0 if shape == ReplyShape::Prepared => {
                let (_, outcome) = self.next_definitions(command, [0, then]);
                return (Role::Definition, outcome);
            }
            0 => Position::UntilEof,
            left => Position::Definitions { left, then },
        };
        (Role::Definition, None)
    }

    fn definitions_end(
        &mut self,
        command: Command,
        shape: ReplyShape,
        packet: Passed<'_>,
        then: u64,
    ) -> (Role, Option<Outcome>) {
        if shape == ReplyShape::Prepared {
            let (_, outcome) = self.next_definitions(command, [0, then]);
            return (Role::DefinitionsEnd, outcome);
        }
        let status = eof_status(packet.head).unwrap_or(0);
        if shape == ReplyShape::ResultsOrCursor && status & CURSOR_EXISTS != 0 {
            return self.end_of_result(command, Some(status));
        }
        self.position = Position::UntilEof;
        (Role::DefinitionsEnd, None)
    }

    fn until_eof(
        &mut self,
        command: Command,
        packet: Passed<'_>,
        otherwise: Role,
    ) -> (Role, Option<Outcome>) {
        let end = packet.head.first() == Some(&EOF)
            && packet.payload_bytes
                < if self.deprecate_eof {
                    PART_BYTES_MAX
                } else {
                    EOF_BYTES_LIMIT
                };
        if !end {
            return (otherwise, None);
        }
        let status = if packet.payload_bytes < EOF_BYTES_LIMIT && !self.deprecate_eof {
            eof_status(packet.head)
        } else {
            ok_status(packet.head)
        };
        self.end_of_result(command, status)
    }

    /// A result has ended; the reply with it, unless the server announces another result.
    fn end_of_result(&mut self, command: Command, status: Option<u16>) -> (Role, Option<Outcome>) {
        self.status = status.unwrap_or(self.status);
        if status.is_some_and(|status| status & MORE_RESULTS != 0) {
            self.position = Position::Start;
            return (Role::End, None);
        }
        self.end(command, true)
    }

    fn end(&mut self, command: Command, succeeded: bool) -> (Role, Option<Outcome>) {
        self.expected.pop_front();
        self.position = Position::Start;
        self.turn = Turn::Server;
        (Role::End, Some(Outcome { command, succeeded }))
    }
}

#[cfg(test)]
mod tests;
