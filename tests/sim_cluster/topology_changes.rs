//! A cluster that changes under the proxy: servers come, go, move and become other builds, and the lists follow
//! without a restart.

use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::Conn;
use testkit::sim::{Behaviour, Build, Reach, SimCluster, SimSession};
use testkit::warden::Warden;

use crate::support::{List, builder, connect, full_list, list, soon, warden};

/// The servers that have rows, in the list's order.
fn nodes(list: &List) -> Vec<SocketAddr> {
    let mut addrs: Vec<SocketAddr> = list.rows.iter().map(|row| list.addr(row)).collect();
    addrs.dedup();
    addrs
}

#[tokio::test]
async fn a_node_added_at_run_time_is_in_the_next_list_and_a_removed_one_is_not() {
    let cluster = SimCluster::start(3).await.unwrap();
    let servers = cluster.servers();
    let seeds = &cluster.seeds()[..1];
    let asked = |node: usize| cluster.node(node).session_lists_received() > 0;
    for node in cluster.nodes() {
        node.hold_sessions(1);
    }
    cluster.unlist_server(2);
    let warden = builder().servers(seeds).start().await.unwrap();
    let mut conn = connect(&warden).await;
    let addr = |node: usize| cluster.node(node).addr();
    assert_eq!(nodes(&list(&mut conn).await), [addr(0), addr(1)]);
    assert!(!asked(2));

    cluster.add_server(servers[2].clone());
    assert_eq!(nodes(&list(&mut conn).await), [addr(0), addr(1), addr(2)]);

    cluster.unlist_server(1);
    assert_eq!(nodes(&list(&mut conn).await), [addr(0), addr(2)]);
    let closed = cluster.node(1).until(|node| node.connections_open() == 0);
    soon("its connections are closed", closed).await;
}

#[tokio::test]
async fn a_node_that_moves_to_another_port_is_in_the_next_list_there_and_only_there() {
    let cluster = SimCluster::start(3).await.unwrap();
    let node = cluster.node(1);
    let held: Vec<u32> = node.hold_sessions(3).collect();
    let warden = warden(&cluster, &["--node-timeout", "1s"]).await;
    let mut conn = connect(&warden).await;
    assert_eq!(list(&mut conn).await.ids(node.addr()), held);

    // Until the cluster says so, nobody knows: it is a failed node like any other.
    let before = node.addr();
    node.set_reach(Some(Reach::Gone));
    node.move_to_another_port().unwrap();
    assert_eq!(list(&mut conn).await.failed(), [(before, "REFUSED")]);

    node.set_reach(None);
    cluster.list_server(1);
    let seen = list(&mut conn).await;
    assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
    assert_eq!(seen.ids(node.addr()), held);
    assert!(!nodes(&seen).contains(&before), "{seen:?}");
    assert!(node.connections_peak() <= 2, "{}", node.connections_peak());
}

/// A column that 4.2 has and 4.0 has not.
const COLUMN_OF_4_2: &str = "Sample_percentage";
/// What each session has there, where the build has it.
const IN_THAT_COLUMN: &str = "7";

/// Three nodes with a session each, and a client.
struct Scene {
    cluster: SimCluster,
    _warden: Warden,
    conn: Conn,
    ids: Vec<u32>,
}

impl Scene {
    async fn new(build: Build) -> Self {
        let cluster = SimCluster::builder().build(build).start().await.unwrap();
        let session = || SimSession {
            time: Duration::from_millis(61_500),
            more: vec![(COLUMN_OF_4_2.to_owned(), Some(IN_THAT_COLUMN.to_owned()))],
            ..SimSession::default()
        };
        let nodes = cluster.nodes().iter();
        let ids = nodes.map(|node| node.add_session(session())).collect();
        let warden = warden(&cluster, &[]).await;
        let conn = connect(&warden).await;
        Self {
            cluster,
            _warden: warden,
            conn,
            ids,
        }
    }

    /// A node is stopped, and started as another build.
    fn restart_as(&self, node: usize, build: Build) {
        self.cluster.node(node).set_behaviour(Behaviour::Refuse);
        self.cluster.node(node).set_build(build);
        self.cluster.node(node).set_behaviour(Behaviour::Healthy);
    }

    /// A plain and a full list are whole, with each session as its server shows it: 4.2's column from those
    /// nodes that have it, and not at all when none has.
    async fn is_whole(&mut self, of_4_2: &[usize]) {
        for _ in 0..2 {
            let full = full_list(&mut self.conn).await;
            self.has_each_session(&full);
            let has_column = full.columns.iter().any(|name| name == COLUMN_OF_4_2);
            assert_eq!(has_column, !of_4_2.is_empty(), "{:?}", full.columns);
            for node in 0..3 {
                let shown = self.row(&full, node).filter(|_| has_column);
                let shown = shown.and_then(|row| full.value(row, COLUMN_OF_4_2));
                let expected = of_4_2.contains(&node).then_some(IN_THAT_COLUMN);
                assert_eq!(shown, expected, "node {node}, {of_4_2:?}");
            }
            let plain = list(&mut self.conn).await;
            self.has_each_session(&plain);
        }
    }

    fn has_each_session(&self, list: &List) {
        assert_eq!((list.failed(), list.warnings), (vec![], 0));
        for node in 0..3 {
            let row = self.row(list, node).unwrap_or_else(|| panic!("{list:?}"));
            // A number in one build, a text with decimals in another.
            assert_eq!(list.value(row, "Time"), Some("61"), "node {node}");
        }
    }

    fn row<'a>(&self, list: &'a List, node: usize) -> Option<&'a Vec<Option<String>>> {
        let (addr, id) = (self.cluster.node(node).addr(), self.ids[node].to_string());
        let is_it = |row: &&Vec<_>| list.addr(row) == addr && list.value(row, "Id") == Some(&id);
        list.rows.iter().find(is_it)
    }
}

#[tokio::test]
async fn a_rolling_upgrade_is_followed_from_one_set_of_columns_to_the_other() {
    let mut scene = Scene::new(Build::V4_0).await;
    scene.is_whole(&[]).await;
    let mut upgraded = Vec::new();
    // The first one, which is the client's own server, last.
    for node in [2, 1] {
        scene.restart_as(node, Build::V4_2);
        scene.cluster.list_server(node);
        upgraded.push(node);
        scene.is_whole(&upgraded).await;
    }
    scene.cluster.node(0).set_build(Build::V4_2);
    scene.cluster.list_server(0);
    upgraded.push(0);
    scene.is_whole(&upgraded).await;
}

#[tokio::test]
async fn an_upgrade_from_views_that_are_not_there_yet_is_followed() {
    let mut scene = Scene::new(Build::V3).await;
    for node in [1, 2] {
        scene.restart_as(node, Build::V4_2);
        scene.cluster.list_server(node);
    }
    scene.is_whole(&[1, 2]).await;
}

/// The last one to answer, and the first: what one node shows is not taken for what all of its build show.
#[tokio::test]
async fn a_node_whose_build_changes_before_its_row_does_is_whole_and_hides_no_column_of_others() {
    for late in [&[1][..], &[0, 2]] {
        for (build, odd) in [(Build::V4_2, Build::V4_0), (Build::V4_0, Build::V4_2)] {
            let mut scene = Scene::new(build).await;
            scene
                .is_whole(if build == Build::V4_2 {
                    &[0, 1, 2]
                } else {
                    &[]
                })
                .await;
            scene.restart_as(1, odd);
            for &node in late {
                let slow = Behaviour::Slow(Duration::from_millis(100));
                scene.cluster.node(node).set_behaviour(slow);
            }
            scene
                .is_whole(if odd == Build::V4_2 { &[1] } else { &[0, 2] })
                .await;

            scene.cluster.list_server(1);
            scene
                .is_whole(if odd == Build::V4_2 { &[1] } else { &[0, 2] })
                .await;
        }
    }
}

#[tokio::test]
async fn a_node_that_was_set_back_to_an_older_major_version_is_whole_before_its_row_says_so() {
    let mut scene = Scene::new(Build::V4_2).await;
    scene.is_whole(&[0, 1, 2]).await;
    scene.restart_as(1, Build::V3);
    scene.is_whole(&[0, 2]).await;
}
