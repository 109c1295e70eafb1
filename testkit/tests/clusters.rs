//! The clusters start, are what they say, and leave nothing behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use tokio::sync::OnceCell;

#[tokio::test]
async fn seekdb_nodes_list_one_another_and_leave_nothing() {
    let cluster = SeekdbCluster::start(3).await.unwrap();
    nodes_list_one_another(&cluster, 3).await;
    topology_can_be_changed(&cluster).await;
    sessions_are_listed(&cluster).await;

    let traces = Traces::of(&cluster);
    drop(cluster);
    traces.assert_gone();
}

#[tokio::test]
async fn mariadb_nodes_list_one_another_and_leave_nothing() {
    let cluster = MariadbCluster::start(3).await.unwrap();
    nodes_list_one_another(&cluster, 3).await;
    topology_can_be_changed(&cluster).await;
    sessions_are_listed(&cluster).await;

    let traces = Traces::of(&cluster);
    drop(cluster);
    traces.assert_gone();
}

#[tokio::test]
async fn two_clusters_live_side_by_side() {
    let (one, other) = tokio::join!(
        MariadbCluster::start(2),
        MariadbCluster::start_with(2, ["--read-only=ON"])
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    nodes_list_one_another(&one, 2).await;
    nodes_list_one_another(&other, 2).await;

    let mut conn = other.node(1).connect().await.unwrap();
    let read_only: Option<u8> = conn.query_first("SELECT @@read_only").await.unwrap();
    assert_eq!(read_only, Some(1));
}

#[tokio::test]
async fn a_node_can_hang_come_back_and_die() {
    let cluster = MariadbCluster::start(2).await.unwrap();
    let process = cluster.node(1).process();
    let mut conn = cluster.node(1).connect().await.unwrap();

    process.suspend().unwrap();
    let hung = tokio::time::timeout(Duration::from_millis(200), conn.ping()).await;
    assert!(hung.is_err(), "{hung:?}");
    process.resume().unwrap();
    cluster.node(1).execute("SELECT 1").await.unwrap();

    process.kill().unwrap();
    assert!(!process.is_running());
    assert!(cluster.node(1).connect().await.is_err());
    cluster.set_topology(&cluster.servers()[..1]).await.unwrap();
}

#[tokio::test]
async fn a_panicking_owner_leaves_nothing() {
    let (send, receive) = tokio::sync::oneshot::channel();
    let owner = tokio::spawn(async {
        let cluster = MariadbCluster::start(1).await.unwrap();
        send.send(Traces::of(&cluster)).unwrap();
        panic!("the owner panics, as this test wants");
    });
    let traces = receive.await.unwrap();
    assert!(owner.await.unwrap_err().is_panic());
    traces.assert_gone();
}

/// Runs this very test a second time as the owner: a process with a static cluster that exits.
#[tokio::test]
async fn a_static_cluster_ends_with_its_process() {
    const ROLE: &str = "TESTKIT_OWNER_OF_A_STATIC_CLUSTER";
    static CLUSTER: OnceCell<MariadbCluster> = OnceCell::const_new();

    if std::env::var_os(ROLE).is_some() {
        let cluster = CLUSTER
            .get_or_init(async || MariadbCluster::start(2).await.unwrap())
            .await;
        let pids = cluster
            .nodes()
            .iter()
            .map(|node| node.process().pid().to_string());
        println!("pids: {}", pids.collect::<Vec<_>>().join(" "));
        std::process::exit(0);
    }
    let owner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_static_cluster_ends_with_its_process",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .output()
        .unwrap();
    assert!(owner.status.success(), "{owner:?}");
    let output = String::from_utf8(owner.stdout).unwrap();
    let (_, pids) = output.split_once("pids: ").unwrap();
    let pids: Vec<u32> = pids
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2);

    let start = Instant::now();
    while pids.iter().any(|&pid| is_alive(pid)) {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "left over: {pids:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn nodes_list_one_another(cluster: &Cluster, count: usize) {
    assert_eq!(cluster.nodes().len(), count);
    assert_eq!(
        cluster.seeds()[0],
        format!("127.0.0.1:{}", cluster.node(0).port())
    );
    for node in cluster.nodes() {
        let mut conn = node.connect().await.unwrap();
        let listed: Vec<(String, u16, String, String, i64)> = conn
            .query(
                "SELECT svr_ip, inner_port, zone, status, id FROM oceanbase.__all_server
                 WHERE svr_port <> inner_port AND build_version LIKE '4.%' ORDER BY id",
            )
            .await
            .unwrap();
        let started: Vec<_> = (1..)
            .zip(cluster.nodes())
            .map(|(id, node)| {
                let ip = format!("127.0.0.{id}");
                (ip, node.port(), format!("z{id}"), "ACTIVE".to_owned(), id)
            })
            .collect();
        assert_eq!(listed, started);
        assert!(
            started
                .iter()
                .any(|row| row.0 == node.ip().to_string() && row.1 == node.port())
        );
    }
}

async fn topology_can_be_changed(cluster: &Cluster) {
    let count = async || {
        let mut conn = cluster.node(1).connect().await.unwrap();
        conn.query_first::<u32, _>("SELECT COUNT(*) FROM oceanbase.__all_server")
            .await
    };
    cluster.empty_topology().await.unwrap();
    assert_eq!(count().await.unwrap(), Some(0));
    cluster.drop_topology().await.unwrap();
    assert!(matches!(count().await, Err(mysql_async::Error::Server(error)) if error.code == 1146));
    cluster.restore_topology().await.unwrap();
    assert_eq!(count().await.unwrap(), Some(3));
}

async fn sessions_are_listed(cluster: &Cluster) {
    let mut conn = cluster.node(2).connect().await.unwrap();
    let mine: Option<(u32, String, String, Option<String>)> = conn
        .query_first(
            "SELECT ID, USER, COMMAND, INFO FROM oceanbase.V$OB_PROCESSLIST
             WHERE ID = CONNECTION_ID()",
        )
        .await
        .unwrap();
    let (id, user, command, info) = mine.unwrap();
    assert_eq!(
        (id, user.as_str(), command.as_str()),
        (conn.id(), "root", "Query")
    );
    assert!(info.unwrap().contains("CONNECTION_ID()"));
}

/// What a cluster could leave behind.
#[derive(Debug)]
struct Traces {
    pids: Vec<u32>,
    dirs: Vec<PathBuf>,
}

impl Traces {
    fn of(cluster: &Cluster) -> Self {
        Self {
            pids: cluster
                .nodes()
                .iter()
                .map(|node| node.process().pid())
                .collect(),
            dirs: cluster
                .nodes()
                .iter()
                .map(|node| node.dir().to_path_buf())
                .collect(),
        }
    }

    fn assert_gone(&self) {
        assert!(!self.pids.iter().any(|&pid| is_alive(pid)), "{self:?}");
        assert!(
            !self.dirs.iter().any(|dir| dir.parent().unwrap().exists()),
            "{self:?}"
        );
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
