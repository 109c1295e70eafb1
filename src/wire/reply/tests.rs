//! Replies of live servers, whole and in pieces.
//!
//! The exchanges in `captures/` were recorded by `tests/fixtures/capture.py`; the tables below say what
//! each of them is, from knowledge of the protocol and not from the tracker. A reply is written as one
//! letter a packet:
//!
//! ```text
//! H header   D definition   | EOF after definitions   R row   X exchange
//! . OK, EOF (or an OK packet in its place)            ! ERR
//! ```
//!
//! Several replies are separated by spaces. Under `CLIENT_DEPRECATE_EOF` there is no `|`, and nothing
//! else is different.

use proptest::prelude::*;

use super::*;
use crate::wire::authentication::{Authentication, Next};
use crate::wire::packet::{HEADER_BYTES, Header, put_packet};

/// The status before an exchange; an ERR packet carries none and leaves it.
const BEFORE: u16 = 0x0400;

/// MariaDB 10.11: name, replies, status after it.
const MARIADB: &[(&str, &str, u16)] = &[
    ("ping", ".", 0x0002),
    ("init db", ".", 0x4002),
    ("init db, unknown", "!", BEFORE),
    ("query, ok", ".", 0x0002),
    ("query, begin", ".", 0x0003),
    ("query, commit", ".", 0x0002),
    ("query, set variable", ".", 0x4002),
    ("query, syntax error", "!", BEFORE),
    ("query, empty result set", "HD|.", 0x0022),
    ("query, rows and nulls", "HDDD|RRR.", 0x0022),
    ("query, rows of nulls", "HD|R.", 0x0022),
    ("query, rows of empty strings", "HD|RRR.", 0x0022),
    ("query, long value", "HD|R.", 0x0002),
    ("query, three statements", "HD|R..HD|RRR.", 0x0022),
    ("query, error in second statement", "HD|R.!", 0x000a),
    ("query, update then empty set", ".HD|.", 0x0022),
    ("query, call with two results", "HD|R.HD|RRR..", 0x0022),
    ("query, error in mid-result", "HDD|R!", BEFORE),
    ("query, error after rows", "HD|RR!", BEFORE),
    ("query, warning", "HD|R.", 0x0002),
    ("load data local", "X.", 0x0002),
    ("load data local, two packets", "X.", 0x0002),
    ("load data local, empty file", "X.", 0x0002),
    ("load data local, no table", "!", BEFORE),
    ("load data local, then select", "X.HD|R.", 0x0002),
    ("field list", "DD.", 0x0002),
    ("field list, one column", "D.", 0x0002),
    ("field list, unknown table", "!", BEFORE),
    ("statistics", ".", BEFORE),
    ("process info", "HDDDDDDDDD|RR.", 0x0002),
    ("process kill, unknown id", "!", BEFORE),
    ("debug", ".", 0x0002),
    ("set option, multi statements off", ".", 0x0002),
    ("set option, multi statements on", ".", 0x0002),
    ("set option, unknown", "!", BEFORE),
    ("prepare, nothing to describe", "H", BEFORE),
    ("prepare, columns only", "HDD|", BEFORE),
    ("prepare, parameters only", "HDD|", BEFORE),
    ("prepare, parameters and columns", "HDD|DD|", BEFORE),
    ("prepare, error", "!", BEFORE),
    ("execute, rows", "HDD|RR.", 0x0022),
    ("execute, no rows", "HDD|.", 0x0022),
    ("execute with cursor", "HDD.", 0x0062),
    ("fetch, more to come", "RR.", 0x0042),
    ("fetch, last row", "R.", 0x0082),
    ("fetch, beyond the end", "!", BEFORE),
    ("reset statement", ".", 0x0002),
    ("fetch, no cursor", "!", BEFORE),
    ("execute, unknown statement", "!", BEFORE),
    ("reset statement, unknown", "!", BEFORE),
    ("execute, ok", ".", 0x0002),
    ("execute, error", "!", BEFORE),
    ("execute with cursor, ok", ".", 0x0002),
    ("execute with cursor, no rows", "HD.", 0x0062),
    ("fetch, from an empty cursor", ".", 0x0082),
    ("execute, error after rows", "HD|RR!", BEFORE),
    ("execute with cursor, error", "HD!", BEFORE),
    ("execute, call with out parameter", "HD|R.HD|R..", 0x0002),
    (
        "execute with cursor, call with out parameter",
        "HD|R.HD|R..",
        0x0002,
    ),
    ("execute, call with two results", "HD|R.HD|RRR..", 0x0022),
    ("send long data", "", BEFORE),
    ("send long data, execute", ".", 0x0002),
    ("close statement", "", BEFORE),
    ("close statement, unknown", "", BEFORE),
    ("send long data, closed statement", "", BEFORE),
    ("close, ping", ".", 0x0002),
    ("bulk execute", ".", 0x0002),
    ("bulk execute, returning", "HD|RRR.", 0x0002),
    ("pipelined", ". HD|R. ! HD|D| .", 0x0002),
    ("create db, a removed command", "!", BEFORE),
    ("reset connection", ".", 0x0002),
    ("change user", "X.", 0x4002),
    ("change user, another method", "X.", 0x0002),
    ("change user, unknown database", "X!", BEFORE),
    ("change user, wrong password", "X!", BEFORE),
    ("change user, unknown user", "X!", BEFORE),
    ("binlog dump, refused", "!", BEFORE),
    ("unknown command", "!", BEFORE),
    ("quit", "", BEFORE),
];

/// seekdb 1.4.0: name, replies, status after it.
const SEEKDB: &[(&str, &str, u16)] = &[
    ("ping", ".", 0x0022),
    ("init db", ".", 0x4022),
    ("init db, unknown", "!", BEFORE),
    ("query, ok", ".", 0x4022),
    ("query, begin", ".", 0x0023),
    ("query, commit", ".", 0x0022),
    ("query, set variable", ".", 0x4022),
    ("query, syntax error", "!", BEFORE),
    ("query, empty result set", "HD|.", 0x0002),
    ("query, rows and nulls", "HDDD|RRR.", 0x0002),
    ("query, rows of nulls", "HD|R.", 0x0002),
    ("query, rows of empty strings", "HD|RRR.", 0x0002),
    ("query, long value", "HD|R.", 0x0002),
    ("query, three statements", "HD|R..HD|RRR.", 0x0002),
    ("query, error in second statement", "HD|R.!", 0x000a),
    ("query, update then empty set", ".HD|.", 0x0002),
    ("query, call with two results", "HD|R.HD|RRR..", 0x0022),
    ("query, error in mid-result", "!", BEFORE),
    ("query, error after rows", "!", BEFORE),
    ("query, warning", "HD|R.", 0x0002),
    ("load data local", "X.", 0x0022),
    ("load data local, two packets", "X.", 0x0022),
    ("load data local, empty file", "X.", 0x0022),
    ("load data local, no table", "!", BEFORE),
    ("load data local, then select", "X.HD|R.", 0x0002),
    ("field list", "DD.", 0x0002),
    ("field list, one column", "D.", 0x0002),
    ("field list, unknown table", "!", BEFORE),
    ("statistics", ".", BEFORE),
    ("process info", "HDDDDDDDD|RR.", 0x0002),
    ("process kill, unknown id", "!", BEFORE),
    ("debug", ".", 0x0002),
    ("set option, multi statements off", ".", 0x0022),
    ("set option, multi statements on", ".", 0x0022),
    ("set option, unknown", ".", 0x0022),
    ("prepare, nothing to describe", "H", BEFORE),
    ("prepare, columns only", "HDD|", BEFORE),
    ("prepare, parameters only", "HDD|", BEFORE),
    ("prepare, parameters and columns", "HDD|DD|", BEFORE),
    ("prepare, error", "!", BEFORE),
    ("execute, rows", "HDD|RR.", 0x0002),
    ("execute, no rows", "HDD|.", 0x0002),
    ("execute with cursor", "HDD.", 0x0042),
    ("fetch, more to come", "RR.", 0x0042),
    ("fetch, last row", "R.", 0x0082),
    ("fetch, beyond the end", ".", 0x0082),
    ("reset statement", ".", 0x0022),
    ("fetch, no cursor", "!", BEFORE),
    ("execute, unknown statement", "!", BEFORE),
    ("reset statement, unknown", "!", BEFORE),
    ("execute, ok", ".", 0x0022),
    ("execute, error", "!", BEFORE),
    ("execute with cursor, ok", ".", 0x0022),
    ("execute with cursor, no rows", "HD.", 0x0042),
    ("fetch, from an empty cursor", ".", 0x0082),
    ("execute, error after rows", "!", BEFORE),
    ("execute with cursor, error", "!", BEFORE),
    ("execute, call with out parameter", "HD|R.HD|R.", 0x0002),
    (
        "execute with cursor, call with out parameter",
        "HD|R.HD|R.",
        0x0002,
    ),
    ("execute, call with two results", "HD|R.HD|RRR..", 0x0022),
    ("send long data", "", BEFORE),
    ("send long data, execute", ".", 0x0022),
    ("close statement", "", BEFORE),
    ("close statement, unknown", "", BEFORE),
    ("send long data, closed statement", "", BEFORE),
    ("close, ping", ".", 0x0022),
    ("pipelined", ". HD|R. ! HD|D| .", 0x4022),
    ("create db, a removed command", "!", BEFORE),
    ("reset connection", ".", 0x0022),
    ("change user", "X.", 0x0022),
    ("change user, another method", "X.", 0x0022),
    ("change user, unknown database", "X!", BEFORE),
    ("change user, wrong password", "X!", BEFORE),
    ("change user, unknown user", "X!", BEFORE),
    ("binlog dump, refused", "!", BEFORE),
    // It closes the connection without a word, as it does for QUIT.
    ("unknown command", "", BEFORE),
    ("quit", "", BEFORE),
];

/// What one side sent before the other answered.
#[derive(Debug, Clone)]
enum Sent {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// A captured exchange and what the tables say about it.
#[derive(Debug, Clone)]
struct Exchange {
    name: &'static str,
    deprecate_eof: bool,
    sent: Vec<Sent>,
    /// One letter a packet, as they come under these flags.
    replies: Vec<String>,
    status: u16,
}

impl Exchange {
    fn commands(&self) -> Vec<Command> {
        let Some(Sent::Client(bytes)) = self.sent.first() else {
            panic!("{}: the client begins", self.name);
        };
        packets(bytes)
            .iter()
            .map(|payload| Command(payload[0]))
            .collect()
    }

    fn reply_bytes(&self) -> Vec<u8> {
        self.sent
            .iter()
            .flat_map(|sent| match sent {
                Sent::Client(_) => &[],
                Sent::Server(bytes) => bytes.as_slice(),
            })
            .copied()
            .collect()
    }

    /// Each reply's outcome, and how many of the exchange's packets have been when it ends.
    fn outcomes(&self) -> Vec<(usize, Outcome)> {
        let mut ended_after = 0;
        self.commands()
            .into_iter()
            .filter(|command| has_reply(*command))
            .zip(&self.replies)
            .map(|(command, reply)| {
                ended_after += reply.len();
                let succeeded = !reply.ends_with('!');
                (ended_after, Outcome { command, succeeded })
            })
            .collect()
    }

    fn needs_client(&self) -> bool {
        self.sent.len() > 2
    }

    /// Whether the server closed instead of answering.
    fn is_unanswered(&self) -> bool {
        self.replies.is_empty() && self.commands().into_iter().any(has_reply)
    }

    /// Feeds the replies, in pieces that end at the positions for which `cut` holds, and checks at the
    /// end of each piece that exactly those replies are over whose last byte has been.
    fn replay(&self, cut: impl Fn(usize) -> bool) {
        let letters: Vec<char> = self.replies.concat().chars().collect();
        let ends = packet_ends(&self.reply_bytes());
        assert_eq!(ends.len(), letters.len(), "{}: packets", self.name);
        let outcomes = self.outcomes();

        let mut tracker = ReplyTracker::new(self.deprecate_eof, BEFORE);
        let mut seen = Vec::new();
        let mut position = 0;
        for sent in &self.sent {
            let bytes = match sent {
                Sent::Server(bytes) => bytes,
                Sent::Client(_) if position == 0 => {
                    self.commands().into_iter().for_each(|c| tracker.expect(c));
                    continue;
                }
                Sent::Client(_) => {
                    tracker.client_has_sent();
                    assert_eq!(tracker.turn(), Turn::Server, "{}", self.name);
                    continue;
                }
            };
            let start = position;
            for end in start + 1..=start + bytes.len() {
                if end < start + bytes.len() && !cut(end) {
                    continue;
                }
                tracker.feed(&bytes[position - start..end - start], |o| seen.push(o));
                position = end;

                let passed = ends.iter().filter(|end| **end <= position).count();
                let over: Vec<Outcome> = outcomes
                    .iter()
                    .filter(|(after, _)| *after <= passed)
                    .map(|(_, outcome)| *outcome)
                    .collect();
                let at = format!("{} at byte {position}", self.name);
                assert_eq!(seen, over, "{at}");
                assert_eq!(tracker.idle(), over.len() == outcomes.len(), "{at}");
                assert_eq!(
                    tracker.turn(),
                    self.turn_at(position, &ends, &letters),
                    "{at}"
                );
            }
        }
        assert_eq!(tracker.idle(), !self.is_unanswered(), "{}", self.name);
        assert_eq!(tracker.status(), self.status, "{}: status", self.name);
    }

    /// The client's turn is exactly where a packet of an exchange has just ended.
    fn turn_at(&self, position: usize, ends: &[usize], letters: &[char]) -> Turn {
        match ends.iter().position(|end| *end == position) {
            Some(at) if letters[at] == 'X' => Turn::ClientSendsFile,
            _ => Turn::Server,
        }
    }
}

fn has_reply(command: Command) -> bool {
    ![
        Command::QUIT,
        Command::STMT_SEND_LONG_DATA,
        Command::STMT_CLOSE,
    ]
    .contains(&command)
}

fn packet_ends(stream: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(header) = Header::read(&stream[at..]) {
        at += HEADER_BYTES + header.payload_bytes;
        ends.push(at);
    }
    assert_eq!(at, stream.len(), "the capture ends with a packet");
    ends
}

fn packets(stream: &[u8]) -> Vec<&[u8]> {
    let mut start = 0;
    packet_ends(stream)
        .into_iter()
        .map(|end| {
            let payload = &stream[start + HEADER_BYTES..end];
            start = end;
            payload
        })
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Reads the captures of one server; each must stand in its table, and the other way round.
fn captured(text: &'static str, table: &[(&str, &str, u16)]) -> Vec<Exchange> {
    let exchanges: Vec<Exchange> = text
        .split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(|block| {
            let mut lines = block.lines();
            let name = lines.next().unwrap().strip_prefix("# ").unwrap();
            let deprecate_eof = lines.next() == Some("flags deprecate_eof");
            let sent = lines
                .map(|line| match line.split_at(2) {
                    ("C ", hex) => Sent::Client(bytes(hex)),
                    ("S ", hex) => Sent::Server(bytes(hex)),
                    _ => panic!("{name}: {line}"),
                })
                .collect();
            let (_, replies, status) = table
                .iter()
                .find(|(known, _, _)| *known == name)
                .unwrap_or_else(|| panic!("{name}: not in the table"));
            let replies = replies
                .split_whitespace()
                .map(|reply| match deprecate_eof {
                    true => reply.replace('|', ""),
                    false => reply.to_owned(),
                })
                .collect();
            Exchange {
                name,
                deprecate_eof,
                sent,
                replies,
                status: *status,
            }
        })
        .collect();
    for (name, _, _) in table {
        assert!(
            exchanges.iter().any(|exchange| exchange.name == *name),
            "{name}: not captured"
        );
    }
    exchanges
}

/// Those that the tracker follows: a change of user is an exchange of its own.
fn all_captured() -> Vec<Exchange> {
    let (_, all) = captured_changes_of_user_and_others();
    all
}

fn captured_changes_of_user_and_others() -> (Vec<Exchange>, Vec<Exchange>) {
    let mut all = captured(include_str!("captures/mariadb-10.11.txt"), MARIADB);
    all.extend(captured(include_str!("captures/seekdb-1.4.0.txt"), SEEKDB));
    all.into_iter()
        .partition(|exchange| exchange.commands()[0] == Command::CHANGE_USER)
}

#[test]
fn captured_changes_of_user_are_followed_to_their_end() {
    let (changes, _) = captured_changes_of_user_and_others();
    assert!(!changes.is_empty());
    for exchange in changes {
        let mut authentication = Authentication::begin(None, false).unwrap();
        let letters: String = packets(&exchange.reply_bytes())
            .into_iter()
            .map(|payload| match authentication.server_sends(payload) {
                Ok(Next::Accepted) => '.',
                Ok(Next::Refused) => '!',
                Ok(Next::ClientAnswers) => 'X',
                other => panic!("{}: {other:?}", exchange.name),
            })
            .collect();
        assert_eq!(letters, exchange.replies.concat(), "{}", exchange.name);
    }
}

#[test]
fn every_captured_reply_ends_with_its_last_byte_when_fed_whole() {
    for exchange in all_captured() {
        exchange.replay(|_| false);
    }
}

#[test]
fn every_captured_reply_ends_with_its_last_byte_when_fed_byte_by_byte() {
    for exchange in all_captured() {
        exchange.replay(|_| true);
    }
}

#[test]
fn no_captured_reply_ends_early_wherever_it_is_truncated_and_goes_on_from_there() {
    for exchange in all_captured() {
        for cut in 1..exchange.reply_bytes().len() {
            exchange.replay(|position| position == cut);
        }
    }
}

#[test]
fn every_packet_of_a_captured_reply_has_its_role() {
    for exchange in all_captured() {
        let mut tracker = ReplyTracker::new(exchange.deprecate_eof, BEFORE);
        exchange
            .commands()
            .into_iter()
            .for_each(|c| tracker.expect(c));
        let letters: String = packets(&exchange.reply_bytes())
            .into_iter()
            .map(|payload| {
                tracker.client_has_sent();
                match (tracker.packet(payload), payload[0]) {
                    ((Role::Header, _), _) => 'H',
                    ((Role::Definition, _), _) => 'D',
                    ((Role::DefinitionsEnd, _), _) => '|',
                    ((Role::Row, _), _) => 'R',
                    ((Role::Exchange, _), _) => 'X',
                    ((Role::End, _), 0xff) => '!',
                    ((Role::End, _), _) => '.',
                    ((Role::Unasked, _), _) => '?',
                }
            })
            .collect();
        assert_eq!(letters, exchange.replies.concat(), "{}", exchange.name);
    }
}

/// All captured exchanges of one kind of connection in which only the first word is the client's, as
/// one pipeline: its commands, its replies, its outcomes and where in the stream each of them ends.
fn pipeline(deprecate_eof: bool) -> (Vec<Command>, Vec<u8>, Vec<(usize, Outcome)>) {
    let mut commands = Vec::new();
    let mut stream = Vec::new();
    let mut outcomes = Vec::new();
    for exchange in all_captured() {
        if exchange.deprecate_eof != deprecate_eof
            || exchange.needs_client()
            || exchange.is_unanswered()
        {
            continue;
        }
        let reply = exchange.reply_bytes();
        let ends = packet_ends(&reply);
        for (after, outcome) in exchange.outcomes() {
            outcomes.push((stream.len() + ends[after - 1], outcome));
        }
        commands.extend(exchange.commands());
        stream.extend(reply);
    }
    (commands, stream, outcomes)
}

#[test]
fn pipelined_replies_end_in_order_however_the_stream_is_cut() {
    for deprecate_eof in [false, true] {
        let (commands, stream, expected) = pipeline(deprecate_eof);
        assert!(expected.len() > 60, "{}", expected.len());
        for cut in 0..stream.len() {
            let mut tracker = ReplyTracker::new(deprecate_eof, BEFORE);
            commands.iter().for_each(|c| tracker.expect(*c));
            let mut seen = Vec::new();
            tracker.feed(&stream[..cut], |outcome| seen.push(outcome));
            let over = expected.iter().filter(|(end, _)| *end <= cut).count();
            assert_eq!(seen.len(), over, "outcomes before byte {cut}");
            assert!(!tracker.idle(), "idle before byte {cut}");
            tracker.feed(&stream[cut..], |outcome| seen.push(outcome));
            assert!(tracker.idle());
            assert!(
                seen.iter().eq(expected.iter().map(|(_, outcome)| outcome)),
                "cut at {cut}"
            );
        }
    }
}

/// A tracker that expects `command`, fed `payloads`, one a packet.
fn fed(deprecate_eof: bool, command: Command, payloads: &[&[u8]]) -> (ReplyTracker, Vec<Outcome>) {
    let mut stream = Vec::new();
    for payload in payloads {
        put_packet(&mut stream, 0, payload);
    }
    let mut tracker = ReplyTracker::new(deprecate_eof, BEFORE);
    tracker.expect(command);
    let mut outcomes = Vec::new();
    tracker.feed(&stream, |outcome| outcomes.push(outcome));
    (tracker, outcomes)
}

const OK_PAYLOAD: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const EOF_PAYLOAD: &[u8] = &[0xfe, 0, 0, 2, 0];
const EOF_AS_OK_PAYLOAD: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];
const DEFINITION_PAYLOAD: &[u8] = b"\x03def";

#[test]
fn a_row_whose_first_value_is_of_16_mib_is_not_taken_for_the_end() {
    let mut row = vec![0xfe];
    row.extend_from_slice(&(1_u64 << 24).to_le_bytes());
    row.resize(9 + (1 << 24), b'v');
    for deprecate_eof in [false, true] {
        let mut payloads = vec![&[1][..], DEFINITION_PAYLOAD];
        if !deprecate_eof {
            payloads.push(EOF_PAYLOAD);
        }
        payloads.push(&row);
        let (mut tracker, outcomes) = fed(deprecate_eof, Command::QUERY, &payloads);
        assert_eq!(outcomes, []);
        assert!(!tracker.idle());
        let end = if deprecate_eof {
            EOF_AS_OK_PAYLOAD
        } else {
            EOF_PAYLOAD
        };
        assert_eq!(tracker.packet(end).0, Role::End);
        assert!(tracker.idle());
    }
}

#[test]
fn a_result_set_of_more_columns_than_one_byte_can_say_ends_where_it_ends() {
    for columns in [250_u16, 251, 4096] {
        let mut header = Vec::new();
        crate::wire::cursor::put_lenenc(&mut header, columns.into());
        let mut payloads = vec![header.as_slice()];
        payloads.extend(vec![DEFINITION_PAYLOAD; columns.into()]);
        payloads.extend([EOF_PAYLOAD, b"\x01x", EOF_PAYLOAD]);
        let (tracker, outcomes) = fed(false, Command::QUERY, &payloads);
        assert_eq!(outcomes.len(), 1, "{columns}");
        assert!(tracker.idle(), "{columns}");
    }
}

#[test]
fn session_changes_in_the_packet_that_ends_the_rows_do_not_hide_the_end() {
    // Seven bytes of an OK packet in the EOF's place, then an empty info and a tracked schema change.
    let end = b"\xfe\0\0\x02\x40\0\0\0\x0a\x01\x08\x07fixture";
    let (tracker, outcomes) = fed(
        true,
        Command::QUERY,
        &[&[1], DEFINITION_PAYLOAD, b"\x01x", end],
    );
    assert_eq!(outcomes.len(), 1);
    assert_eq!(tracker.status(), 0x4002);
}

#[test]
fn commands_sent_behind_a_load_data_are_no_longer_waited_for() {
    let mut tracker = ReplyTracker::new(false, BEFORE);
    tracker.expect(Command::QUERY);
    tracker.expect(Command::PING);
    assert_eq!(tracker.packet(b"\xfbrows"), (Role::Exchange, None));
    tracker.client_has_sent();
    assert!(tracker.packet(OK_PAYLOAD).1.unwrap().succeeded);
    assert!(tracker.idle());
}

#[test]
fn a_packet_that_nobody_asked_for_is_no_outcome_and_does_not_shift_the_next_reply() {
    let mut tracker = ReplyTracker::new(false, BEFORE);
    assert_eq!(
        tracker.packet(b"\xff\xca\x13session was killed"),
        (Role::Unasked, None)
    );
    assert!(tracker.idle());
    tracker.expect(Command::PING);
    assert_eq!(
        tracker.packet(OK_PAYLOAD),
        (
            Role::End,
            Some(Outcome {
                command: Command::PING,
                succeeded: true
            })
        )
    );
}

fn outcomes_of(
    deprecate_eof: bool,
    commands: &[u8],
    chunks: &[&[u8]],
) -> (Vec<Outcome>, u16, bool) {
    let mut tracker = ReplyTracker::new(deprecate_eof, BEFORE);
    commands.iter().for_each(|c| tracker.expect(Command(*c)));
    let mut outcomes = Vec::new();
    for chunk in chunks {
        tracker.feed(chunk, |outcome| outcomes.push(outcome));
    }
    (outcomes, tracker.status(), tracker.idle())
}

/// Streams of well-framed short packets, whose first bytes are likely to mean something.
fn packets_of_garbage() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        Just(0_u8),
        Just(1),
        Just(2),
        Just(0xfb),
        Just(0xfe),
        Just(0xff),
        any::<u8>()
    ];
    let payload = (first, prop::collection::vec(any::<u8>(), 0..14));
    prop::collection::vec(prop::option::weighted(0.9, payload), 0..12).prop_map(|payloads| {
        let mut stream = Vec::new();
        for payload in payloads {
            let payload = payload.map(|(first, rest)| [vec![first], rest].concat());
            put_packet(&mut stream, 0, &payload.unwrap_or_default());
        }
        stream
    })
}

proptest! {
    #[test]
    fn garbage_is_the_same_garbage_however_it_is_cut(
        deprecate_eof: bool,
        commands in prop::collection::vec(any::<u8>(), 0..8),
        stream in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), packets_of_garbage()],
        cut: prop::sample::Index,
    ) {
        let whole = outcomes_of(deprecate_eof, &commands, &[&stream]);
        let cut = cut.index(stream.len() + 1);
        let halves = outcomes_of(deprecate_eof, &commands, &[&stream[..cut], &stream[cut..]]);
        prop_assert_eq!(&halves, &whole);
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&outcomes_of(deprecate_eof, &commands, &single), &whole);
    }

    #[test]
    fn a_captured_reply_with_a_wrong_byte_in_it_does_no_harm(
        which: prop::sample::Index,
        at: prop::sample::Index,
        wrong: u8,
    ) {
        let all = all_captured();
        let exchange = &all[which.index(all.len())];
        let mut reply = exchange.reply_bytes();
        if !reply.is_empty() {
            let at = at.index(reply.len());
            reply[at] = wrong;
        }
        let commands: Vec<u8> = exchange.commands().iter().map(|command| command.0).collect();
        outcomes_of(exchange.deprecate_eof, &commands, &[&reply]);
    }
}
