//! A node that the proxy cannot reach, while the cluster itself still does, is read through another node, and
//! the list says so.

use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::Conn;
use testkit::sim::{Behaviour, Build, Garbage, Reach, SimCluster, SimNode, SimSession};
use testkit::warden::Warden;

use crate::support::{
    GRACE, List, builder, connect, full_list, list, run, server_error, show_warnings, soon,
};

const NODE_TIMEOUT: Duration = Duration::from_secs(2);
const ARGS: [&str; 4] = ["--node-timeout", "2s", "--connect-timeout", "200ms"];

struct Scene {
    cluster: SimCluster,
    warden: Warden,
    conn: Conn,
    /// Of node 1, which is going to be out of reach.
    held: Vec<u32>,
}

impl Scene {
    async fn new(build: Build) -> Self {
        let cluster = SimCluster::builder().build(build).start().await.unwrap();
        let held = cluster.node(1).hold_sessions(5).collect();
        let started = builder().servers(cluster.seeds()).args(ARGS).start().await;
        let warden = started.expect("obwarden starts");
        let mut conn = connect(&warden).await;
        assert_eq!(list(&mut conn).await.failed(), []);
        Self {
            cluster,
            warden,
            conn,
            held,
        }
    }

    fn far(&self) -> &SimNode {
        self.cluster.node(1)
    }

    /// Node 1 behaves so for connections that are made from now on.
    fn set_behaviour(&self, behaviour: Behaviour) {
        self.far().set_behaviour(behaviour);
        self.far().cut_connections();
    }

    /// The list has node 1's sessions, and a warning that they are second-hand.
    async fn reads_around(&mut self, code: u16, why: &str) -> List {
        let seen = list(&mut self.conn).await;
        assert!(seen.took <= NODE_TIMEOUT + GRACE, "{:?}", seen.took);
        let far = self.far().addr();
        assert_eq!((seen.failed(), seen.ids(far)), (vec![], self.held.clone()));
        assert_eq!(seen.warnings, 1);
        let shown = show_warnings(&mut self.conn).await;
        let [(level, shown_code, text)] = &shown[..] else {
            panic!("{shown:?}");
        };
        assert_eq!((level.as_str(), *shown_code), ("Warning", code), "{text}");
        let begin = format!("{far} (z2): ");
        assert!(text.starts_with(&begin) && text.contains(why), "{text}");
        let through = "; its 5 sessions were read through ";
        let carrier = text
            .split_once(through)
            .map(|(_, carrier)| carrier.to_owned());
        let others = [0, 2].map(|node| self.cluster.node(node).addr().to_string());
        let carrier = carrier.unwrap_or_else(|| panic!("{text}"));
        assert!(
            others.iter().any(|other| carrier.starts_with(other)),
            "{text}"
        );
        seen
    }

    /// Node 1 is a failed one, like any other.
    async fn misses(&mut self) -> SocketAddr {
        let seen = list(&mut self.conn).await;
        assert!(seen.took <= NODE_TIMEOUT + GRACE, "{:?}", seen.took);
        let failed = seen.failed();
        let [(failed, _)] = failed[..] else {
            panic!("{failed:?}");
        };
        assert_eq!(seen.warnings, 1);
        failed
    }
}

#[tokio::test]
async fn a_node_out_of_the_proxys_reach_is_read_through_another_and_the_list_says_so() {
    let mut scene = Scene::new(Build::V4_2).await;
    scene.far().set_reach(Some(Reach::Answers));
    for (behaviour, code, why) in [
        (Behaviour::Refuse, 1429, "in connect: "),
        (Behaviour::HangInLogin, 1429, "no connection after 0."),
        (Behaviour::AcceptNoGreeting, 1429, "no connection after 0."),
        (
            Behaviour::Garbage(Garbage::ShortPacket),
            1835,
            "is no MySQL",
        ),
    ] {
        scene.set_behaviour(behaviour);
        let seen = scene.reads_around(code, why).await;
        assert!(
            seen.took < NODE_TIMEOUT,
            "it does not wait for the deadline: {:?}",
            seen.took
        );
    }
    scene.set_behaviour(Behaviour::Healthy);
    let seen = list(&mut scene.conn).await;
    assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
}

#[tokio::test]
async fn a_full_list_reads_around_too_with_every_column() {
    let mut scene = Scene::new(Build::V4_2).await;
    let id = scene.far().add_session(SimSession {
        trace_id: Some("Y1".to_owned()),
        ..SimSession::running("select 1", Duration::from_secs(3))
    });
    scene.far().set_reach(Some(Reach::Answers));
    scene.set_behaviour(Behaviour::Refuse);
    let seen = full_list(&mut scene.conn).await;
    let far = scene.far().addr();
    let is_it =
        |row: &&Vec<_>| seen.addr(row) == far && seen.value(row, "Id") == Some(&*id.to_string());
    let row = seen.rows.iter().find(is_it).expect("it is in the list");
    assert_eq!(seen.value(row, "Trace_id"), Some("Y1"));
}

#[tokio::test]
async fn a_dead_node_that_the_others_leave_out_in_silence_is_a_failed_one() {
    let mut scene = Scene::new(Build::V4_2).await;
    for reach in [Reach::Gone, Reach::Hangs] {
        scene.far().set_reach(Some(reach));
        scene.set_behaviour(Behaviour::Refuse);
        assert_eq!(scene.misses().await, scene.far().addr(), "{reach:?}");
    }
    let healthy = [0, 2].map(|node| scene.cluster.node(node));
    for node in healthy {
        let two_at_most = node.until(|node| node.connections_open() <= 3);
        soon("what hung is closed", two_at_most).await;
    }
}

#[tokio::test]
async fn questions_about_a_node_that_hangs_take_no_healthy_node_away() {
    let mut scene = Scene::new(Build::V4_2).await;
    scene.far().set_reach(Some(Reach::Hangs));
    scene.set_behaviour(Behaviour::AcceptNoGreeting);
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(connect(&scene.warden).await);
    }
    for _ in 0..2 {
        let lists = futures_util::future::join_all(clients.iter_mut().map(list)).await;
        for seen in lists {
            let failed: Vec<_> = seen.failed().into_iter().map(|(addr, _)| addr).collect();
            assert_eq!(failed, [scene.far().addr()]);
        }
    }
    scene.misses().await;
}

#[tokio::test]
async fn where_no_node_knows_of_the_others_a_failed_one_is_told_at_once() {
    let mut scene = Scene::new(Build::V3).await;
    scene.set_behaviour(Behaviour::Refuse);
    let began = std::time::Instant::now();
    assert_eq!(scene.misses().await, scene.far().addr());
    assert!(began.elapsed() < NODE_TIMEOUT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_session_that_was_only_seen_through_another_node_is_not_killed() {
    let mut scene = Scene::new(Build::V4_2).await;
    scene.far().set_reach(Some(Reach::Answers));
    scene.set_behaviour(Behaviour::Refuse);
    let kill = format!("KILL SERVER SESSION {} {}", scene.far().ip(), scene.held[0]);
    let (code, text) = server_error(run(&mut scene.conn, &kill).await);
    assert!(
        code == 1429 && text.ends_with("; nothing was killed"),
        "{code} {text}"
    );
    for node in scene.cluster.nodes() {
        assert_eq!(node.kills_received(), [""; 0]);
    }
}
