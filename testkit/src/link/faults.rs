//! What can be wrong with a link, as plain values.

use std::num::NonZeroU32;
use std::time::Duration;

/// What is wrong with a link; by default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// What becomes of new connections.
    pub entrance: Entrance,
    /// What becomes of a client's bytes.
    pub to_node: Way,
    /// What becomes of the node's bytes.
    pub from_node: Way,
    /// Where answers end that do not end as they should.
    pub cut: Option<Cut>,
}

/// What becomes of new connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Entrance {
    /// They are passed on.
    #[default]
    Open,
    /// Nobody listens: they are refused.
    Refuse,
    /// Whoever connects gets no answer, neither yes nor no.
    Deaf,
    /// They are taken, and passed on only when this is over.
    Hold,
    /// They are taken and reset at once.
    Reset,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// How long bytes are under way. It costs time and no throughput.
    pub delay: Duration,
    /// No more than this.
    pub bytes_per_second: Option<NonZeroU32>,
    /// Bytes are taken and not passed on before this is over; nor is an end.
    pub stalled: bool,
}

/// An answer that does not end as it should. Answers are counted from 0 on each connection: the greeting,
/// the login's, and then each statement's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The first answer that is cut. Those after it are, too.
    pub from_answer: u64,
    /// So much of an answer is passed on. What is shorter is not cut; 0: nothing of it is passed on.
    pub after_bytes: u64,
    /// What happens then.
    pub then: CutEnd,
}

/// How an answer ends that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutEnd {
    /// The rest does not come before the cut is over.
    Stall,
    /// The connection is reset.
    Reset,
    /// The connection is closed.
    Close,
}

/// What happens once, to all connections that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// They are reset on both sides.
    Reset,
    /// The node has lost them and the client is not told: it is, by a reset, when it next says something.
    ForgottenByNode,
    /// The node has lost them, the client is not told, and whatever it says is never answered.
    SwallowedByNetwork,
}

/// The number of a statement's answer that comes first on a connection.
pub const FIRST_STATEMENT: u64 = 2;

impl Faults {
    /// Nothing but this for new connections.
    pub fn entrance(entrance: Entrance) -> Self {
        Self {
            entrance,
            ..Self::default()
        }
    }

    /// Nothing but this in both directions.
    pub fn both_ways(way: Way) -> Self {
        Self {
            to_node: way,
            from_node: way,
            ..Self::default()
        }
    }

    /// Nothing but this for the node's bytes.
    pub fn from_node(way: Way) -> Self {
        Self {
            from_node: way,
            ..Self::default()
        }
    }

    /// Nothing but this for the client's bytes.
    pub fn to_node(way: Way) -> Self {
        Self {
            to_node: way,
            ..Self::default()
        }
    }

    /// Nothing but this for answers.
    pub fn cut(cut: Cut) -> Self {
        Self {
            cut: Some(cut),
            ..Self::default()
        }
    }
}

impl Way {
    /// Bytes are under way for so long.
    pub fn delayed(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// No more than so many bytes a second, and at least one.
    pub fn narrow(bytes_per_second: u32) -> Self {
        Self {
            bytes_per_second: Some(NonZeroU32::new(bytes_per_second).unwrap_or(NonZeroU32::MIN)),
            ..Self::default()
        }
    }

    /// Nothing is passed on.
    pub fn stalled() -> Self {
        Self {
            stalled: true,
            ..Self::default()
        }
    }
}

/// Whose turn it is on a connection, and how far the answer is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    answer: u64,
    passed: u64,
    /// The client has said something since the last byte of an answer.
    asked: bool,
    is_cut: bool,
}

impl Turns {
    /// The client says something.
    pub(super) fn ask(&mut self) {
        if !self.asked {
            *self = Self {
                answer: self.answer + 1,
                asked: true,
                ..Self::default()
            };
        }
    }

    /// The node has said so much.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.asked = false;
        self.passed += bytes as u64;
    }

    /// How many bytes more of this answer may be passed on.
    pub(super) fn bytes_left(&self, cut: Option<Cut>) -> u64 {
        match cut {
            Some(cut) if self.answer >= cut.from_answer => {
                cut.after_bytes.saturating_sub(self.passed)
            }
            _ => u64::MAX,
        }
    }

    /// The answer is cut. Whether that is new.
    pub(super) fn cut(&mut self) -> bool {
        !std::mem::replace(&mut self.is_cut, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(from_answer: u64, after_bytes: u64) -> Option<Cut> {
        Some(Cut {
            from_answer,
            after_bytes,
            then: CutEnd::Stall,
        })
    }

    #[test]
    fn answers_are_counted_from_the_greeting_however_questions_are_cut() {
        let mut turns = Turns::default();
        assert_eq!(turns.bytes_left(cut(0, 10)), 10);
        turns.answered(7);
        assert_eq!(turns.bytes_left(cut(0, 10)), 3);
        assert_eq!(turns.bytes_left(cut(1, 10)), u64::MAX);
        turns.ask();
        turns.ask();
        assert_eq!(turns.bytes_left(cut(1, 10)), 10);
        turns.answered(12);
        assert_eq!(turns.bytes_left(cut(1, 10)), 0);
        turns.ask();
        assert_eq!(turns.bytes_left(cut(FIRST_STATEMENT, 0)), 0);
        assert_eq!(turns.bytes_left(cut(FIRST_STATEMENT + 1, 0)), u64::MAX);
        assert_eq!(turns.bytes_left(None), u64::MAX);
    }

    #[test]
    fn an_answer_is_cut_once() {
        let mut turns = Turns::default();
        assert!(turns.cut());
        assert!(!turns.cut());
        turns.ask();
        assert!(turns.cut());
    }
}
