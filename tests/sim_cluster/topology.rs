//! Which nodes are asked: those of `__all_server`, as it is now or as it was last seen.

use testkit::sim::{Behaviour, ServerError, SimCluster, Topology};

use crate::support::{builder, connect, list, show_warnings, warden};

const ONE_SECOND: &[&str] = &["--node-timeout", "1s"];

#[tokio::test]
async fn without_a_table_of_servers_the_node_is_the_cluster() {
    for topology in [Topology::Missing, Topology::Empty] {
        let cluster = SimCluster::start(1).await.unwrap();
        cluster.set_topology(topology.clone());
        let held = cluster.node(0).hold_sessions(3);
        let warden = warden(&cluster, &[]).await;
        let mut conn = connect(&warden).await;
        let seen = list(&mut conn).await;
        assert_eq!((seen.failed(), seen.warnings), (vec![], 0), "{topology:?}");
        let ids = seen.ids(cluster.node(0).addr());
        assert_eq!(ids.len(), 4, "{topology:?}");
        assert!(
            held.clone().all(|id| ids.contains(&id)),
            "{topology:?}: {ids:?}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_or_emptied_topology_leaves_the_list_complete_and_says_how_old_it_is() {
    let cluster = SimCluster::start(3).await.unwrap();
    let held = cluster
        .nodes()
        .iter()
        .map(|node| node.hold_sessions(3))
        .collect::<Vec<_>>();
    let warden = warden(&cluster, ONE_SECOND).await;
    let mut conn = connect(&warden).await;
    for topology in [
        Topology::Hangs,
        Topology::Fails(ServerError::new(4012, "Timeout")),
        Topology::Missing,
        Topology::Empty,
    ] {
        cluster.set_topology(topology.clone());
        let seen = list(&mut conn).await;
        assert_eq!(seen.failed(), [], "{topology:?}");
        for (node, held) in cluster.nodes().iter().zip(&held) {
            let ids = seen.ids(node.addr());
            assert!(
                held.clone().all(|id| ids.contains(&id)),
                "{topology:?}: {ids:?}"
            );
        }
        assert_eq!(seen.warnings, 1, "{topology:?}");
        let shown = show_warnings(&mut conn).await;
        let [(level, 1105, text)] = &shown[..] else {
            panic!("{topology:?}: {shown:?}");
        };
        assert_eq!(level, "Warning");
        assert!(
            text.starts_with("the topology is ") && text.contains(" s old"),
            "{text}"
        );
        for node in cluster.nodes() {
            assert!(text.contains(&node.seed()), "{text}");
        }
    }
    cluster.set_topology(Topology::Listed);
    assert_eq!(list(&mut conn).await.warnings, 0);
}

#[tokio::test]
async fn any_seed_that_answers_is_enough_to_start() {
    let cluster = SimCluster::start(3).await.unwrap();
    cluster.node(0).set_behaviour(Behaviour::Refuse);
    cluster.node(1).set_behaviour(Behaviour::AcceptNoGreeting);
    let args = ["--node-timeout", "1s", "--connect-timeout", "300ms"];
    let warden = warden(&cluster, &args).await;
    let mut conn = connect(&warden).await;
    let seen = list(&mut conn).await;
    let expected = [
        (cluster.node(0).addr(), "REFUSED"),
        (cluster.node(1).addr(), "NO ANSWER"),
    ];
    assert_eq!((seen.failed(), seen.warnings), (expected.to_vec(), 2));
    assert_eq!(seen.ids(cluster.node(2).addr()), [conn.id()]);
}

#[tokio::test]
async fn with_no_node_to_ask_it_does_not_start_and_names_those_tried() {
    let cluster = SimCluster::start(2).await.unwrap();
    cluster.set_behaviour(Behaviour::Refuse);
    let started = builder().servers(cluster.seeds()).start().await;
    let error = format!("{:#}", started.expect_err("nobody is there"));
    for node in cluster.nodes() {
        assert!(error.contains(&node.seed()), "{error}");
    }
}

#[tokio::test]
async fn a_seed_without_an_address_is_told_and_costs_the_others_nothing() {
    let cluster = SimCluster::start(2).await.unwrap();
    let nowhere = "no-such-host.invalid:2881";
    let alone = builder().servers([nowhere]).start().await;
    let error = format!("{:#}", alone.expect_err("nobody is there"));
    assert!(
        error.contains(nowhere) && error.contains(" s in resolve"),
        "{error}"
    );

    let seeds = [nowhere.to_owned(), cluster.node(0).seed()];
    let warden = builder().servers(seeds).start().await.unwrap();
    assert!(warden.log().contains(nowhere), "{}", warden.log());
    let mut conn = connect(&warden).await;
    let seen = list(&mut conn).await;
    assert_eq!((seen.failed(), seen.warnings), (vec![], 0));
    assert_eq!(seen.ids(cluster.node(0).addr()), [conn.id()]);
    list(&mut conn).await;
    let told = warden.log().matches(nowhere).count();
    assert_eq!(told, 1, "once, and not at each list: {}", warden.log());
}
