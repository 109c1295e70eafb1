//! Simulated OceanBase nodes inside the test process.
//!
//! Every node is a listener on a loopback address of its own and speaks MySQL's protocol through
//! opensrv-mysql. What it does is scripted and can be changed while it runs, which is how faults
//! are tested that a real server cannot be asked for.
//!
//! ```text
//! text ─► token ─► statement ─► behaviour (whether, when) ─┐
//!                               answers, query (what)      ├─► reply ─► shim ─► opensrv-mysql ─► outlet
//!         state (connections, sessions, records) ──────────┘
//! ```
//!
//! token, statement, behaviour, answers, query, rows, held_rows and sessions decide and do no I/O.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use testkit::sim::{Behaviour, SimCluster};
//!
//! let cluster = SimCluster::start(3).await?;
//! cluster.node(1).set_behaviour(Behaviour::HangInQuery);
//! cluster.node(2).hold_sessions(10_000);
//! # Ok(())
//! # }
//! ```

mod answers;
mod behaviour;
mod builder;
mod connection;
mod held_rows;
mod node;
mod outlet;
mod query;
mod reply;
mod rows;
mod server;
mod sessions;
mod shim;
mod state;
mod statement;
mod token;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

pub use behaviour::{Behaviour, Garbage, KillBehaviour, Linger, Reach, ServerError, Topology};
pub use builder::SimClusterBuilder;
pub use node::SimNode;
pub use rows::{DbGrant, ServerRow, SimAccount, SimSession};
pub use sessions::Build;

use answers::Cluster;

/// Nodes that list one another in `oceanbase.__all_server`. All of them end when it is dropped.
#[derive(Debug)]
pub struct SimCluster {
    nodes: Vec<SimNode>,
    shared: Arc<RwLock<Cluster>>,
    changed: watch::Sender<()>,
}

impl SimCluster {
    /// Starts `count` healthy nodes, each on an address and a free port of its own.
    pub async fn start(count: usize) -> io::Result<Self> {
        Self::builder().nodes(count).start().await
    }

    /// For anything more particular.
    pub fn builder() -> SimClusterBuilder {
        SimClusterBuilder::default()
    }

    /// The node of this number, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn node(&self, number: usize) -> &SimNode {
        &self.nodes[number]
    }

    /// All nodes, in the order of their addresses.
    pub fn nodes(&self) -> &[SimNode] {
        &self.nodes
    }

    /// Every node as `ip:port`.
    pub fn seeds(&self) -> Vec<String> {
        self.nodes.iter().map(SimNode::seed).collect()
    }

    /// Makes all nodes behave so.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        for node in &self.nodes {
            node.set_behaviour(behaviour.clone());
        }
    }

    /// Changes what a query on `__all_server` gets, on every node.
    pub fn set_topology(&self, topology: Topology) {
        self.change(|cluster| cluster.topology = topology);
    }

    /// The rows of `__all_server`.
    pub fn servers(&self) -> Vec<ServerRow> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        shared.servers.clone()
    }

    /// Replaces the rows of `__all_server`; the nodes themselves stay.
    pub fn set_servers(&self, servers: Vec<ServerRow>) {
        self.change(|cluster| cluster.servers = servers);
    }

    /// Adds a row to `__all_server`.
    pub fn add_server(&self, server: ServerRow) {
        self.change(|cluster| cluster.servers.push(server));
    }

    /// Takes the row of this node out of `__all_server`; the node itself stays.
    pub fn unlist_server(&self, number: usize) {
        let node = self.node(number);
        self.change(|cluster| cluster.servers.retain(|row| !node.is_named_by(row)));
    }

    /// Makes the row of this node say what it is now: its SQL port and its build. Where it has no row, it
    /// gets one.
    pub fn list_server(&self, number: usize) {
        let node = self.node(number);
        let now = node.row(number as u64 + 1);
        self.change(
            |cluster| match cluster.servers.iter_mut().find(|row| node.is_named_by(row)) {
                Some(row) => {
                    row.inner_port = now.inner_port;
                    row.build_version = now.build_version;
                }
                None => cluster.servers.push(now),
            },
        );
    }

    /// Replaces the rows of `mysql.user`.
    pub fn set_accounts(&self, accounts: Vec<SimAccount>) {
        self.change(|cluster| cluster.accounts = accounts);
    }

    /// Replaces the rows of `mysql.db`.
    pub fn set_db_grants(&self, grants: Vec<DbGrant>) {
        self.change(|cluster| cluster.db_grants = grants);
    }

    /// Changes the value of the parameter `cluster`.
    pub fn set_name(&self, name: &str) {
        self.change(|cluster| cluster.name = name.to_owned());
    }

    fn change(&self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.shared.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }
}
