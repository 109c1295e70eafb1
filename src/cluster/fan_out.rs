//! The fan-out: every server asked the same at once, under one deadline.
//!
//! The cost is one round trip to the slowest server, never the sum. A server that fails is a report, too.

use std::collections::HashSet;
use std::fmt::Debug;
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
use crate::statement::diagnostics::Message;

/// What every server is asked.
pub(super) trait Question: Clone + Debug + Send + Sync + 'static {
    type Answer: Debug + Send + 'static;

    /// Asks one server.
    fn ask(
        &self,
        cluster: &Cluster,
        server: &Server,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Self::Answer, NodeFailure>> + Send;
}

/// The question for a server's own sessions.
#[derive(Debug, Clone)]
pub(super) struct AskSessions {
    /// None: no limit.
    budget: Option<Arc<Budget>>,
}

/// What one server answered.
#[derive(Debug)]
pub(super) struct NodeReport<A = NodeSessions> {
    pub(super) server: Server,
    pub(super) answer: Result<A, NodeFailure>,
}

/// The topology is an old one.
#[derive(Debug)]
pub(super) struct Stale {
    pub(super) age_seconds: u64,
    pub(super) why: TopologyError,
}

impl Stale {
    /// The warning about it.
    pub(super) fn message(&self) -> Message {
        let text = format!("the topology is {} s old: {}", self.age_seconds, self.why);
        Message::warning(TOPOLOGY, text)
    }
}

/// Code of the warning that the topology is old, or not all of it usable.
pub(super) const TOPOLOGY: u16 = 1105;

/// Servers being asked. Dropping it ends all of them; their connections are closed.
#[derive(Debug)]
pub(super) struct FanOut<Q: Question> {
    cluster: Arc<Cluster>,
    question: Q,
    deadline: Deadline,
    asked: HashSet<SocketAddr>,
    running: JoinSet<(SocketAddr, Result<Q::Answer, NodeFailure>)>,
    answers: Vec<(SocketAddr, Result<Q::Answer, NodeFailure>)>,
    /// The servers of which there is no report yet.
    awaited: Vec<Server>,
}

impl FanOut<AskSessions> {
    /// Asks every server for its sessions.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub(super) async fn begin(
        cluster: &Arc<Cluster>,
        deadline: Deadline,
        budget: Option<Arc<Budget>>,
    ) -> Result<(Self, Arc<Snapshot>, Option<Stale>), TopologyError> {
        Self::asking(AskSessions { budget }, cluster, deadline).await
    }
}

impl<Q: Question> FanOut<Q> {
    /// Asks every server. The topology is read anew meanwhile, and servers that it brings are asked, too.
    /// Says with which topology this was, and whether it is an old one.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub(super) async fn asking(
        question: Q,
        cluster: &Arc<Cluster>,
        deadline: Deadline,
    ) -> Result<(Self, Arc<Snapshot>, Option<Stale>), TopologyError> {
        let mut fan_out = Self {
            cluster: Arc::clone(cluster),
            question,
            deadline,
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
    pub(super) async fn next(&mut self) -> Option<NodeReport<Q::Answer>> {
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
    fn next_without_answer(&mut self) -> Option<NodeReport<Q::Answer>> {
        let server = self.awaited.pop()?;
        let unread = "its answer could not be read";
        let failure = NodeFailure::garbage(Stage::Read, self.deadline.elapsed(), unread);
        Some(NodeReport {
            server,
            answer: Err(failure),
        })
    }

    /// All reports, ordered by zone and address.
    pub(super) async fn all(mut self) -> Vec<NodeReport<Q::Answer>> {
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
                let (server, question) = (server.clone(), self.question.clone());
                let deadline = self.deadline;
                self.running.spawn(async move {
                    let answer = question.ask(&cluster, &server, deadline).await;
                    (server.addr, answer)
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
pub(super) fn sort<A>(reports: &mut [NodeReport<A>]) {
    reports.sort_by(|a, b| (&a.server.zone, a.server.addr).cmp(&(&b.server.zone, b.server.addr)));
}

impl Question for AskSessions {
    type Answer = NodeSessions;

    async fn ask(
        &self,
        cluster: &Cluster,
        server: &Server,
        deadline: Deadline,
    ) -> Result<NodeSessions, NodeFailure> {
        let share = self
            .budget
            .as_ref()
            .map_or_else(Share::unlimited, Share::of);
        let mut checkout = cluster.node(server.addr).connect(deadline).await?;
        let answer = cluster
            .queries
            .ask(server, &mut checkout, deadline, share)
            .await;
        checkout.settle(answer.as_ref().err());
        answer
    }
}
