//! Real failure: real OceanBase kernels that are stopped in the middle of things (SIGSTOP: their sockets
//! stay open and nothing answers), woken again, or killed.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;
use testkit::link::{Cut, CutEnd, FIRST_STATEMENT, Faults, Link};
use testkit::seekdb::SeekdbCluster;
use testkit::warden::Warden;

use support::{
    GRACE, List, RawClient, SOON, builder, connect, full_list, list, run, server_error,
    show_warnings, soon, until,
};

const ONE_SECOND: Duration = Duration::from_secs(1);
/// How soon a node that runs again is in the list again.
const BACK_WITHIN: Duration = Duration::from_secs(5);
const SLOTS: usize = 2;
const LISTS: usize = 10;

/// Starts the proxy. On a busy machine a kernel that has just started may need more than a short deadline
/// to tell its topology, and without one the proxy does not start.
async fn warden(seeds: &[String], args: &[&str]) -> Warden {
    until("obwarden starts", 3 * SOON, async || {
        builder().servers(seeds).args(args).start().await
    })
    .await
}

/// A client of a proxy that has both its service connections to each node, and as many descriptors as it
/// ever needs for it.
struct Scene {
    warden: Warden,
    conn: Conn,
    /// The nodes, at the addresses by which the proxy knows them.
    nodes: Vec<SocketAddr>,
    descriptors: usize,
}

impl Scene {
    async fn new(warden: Warden, nodes: Vec<SocketAddr>) -> Self {
        let mut conn = connect(&warden).await;
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(connect(&warden).await);
        }
        until("two service connections to each node", SOON, async || {
            join_all(clients.iter_mut().map(list)).await;
            let list = full_list(&mut conn).await;
            let open = nodes.iter().map(|node| list.service_ids(*node).len());
            let open: Vec<usize> = open.collect();
            if open.iter().all(|open| *open == SLOTS) {
                Ok(())
            } else {
                Err(open)
            }
        })
        .await;
        for client in clients {
            client.disconnect().await.unwrap();
        }
        let descriptors = until("its descriptors settle", SOON, async || {
            let before = warden.open_descriptors().unwrap();
            list(&mut conn).await;
            let after = warden.open_descriptors().unwrap();
            if before == after {
                Ok(after)
            } else {
                Err((before, after))
            }
        })
        .await;
        Self {
            warden,
            conn,
            nodes,
            descriptors,
        }
    }

    /// Lists: exactly this node is named as failed, and all others' rows are there.
    async fn misses(&mut self, failed: SocketAddr, state: &str) -> List {
        misses(&mut self.conn, &self.nodes, failed, state, ONE_SECOND).await
    }

    async fn is_back(&mut self) -> List {
        until("the node is back in the list", BACK_WITHIN, async || {
            let list = list(&mut self.conn).await;
            if list.failed().is_empty() {
                Ok(list)
            } else {
                Err(list)
            }
        })
        .await
    }

    /// Two service connections to the node at most, by the proxy's word and by the node's own, and no more
    /// descriptors than before. `others` are the node's other sessions, `direct` among them.
    async fn is_as_before(&mut self, node: SocketAddr, direct: &mut Conn, others: &[u32]) {
        until("two service connections at most", SOON, async || {
            let own = full_list(&mut self.conn).await.service_ids(node);
            let query = direct.query("SELECT ID FROM oceanbase.V$OB_PROCESSLIST");
            let mut seen: Vec<u32> = soon("the node's own list", query).await.unwrap();
            seen.retain(|id| !others.contains(id));
            let is_right = (1..=SLOTS).contains(&own.len()) && seen.len() <= SLOTS;
            if is_right { Ok(()) } else { Err((own, seen)) }
        })
        .await;
        until("no more descriptors than before", SOON, async || {
            let now = self.warden.open_descriptors().unwrap();
            if now <= self.descriptors {
                Ok(())
            } else {
                Err((self.descriptors, now))
            }
        })
        .await;
    }

    /// Tries to kill a session of a node that cannot be asked.
    async fn kills_nothing(&mut self, node: SocketAddr, id: u32, code: u16) {
        let began = Instant::now();
        let kill = format!("KILL SERVER SESSION {} {id}", node.ip());
        let (answered, text) = server_error(run(&mut self.conn, &kill).await);
        assert!(
            began.elapsed() <= ONE_SECOND + GRACE,
            "{:?}",
            began.elapsed()
        );
        assert!(
            answered == code && text.ends_with("; nothing was killed"),
            "{answered} {text}"
        );
    }
}

async fn misses(
    conn: &mut Conn,
    nodes: &[SocketAddr],
    failed: SocketAddr,
    state: &str,
    within: Duration,
) -> List {
    let seen = list(conn).await;
    assert!(seen.took <= within + GRACE, "{:?}", seen.took);
    assert_eq!((seen.failed(), seen.warnings), (vec![(failed, state)], 1));
    for node in nodes {
        assert_eq!(
            seen.ids(*node).is_empty(),
            *node == failed,
            "{node}: {seen:?}"
        );
    }
    let shown = show_warnings(conn).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].2.contains(&failed.to_string()), "{shown:?}");
    seen
}

fn addrs(cluster: &Cluster) -> Vec<SocketAddr> {
    cluster.nodes().iter().map(|node| node.addr()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_is_named_in_time_and_back_when_it_runs_again() {
    let cluster = SeekdbCluster::start(3).await.unwrap();
    let (other, node, killed) = (cluster.node(0), cluster.node(1), cluster.node(2));
    let nodes = addrs(&cluster);
    let mut at_others = (
        other.connect().await.unwrap(),
        killed.connect().await.unwrap(),
    );
    let mut victim = node.connect().await.unwrap();
    let mut direct = node.connect().await.unwrap();
    let by_default = warden(&cluster.seeds(), &[]).await;
    let mut conn = connect(&by_default).await;
    list(&mut conn).await;
    let quick = warden(&cluster.seeds(), &["--node-timeout", "1s"]).await;
    let mut scene = Scene::new(quick, nodes.clone()).await;

    node.process().suspend().unwrap();
    for _ in 0..LISTS {
        scene.misses(node.addr(), "NO ANSWER").await;
    }
    misses(
        &mut conn,
        &nodes,
        node.addr(),
        "NO ANSWER",
        Duration::from_secs(3),
    )
    .await;
    scene.kills_nothing(node.addr(), victim.id(), 4012).await;

    drop(by_default);
    node.process().resume().unwrap();
    assert!(
        scene
            .is_back()
            .await
            .ids(node.addr())
            .contains(&victim.id())
    );
    let ids = [victim.id(), direct.id()];
    scene.is_as_before(node.addr(), &mut direct, &ids).await;
    run(&mut victim, "SELECT 1")
        .await
        .expect("nothing was killed");

    killed.process().kill().unwrap();
    for _ in 0..2 {
        scene.misses(killed.addr(), "REFUSED").await;
    }
    scene
        .kills_nothing(killed.addr(), at_others.1.id(), 1429)
        .await;
    run(&mut at_others.0, "SELECT 1").await.unwrap();
}

/// Statements of this length make a list long. A kernel shows 65,535 bytes of each.
const STATEMENT_BYTES: usize = 60_000;
const BUSY_SESSIONS: usize = 4;

/// Column definitions take less, and so do the answers to all other statements.
const CUT_AFTER_BYTES: u64 = 8 * 1024;

/// The link before the node lets the first rows through and no more, and the kernel is stopped: its list
/// is on its way too quickly to be met in the middle by luck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stopped_in_mid_result_is_named_in_time_and_back_when_it_runs_again() {
    let cluster = SeekdbCluster::start(2).await.unwrap();
    let node = cluster.node(1);
    let link = Link::before(node.addr()).await.unwrap();
    let mut servers = cluster.servers();
    servers[1].inner_port = link.addr().port();
    cluster.set_topology(&servers).await.unwrap();
    let warden = warden(&cluster.seeds()[..1], &["--node-timeout", "1s"]).await;
    let nodes = vec![cluster.node(0).addr(), link.addr()];
    let mut scene = Scene::new(warden, nodes).await;

    let mut direct = node.connect().await.unwrap();
    let mut busy = Vec::new();
    for _ in 0..BUSY_SESSIONS {
        let mut session = RawClient::greeted(node.addr()).await;
        session.log_in("root", &[]).await;
        session.send_query("SET ob_query_timeout = 600000000").await;
        session.read().await.unwrap();
        let statement = format!("SELECT SLEEP(600) /* {} */", "x".repeat(STATEMENT_BYTES));
        session.send_query(&statement).await;
        busy.push(session);
    }
    let mut ids: Vec<u32> = busy.iter().map(|session| session.thread_id).collect();
    ids.push(direct.id());
    until("all are busy", SOON, async || {
        let list = full_list(&mut scene.conn).await;
        let info = list.rows.iter().filter_map(|row| list.value(row, "Info"));
        let long = info.filter(|info| info.len() > STATEMENT_BYTES).count();
        if long == BUSY_SESSIONS {
            Ok(())
        } else {
            Err(long)
        }
    })
    .await;

    link.set(Faults::cut(Cut {
        from_answer: FIRST_STATEMENT,
        after_bytes: CUT_AFTER_BYTES,
        then: CutEnd::Stall,
    }));
    let stop = async {
        soon("the answer has begun", link.answer_cut()).await;
        node.process().suspend().unwrap();
    };
    let (seen, ()) = tokio::join!(scene.misses(link.addr(), "NO ANSWER"), stop);
    let why = seen.why(link.addr());
    assert!(why.contains("in reading the answer"), "{why}");
    for _ in 1..LISTS {
        scene.misses(link.addr(), "NO ANSWER").await;
    }

    link.heal();
    node.process().resume().unwrap();
    let seen = scene.is_back().await.ids(link.addr());
    assert!(
        ids.iter().all(|id| seen.contains(id)),
        "{ids:?} in {seen:?}"
    );
    scene.is_as_before(link.addr(), &mut direct, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_stopped_node_are_sent_to_the_next() {
    let cluster = SeekdbCluster::start(2).await.unwrap();
    let (first, second) = (cluster.node(0), cluster.node(1));
    let connect_timeout = Duration::from_millis(500);
    let args = ["--node-timeout", "1s", "--connect-timeout", "500ms"];
    let warden = warden(&cluster.seeds(), &args).await;
    let mut early = connect(&warden).await;
    assert_eq!(served_by(&mut early).await, first.addr());

    first.process().suspend().unwrap();
    let began = Instant::now();
    let mut late = connect(&warden).await;
    assert!(
        began.elapsed() <= connect_timeout + GRACE,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(served_by(&mut late).await, second.addr());
    // The early one's own server hangs, and it lists all the same.
    misses(
        &mut early,
        &addrs(&cluster),
        first.addr(),
        "NO ANSWER",
        ONE_SECOND,
    )
    .await;
    first.process().resume().unwrap();
    run(&mut early, "SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_whose_server_stops_ends_and_the_next_client_is_served_elsewhere() {
    let cluster = SeekdbCluster::start(2).await.unwrap();
    let (first, second) = (cluster.node(0), cluster.node(1));
    let args = ["--node-timeout", "1s", "--handshake-timeout", "2s"];
    let warden = warden(&cluster.seeds(), &args).await;
    let mut client = RawClient::greeted(warden.addr()).await;

    first.process().suspend().unwrap();
    let began = Instant::now();
    client.send_login("root", &[]).await;
    let (code, text) = client.read_error().await;
    assert!(
        began.elapsed() <= Duration::from_secs(2) + GRACE,
        "{:?}",
        began.elapsed()
    );
    assert!(
        code == 1430 && text.contains(&first.addr().to_string()),
        "{code} {text}"
    );
    assert!(text.contains("connect again"), "{text}");

    let began = Instant::now();
    let mut next = connect(&warden).await;
    assert!(
        began.elapsed() <= GRACE,
        "the stopped one is tried: {:?}",
        began.elapsed()
    );
    assert_eq!(served_by(&mut next).await, second.addr());
}

/// The node that serves a client, as a list marks it.
async fn served_by(conn: &mut Conn) -> SocketAddr {
    let full = full_list(conn).await;
    let id = conn.id().to_string();
    let is_client = |row: &Vec<_>| full.value(row, "Warden") == Some("client");
    let is_it = |row: &&Vec<_>| is_client(row) && full.value(row, "Id") == Some(&id);
    full.addr(full.rows.iter().find(is_it).expect("it is in the list"))
}
