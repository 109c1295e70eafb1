//! A running virtual statement ends when somebody ends it, and takes its connections to the nodes along.

use std::time::{Duration, Instant};

use testkit::sim::{Behaviour, Reach, SimCluster, SimNode};
use testkit::warden::Warden;

use crate::support::{RawClient, builder, connect, list, run, soon};

/// Any password will do for a simulated node.
const SCRAMBLED: &[u8] = &[1; 20];
/// Far away: what ends a statement in these tests is not its deadline.
const PATIENT: &[&str] = &["--node-timeout", "60s", "--topology-refresh-interval", "1h"];

struct Scene {
    cluster: SimCluster,
    warden: Warden,
    client: RawClient,
    /// Connections to node 2 that have ended before: a busy machine may lead to some.
    closed: usize,
}

impl Scene {
    /// A client's list waits for node 2.
    async fn new() -> Self {
        let asked = |node: &SimNode| node.session_lists_received() == 1;
        Self::hanging(Behaviour::HangInQuery, asked).await
    }

    async fn hanging(behaviour: Behaviour, asked: impl Fn(&SimNode) -> bool) -> Self {
        let cluster = SimCluster::start(3).await.unwrap();
        // Only the first node is asked before the list. Besides, a list asks it for the servers and the second one
        // for the rights.
        let seeds = &cluster.seeds()[..1];
        let started = builder().servers(seeds).args(PATIENT).start().await;
        let warden = started.unwrap();
        let mut client = RawClient::greeted(warden.addr()).await;
        client.log_in("root", SCRAMBLED).await;
        let node = cluster.node(2);
        node.set_behaviour(behaviour);
        // What it does not tell itself, no other node does.
        node.set_reach(Some(Reach::Gone));
        node.hold_sessions(5);
        client.send_query("SHOW SERVER SESSIONS").await;
        soon("the node is asked", node.until(asked)).await;
        let closed = node.connections_closed();
        Self {
            cluster,
            warden,
            client,
            closed,
        }
    }

    fn hung(&self) -> &SimNode {
        self.cluster.node(2)
    }

    async fn connection_is_closed(&self) {
        is_closed(self.hung(), self.closed).await;
    }

    async fn is_interrupted(&mut self) {
        let (code, text) = self.client.read_error().await;
        assert!(
            code == 1317 && text.contains("interrupted"),
            "{code} {text}"
        );
        self.connection_is_closed().await;
        // The session goes on.
        self.client.send(0, &[0x0e]).await;
        let pong = self.client.read().await.unwrap();
        assert_eq!(pong[0], 0);
    }
}

/// Waits until more connections than `before` have ended.
async fn is_closed(hung: &SimNode, before: usize) {
    let closed = hung.until(|node| node.connections_closed() > before);
    soon("the hung node's connection is closed", closed).await;
}

#[tokio::test]
async fn kill_query_from_a_second_connection_ends_a_running_list() {
    for statement in ["KILL QUERY ", "kill /* the one that hangs */ "] {
        let mut scene = Scene::new().await;
        let mut second = connect(&scene.warden).await;
        let began = Instant::now();
        let kill = format!("{statement}{}", scene.client.thread_id);
        run(&mut second, &kill).await.unwrap();
        assert_eq!(
            scene.cluster.node(0).kills_received(),
            [kill],
            "the server hears it, too"
        );
        if statement == "KILL QUERY " {
            scene.is_interrupted().await;
        } else {
            scene.connection_is_closed().await;
        }
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn com_process_kill_ends_a_running_list() {
    let mut scene = Scene::new().await;
    let mut second = RawClient::greeted(scene.warden.addr()).await;
    second.log_in("root", SCRAMBLED).await;
    let command = [&[0x0c][..], &scene.client.thread_id.to_le_bytes()].concat();
    second.send(0, &command).await;
    // A simulated node does not know the command; that it is killed there is not what counts.
    scene.is_interrupted().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_running_list() {
    let Scene {
        cluster,
        warden,
        client,
        closed,
    } = Scene::new().await;
    let id = client.thread_id;
    drop(client);
    let node = cluster.node(2);
    is_closed(node, closed).await;
    let gone = cluster.node(0).until(|node| !node.has_session(id));
    soon("its own server's session is closed", gone).await;

    node.set_behaviour(Behaviour::Healthy);
    let seen = list(&mut connect(&warden).await).await;
    assert_eq!((seen.failed(), seen.ids(node.addr()).len()), (vec![], 5));
}

#[tokio::test]
async fn a_client_that_leaves_behind_pipelined_commands_ends_its_running_list() {
    let mut scene = Scene::new().await;
    for _ in 0..100 {
        scene.client.send_query("SELECT 1").await;
    }
    let Scene {
        cluster,
        client,
        closed,
        warden: _warden,
    } = scene;
    drop(client);
    is_closed(cluster.node(2), closed).await;
}

#[tokio::test]
async fn another_clients_list_goes_on_when_one_is_interrupted() {
    let mut scene = Scene::new().await;
    let mut second = RawClient::greeted(scene.warden.addr()).await;
    second.log_in("root", SCRAMBLED).await;
    second.send_query("SHOW SERVER SESSIONS").await;
    let asked = scene
        .hung()
        .until(|node| node.session_lists_received() == 2);
    soon("the node is asked again", asked).await;
    let closed = scene.hung().connections_closed();
    let mut third = connect(&scene.warden).await;
    run(
        &mut third,
        &format!("KILL QUERY {}", scene.client.thread_id),
    )
    .await
    .unwrap();
    let (code, _) = scene.client.read_error().await;
    assert_eq!(code, 1317);
    is_closed(scene.hung(), closed).await;
    scene.hung().set_behaviour(Behaviour::Healthy);
    let columns = second.read().await.unwrap();
    assert_eq!(columns, [13], "a list begins with its number of columns");
}

#[tokio::test]
async fn a_list_can_be_interrupted_at_every_stage() {
    type IsAsked = fn(&SimNode) -> bool;
    let stages: [(Behaviour, IsAsked); 3] = [
        (Behaviour::AcceptNoGreeting, |node| {
            node.connections_open() >= 1
        }),
        (Behaviour::HangInLogin, |node| !node.logins().is_empty()),
        (Behaviour::HangMidResult { after_rows: 3 }, |node| {
            node.session_lists_received() == 1
        }),
    ];
    for (behaviour, asked) in stages {
        let mut scene = Scene::hanging(behaviour, asked).await;
        let mut second = connect(&scene.warden).await;
        let kill = format!("KILL QUERY {}", scene.client.thread_id);
        run(&mut second, &kill).await.unwrap();
        scene.is_interrupted().await;
    }
}

#[tokio::test]
async fn a_list_that_waits_holds_up_no_other_client() {
    let cluster = SimCluster::start(3).await.unwrap();
    let args = [PATIENT, &["--relay-threads", "1"]].concat();
    let started = builder().servers(cluster.seeds()).args(args).start().await;
    let warden = started.unwrap();
    let (mut waiting, mut other) = (connect(&warden).await, connect(&warden).await);
    let node = cluster.node(2);
    node.set_behaviour(Behaviour::HangInQuery);
    let others = async {
        let asked = node.until(|node| node.session_lists_received() == 1);
        soon("the node is asked", asked).await;
        for _ in 0..10 {
            run(&mut other, "SELECT 1").await.unwrap();
        }
        node.set_behaviour(Behaviour::Healthy);
    };
    let (seen, ()) = tokio::join!(list(&mut waiting), others);
    assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
}
