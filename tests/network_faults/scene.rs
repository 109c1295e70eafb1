//! Three nodes, the way to one of which fails, and a client of the proxy before them.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mysql_async::Conn;
use testkit::host::Host;
use testkit::link::Link;
use testkit::sim::{Reach, SimCluster};
use testkit::sockets::connections_to;
use testkit::warden::Warden;

use crate::support::{GRACE, List, SOON, builder, connect, list, show_warnings, until};

pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(1);
/// How soon a node that can be reached again is in the list again.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(5);
/// Service connections to a node at most.
const SLOTS: usize = 2;
/// The node behind the link.
const FAILING: usize = 1;
pub(crate) const HELD_SESSIONS: u32 = 5;

/// How a node that fails is told of.
pub(crate) struct Told<'a> {
    pub(crate) state: &'a str,
    pub(crate) code: u16,
    pub(crate) info: &'a str,
}

/// Simulated nodes, one of which only a link leads to.
pub(crate) struct Scene {
    pub(crate) cluster: SimCluster,
    pub(crate) link: Link,
    pub(crate) warden: Warden,
    pub(crate) conn: Conn,
    held: Vec<Range<u32>>,
}

impl Scene {
    /// Each node has a few sessions.
    pub(crate) async fn new() -> Self {
        Self::with_sessions(HELD_SESSIONS).await
    }

    /// The node behind the link has so many sessions. The cluster itself does not reach it, either, so that
    /// nobody else can be asked for them.
    pub(crate) async fn with_sessions(sessions: u32) -> Self {
        let cluster = SimCluster::start(3).await.unwrap();
        let link = Link::before(cluster.node(FAILING).addr()).await.unwrap();
        Self::of(cluster, link, sessions).await
    }

    /// The link begins on a host.
    pub(crate) async fn on(host: &Arc<Host>, sessions: u32) -> Self {
        let cluster = SimCluster::start(3).await.unwrap();
        let node = cluster.node(FAILING).addr();
        let link = Link::on(host, 0, node).await.unwrap();
        Self::of(cluster, link, sessions).await
    }

    async fn of(cluster: SimCluster, link: Link, sessions: u32) -> Self {
        let mut servers = cluster.servers();
        servers[FAILING].svr_ip = link.addr().ip().to_string();
        servers[FAILING].inner_port = link.addr().port();
        cluster.set_servers(servers);
        cluster.node(FAILING).set_reach(Some(Reach::Gone));
        let hold = |node: usize| {
            let sessions = if node == FAILING {
                sessions
            } else {
                HELD_SESSIONS
            };
            cluster.node(node).hold_sessions(sessions)
        };
        let held = (0..3).map(hold).collect();
        let warden = builder()
            .servers(&cluster.seeds()[..1])
            .args(["--node-timeout", "1s"])
            .start()
            .await
            .unwrap();
        let conn = connect(&warden).await;
        let mut scene = Self {
            cluster,
            link,
            warden,
            conn,
            held,
        };
        scene.is_whole().await;
        scene
    }

    /// Lists until both service connections to the node are open.
    pub(crate) async fn warm_up(&mut self) {
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(connect(&self.warden).await);
        }
        warm_up(&mut clients, &self.link).await;
    }

    /// Lists: exactly the node behind the link is named as failed, in time, in its row and in the warning;
    /// nothing of it is shown, and everything of the others.
    pub(crate) async fn misses(&mut self, told: &Told<'_>) -> List {
        let seen = misses(&mut self.conn, self.link.addr(), told).await;
        for node in [0, 2] {
            let ids = seen.ids(self.cluster.node(node).addr());
            let is_there = |id: u32| ids.contains(&id);
            assert!(self.held[node].clone().all(is_there), "{node}: {ids:?}");
        }
        seen
    }

    /// Lists: everything is there, and nothing is wrong.
    pub(crate) async fn is_whole(&mut self) -> List {
        let seen = list(&mut self.conn).await;
        assert_in_time(&seen);
        assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
        let addr = self.link.addr();
        assert_eq!(seen.ids(addr), Vec::from_iter(self.held[FAILING].clone()));
        seen
    }

    /// Nothing is wrong any more: the node comes back by itself, and with all its sessions.
    pub(crate) async fn heals(&mut self) {
        self.link.heal();
        is_back(&mut self.conn).await;
        self.is_whole().await;
        let peak = self.link.connections_peak();
        assert!(peak <= SLOTS, "{peak} connections to the node");
    }
}

/// Lists: exactly this node, in zone z2, is named as failed, in time, in its row and in the warning; nothing of
/// it is shown.
pub(crate) async fn misses(conn: &mut Conn, addr: SocketAddr, told: &Told<'_>) -> List {
    let seen = list(conn).await;
    assert_in_time(&seen);
    assert_eq!(seen.failed(), [(addr, told.state)]);
    assert_eq!(seen.ids(addr), [0; 0], "no half nodes");
    let why = seen.why(addr).to_owned();
    assert!(why.contains(told.info), "{why}");
    assert!(why.ends_with("its sessions are NOT in this list"), "{why}");
    let warning = format!("{addr} (z2): {}: {why}", told.state);
    let expected = [("Warning".to_owned(), told.code, warning)];
    assert_eq!(show_warnings(conn).await, expected);
    let open = connections(addr);
    assert!(open <= SLOTS, "{open} connections to the node");
    seen
}

/// The list ends by the deadline.
pub(crate) fn assert_in_time(seen: &List) {
    assert!(seen.took <= NODE_TIMEOUT + GRACE, "{:?}", seen.took);
}

/// Lists as all of `clients` at once until both service connections to the node are open.
pub(crate) async fn warm_up(clients: &mut [Conn], link: &Link) {
    until("two service connections to the node", SOON, async || {
        join_all(clients.iter_mut().map(list)).await;
        match link.connections_open() {
            SLOTS => Ok(()),
            open => Err(open),
        }
    })
    .await;
}

/// Lists until no node fails.
pub(crate) async fn is_back(conn: &mut Conn) -> List {
    until("the node is back in the list", BACK_WITHIN, async || {
        let seen = list(conn).await;
        if seen.failed().is_empty() {
            Ok(seen)
        } else {
            Err(seen)
        }
    })
    .await
}

/// The proxy's connections to a node, also those on which nothing has come back yet.
fn connections(node: SocketAddr) -> usize {
    let SocketAddr::V4(node) = node else {
        panic!("{node} is no IPv4 address");
    };
    connections_to(node).expect("the kernel's table of connections")
}
