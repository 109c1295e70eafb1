//! The fan-out: every server asked for its sessions at once, under one deadline.
//!
//! The cost is one round trip to the slowest server, never the sum. A server that fails is a report, too.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Cluster;
use super::failure::{NodeFailure, Stage};
use super::sessions::NodeSessions;
use super::topology::{Server, Snapshot, TopologyError};
use crate::deadline::Deadline;

/// What one server answered.
#[derive(Debug)]
pub(super) struct NodeReport {
    pub(super) server: Server,
    pub(super) answer: Result<NodeSessions, NodeFailure>,
}

/// What all servers answered.
#[derive(Debug)]
pub(super) struct Reports {
    /// Ordered by zone and address.
    pub(super) nodes: Vec<NodeReport>,
    /// Rows of the topology table that name no address.
    pub(super) unusable: Vec<String>,
    /// Set when the topology could not be read anew.
    pub(super) stale: Option<Stale>,
}

/// The topology is an old one.
#[derive(Debug)]
pub(super) struct Stale {
    pub(super) age_seconds: u64,
    pub(super) why: TopologyError,
}

impl Cluster {
    /// Asks every server for its sessions. The topology is read anew meanwhile, and servers that it
    /// brings are asked, too.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub(super) async fn ask_all(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Reports, TopologyError> {
        let mut fan_out = FanOut::new(Arc::clone(self), deadline);
        let last = self.snapshot();
        if let Some(snapshot) = &last {
            fan_out.ask(&snapshot.servers);
        }
        // Half the time at most, so that servers which it brings have the other half.
        let refresh = self.refresh_topology(deadline.at_most(self.settings.node_timeout / 2));
        let refreshed = fan_out.work_during(refresh).await;
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
        let nodes = fan_out.finish(&snapshot).await;
        Ok(Reports {
            nodes,
            unusable: snapshot.unusable.clone(),
            stale,
        })
    }

    /// Asks one server for its own sessions.
    async fn ask_sessions(
        &self,
        server: &Server,
        deadline: Deadline,
    ) -> Result<NodeSessions, NodeFailure> {
        let mut checkout = self.node(server.addr).connect(deadline).await?;
        let answer = self.queries.ask(server, &mut checkout, deadline).await;
        checkout.settle(answer.as_ref().err());
        answer
    }
}

/// Servers being asked. Dropping it ends all of them; their connections are closed.
struct FanOut {
    cluster: Arc<Cluster>,
    deadline: Deadline,
    asked: HashSet<Server>,
    running: JoinSet<NodeReport>,
    reports: Vec<NodeReport>,
}

impl FanOut {
    fn new(cluster: Arc<Cluster>, deadline: Deadline) -> Self {
        Self {
            cluster,
            deadline,
            asked: HashSet::new(),
            running: JoinSet::new(),
            reports: Vec::new(),
        }
    }

    /// Asks those of `servers` that have not been asked yet.
    fn ask(&mut self, servers: &[Server]) {
        for server in servers {
            if self.asked.insert(server.clone()) {
                let cluster = Arc::clone(&self.cluster);
                let server = server.clone();
                let deadline = self.deadline;
                self.running.spawn(async move {
                    let answer = cluster.ask_sessions(&server, deadline).await;
                    NodeReport { server, answer }
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
                Some(report) = self.running.join_next() => self.reports.extend(report.ok()),
            }
        }
    }

    /// Waits for all answers, and gives one report for each server of `snapshot`.
    async fn finish(mut self, snapshot: &Snapshot) -> Vec<NodeReport> {
        while let Some(report) = self.running.join_next().await {
            self.reports.extend(report.ok());
        }
        let mut reports = self.reports;
        let report = |server: &Server| {
            let found = reports.iter().position(|report| report.server == *server);
            found
                .map(|at| reports.swap_remove(at))
                .unwrap_or_else(|| NodeReport {
                    server: server.clone(),
                    // Its task panicked, on something that the server sent.
                    answer: Err(NodeFailure::garbage(
                        Stage::Read,
                        self.deadline.elapsed(),
                        "its answer could not be read",
                    )),
                })
        };
        snapshot.servers.iter().map(report).collect()
    }
}
