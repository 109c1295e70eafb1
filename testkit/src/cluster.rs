//! A cluster of real servers: what SeekdbCluster and MariadbCluster have in common.
//!
//! Node `i` has the loopback address 127.0.0.(1 + i) and a port of its own, and every node's
//! `__all_server` lists them all. A cluster holds nothing of a tokio runtime, so that a static one
//! can serve all tests of a binary.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use crate::paths::RunDir;
use crate::ports::PortLease;
use crate::process::{Process, Program};
use crate::topology::{self, ServerRow};

/// What differs from one kind of server to the other.
pub(crate) trait Kernel {
    /// Prepares the node's directory and says what to run in it.
    fn program(&self, place: &Place) -> Result<Program>;

    /// What to run on a node, beside its topology, before it is handed out.
    fn prepare(&self, server: &ServerRow) -> Option<String>;
}

/// Where a node is to run.
pub(crate) struct Place {
    pub(crate) ip: Ipv4Addr,
    pub(crate) port: u16,
    /// Its own, and empty.
    pub(crate) dir: PathBuf,
}

/// One running server.
#[derive(Debug)]
pub struct Node {
    server: ServerRow,
    addr: SocketAddr,
    process: Process,
    dir: PathBuf,
    _port: PortLease,
}

impl Node {
    pub fn ip(&self) -> IpAddr {
        self.addr.ip()
    }

    /// The SQL port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its row in `__all_server`, as it was at the start.
    pub fn server(&self) -> &ServerRow {
        &self.server
    }

    /// To suspend, resume or kill it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its files, its log among them.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Options for a direct connection as root, who has no password.
    pub fn opts(&self) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname(self.ip().to_string())
            .tcp_port(self.port())
            .user(Some("root"))
            .prefer_socket(false)
    }

    /// Connects as root, past any proxy.
    pub async fn connect(&self) -> Result<Conn> {
        connect(self.opts(), CONNECT_TIMEOUT).await
    }

    /// Runs statements as root, several being separated by semicolons.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let mut conn = self.connect().await?;
        conn.query_drop(sql)
            .await
            .with_context(|| format!("on {}: {sql}", self.addr))?;
        conn.disconnect().await.context("disconnect")
    }
}

/// Running servers that list one another. Their processes and files go on drop.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    _dir: RunDir, // after the nodes, which run in it
}

impl Cluster {
    pub(crate) async fn start(count: u8, kernel: &impl Kernel) -> Result<Self> {
        ensure!(
            (1..=MAX_NODES).contains(&count),
            "a cluster has 1 to {MAX_NODES} nodes"
        );
        let dir = RunDir::create()?;
        let nodes = try_join_all((1..=count).map(|id| start_node(id, kernel, &dir))).await?;
        let cluster = Self { nodes, _dir: dir };
        for node in &cluster.nodes {
            if let Some(sql) = kernel.prepare(&node.server) {
                node.execute(&sql).await?;
            }
        }
        cluster.restore_topology().await?;
        Ok(cluster)
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Node `index`, counted from 0. Panics when there is none.
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// The nodes as obwarden's `--server` takes them: `127.0.0.1:12881`.
    pub fn seeds(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| node.addr.to_string())
            .collect()
    }

    /// The rows of `__all_server` as they were at the start.
    pub fn servers(&self) -> Vec<ServerRow> {
        self.nodes.iter().map(|node| node.server.clone()).collect()
    }

    /// Runs statements as root on every node that has not been killed.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let running = self.nodes.iter().filter(|node| node.process.is_running());
        try_join_all(running.map(|node| node.execute(sql))).await?;
        Ok(())
    }

    /// Makes every node's `__all_server` hold exactly these rows.
    pub async fn set_topology(&self, rows: &[ServerRow]) -> Result<()> {
        self.execute(topology::CREATE).await?;
        self.execute(&topology::replace(rows)).await
    }

    pub async fn empty_topology(&self) -> Result<()> {
        self.set_topology(&[]).await
    }

    /// Takes `__all_server` away, as on a server that has never had one.
    pub async fn drop_topology(&self) -> Result<()> {
        self.execute(topology::DROP).await
    }

    pub async fn restore_topology(&self) -> Result<()> {
        self.set_topology(&self.servers()).await
    }
}

const MAX_NODES: u8 = 100;
const START_ATTEMPTS: u8 = 3;
const START_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a node, on another port when it does not come up: a stranger may have taken the first.
async fn start_node(id: u8, kernel: &impl Kernel, dir: &RunDir) -> Result<Node> {
    let mut attempt = 1;
    loop {
        let dir = dir.subdir(&format!("node-{id}-{attempt}"))?;
        match try_node(id, kernel, dir).await {
            Err(_) if attempt < START_ATTEMPTS => attempt += 1,
            outcome => return outcome.with_context(|| format!("node {id}, attempt {attempt}")),
        }
    }
}

async fn try_node(id: u8, kernel: &impl Kernel, dir: PathBuf) -> Result<Node> {
    let port = PortLease::acquire()?;
    let place = Place {
        ip: Ipv4Addr::new(127, 0, 0, id),
        port: port.port(),
        dir,
    };
    let process = kernel.program(&place)?.start()?;
    let node = Node {
        server: ServerRow::active(id, place.ip.to_string(), place.port),
        addr: SocketAddr::from((place.ip, place.port)),
        process,
        dir: place.dir,
        _port: port,
    };
    node.process
        .ready(START_TIMEOUT, || take_sql(node.opts()))
        .await?;
    Ok(node)
}

async fn take_sql(opts: OptsBuilder) -> Result<()> {
    let conn = connect(opts, PROBE_TIMEOUT).await?;
    conn.disconnect().await.context("disconnect")
}

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

async fn connect(opts: OptsBuilder, timeout: Duration) -> Result<Conn> {
    let opts = mysql_async::Opts::from(opts);
    let address = format!("{}:{}", opts.ip_or_hostname(), opts.tcp_port());
    tokio::time::timeout(timeout, Conn::new(opts))
        .await
        .with_context(|| format!("{address}: no login within {timeout:?}"))?
        .with_context(|| format!("cannot log on to {address}"))
}
