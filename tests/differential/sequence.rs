//! Random sequences of commands: the same seed gives the same sequence.

use std::fmt;

use super::client::Profile;
use super::command::Command;
use super::composer::Composer;
use super::rng::Rng;
use super::statements::{DATABASE, Kind};

/// A command in a sequence.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) command: Command,
    /// For the proxy to answer: left out of the direct run.
    pub(crate) through_proxy_only: bool,
    /// A PREPARE that succeeds, if it is one.
    pub(crate) prepares: Option<bool>,
}

/// How a group's bytes are cut into writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cuts {
    Whole,
    EveryByte,
    InsideHeaders,
    Random { pieces: usize, paused: bool },
}

/// How replies are read while a group is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Eager,
    /// So many bytes a read.
    Slow(usize),
    /// Not before all is written.
    Late,
}

/// Commands that are sent without waiting for replies.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) steps: Vec<Step>,
    pub(crate) cuts: Cuts,
    pub(crate) cuts_seed: u64,
    pub(crate) reading: Reading,
}

/// What one connection says from its login to its end.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) profile: Profile,
    /// The user's name as typed at the proxy; the same account as the plain one.
    pub(crate) user: &'static str,
    pub(crate) groups: Vec<Group>,
}

impl Sequence {
    pub(crate) fn random(seed: u64, kind: Kind) -> Self {
        let mut rng = Rng::new(seed);
        let profile = Profile::random(&mut rng, DATABASE);
        let user = *rng.pick(&["root", "root@sys"]);
        let groups = 4 + rng.below(8);
        let mut composer = Composer::new(rng, kind, profile.clone());
        let mut groups: Vec<Group> = (0..groups).map(|_| composer.group()).collect();
        groups.extend(composer.last_groups());
        Self {
            profile,
            user,
            groups,
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, {}", self.profile, self.user)?;
        let mut number = 0;
        for group in &self.groups {
            writeln!(f, "  {:?}, {:?}:", group.cuts, group.reading)?;
            for step in &group.steps {
                let place = if step.through_proxy_only {
                    " (proxy only)"
                } else {
                    ""
                };
                writeln!(f, "  {number:4} {}{place}", step.command)?;
                number += 1;
            }
        }
        Ok(())
    }
}
