//! The clusters that are listed.

use std::fmt;
use std::time::Duration;

use testkit::sim_process::SimNodes;

/// A cluster: so many nodes, each with so many sessions, each as slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) nodes: usize,
    pub(super) sessions: u32,
    pub(super) delay_ms: u64,
    /// Nodes that never answer.
    pub(super) hung: usize,
}

/// Slow nodes and few rows: what waiting for them one by one would cost.
pub(super) const SLOW: Cell = Cell::new(300, 50, 100);
/// A million rows.
pub(super) const MILLION_ROWS: Cell = Cell::new(1000, 1000, 0);
/// Many rows of many nodes, of which a few are picked.
pub(super) const PICKED: Cell = Cell::new(300, 1000, 0);
/// One node of many hangs.
pub(super) const ONE_HUNG: Cell = Cell {
    hung: 1,
    ..Cell::new(1000, 10, 0)
};

const NODES: [usize; 4] = [3, 30, 300, 1000];
const SESSIONS: [u32; 2] = [10, 1000];
const DELAYS_MS: [u64; 3] = [0, 20, 100];

/// What one start of the `mysql` client takes at most, roughly.
const CLIENT_MS: u64 = 15;

impl Cell {
    const fn new(nodes: usize, sessions: u32, delay_ms: u64) -> Self {
        Self {
            nodes,
            sessions,
            delay_ms,
            hung: 0,
        }
    }

    pub(super) fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for nodes in NODES {
            for sessions in SESSIONS {
                for delay_ms in DELAYS_MS {
                    cells.push(Self::new(nodes, sessions, delay_ms));
                }
            }
        }
        cells.extend([SLOW, ONE_HUNG]);
        cells
    }

    pub(super) fn sim_nodes(self) -> SimNodes {
        SimNodes {
            nodes: self.nodes,
            sessions: self.sessions,
            delay: Duration::from_millis(self.delay_ms),
            hung: self.hung,
        }
    }

    /// Held sessions of all nodes that answer. A list has those of connections, too.
    pub(super) fn held_sessions(self) -> u64 {
        (self.nodes - self.hung) as u64 * u64::from(self.sessions)
    }

    /// Whether a shell loop with so many clients at once is run in each round: few rows, and of many nodes those
    /// that a target is about. Others are run in the first round.
    pub(super) fn is_shell_compared(self) -> bool {
        self.nodes == 300 && self.sessions <= 50
    }

    /// Whether rows are picked of it, too.
    pub(super) fn is_picked_from(self) -> bool {
        self.sessions >= 1000
    }

    /// What a shell loop with so many clients at once takes, roughly.
    pub(super) fn shell_loop_estimate(self, clients: usize) -> Duration {
        let one_by_one = (self.nodes as u64).div_ceil(clients as u64);
        Duration::from_millis(one_by_one * (self.delay_ms + CLIENT_MS))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            nodes,
            sessions,
            delay_ms,
            hung,
        } = self;
        write!(f, "{nodes} nodes x {sessions} sessions, {delay_ms} ms")?;
        match hung {
            0 => Ok(()),
            _ => write!(f, ", {hung} hung"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_cells_have_one_name_and_targets_are_among_them() {
        let all = Cell::all();
        assert!(
            [SLOW, MILLION_ROWS, PICKED, ONE_HUNG]
                .iter()
                .all(|cell| all.contains(cell))
        );
        let mut names: Vec<String> = all.iter().map(Cell::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn a_hung_node_shows_no_sessions() {
        assert_eq!(ONE_HUNG.held_sessions(), 9_990);
        assert_eq!(
            ONE_HUNG.to_string(),
            "1000 nodes x 10 sessions, 0 ms, 1 hung"
        );
    }

    #[test]
    fn sixteen_clients_take_a_sixteenth_of_the_rounds() {
        assert_eq!(SLOW.shell_loop_estimate(1), Duration::from_millis(34_500));
        assert_eq!(SLOW.shell_loop_estimate(16), Duration::from_millis(2_185));
    }
}
