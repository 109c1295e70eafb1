//! The cluster behind the proxy: its servers, their sessions, and who may see and end them.
//!
//! ```text
//!   statement ─► rights ──┐  (read afresh, from any live server)
//!             ─► topology ┤  (__all_server, an immutable snapshot)
//!             ─► list, kill ─► node ─► two slots of our own over mysql_async ─► OBServer
//! ```
//!
//! Everything here runs under a [`Deadline`] and through the service account. Its connections are few,
//! apart from the clients', and known by (server, thread id), never by user name.

mod ask_any;
mod budget;
mod cached_topology;
mod chosen;
mod detour;
mod dial;
mod evaluated;
mod examine;
mod failure;
mod fan_out;
mod grants;
mod health;
mod kill;
mod list;
mod merge;
mod named;
mod node;
mod own_sessions;
mod own_tables;
mod prober;
mod queries;
mod rights;
mod rows;
mod seeds;
mod server_list;
mod servers;
mod session_columns;
mod sessions;
mod topology;
mod topology_cache;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::Audit;
use crate::clients::Clients;
use crate::deadline::Deadline;
use crate::secret::Secret;
use crate::sql::Limits;
use crate::transport::tls::ServerTls;
pub use evaluated::SmallTable;
pub use examine::{
    ClusterView, Difference, Examination, Examined, ExaminedList, Ids, Lacking, SessionKey,
};
pub(crate) use failure::{ER_CONNECT_TO_FOREIGN_DATA_SOURCE, ER_QUERY_ON_FOREIGN_DATA_SOURCE};
pub use failure::{FailureKind, NodeFailure};
pub use health::Health;
pub use kill::{KillError, Killed, KilledMany, ManyRequest};
pub use list::{ListError, ListPart, ListParts, ListRequest};
pub use named::NamedError;
use node::Node;
use own_sessions::OwnSessions;
pub use rights::{Rights, RightsPolicy};
pub use servers::Server;
pub use topology::{Snapshot, TopologyError};

/// How to reach the cluster and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses to begin with, `host:port`, in order of preference.
    pub seeds: Vec<String>,
    /// The service account, as servers take it at a login.
    pub user: String,
    /// Its password; may be empty.
    pub password: Secret,
    /// The cluster's name; read from the server's parameter `cluster` where this is not given.
    pub cluster_name: Option<String>,
    /// The deadline of a whole virtual statement.
    pub node_timeout: Duration,
    /// How long a server may take to be connected to before its sessions are asked of another one.
    pub connect_timeout: Duration,
    /// Connections to one server at most.
    pub node_connections_max: usize,
    /// How long a connection to a server may lie idle.
    pub node_idle_timeout: Duration,
    /// How many bytes of rows a list may keep to put them in order.
    pub listing_buffer_bytes: usize,
    /// How long a killed session may take to be gone.
    pub kill_verify_timeout: Duration,
    /// How many sessions a KILL without a LIMIT may end that are picked by an expression.
    pub kill_victims_max: usize,
    /// Accounts, by their bare names, whose sessions are not picked by an expression.
    pub protected_users: Vec<String>,
    /// Whether nothing is killed by an expression unless every server has told its sessions.
    pub strict_listing: bool,
    /// How often the topology is read in the background.
    pub topology_refresh_interval: Duration,
    /// Where the last topology is kept for the next start, if anywhere.
    pub topology_cache: Option<PathBuf>,
    /// What SQL may take.
    pub sql: Limits,
    /// Whose rights count.
    pub rights: RightsPolicy,
    /// TLS with the servers; none is used where there is none here.
    pub server_tls: Option<ServerTls>,
}

/// Connections of the service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceConnections {
    /// Those on which a login has succeeded.
    pub open: usize,
    /// Those of them that nobody uses now.
    pub idle: usize,
}

impl Settings {
    /// Settings for tests, without a password.
    #[cfg(test)]
    pub(crate) fn of_seeds(seeds: &[&str]) -> Self {
        Self {
            seeds: seeds.iter().map(|&seed| seed.to_owned()).collect(),
            user: "root".to_owned(),
            password: String::new().into(),
            cluster_name: None,
            node_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(1),
            node_connections_max: 2,
            node_idle_timeout: Duration::from_secs(60),
            listing_buffer_bytes: 0,
            kill_verify_timeout: Duration::from_secs(5),
            kill_victims_max: 100,
            protected_users: Vec::new(),
            strict_listing: false,
            sql: Limits {
                rows_max: 1000,
                timeout: Duration::from_secs(5),
            },
            topology_refresh_interval: Duration::from_secs(5),
            topology_cache: None,
            rights: RightsPolicy::Account,
            server_tls: None,
        }
    }

    /// The service account's own name: the diagnostic group of a login is no part of it.
    pub(crate) fn account(&self) -> &str {
        self.user.split('@').next().unwrap_or_default()
    }
}

/// Between two looks for idle connections at least.
const IDLE_LOOK_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The cluster, shared by all sessions.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    topology: topology::Topology,
    nodes: Mutex<HashMap<SocketAddr, Arc<Node>>>,
    /// The host names by which the seeds are called.
    host_names: Mutex<HashMap<SocketAddr, String>>,
    /// The seeds that have no address, as far as the log tells.
    unresolved_seeds: Mutex<HashSet<String>>,
    queries: queries::KnownQueries,
    health: Arc<Health>,
    own: Arc<OwnSessions>,
    clients: Arc<Clients>,
    audit: Audit,
}

impl Cluster {
    /// A cluster that has not been asked anything yet.
    pub fn new(settings: Settings, clients: Arc<Clients>, audit: Audit) -> Arc<Self> {
        Arc::new(Self {
            health: Arc::new(Health::new(settings.node_timeout)),
            topology: topology::Topology::default(),
            nodes: Mutex::default(),
            host_names: Mutex::default(),
            unresolved_seeds: Mutex::default(),
            queries: queries::KnownQueries::new(settings.account()),
            own: Arc::default(),
            clients,
            audit,
            settings,
        })
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The cluster's name, where it is known.
    pub fn name(&self) -> Option<String> {
        let configured = self.settings.cluster_name.clone();
        configured.or_else(|| self.snapshot()?.cluster_name.clone())
    }

    /// Which servers answer.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// What the server at `addr` is called, and its certificate may be made out to: by the host name of
    /// the seed that it stands behind, or by its IP address.
    pub fn host_of(&self, addr: SocketAddr) -> String {
        let names = self
            .host_names
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let name = names.get(&addr).cloned();
        name.unwrap_or_else(|| addr.ip().to_string())
    }

    /// The deadline of a statement that begins now.
    pub fn statement_deadline(&self) -> Deadline {
        Deadline::after(self.settings.node_timeout)
    }

    /// The node at `addr`, with its slots.
    fn node(&self, addr: SocketAddr) -> Arc<Node> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let node = nodes.entry(addr).or_insert_with(|| {
            Arc::new(Node::new(
                addr,
                self.host_of(addr),
                &self.settings,
                Arc::clone(&self.own),
                Arc::clone(&self.health),
            ))
        });
        Arc::clone(node)
    }

    /// Closes connections that have been idle for too long, again and again, until this future is dropped.
    pub async fn close_idle_connections(&self) {
        let timeout = self.settings.node_idle_timeout;
        loop {
            tokio::time::sleep((timeout / 4).max(IDLE_LOOK_INTERVAL_MIN)).await;
            for node in self.all_nodes() {
                node.close_idle(timeout);
            }
        }
    }

    /// The service account's connections to all servers.
    pub fn service_connections(&self) -> ServiceConnections {
        ServiceConnections {
            open: self.own.open(),
            idle: self.all_nodes().iter().map(|node| node.idle()).sum(),
        }
    }

    fn all_nodes(&self) -> Vec<Arc<Node>> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.values().map(Arc::clone).collect()
    }

    /// Forgets the nodes, and closes their idle connections, that are not in `servers`.
    fn keep_only_nodes(&self, servers: &[Server]) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|addr, _| servers.iter().any(|server| server.addr == *addr));
    }
}
