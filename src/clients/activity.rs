//! What a session does at this moment, and how much has gone through it: for who asks, while it goes on.
//!
//! The session's own task is the only one that writes, on its relay thread, at each read: so that a write is a
//! plain store, with no lock and nothing that another core must be asked for. The clock is read only when a
//! session begins a command or ends one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::wire::command::Command;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nobody waits for a reply.
    Nothing,
    /// Its backend answers a command.
    Command(Command),
    /// The proxy answers a statement of its own.
    Virtual,
}

impl Doing {
    /// What a session does whose backend is to answer `command` next, or none.
    pub(crate) fn of(command: Option<Command>) -> Self {
        command.map_or(Self::Nothing, Self::Command)
    }

    /// As a list of sessions has it in Command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "Sleep",
            Self::Command(command) => command.name(),
            Self::Virtual => "Virtual",
        }
    }

    fn code(self) -> u64 {
        match self {
            Self::Nothing => NOTHING,
            Self::Virtual => VIRTUAL,
            Self::Command(Command(code)) => COMMAND | u64::from(code),
        }
    }

    fn from_code(code: u64) -> Self {
        match code {
            NOTHING => Self::Nothing,
            VIRTUAL => Self::Virtual,
            command => Self::Command(Command(command.to_le_bytes()[0])),
        }
    }
}

const NOTHING: u64 = 0;
const VIRTUAL: u64 = 1;
/// With the command's code in its lowest byte.
const COMMAND: u64 = 1 << 8;

/// A state is one number, so that nobody reads half of it: what the session does in the low bits, and above
/// them since when, in milliseconds.
const DOING_BITS: u32 = 16;

/// What a session does, and how much has gone through it.
#[derive(Debug)]
pub struct Activity {
    began: Instant,
    /// When the present state began, after `began`, and what it is.
    state: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Default for Activity {
    /// Of a session that begins now.
    fn default() -> Self {
        Self {
            began: Instant::now(),
            state: AtomicU64::new(NOTHING),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// Notes bytes that have come from the client. For the session's own task only, as all that notes.
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.bytes_in, bytes);
    }

    /// Notes bytes that go to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.bytes_out, bytes);
    }

    /// Notes what the session does from now on.
    pub(crate) fn does(&self, doing: Doing) {
        let since = self.began.elapsed().as_millis() as u64;
        let state = since << DOING_BITS | doing.code();
        self.state.store(state, Ordering::Relaxed);
    }

    /// What the session does, and for how long.
    pub(crate) fn now(&self) -> (Doing, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        let since = Duration::from_millis(state >> DOING_BITS);
        let code = state & ((1 << DOING_BITS) - 1);
        let lasts = self.began.elapsed().saturating_sub(since);
        (Doing::from_code(code), lasts)
    }

    /// What has gone through the session.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}

/// One task writes: nothing can come between the two.
fn add(counter: &AtomicU64, bytes: usize) {
    let before = counter.load(Ordering::Relaxed);
    counter.store(before.wrapping_add(bytes as u64), Ordering::Relaxed);
}

/// Bytes that have gone by, behind the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// From the client.
    pub bytes_in: u64,
    /// To the client.
    pub bytes_out: u64,
}

impl std::ops::Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_read_as_it_was_written() {
        let activity = Activity::default();
        assert_eq!(activity.now().0, Doing::Nothing);
        let commands = (0..=u8::MAX).map(|code| Doing::Command(Command(code)));
        for doing in commands.chain([Doing::Nothing, Doing::Virtual]) {
            activity.does(doing);
            assert_eq!(activity.now().0, doing);
        }
    }

    #[test]
    fn a_state_lasts_from_when_it_began() {
        let hour = Duration::from_secs(3600);
        let now = Instant::now();
        let activity = Activity {
            began: now.checked_sub(hour).unwrap_or(now),
            ..Activity::default()
        };
        assert!(activity.now().1 >= now.elapsed().max(hour) - Duration::from_millis(1));
        activity.does(Doing::Virtual);
        assert!(activity.now().1 < hour);
    }
}
