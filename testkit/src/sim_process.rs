//! Simulated nodes in a process of their own, for measurements: what they take of CPU time and memory is then
//! not their client's. The program is `sim-cluster`, of this package.

use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::paths::RunDir;
use crate::process::{Process, Program, Signal};
use crate::sim::{Behaviour, SimCluster};

/// What the nodes are, and what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SimNodes {
    /// How many nodes
    #[arg(long)]
    pub nodes: usize,
    /// How many sessions each of them holds
    #[arg(long)]
    pub sessions: u32,
    /// How long each of them takes for a query
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    pub delay: Duration,
    /// How many of them, the last ones, never answer when they are asked for their sessions
    #[arg(long, default_value_t = 0)]
    pub hung: usize,
}

impl SimNodes {
    /// Starts them in this process.
    pub async fn start(&self) -> io::Result<SimCluster> {
        let cluster = SimCluster::builder().nodes(self.nodes).start().await?;
        let answering = self.nodes.saturating_sub(self.hung);
        for (number, node) in cluster.nodes().iter().enumerate() {
            node.hold_sessions(self.sessions);
            if number >= answering {
                node.set_behaviour(Behaviour::HangInQuery);
            } else if !self.delay.is_zero() {
                node.set_behaviour(Behaviour::Slow(self.delay));
            }
        }
        Ok(cluster)
    }

    fn args(&self) -> [OsString; 4] {
        [
            format!("--nodes={}", self.nodes),
            format!("--sessions={}", self.sessions),
            format!("--delay={}", humantime::format_duration(self.delay)),
            format!("--hung={}", self.hung),
        ]
        .map(OsString::from)
    }
}

/// A line for each node, and one that says that these were all.
pub fn started(cluster: &SimCluster) -> String {
    let mut lines = String::new();
    for seed in cluster.seeds() {
        _ = writeln!(lines, "{NODE}{seed}");
    }
    lines + READY
}

/// The most connections that any node has had at once since this was asked last.
pub fn connections_peak(cluster: &SimCluster) -> String {
    let peak = cluster.nodes().iter().map(|node| node.connections_peak());
    let line = format!("{PEAK}{}", peak.max().unwrap_or(0));
    for node in cluster.nodes() {
        node.forget_records();
    }
    line
}

const NODE: &str = "node ";
const READY: &str = "ready";
const PEAK: &str = "connections of a node, at most: ";

/// The process. It ends when this is dropped, and with this process.
#[derive(Debug)]
pub struct SimProcess {
    nodes: Vec<SocketAddr>,
    process: Process,
    _dir: RunDir, // after the process, which writes into it
}

impl SimProcess {
    /// `program` is `sim-cluster`. Returns when all nodes take connections.
    pub async fn start(program: impl AsRef<Path>, nodes: &SimNodes) -> Result<Self> {
        let dir = RunDir::create()?;
        let process = Program::new(program.as_ref(), dir.path().join("sim-cluster.log"))
            .args(nodes.args())
            .start()?;
        let nodes = process
            .ready(TIMEOUT, || async {
                nodes_in(&process.log()).context("not all nodes are there")
            })
            .await?;
        Ok(Self {
            nodes,
            process,
            _dir: dir,
        })
    }

    /// Where each node takes connections.
    pub fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// The most connections that any node has had at once since this was asked last.
    pub async fn connections_peak(&self) -> Result<usize> {
        let before = peaks_in(&self.process.log()).count();
        self.process.signal(Signal::USR1)?;
        self.process
            .ready(TIMEOUT, || async {
                let log = self.process.log();
                peaks_in(&log).nth(before).context("no answer to SIGUSR1")
            })
            .await
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);

/// None until the last of them is there.
fn nodes_in(log: &str) -> Option<Vec<SocketAddr>> {
    let (nodes, _) = log.split_once(READY)?;
    let nodes = nodes.lines().filter_map(|line| line.strip_prefix(NODE));
    nodes.map(|node| node.parse().ok()).collect()
}

/// Whole lines only.
fn peaks_in(log: &str) -> impl Iterator<Item = usize> {
    let lines = log.split_inclusive('\n');
    lines.filter_map(|line| line.strip_prefix(PEAK)?.strip_suffix('\n')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_process_prints_is_what_is_read() {
        let nodes = SimNodes {
            nodes: 3,
            sessions: 2,
            delay: Duration::from_millis(20),
            hung: 1,
        };
        let cluster = nodes.start().await.unwrap();
        let addrs: Vec<SocketAddr> = cluster.nodes().iter().map(|node| node.addr()).collect();
        let log = started(&cluster) + "\n";
        assert_eq!(nodes_in(&log), Some(addrs));
        assert_eq!(nodes_in(log.strip_suffix("ready\n").unwrap()), None);
        let behaviours = cluster.nodes().iter().map(|node| node.behaviour());
        let slow = Behaviour::Slow(nodes.delay);
        assert!(behaviours.eq([slow.clone(), slow, Behaviour::HangInQuery]));

        let log = log + &connections_peak(&cluster);
        assert_eq!(peaks_in(&log).next(), None);
        assert_eq!(peaks_in(&(log + "\n")).collect::<Vec<_>>(), [0]);
    }
}
