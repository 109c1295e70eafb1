//! A server's replies: they end at the same place however they are cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use obwarden::wire::answer::{SqlError, eof_status, ok_status};
use obwarden::wire::command::Command;
use obwarden::wire::reply::{Outcome, ReplyTracker};

// One byte says how the connection is, one how many commands there are; then come these, the length of pieces, and
// what the server sends.
fuzz_target!(|data: &[u8]| {
    let [how, count, rest @ ..] = data else {
        return;
    };
    let Some((commands, [piece, sent @ ..])) = rest.split_at_checked(usize::from(count % 8)) else {
        return;
    };
    let deprecate_eof = how % 2 == 1;
    let whole = follow(deprecate_eof, commands, [sent]);
    let pieces = sent.chunks(usize::from(*piece).max(1));
    assert_eq!(follow(deprecate_eof, commands, pieces), whole);
    assert_eq!(follow(deprecate_eof, commands, sent.chunks(1)), whole);
    let _ = (SqlError::read(sent), ok_status(sent), eof_status(sent));
});

/// The outcomes, the status after them, and whether nothing more is to come.
fn follow<'a>(
    deprecate_eof: bool,
    commands: &[u8],
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Outcome>, u16, bool) {
    let mut tracker = ReplyTracker::new(deprecate_eof, 0);
    for command in commands {
        tracker.expect(Command(*command));
    }
    let mut outcomes = Vec::new();
    for piece in pieces {
        tracker.feed(piece, |outcome| outcomes.push(outcome));
    }
    (outcomes, tracker.status(), tracker.idle())
}
