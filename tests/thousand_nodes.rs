//! A thousand nodes that hang at once. Nothing runs beside it: it takes all of a machine.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::Conn;
use testkit::sim::{Behaviour, SimCluster};
use testkit::warden::Warden;

use support::{SOON, builder, connect, list, until};

const NODES: usize = 1000;
const NODE_TIMEOUT: Duration = Duration::from_secs(3);
/// How soon all are in the list again; a busy machine takes its time to log in a thousand times.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const SLOTS: usize = 2;
/// Probes open connections beside those of lists: what nobody needs then is closed within [`SOON`].
const IDLE_TIMEOUT: &str = "10s";
/// Descriptors that the proxy takes besides its connections to nodes, and to spare.
const OTHER_DESCRIPTORS: usize = 64;

struct Crowd {
    cluster: SimCluster,
    warden: Warden,
    conn: Conn,
}

impl Crowd {
    async fn start() -> Self {
        let cluster = SimCluster::builder()
            .nodes(NODES + 1)
            .start()
            .await
            .unwrap();
        for node in cluster.nodes() {
            node.hold_sessions(1);
        }
        let warden = builder()
            .servers(&cluster.seeds()[..1])
            .args(["--node-idle-timeout", IDLE_TIMEOUT])
            .start()
            .await
            .unwrap();
        let conn = connect(&warden).await;
        let mut crowd = Self {
            cluster,
            warden,
            conn,
        };
        crowd.is_whole().await;
        crowd
    }

    /// All but the first, which is everybody's backend.
    fn set_behaviour(&self, behaviour: &Behaviour) {
        for node in &self.cluster.nodes()[1..] {
            node.set_behaviour(behaviour.clone());
        }
    }

    /// Lists: all of them are named, at the price of one deadline and not of two.
    async fn is_missing(&mut self) {
        let seen = list(&mut self.conn).await;
        assert!(seen.took < 2 * NODE_TIMEOUT, "{:?}", seen.took);
        let failed = seen.failed();
        assert_eq!((failed.len(), usize::from(seen.warnings)), (NODES, NODES));
        assert!(failed.iter().all(|(_, state)| *state == "NO ANSWER"));
        assert!(!seen.ids(self.cluster.node(0).addr()).is_empty());
        self.is_bounded();
    }

    fn is_bounded(&self) {
        for node in &self.cluster.nodes()[1..] {
            let peak = node.connections_peak();
            assert!(peak <= SLOTS, "{peak} connections to {node:?}");
        }
        let descriptors = self.warden.open_descriptors().unwrap();
        let most = SLOTS * NODES + OTHER_DESCRIPTORS;
        assert!(descriptors <= most, "{descriptors} descriptors");
    }

    /// Lists until all are there.
    async fn is_whole(&mut self) {
        until("all nodes are in the list", BACK_WITHIN, async || {
            let seen = list(&mut self.conn).await;
            let failed: Vec<(SocketAddr, &str)> = seen.failed();
            match failed.len() {
                0 => Ok(()),
                count => Err((count, failed[0].0)),
            }
        })
        .await;
        self.is_bounded();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_hung_nodes_cost_one_deadline_and_all_come_back() {
    let mut crowd = Crowd::start().await;
    let settled = crowd.warden.open_descriptors().unwrap();
    for behaviour in [Behaviour::HangInQuery, Behaviour::AcceptNoGreeting] {
        crowd.set_behaviour(&behaviour);
        for _ in 0..2 {
            crowd.is_missing().await;
        }
        crowd.set_behaviour(&Behaviour::Healthy);
        crowd.is_whole().await;
    }
    until(
        "no more descriptors than before",
        SOON,
        async || match crowd.warden.open_descriptors().unwrap() {
            now if now <= settled + SLOTS => Ok(()),
            now => Err((settled, now)),
        },
    )
    .await;
}
