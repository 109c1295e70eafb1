//! The fan-out: every server asked the same at once, under one deadline.
//!
//! The cost is one round trip to the slowest server, never the sum. A server that fails is a report, too.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use super::Cluster;
use super::budget::{Budget, Share};
use super::chosen::Chosen;
use super::detour::{Carrier, Carriers, Coming, Through};
use super::failure::{NodeFailure, Stage};
use super::node::Checkout;
use super::queries::Columns;
use super::servers::Server;
use super::sessions::NodeSessions;
use super::topology::{Snapshot, TopologyError};
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;

/// What every server is asked.
pub(super) trait Question: Debug + Send + 'static {
    type Answer: Debug + Send + 'static;

    /// Asks one server. What the asking of other servers depends on is done before the first one is begun.
    fn ask(
        &self,
        cluster: &Arc<Cluster>,
        server: &Server,
        deadline: Deadline,
    ) -> BoxFuture<'static, NodeReport<Self::Answer>>;
}

/// What one server answered.
#[derive(Debug)]
pub(super) struct NodeReport<A = NodeSessions> {
    pub(super) server: Server,
    pub(super) answer: Result<A, NodeFailure>,
    /// Where the answer is not the server's own: who gave it, and why.
    pub(super) through: Option<Through>,
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
        Message::incomplete(TOPOLOGY, text)
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
    chosen: Chosen,
    asked: HashSet<SocketAddr>,
    running: JoinSet<NodeReport<Q::Answer>>,
    reports: Vec<NodeReport<Q::Answer>>,
    /// The servers of which there is no report yet.
    awaited: HashMap<SocketAddr, Server>,
}

impl FanOut<AskSessions> {
    /// Asks every server that is `chosen` for its sessions.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub(super) async fn begin(
        cluster: &Arc<Cluster>,
        deadline: Deadline,
        chosen: Chosen,
        columns: Columns,
        budget: Option<Arc<Budget>>,
    ) -> Result<(Self, Arc<Snapshot>, Option<Stale>), TopologyError> {
        let question = AskSessions {
            columns,
            budget,
            carriers: Arc::default(),
        };
        Self::asking(question, cluster, deadline, chosen).await
    }
}

impl<Q: Question> FanOut<Q> {
    /// Asks every server that is `chosen`. The topology is read anew meanwhile, and servers that it brings are asked, too.
    /// Says with which topology this was, and whether it is an old one.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub(super) async fn asking(
        question: Q,
        cluster: &Arc<Cluster>,
        deadline: Deadline,
        chosen: Chosen,
    ) -> Result<(Self, Arc<Snapshot>, Option<Stale>), TopologyError> {
        let mut fan_out = Self {
            chosen,
            cluster: Arc::clone(cluster),
            question,
            deadline,
            asked: HashSet::new(),
            running: JoinSet::new(),
            reports: Vec::new(),
            awaited: HashMap::new(),
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
        let awaited = fan_out.chosen.of(&snapshot.servers).into_iter();
        fan_out.awaited = awaited
            .map(|server| (server.addr, server.clone()))
            .collect();
        Ok((fan_out, snapshot, stale))
    }

    /// The next report, in the order in which servers answer; none after the last server's. Servers that
    /// have left the topology meanwhile have none. Cancel-safe: answers are kept.
    pub(super) async fn next(&mut self) -> Option<NodeReport<Q::Answer>> {
        // Those that have left the topology are not waited for.
        while !self.awaited.is_empty() {
            let report = match self.reports.pop() {
                Some(report) => Some(report),
                None => match self.running.join_next().await {
                    Some(joined) => joined.ok(),
                    None => return self.next_without_answer(),
                },
            };
            // As the topology shows it now, which may be newer than when it was asked.
            if let Some(report) = report
                && let Some(server) = self.awaited.remove(&report.server.addr)
            {
                return Some(NodeReport { server, ..report });
            }
        }
        None
    }

    /// The report of a server that cannot answer any more: its task panicked, on something that it sent.
    fn next_without_answer(&mut self) -> Option<NodeReport<Q::Answer>> {
        let addr = *self.awaited.keys().next()?;
        let unread = "its answer could not be read";
        let failure = NodeFailure::garbage(Stage::Read, self.deadline.elapsed(), unread);
        Some(NodeReport {
            server: self.awaited.remove(&addr)?,
            answer: Err(failure),
            through: None,
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
        let chosen = self.chosen.of(servers).into_iter();
        let new = chosen.filter(|server| self.asked.insert(server.addr));
        let all: Vec<_> = new
            .map(|server| self.question.ask(&self.cluster, server, self.deadline))
            .collect();
        for asking in all {
            self.running.spawn(asking);
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
}

/// Orders reports by zone and address.
pub(super) fn sort<A>(reports: &mut [NodeReport<A>]) {
    reports.sort_by(|a, b| (&a.server.zone, a.server.addr).cmp(&(&b.server.zone, b.server.addr)));
}

/// The question for a server's own sessions.
#[derive(Debug)]
pub(super) struct AskSessions {
    columns: Columns,
    /// None: no limit.
    budget: Option<Arc<Budget>>,
    carriers: Arc<Carriers>,
}

impl Question for AskSessions {
    type Answer = NodeSessions;

    fn ask(
        &self,
        cluster: &Arc<Cluster>,
        server: &Server,
        deadline: Deadline,
    ) -> BoxFuture<'static, NodeReport> {
        let one = OneServer {
            cluster: Arc::clone(cluster),
            carriers: Arc::clone(&self.carriers),
            // Before the first one may end, all are known to be coming.
            coming: Some(self.carriers.expect()),
            server: server.clone(),
            columns: self.columns.clone(),
            deadline,
            budget: self.budget.clone(),
        };
        Box::pin(one.ask())
    }
}

/// One server, to be asked for its own sessions.
struct OneServer {
    cluster: Arc<Cluster>,
    carriers: Arc<Carriers>,
    /// For as long as it may become a carrier.
    coming: Option<Coming>,
    server: Server,
    columns: Columns,
    deadline: Deadline,
    budget: Option<Arc<Budget>>,
}

impl OneServer {
    async fn ask(mut self) -> NodeReport {
        let node = self.cluster.node(self.server.addr);
        let patience = self.cluster.settings.connect_timeout;
        let slot = match node.slot(self.deadline).await {
            Ok(slot) => slot,
            Err(failure) => return self.report(Err(failure), None),
        };
        let connected = tokio::select! {
            connected = node.connect_in(slot, self.deadline) => connected,
            // A connection may still come about, but need not be waited for any more.
            Some((sessions, by)) = self.detour_after(patience) => {
                let failure = NodeFailure::no_answer(Stage::Connect, self.deadline.elapsed());
                self.cluster.health.is_unreached(self.server.addr, &failure);
                return self.report(Ok(sessions), Some(Through { by, failure }));
            }
        };
        let answer = match connected {
            Ok(checkout) => self.ask_on(checkout).await,
            Err(failure) => Err(failure),
        };
        if answer.is_ok() && self.cluster.queries.has_views(&self.server) {
            let server = self.server.clone();
            self.carriers.add(Carrier { node, server });
        }
        self.coming = None;
        if let Err(failure) = &answer
            && failure.is_unreached()
            && let Some((sessions, by)) = self.detour_after(Duration::ZERO).await
        {
            let failure = failure.clone();
            return self.report(Ok(sessions), Some(Through { by, failure }));
        }
        self.report(answer, None)
    }

    /// Asks the server itself.
    async fn ask_on(&self, mut checkout: Checkout) -> Result<NodeSessions, NodeFailure> {
        let budget = self.budget.as_ref();
        let share = budget.map_or_else(Share::unlimited, Share::of);
        let queries = &self.cluster.queries;
        let asking = queries.ask(
            &self.server,
            &mut checkout,
            &self.columns,
            self.deadline,
            share,
        );
        let answer = asking.await;
        checkout.settle(answer.as_ref().err());
        answer
    }

    /// Asks another server for this one's sessions, once `patience` is over.
    async fn detour_after(&self, patience: Duration) -> Option<(NodeSessions, Server)> {
        if self.cluster.settings.node_connections_max < CONNECTIONS_FOR_DETOURS {
            return None;
        }
        tokio::time::sleep(patience).await;
        let asking = self
            .carriers
            .ask(&self.server, self.deadline, self.budget.as_ref());
        asking.await
    }

    fn report(
        self,
        answer: Result<NodeSessions, NodeFailure>,
        through: Option<Through>,
    ) -> NodeReport {
        NodeReport {
            server: self.server,
            answer,
            through,
        }
    }
}

/// With fewer connections to a server there is none to spare for questions about others.
const CONNECTIONS_FOR_DETOURS: usize = 2;
