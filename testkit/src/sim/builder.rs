//! How a cluster is put together.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

use tokio::sync::watch;

use super::SimCluster;
use super::answers::Cluster;
use super::behaviour::Behaviour;
use super::node::SimNode;
use super::rows::{DbGrant, SimAccount};
use super::sessions::Build;
use super::state::NodeState;
use crate::door::Door;

const RPC_PORT: u16 = 2882;
const ADDRESS_TRIES_MAX: usize = 1000;

/// Begins with three healthy nodes of the newest build in three zones, `root` with all rights, and
/// the name `obcluster`.
#[derive(Debug, Clone)]
pub struct SimClusterBuilder {
    nodes: usize,
    name: String,
    zones: usize,
    address: Address,
    port: u16,
    first_id: Option<u32>,
    build: Build,
    builds: BTreeMap<usize, Build>,
    behaviours: BTreeMap<usize, Behaviour>,
    accounts: Vec<SimAccount>,
    db_grants: Vec<DbGrant>,
}

#[derive(Debug, Clone, Copy)]
enum Address {
    /// Any that no other cluster of this process has.
    Own,
    /// From this one up.
    From(Ipv4Addr),
    /// All nodes on this one.
    Shared(Ipv4Addr),
}

impl Default for SimClusterBuilder {
    fn default() -> Self {
        Self {
            nodes: 3,
            name: "obcluster".to_owned(),
            zones: 3,
            address: Address::Own,
            port: 0,
            first_id: None,
            build: Build::default(),
            builds: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            accounts: vec![SimAccount::root()],
            db_grants: Vec::new(),
        }
    }
}

impl SimClusterBuilder {
    /// How many nodes.
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = count;
        self
    }

    /// The cluster's name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Over how many zones (`z1`, `z2`, …) the nodes are dealt out.
    pub fn zones(mut self, count: usize) -> Self {
        self.zones = count.max(1);
        self
    }

    /// One SQL port for all, as in production. Without it each node gets a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Addresses from this one up, instead of any that are free.
    pub fn first_address(mut self, address: Ipv4Addr) -> Self {
        self.address = Address::From(address);
        self
    }

    /// All nodes on one address, told apart by their ports only.
    pub fn one_address(mut self, address: Ipv4Addr) -> Self {
        self.address = Address::Shared(address);
        self
    }

    /// Every node's first session id. Without it they are as OceanBase makes them: 3221487617 on
    /// the first node, 3221749761 on the second. With it, ids repeat from node to node.
    pub fn first_session_id(mut self, id: u32) -> Self {
        self.first_id = Some(id);
        self
    }

    /// The build of all nodes that have none of their own.
    pub fn build(mut self, build: Build) -> Self {
        self.build = build;
        self
    }

    /// The build of one node, from 0.
    pub fn node_build(mut self, number: usize, build: Build) -> Self {
        self.builds.insert(number, build);
        self
    }

    /// What one node, from 0, does from the beginning.
    pub fn node_behaviour(mut self, number: usize, behaviour: Behaviour) -> Self {
        self.behaviours.insert(number, behaviour);
        self
    }

    /// The rows of `mysql.user`.
    pub fn accounts(mut self, accounts: Vec<SimAccount>) -> Self {
        self.accounts = accounts;
        self
    }

    /// The rows of `mysql.db`.
    pub fn db_grants(mut self, grants: Vec<DbGrant>) -> Self {
        self.db_grants = grants;
        self
    }

    /// Starts the nodes; when this returns they all take connections.
    pub async fn start(self) -> io::Result<SimCluster> {
        let shared = Arc::new(RwLock::new(Cluster {
            name: self.name.clone(),
            accounts: self.accounts.clone(),
            db_grants: self.db_grants.clone(),
            ..Cluster::default()
        }));
        let changed = watch::Sender::new(());
        let nodes = (0..self.nodes)
            .map(|number| self.node(number, shared.clone(), changed.clone()))
            .collect::<io::Result<Vec<_>>>()?;
        let cluster = SimCluster {
            nodes,
            shared,
            changed,
        };
        let rows = cluster.nodes.iter().zip(1..);
        cluster.set_servers(rows.map(|(node, id)| node.row(id)).collect());
        let states = cluster.nodes.iter().map(SimNode::downgrade).collect();
        cluster.change(|cluster| cluster.nodes = states);
        Ok(cluster)
    }

    fn node(
        &self,
        number: usize,
        shared: Arc<RwLock<Cluster>>,
        changed: watch::Sender<()>,
    ) -> io::Result<SimNode> {
        let door = self.door(number)?;
        let rpc_port = match self.address {
            Address::Shared(_) => RPC_PORT + number as u16,
            Address::Own | Address::From(_) => RPC_PORT,
        };
        let state = NodeState::new(
            rpc_port,
            format!("z{}", number % self.zones + 1),
            self.builds.get(&number).copied().unwrap_or(self.build),
            self.first_id.unwrap_or_else(|| first_session_id(number)),
            shared,
            changed,
            self.behaviours.get(&number).cloned().unwrap_or_default(),
            door,
        )?;
        Ok(SimNode::new(Arc::new(state)))
    }

    /// An address and a port for one node.
    fn door(&self, number: usize) -> io::Result<Door> {
        let at = |ip: Ipv4Addr| {
            let port = match self.address {
                Address::Shared(_) if self.port != 0 => self.port + number as u16,
                _ => self.port,
            };
            Door::open_at((ip, port).into())
        };
        match self.address {
            Address::Shared(ip) => at(ip),
            Address::From(ip) => at(Ipv4Addr::from_bits(ip.to_bits() + number as u32)),
            Address::Own => {
                let mut tried = at(next_address());
                for _ in 1..ADDRESS_TRIES_MAX {
                    match &tried {
                        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                            tried = at(next_address())
                        }
                        _ => break,
                    }
                }
                tried
            }
        }
    }
}

/// Bit 31: made by a server; bit 30: set; bits 29 to 18: the server's number; the rest: a sequence.
fn first_session_id(number: usize) -> u32 {
    let server = (number as u32 + 1) & 0xfff;
    1 << 31 | 1 << 30 | server << 18 | 1
}

/// Addresses of 127.64.0.0/10 that this process has not used yet; processes begin apart.
fn next_address() -> Ipv4Addr {
    static USED: AtomicU32 = AtomicU32::new(0);
    let number = USED.fetch_add(1, Ordering::Relaxed);
    let first = (std::process::id() % 0xff) << 14;
    Ipv4Addr::from_bits(0x7f40_0001 + (first + number) % 0x3f_fffe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_tell_the_server_as_oceanbase_makes_them() {
        assert_eq!(first_session_id(0), 3_221_487_617);
        assert_eq!(first_session_id(1), 3_221_749_761);
    }
}
