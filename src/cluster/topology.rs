//! Which servers there are: `oceanbase.__all_server`, kept as an immutable snapshot.
//!
//! It is read from any reachable server, in the background and at every listing. When no server can be
//! reached, the last known snapshot serves on. Where the table is missing or empty, the server that was
//! asked is the whole cluster; but a cluster that was once listed does not shrink to one server in silence.
//! Until it has been read once, the servers of the file that keeps it (`topology_cache.rs`) are asked, too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::Cluster;
use super::ask_any::first_success;
use super::cached_topology::CachedTopology;
use super::failure::{FailureKind, NodeFailure};
use super::grants::Asked;
use super::node::Node;
use super::rows::Answer;
use super::servers::{SERVERS_SQL, Server, servers};
use crate::deadline::Deadline;

const CLUSTER_NAME_SQL: &str = "SHOW PARAMETERS LIKE 'cluster'";

/// "Table doesn't exist" and "Unknown database": there is no table of servers.
const NO_TABLE: [u16; 2] = [1146, 1049];

/// The cluster as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Ordered by zone and address.
    pub servers: Vec<Server>,
    /// Whether the table names them. Where it is missing or empty, the server that was asked is alone.
    pub listed: bool,
    /// Rows of the table that name no address: shown as a warning, never left out in silence.
    pub unusable: Vec<String>,
    /// The cluster's name, where the servers have one.
    pub cluster_name: Option<String>,
    /// The server that told it.
    pub told_by: SocketAddr,
    /// When it was read.
    pub read_at: SystemTime,
}

impl Snapshot {
    /// How old it is.
    pub fn age(&self) -> Duration {
        self.read_at.elapsed().unwrap_or_default()
    }
}

/// Nobody could tell which servers there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", describe(.0))]
pub struct TopologyError(pub Vec<(String, String)>);

fn describe(failures: &[(String, String)]) -> String {
    let failures: Vec<String> = failures
        .iter()
        .map(|(server, failure)| format!("{server}: {failure}"))
        .collect();
    format!(
        "no server of the cluster gives an answer: {}",
        failures.join("; ")
    )
}

/// The last known snapshot.
#[derive(Debug, Default)]
pub(super) struct Topology {
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// What the file says, until the topology has been read once.
    pub(super) cached: ArcSwapOption<CachedTopology>,
    /// A server of the file has told another topology than the file.
    pub(super) contradicted: AtomicBool,
    /// Told at each reading.
    pub(super) read: Notify,
}

impl Cluster {
    /// The last known topology, however old it is.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.topology.snapshot.load_full()
    }

    /// The addresses to send a client to, in a stable order: the seeds, then the topology's.
    pub async fn backends(&self) -> Vec<SocketAddr> {
        let mut addrs = self.seeds_for_clients().await;
        if let Some(snapshot) = self.snapshot() {
            addrs.extend(snapshot.servers.iter().map(|server| server.addr));
        }
        let mut seen = std::collections::HashSet::new();
        addrs.retain(|addr| seen.insert(*addr));
        addrs
    }

    /// Reads the topology from the first server that answers before `deadline`.
    ///
    /// # Errors
    /// When none does. The last known snapshot stays.
    pub async fn refresh_topology(
        &self,
        deadline: Deadline,
    ) -> Result<Arc<Snapshot>, TopologyError> {
        let mut addrs = Vec::new();
        // The servers of the last snapshot first: only connections to them are kept and known as ours.
        if let Some(last) = self.snapshot() {
            addrs.extend(last.servers.iter().map(|server| server.addr));
            // The one that told it last has proved to be alive: it comes first.
            addrs.sort_by_key(|addr| *addr != last.told_by);
        }
        let (mut seeds, unresolved) = self.resolve_seeds(deadline).await;
        let failures = unresolved.into_iter();
        let mut failures: Vec<_> = failures
            .map(|(seed, failure)| (seed, failure.describe()))
            .collect();
        addrs.extend(&seeds);
        let cached = self.topology.cached.load_full();
        addrs.extend(cached.iter().flat_map(|cached| cached.addrs()));
        let mut seen = std::collections::HashSet::new();
        addrs.retain(|addr| seen.insert(*addr));
        self.health.put_failing_last(&mut addrs);

        let told = first_success(addrs, |addr| {
            // What the seeds say counts in any case.
            let to_agree_with = cached.as_deref().filter(|_| !seeds.contains(&addr));
            async move {
                let told = self.read_topology(addr, to_agree_with, deadline).await;
                told.map_err(|failure| (addr, failure))
            }
        })
        .await;
        match told {
            Ok(snapshot) => {
                self.tell_unresolved(&failures);
                if cached.is_some() && !seeds.contains(&snapshot.told_by) {
                    let server = snapshot.told_by;
                    tracing::warn!(%server, "no seed tells the topology; a server from the file does");
                }
                let snapshot = Arc::new(snapshot);
                self.keep_only_nodes(&snapshot.servers);
                seeds.extend(snapshot.servers.iter().map(|server| server.addr));
                self.health.keep_only(&seeds);
                self.topology.snapshot.store(Some(Arc::clone(&snapshot)));
                self.topology.cached.store(None);
                self.topology.read.notify_one();
                Ok(snapshot)
            }
            Err(told) => {
                failures.extend(
                    told.iter()
                        .map(|(addr, f)| (addr.to_string(), f.describe())),
                );
                Err(TopologyError(failures))
            }
        }
    }

    async fn read_topology(
        &self,
        addr: SocketAddr,
        to_agree_with: Option<&CachedTopology>,
        deadline: Deadline,
    ) -> Result<Snapshot, NodeFailure> {
        let node = self.node(addr);
        let (servers, unusable) = match node.ask(SERVERS_SQL, deadline).await {
            Ok(rows) => servers(&rows),
            Err(failure)
                if failure
                    .server_code
                    .is_some_and(|code| NO_TABLE.contains(&code)) =>
            {
                Default::default()
            }
            Err(failure) => {
                return Err(failure.naming_grant(Asked::Servers, self.settings.account()));
            }
        };
        let listed = !(servers.is_empty() && unusable.is_empty());
        if !listed && self.snapshot().is_some_and(|last| last.listed) {
            // A cluster does not shrink to one server in silence.
            let detail = "its __all_server, which had servers, has none any more";
            return Err(NodeFailure::wrong(deadline.elapsed(), detail));
        }
        let servers = if listed {
            servers
        } else {
            vec![Server::alone(addr)]
        };
        let cluster_name = self.read_cluster_name(&node, deadline).await?;
        let told = Snapshot {
            servers,
            listed,
            unusable,
            cluster_name,
            told_by: addr,
            read_at: SystemTime::now(),
        };
        if let Some(cached) = to_agree_with {
            // A name that was configured is the user's own, and not for servers to confirm.
            let own_name = match self.settings.cluster_name {
                Some(_) => None,
                None => self.ask_cluster_name(&node, deadline).await?,
            };
            if let Err(why) = cached.agrees_with(&told, own_name.as_deref()) {
                self.topology.contradicted.store(true, Ordering::Relaxed);
                return Err(NodeFailure::wrong(deadline.elapsed(), why));
            }
        }
        Ok(told)
    }

    /// The configured name, or the one known already, or the server's parameter.
    async fn read_cluster_name(
        &self,
        node: &Arc<Node>,
        deadline: Deadline,
    ) -> Result<Option<String>, NodeFailure> {
        let known = || {
            self.snapshot()
                .and_then(|snapshot| snapshot.cluster_name.clone())
        };
        if let Some(name) = self.settings.cluster_name.clone().or_else(known) {
            return Ok(Some(name));
        }
        self.ask_cluster_name(node, deadline).await
    }

    /// The server's parameter.
    pub(super) async fn ask_cluster_name(
        &self,
        node: &Arc<Node>,
        deadline: Deadline,
    ) -> Result<Option<String>, NodeFailure> {
        match node.ask(CLUSTER_NAME_SQL, deadline).await {
            Ok(rows) => Ok(cluster_name(&rows)),
            // Not every server has parameters: that it answers is all we need.
            Err(failure) if failure.kind == FailureKind::NodeError => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The nodes of the last snapshot, or the seeds where there is none: to ask any of them.
    pub(super) async fn nodes_to_ask(&self) -> Vec<(SocketAddr, Arc<Node>)> {
        let mut addrs = match self.snapshot() {
            Some(snapshot) => {
                let addrs = snapshot.servers.iter().map(|server| server.addr);
                beside_the_topology(addrs.collect(), snapshot.told_by)
            }
            None => self.backends().await,
        };
        self.health.put_failing_last(&mut addrs);
        addrs
            .into_iter()
            .map(|addr| (addr, self.node(addr)))
            .collect()
    }

    /// Reads the topology again and again, until this future is dropped.
    pub async fn follow_topology(&self) {
        loop {
            tokio::time::sleep(self.settings.topology_refresh_interval).await;
            if let Err(error) = self.refresh_topology(self.statement_deadline()).await {
                tracing::warn!(%error, "the topology cannot be read; the last known one serves on");
            }
        }
    }
}

/// Servers in the order in which to ask them something while `told_by` is asked for the topology: it has proved to
/// be alive, and still it is the second. A list asks it for its sessions, too, and with `node_connections_max` of
/// two a third question would wait until one of these was answered.
fn beside_the_topology(mut addrs: Vec<SocketAddr>, told_by: SocketAddr) -> Vec<SocketAddr> {
    addrs.sort_by_key(|addr| *addr != told_by);
    if let [first, second, ..] = &mut addrs[..] {
        std::mem::swap(first, second);
    }
    addrs
}

fn cluster_name(answer: &Answer) -> Option<String> {
    let value = answer.rows.first().text(answer.column("value")?)?;
    Some(String::from_utf8_lossy(value).into_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_that_tells_the_topology_is_asked_nothing_else_first() {
        let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
        assert_eq!(beside_the_topology(vec![a, b, c], a), [b, a, c]);
        assert_eq!(beside_the_topology(vec![a, b, c], c), [a, c, b]);
        assert_eq!(beside_the_topology(vec![a], a), [a]);
        assert_eq!(beside_the_topology(vec![], a), []);
    }
}
