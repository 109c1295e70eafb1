//! `--check`: what it says of a cluster.

use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use testkit::sim::{Behaviour, Build, Reach, SimAccount, SimCluster, SimSession, Topology};

use crate::{Ended, NO_PASSWORD, run};

async fn check(seed: &str, args: &[&str]) -> Ended {
    let args = [&["--check", "--server", seed, "--user", "root@sys"], args].concat();
    run(&args, &[NO_PASSWORD]).await
}

async fn check_simulated(cluster: &SimCluster) -> Ended {
    check(&cluster.node(0).seed(), &["--node-timeout", "1s"]).await
}

fn line_with<'t>(text: &'t str, part: &str) -> &'t str {
    let line = text.lines().find(|line| line.contains(part));
    line.unwrap_or_else(|| panic!("no {part} in: {text}"))
}

/// The line behind that of a node: its query and its columns.
fn list_of<'t>(text: &'t str, node: &str) -> &'t str {
    let mut lines = text.lines().skip_while(|line| !line.contains(node));
    lines
        .nth(1)
        .unwrap_or_else(|| panic!("no list of {node} in: {text}"))
}

#[tokio::test]
async fn it_says_of_each_seekdb_node_whether_it_answers() {
    let cluster = SeekdbCluster::start(2).await.unwrap();
    let healthy = check_each(&cluster).await;
    let list = list_of(&healthy, &cluster.seeds()[0]);
    let columns = "    SELECT * FROM oceanbase.V$OB_PROCESSLIST: ";
    assert!(list.starts_with(columns) && list.contains("USER"), "{list}");
    assert!(list_of(&healthy, &cluster.seeds()[1]).ends_with("columns, the same"));
    // Its ids are small, which is no failure.
    let ids = line_with(&healthy, "ids made by this server: 0, by another: 0, ");
    assert!(!ids.ends_with(": 0"), "{ids}");
    line_with(&healthy, "GV$OB_PROCESSLIST: there is no such view here");
    line_with(&healthy, "service account root: it may read what it needs");
}

#[tokio::test]
async fn it_says_of_each_mariadb_node_whether_it_answers() {
    let cluster = MariadbCluster::start(2).await.unwrap();
    check_each(&cluster).await;
}

/// Says what it says while both nodes are well.
async fn check_each(cluster: &Cluster) -> String {
    let seed = &cluster.seeds()[0];
    let healthy = check(seed, &[]).await;
    assert_eq!(
        (healthy.code, healthy.stderr.as_str()),
        (Some(0), ""),
        "{}",
        healthy.stdout
    );
    for node in cluster.nodes() {
        let line = line_with(&healthy.stdout, &node.addr().to_string());
        assert!(
            line.contains("ok") && line.contains(&node.server().zone),
            "{line}"
        );
    }
    line_with(&healthy.stdout, "2 servers, 0 failed");

    cluster.node(1).process().kill().unwrap();
    let down = check(seed, &[]).await;
    assert_eq!(down.code, Some(1), "{}", down.stdout);
    assert!(
        line_with(&down.stdout, seed).contains("ok"),
        "{}",
        down.stdout
    );
    let line = line_with(&down.stdout, &cluster.node(1).addr().to_string());
    assert!(line.contains("REFUSED"), "{line}");
    healthy.stdout
}

#[tokio::test]
async fn a_rolling_upgrade_shows_in_queries_and_columns() {
    let cluster = SimCluster::builder()
        .nodes(4)
        .zones(4)
        .node_build(1, Build::V4_0)
        .node_build(2, Build::V3)
        .node_build(3, Build::Mysql)
        .start()
        .await
        .unwrap();
    let ended = check_simulated(&cluster).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let list = |number: usize| list_of(&ended.stdout, &cluster.node(number).seed());
    assert!(
        list(0).contains("36 columns: SVR_IP, SVR_PORT"),
        "{}",
        list(0)
    );
    assert!(
        list(1).contains("28 columns, without LEVEL, "),
        "{}",
        list(1)
    );
    assert!(list(2).contains("__all_virtual_processlist"), "{}", list(2));
    assert!(
        list(3).contains("SHOW FULL PROCESSLIST: 8 columns, without SVR_IP, "),
        "{}",
        list(3)
    );
}

#[tokio::test]
async fn ids_tell_the_server_that_has_made_them() {
    let cluster = SimCluster::start(2).await.unwrap();
    for id in [3_221_487_000 + (9 << 18), 700, 701] {
        cluster.node(1).add_session(SimSession {
            id,
            ..SimSession::default()
        });
    }
    let ended = check_simulated(&cluster).await;
    let seed = cluster.node(1).seed();
    let mut lines = ended
        .stdout
        .lines()
        .skip_while(|line| !line.contains(&seed));
    let ids = lines.nth(2).unwrap();
    assert!(
        ids.ends_with("by another: 1, by ODP or without a server in them: 2"),
        "{ids}"
    );
    assert_eq!(ended.code, Some(0), "it is no failure");
}

#[tokio::test]
async fn the_clusters_own_list_is_compared() {
    let cluster = SimCluster::start(3).await.unwrap();
    for node in cluster.nodes() {
        node.hold_sessions(10);
    }
    let same = check_simulated(&cluster).await.stdout;
    line_with(
        &same,
        "GV$OB_PROCESSLIST: it agrees with the servers' own lists",
    );

    // The other nodes do not reach it, and leave its sessions out.
    let lost = cluster.node(2);
    lost.set_reach(Some(Reach::Gone));
    let ended = check_simulated(&cluster).await;
    let line = line_with(&ended.stdout, "only in their servers' own lists");
    assert!(
        line.contains(&format!("\"{}:{}\" ", lost.ip(), lost.rpc_port())),
        "{line}"
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);

    // Nor is it reached by the proxy, only by the other nodes.
    lost.set_reach(Some(Reach::Answers));
    lost.set_behaviour(Behaviour::Refuse);
    let ended = check_simulated(&cluster).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let line = line_with(&ended.stdout, &lost.seed());
    assert!(
        line.contains("REFUSED") && line.contains("sessions were read through "),
        "{line}"
    );
    line_with(
        &ended.stdout,
        "sessions are of servers that have not answered",
    );

    lost.set_reach(Some(Reach::Hangs));
    let ended = check_simulated(&cluster).await;
    line_with(&ended.stdout, "GV$OB_PROCESSLIST: it cannot be read: ");
}

#[tokio::test]
async fn what_the_service_account_lacks_is_told() {
    let cluster = SimCluster::start(1).await.unwrap();
    cluster.set_accounts(vec![SimAccount::new("root")]);
    let ended = check_simulated(&cluster).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    for needed in [
        "GRANT PROCESS ON *.* TO 'root'",
        "GRANT SUPER ON *.* TO 'root'",
    ] {
        line_with(&ended.stdout, needed);
    }
    cluster.set_accounts(vec![SimAccount {
        select_priv: true,
        ..SimAccount::new("root")
    }]);
    let ended = check_simulated(&cluster).await;
    assert!(!ended.stdout.contains("GRANT PROCESS"), "{}", ended.stdout);
}

#[tokio::test]
async fn with_a_topology_that_nobody_tells_it_says_so() {
    let cluster = SimCluster::start(1).await.unwrap();
    cluster.set_topology(Topology::Hangs);
    let ended = check_simulated(&cluster).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.contains(&cluster.node(0).seed()), "{last}");
}
