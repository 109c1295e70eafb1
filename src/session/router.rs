//! Decides, packet by packet, which of the two servers a client's command goes to. No I/O.
//!
//! Almost everything passes to the backend as it came; then all that is kept is how much of the packet is
//! still to come. What is not decided yet is left with the caller, who brings it again with more behind
//! it. Order is never changed: a command for the console waits until all replies before it are complete.

mod prepared;
mod request;

use crate::sql::SCHEMA;
use crate::statement::keywords::{self, KillById, Route, UNDECIDED_BYTES_MAX, Undecided};
use crate::statement::{KillKind, SelectLimit, SessionId};
use crate::wire::command::Command;
use crate::wire::packet::{HEADER_BYTES, Header};
use crate::wire::reply::{Outcome, ReplyTracker, Turn};

use super::console_statements::ConsoleStatements;
pub(super) use request::Request;

/// What to do with the next bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next `bytes` go to the backend.
    Pass { bytes: usize },
    /// The next bytes belong to nobody any more: data for a statement that lives in the session.
    Skip { bytes: usize },
    /// More bytes are needed to decide.
    More,
    /// Nothing may pass until all replies are complete.
    Wait,
    /// The session answers; the next `bytes` are done with.
    Take { bytes: usize, request: Request },
}

/// Who answered the last statement that was no question about the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Backend,
    Console,
}

/// Where in the client's stream the router stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a packet.
    Boundary,
    /// Inside a part, of which `left` bytes are still to come; another follows if it `continues`.
    Part {
        left: usize,
        continues: bool,
        to: Way,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Backend,
    Nowhere,
    /// To a parameter of a statement that lives in the session.
    LongData {
        id: u32,
        parameter: u16,
    },
}

/// Routes one session's commands.
#[derive(Debug)]
pub(super) struct Router {
    at: At,
    /// The client has said that it leaves.
    pub(super) has_quit: bool,
    /// The longest packet that the session takes, in bytes.
    pub(super) packet_bytes_max: usize,
    pub(super) statements: ConsoleStatements,
    pub(super) last_answer: Answered,
    /// How many rows a SELECT over the proxy's own tables gives at most.
    pub(super) select_limit: Option<u64>,
    /// What a statement sets that to, to which the backend's reply comes next.
    select_limit_set: Option<SelectLimit>,
}

impl Router {
    pub(super) fn new() -> Self {
        Self {
            at: At::Boundary,
            has_quit: false,
            packet_bytes_max: UNDECIDED_BYTES_MAX,
            statements: ConsoleStatements::default(),
            last_answer: Answered::Backend,
            select_limit: None,
            select_limit_set: None,
        }
    }

    /// What to do with `input`, the next bytes from the client; not empty.
    pub(super) fn next(&mut self, input: &[u8], tracker: &mut ReplyTracker) -> Step {
        match self.at {
            At::Part {
                left: 0,
                continues: true,
                to,
            } => self.next_part(input, to),
            At::Part {
                left,
                continues,
                to,
            } => self.rest_of_part(input, left, continues, to),
            At::Boundary => match tracker.turn() {
                Turn::Server => self.command(input, tracker),
                Turn::ClientSendsFile => self.file_part(input, tracker),
            },
        }
    }

    /// A packet of the file that the server has asked for. An empty one ends it.
    fn file_part(&mut self, input: &[u8], tracker: &mut ReplyTracker) -> Step {
        let Some(header) = Header::read(input) else {
            return Step::More;
        };
        if header.payload_bytes == 0 {
            tracker.client_has_sent();
        }
        self.begin_part(input, header, Way::Backend)
    }

    fn next_part(&mut self, input: &[u8], to: Way) -> Step {
        match Header::read(input) {
            Some(header) => self.begin_part(input, header, to),
            None => Step::More,
        }
    }

    /// Sends as much of a part on its way as is there.
    fn begin_part(&mut self, input: &[u8], header: Header, to: Way) -> Step {
        self.begin_part_behind(HEADER_BYTES, input, header, to)
    }

    /// The same, where what is for whoever keeps it begins at `data_at`.
    fn begin_part_behind(&mut self, data_at: usize, input: &[u8], header: Header, to: Way) -> Step {
        let bytes = input.len().min(HEADER_BYTES + header.payload_bytes);
        self.keep(to, &input[data_at..bytes]);
        self.leave_part(
            HEADER_BYTES + header.payload_bytes - bytes,
            header.continues(),
            to,
        );
        to.step(bytes)
    }

    fn rest_of_part(&mut self, input: &[u8], left: usize, continues: bool, to: Way) -> Step {
        let bytes = input.len().min(left);
        self.keep(to, &input[..bytes]);
        self.leave_part(left - bytes, continues, to);
        to.step(bytes)
    }

    /// Keeps what belongs to a statement that lives in the session.
    fn keep(&mut self, to: Way, bytes: &[u8]) {
        if let Way::LongData { id, parameter } = to {
            self.statements.add_long_data(id, parameter, bytes);
        }
    }

    fn leave_part(&mut self, left: usize, continues: bool, to: Way) {
        self.at = if left == 0 && !continues {
            At::Boundary
        } else {
            At::Part {
                left,
                continues,
                to,
            }
        };
    }

    /// A packet that begins a command.
    fn command(&mut self, input: &[u8], tracker: &mut ReplyTracker) -> Step {
        let Some(header) = Header::read(input) else {
            return Step::More;
        };
        let packet = Packet {
            header,
            there: &input[HEADER_BYTES..],
        };
        if header.payload_bytes == 0 {
            // An empty command: the server says what it thinks of it.
            return self.pass(input, header, Command(0), tracker);
        }
        let Some(&code) = packet.there.first() else {
            return Step::More;
        };
        let command = Command(code);
        match command {
            Command::QUERY | Command::STMT_PREPARE => {
                self.statement(input, command, packet, tracker)
            }
            Command::CHANGE_USER => self.take(packet, tracker, |payload| {
                Request::ChangeUser(payload.to_vec())
            }),
            Command::INIT_DB if header.payload_bytes == 1 + SCHEMA.len() => {
                if !packet.is_whole() {
                    return Step::More;
                }
                let name = &packet.there[1..header.payload_bytes];
                if name.eq_ignore_ascii_case(SCHEMA.as_bytes()) {
                    return self.take(packet, tracker, |_| Request::UseSchema);
                }
                self.pass(input, header, command, tracker)
            }
            Command::PROCESS_KILL => {
                let Some(id) = packet.u32_at(1) else {
                    return self.pass_or_more(input, packet, command, tracker);
                };
                let kill = SessionId::new(id).map(|id| KillById {
                    kind: KillKind::Session,
                    id,
                    alone: true,
                });
                self.kill(input, command, packet, tracker, kill)
            }
            _ if command.names_statement() => {
                self.with_statement_id(input, command, packet, tracker)
            }
            _ => self.pass(input, header, command, tracker),
        }
    }

    /// COM_QUERY or COM_STMT_PREPARE.
    fn statement(
        &mut self,
        input: &[u8],
        command: Command,
        packet: Packet<'_>,
        tracker: &mut ReplyTracker,
    ) -> Step {
        let whole = packet.is_whole();
        let text = &packet.there[1..packet.there.len().min(packet.header.payload_bytes)];
        let shown = &text[..text.len().min(UNDECIDED_BYTES_MAX)];
        // A packet that may be looked at whole is waited for: a virtual statement may stand behind a `;`.
        let waits = !whole && packet.header.payload_bytes <= UNDECIDED_BYTES_MAX;
        let route = match keywords::route(shown, whole && shown.len() == text.len()) {
            Ok(Route::Backend | Route::Kill(_) | Route::Diagnostics) | Err(Undecided) if waits => {
                return Step::More;
            }
            Ok(route) => route,
            Err(Undecided) if shown.len() < UNDECIDED_BYTES_MAX && !whole => return Step::More,
            Err(Undecided) => Route::Backend,
        };
        let to_backend = match route {
            Route::Backend | Route::Kill(_) => true,
            Route::Diagnostics | Route::DiagnosticsAndMore => self.last_answer == Answered::Backend,
            Route::Console | Route::Mixed => false,
        };
        if command == Command::STMT_PREPARE {
            if to_backend {
                self.statements.prepared_on_backend();
            } else {
                self.statements.prepare_on_console();
            }
        }
        if !to_backend {
            return self.take(packet, tracker, |payload| match (route, command) {
                (Route::Mixed | Route::DiagnosticsAndMore, _) => Request::Mixed,
                (_, Command::QUERY) => Request::Query(payload[1..].to_vec()),
                _ => Request::Prepare(payload[1..].to_vec()),
            });
        }
        if let (Route::Kill(kill), Command::QUERY) = (route, command) {
            return self.kill(input, command, packet, tracker, Some(kill));
        }
        if command == Command::QUERY
            && whole
            && let Some(limit) = SelectLimit::set_by(shown)
        {
            // Its reply is to be the next one: only that tells whether it counts.
            if !tracker.idle() {
                return Step::Wait;
            }
            self.select_limit_set = Some(limit);
        }
        let last_answer = self.last_answer;
        let step = self.pass(input, packet.header, command, tracker);
        if route == Route::Diagnostics {
            self.last_answer = last_answer;
        }
        step
    }

    /// Too short for its command: the server says so, once it is all there.
    fn pass_or_more(
        &mut self,
        input: &[u8],
        packet: Packet<'_>,
        command: Command,
        tracker: &mut ReplyTracker,
    ) -> Step {
        if packet.is_whole() {
            self.pass(input, packet.header, command, tracker)
        } else {
            Step::More
        }
    }

    fn pass(
        &mut self,
        input: &[u8],
        header: Header,
        command: Command,
        tracker: &mut ReplyTracker,
    ) -> Step {
        self.note_passed(command, tracker);
        self.begin_part(input, header, Way::Backend)
    }

    /// Notes that the backend has answered a command.
    pub(super) fn note_reply(&mut self, outcome: Outcome) {
        if let Some(limit) = self.select_limit_set.take()
            && outcome.succeeded
        {
            self.select_limit = limit.rows();
        }
    }

    /// Notes that a command goes to the backend.
    pub(super) fn note_passed(&mut self, command: Command, tracker: &mut ReplyTracker) {
        tracker.expect(command);
        self.has_quit |= command == Command::QUIT;
        if !command.keeps_diagnostics() {
            self.last_answer = Answered::Backend;
        }
    }

    /// A KILL by a thread id, for the session to find out whose it is. It waits for the replies before it,
    /// as it would on the server, too.
    fn kill(
        &mut self,
        input: &[u8],
        command: Command,
        packet: Packet<'_>,
        tracker: &mut ReplyTracker,
        kill: Option<KillById>,
    ) -> Step {
        match kill {
            Some(kill) if packet.header.payload_bytes <= UNDECIDED_BYTES_MAX => {
                self.take(packet, tracker, |payload| Request::Kill {
                    kill,
                    packet: input[..HEADER_BYTES + payload.len()].to_vec(),
                })
            }
            _ => self.pass(input, packet.header, command, tracker),
        }
    }

    /// A packet for the session, once it is all there and all replies before it are complete.
    fn take(
        &mut self,
        packet: Packet<'_>,
        tracker: &ReplyTracker,
        request: impl FnOnce(&[u8]) -> Request,
    ) -> Step {
        if !tracker.idle() {
            return Step::Wait;
        }
        let bytes = HEADER_BYTES + packet.header.payload_bytes;
        if packet.header.payload_bytes > self.packet_bytes_max {
            return Step::Take {
                bytes: HEADER_BYTES,
                request: Request::TooLong,
            };
        }
        match packet.there.get(..packet.header.payload_bytes) {
            Some(payload) => Step::Take {
                bytes,
                request: request(payload),
            },
            None => Step::More,
        }
    }
}

impl Way {
    fn step(self, bytes: usize) -> Step {
        match self {
            Self::Backend => Step::Pass { bytes },
            Self::Nowhere | Self::LongData { .. } => Step::Skip { bytes },
        }
    }
}

/// A packet of which the header is there, and some of the rest.
#[derive(Debug, Clone, Copy)]
struct Packet<'a> {
    header: Header,
    /// What is there behind the header: less than the payload, or more.
    there: &'a [u8],
}

impl Packet<'_> {
    fn is_whole(&self) -> bool {
        !self.header.continues() && self.there.len() >= self.header.payload_bytes
    }

    /// The integer of four bytes at `at` in the payload, if it is there.
    fn u32_at(&self, at: usize) -> Option<u32> {
        let payload = &self.there[..self.there.len().min(self.header.payload_bytes)];
        u32_at(payload, at)
    }
}

fn u32_at(payload: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*payload.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
