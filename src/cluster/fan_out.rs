//! The fan-out: every server asked for its sessions at once, under one deadline.
//!
//! The cost is one round trip to the slowest server, never the sum. A server that fails is a report, too.

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Cluster;
use super::budget::{Budget, Share};
use super::failure::{NodeFailure, Stage};
use super::servers::Server;
use super::sessions::NodeSessions;
use super::topology::{Snapshot, TopologyError};
use crate::deadline::Deadline;

/// What one server answered.
#[derive(Debug)]
pub(super) struct NodeReport {
    pub(super) server: Server,
    pub(super) answer: Result<NodeSessions, NodeFailure>,
}

/// The topology is an old one.
#[derive(Debug)]
pub(super) struct Stale {
    pub(super) age_seconds: u64,
    pub(super) why: TopologyError,
}

/// Servers being asked. Dropping it ends all of them; their connections are closed.
#[derive(Debug)]
pub(super) struct FanOut {
    cluster: Arc<Cluster>,
    deadline: Deadline,
    /// None: no limit.
    budget: Option<Arc<Budget>>,
    asked: HashSet<SocketAddr>,
    running: JoinSet<(SocketAddr, Result<NodeSessions, NodeFailure>)>,
    answers: Vec<(SocketAddr, Result<NodeSessions, NodeFailure>)>,
    /// The servers of which there is no report yet.
    awaited: Vec<Server>,
}

impl FanOut {
    /// Asks every server for its sessions. The topology is read anew meanwhile, and servers that it
    /// brings are asked, too. Says with which topology this was, and whether it is an old one.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub(super) async fn begin(
        cluster: &Arc<Cluster>,
        deadline: Deadline,
        budget: Option<Arc<Budget>>,
    ) -> Result<(Self, Arc<Snapshot>, Option<Stale>), TopologyError> {
        let mut fan_out = Self {
            cluster: Arc::clone(cluster),
            deadline,
            budget,
            asked: HashSet::new(),
            running: JoinSet::new(),
            answers: Vec::new(),
            awaited: Vec::new(),
        };
        let last = cluster.snapshot();
        if let Some(snapshot) = &last {
            fan_out.ask(&snapshot.servers);
        }
        // Half the time at most, so that servers which it brings have the other half.
        let half = deadline.at_most(cluster.settings.node_timeout / 2);
        let refreshed = fan_out.work_during(cluster.refresh_topology(half)).await;
        let (snapshot, stale) = match (refreshed, last) {
            (Ok(snapshot), _) => (snapshot, None),
            (Err(why), Some(snapshot)) => {
                let stale = Stale {
                    age_seconds: snapshot.age().as_secs(),
                    why,
                };
                (snapshot, Some(stale))
            }
            (Err(why), None) => return Err(why),
        };
        fan_out.ask(&snapshot.servers);
        fan_out.awaited.clone_from(&snapshot.servers);
        Ok((fan_out, snapshot, stale))
    }

    /// The next report, in the order in which servers answer; none after the last server's. Servers that
    /// have left the topology meanwhile have none. Cancel-safe: answers are kept.
    pub(super) async fn next(&mut self) -> Option<NodeReport> {
        loop {
            let answer = match self.answers.pop() {
                Some(answer) => Some(answer),
                None => match self.running.join_next().await {
                    Some(joined) => joined.ok(),
                    None => return self.next_without_answer(),
                },
            };
            let Some((addr, answer)) = answer else {
                continue;
            };
            let awaited = self.awaited.iter().position(|server| server.addr == addr);
            if let Some(at) = awaited {
                return Some(NodeReport {
                    server: self.awaited.swap_remove(at),
                    answer,
                });
            }
        }
    }

    /// The report of a server that cannot answer any more: its task panicked, on something that it sent.
    fn next_without_answer(&mut self) -> Option<NodeReport> {
        let server = self.awaited.pop()?;
        let unread = "its answer could not be read";
        let failure = NodeFailure::garbage(Stage::Read, self.deadline.elapsed(), unread);
        Some(NodeReport {
            server,
            answer: Err(failure),
        })
    }

    /// All reports, ordered by zone and address.
    pub(super) async fn all(mut self) -> Vec<NodeReport> {
        let mut reports = Vec::new();
        while let Some(report) = self.next().await {
            reports.push(report);
        }
        sort(&mut reports);
        reports
    }

    /// Asks those of `servers` that have not been asked yet.
    fn ask(&mut self, servers: &[Server]) {
        for server in servers {
            if self.asked.insert(server.addr) {
                let cluster = Arc::clone(&self.cluster);
                let server = server.clone();
                let deadline = self.deadline;
                let share = self
                    .budget
                    .as_ref()
                    .map_or_else(Share::unlimited, Share::of);
                self.running.spawn(async move {
                    (
                        server.addr,
                        cluster.ask_sessions(&server, deadline, share).await,
                    )
                });
            }
        }
    }

    /// Collects answers until `other` has ended. Cancel-safe: answers are kept.
    async fn work_during<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                output = &mut other => return output,
                Some(answer) = self.running.join_next() => self.answers.extend(answer.ok()),
            }
        }
    }
}

/// Orders reports by zone and address.
pub(super) fn sort(reports: &mut [NodeReport]) {
    reports.sort_by(|a, b| (&a.server.zone, a.server.addr).cmp(&(&b.server.zone, b.server.addr)));
}

impl Cluster {
    /// Asks one server for its own sessions.
    pub(super) async fn ask_sessions(
        &self,
        server: &Server,
        deadline: Deadline,
        share: Share,
    ) -> Result<NodeSessions, NodeFailure> {
        let mut checkout = self.node(server.addr).connect(deadline).await?;
        let answer = self
            .queries
            .ask(server, &mut checkout, deadline, share)
            .await;
        checkout.settle(answer.as_ref().err());
        answer
    }
}
