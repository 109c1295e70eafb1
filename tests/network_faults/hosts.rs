//! Hosts that are gone without a word: no refusal, no reset, no end.

use std::time::{Duration, Instant};

use testkit::host::Host;
use testkit::link::{Cut, CutEnd, FIRST_STATEMENT, Faults, Link, Loss};
use testkit::seekdb::SeekdbCluster;
use testkit::sim::SimCluster;

use crate::scene::{HELD_SESSIONS, Scene, Told, is_back, misses, warm_up};
use crate::support::{
    GRACE, SOON, builder, connect, list, run, server_error, soon, try_connect, until,
};

const NO_CONNECTION: Told<'_> = Told {
    state: "NO ANSWER",
    code: 1429,
    info: "no connection after 1.0 s in connect",
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_whose_host_dies_is_named_in_time_and_back_with_its_network() {
    let cluster = SeekdbCluster::start(2).await.unwrap();
    let host = Host::start().await.unwrap();
    let link = Link::on(&host, 0, cluster.node(1).addr()).await.unwrap();
    let (node, other) = (link.addr(), cluster.node(0).addr());
    let mut servers = cluster.servers();
    servers[1].svr_ip = node.ip().to_string();
    servers[1].inner_port = node.port();
    cluster.set_topology(&servers).await.unwrap();
    let warden = until("obwarden starts", 3 * SOON, async || {
        let args = ["--node-timeout", "1s"];
        builder()
            .servers(&cluster.seeds()[..1])
            .args(args)
            .start()
            .await
    })
    .await;
    let mut conn = connect(&warden).await;
    let mut clients = vec![connect(&warden).await, connect(&warden).await];
    clients.push(connect(&warden).await);
    warm_up(&mut clients, &link).await;
    let victim = cluster.node(1).connect().await.unwrap();

    host.unplug().unwrap();
    let no_answer = Told {
        state: "NO ANSWER",
        code: 4012,
        info: "no answer after 1.0 s in query",
    };
    assert!(
        !misses(&mut conn, node, &no_answer)
            .await
            .ids(other)
            .is_empty()
    );
    for _ in 0..2 {
        let seen = misses(&mut conn, node, &NO_CONNECTION).await;
        assert!(!seen.ids(other).is_empty());
    }
    let kill = format!("KILL SERVER SESSION {} {}", node.ip(), victim.id());
    let (code, text) = server_error(run(&mut conn, &kill).await);
    assert!(
        code == 1429 && text.ends_with("; nothing was killed"),
        "{code} {text}"
    );

    host.plug_in().unwrap();
    assert!(is_back(&mut conn).await.ids(node).contains(&victim.id()));
}

#[tokio::test]
async fn a_host_that_was_restarted_while_it_was_away_costs_no_row() {
    let host = Host::start().await.unwrap();
    let mut scene = Scene::on(&host, HELD_SESSIONS).await;
    scene.warm_up().await;
    host.unplug().unwrap();
    scene.link.lose_connections(Loss::Reset);
    let node = scene.cluster.node(1);
    soon(
        "it forgets",
        node.until(|node| node.connections_open() == 0),
    )
    .await;

    host.plug_in().unwrap();
    scene.is_whole().await;
    scene.is_whole().await;
}

#[tokio::test]
async fn a_host_that_dies_in_the_middle_of_rows_is_named_in_time() {
    let host = Host::start().await.unwrap();
    let mut scene = Scene::on(&host, 500).await;
    scene.link.set(Faults::cut(Cut {
        from_answer: FIRST_STATEMENT,
        after_bytes: 16 * 1024,
        then: CutEnd::Stall,
    }));
    let told = Told {
        state: "NO ANSWER",
        code: 4012,
        info: " rows that had come are dropped",
    };
    let addr = scene.link.addr();
    let dies = async {
        soon("the answer has begun", scene.link.answer_cut()).await;
        host.unplug().unwrap();
    };
    let (seen, ()) = tokio::join!(misses(&mut scene.conn, addr, &told), dies);
    assert!(seen.why(addr).contains("in reading the answer"));
    scene.misses(&NO_CONNECTION).await;

    // Only now it hears that connections were closed: it cannot say how many there were at once.
    scene.link.heal();
    host.plug_in().unwrap();
    is_back(&mut scene.conn).await;
    scene.is_whole().await;
}

#[tokio::test]
async fn clients_of_a_host_that_is_gone_are_sent_to_the_next() {
    let cluster = SimCluster::start(2).await.unwrap();
    let host = Host::start().await.unwrap();
    let first = Link::on(&host, 0, cluster.node(0).addr()).await.unwrap();
    let seeds = [first.addr().to_string(), cluster.node(1).seed()];
    let args = ["--node-timeout", "1s", "--connect-timeout", "500ms"];
    let warden = builder().servers(&seeds).args(args).start().await.unwrap();
    let early = connect(&warden).await;
    assert!(cluster.node(0).has_session(early.id()));

    host.unplug().unwrap();
    let began = Instant::now();
    let mut late = try_connect(&warden, "root@sys").await.expect("a login");
    let took = began.elapsed();
    assert!(took <= Duration::from_millis(500) + GRACE, "{took:?}");
    assert!(cluster.node(1).has_session(late.id()));
    assert_eq!(list(&mut late).await.failed(), []);

    // Nor does the proxy need it to start.
    drop(warden);
    let warden = builder().servers(&seeds).args(args).start().await.unwrap();
    let again = connect(&warden).await;
    assert!(cluster.node(1).has_session(again.id()));
}
