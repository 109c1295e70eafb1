//! The last topology is kept in a file: a start at which no seed answers still finds the cluster, and never
//! another one.

use std::path::Path;
use std::{fs, slice};

use testkit::paths::RunDir;
use testkit::sim::{Behaviour, SimCluster, SimNode, Topology};
use testkit::warden::Warden;

use crate::support::{SOON, builder, connect, list, run, show_warnings, until};

struct Scene {
    cluster: SimCluster,
    dir: RunDir,
}

impl Scene {
    /// A cluster of three, of which the first is the only seed, and the file that a first run has left.
    async fn new() -> Self {
        let scene = Self {
            cluster: SimCluster::start(3).await.unwrap(),
            dir: RunDir::create().unwrap(),
        };
        let warden = scene.start(&[]).await.unwrap();
        is_written(&scene.file(), scene.node(2)).await;
        drop(warden);
        for node in scene.cluster.nodes() {
            node.forget_records();
        }
        scene
    }

    fn node(&self, number: usize) -> &SimNode {
        self.cluster.node(number)
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("topology.toml")
    }

    async fn start(&self, args: &[&str]) -> Result<Warden, String> {
        start(&self.node(0).seed(), &self.file(), args).await
    }
}

async fn start(seed: &str, file: &Path, args: &[&str]) -> Result<Warden, String> {
    let file = file.to_str().unwrap();
    let builder = builder().servers(slice::from_ref(&seed));
    let args = [&["--node-timeout", "1s", "--topology-cache", file], args].concat();
    let started = builder.args(args).start().await;
    started.map_err(|error| format!("{error:#}"))
}

/// Waits until the file names this node.
async fn is_written(file: &Path, node: &SimNode) {
    until("the file is written", SOON, async || {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.contains(&node.seed()) {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
}

#[tokio::test]
async fn with_the_seeds_dead_a_restart_finds_the_cluster() {
    let scene = Scene::new().await;
    for dead in [Behaviour::Refuse, Behaviour::AcceptNoGreeting] {
        scene.node(0).set_behaviour(dead);
        let warden = scene.start(&["--connect-timeout", "300ms"]).await.unwrap();
        let mut conn = connect(&warden).await;
        let seen = list(&mut conn).await;
        let [(failed, _)] = seen.failed()[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(failed, scene.node(0).addr());
        assert_eq!(seen.ids(scene.node(1).addr()), [conn.id()]);
        assert_eq!(seen.warnings, 1, "the topology is as new as can be");
        let log = warden.log();
        assert!(log.contains("a server from the file does"), "{log}");
    }
}

#[tokio::test]
async fn when_nobody_tells_the_topology_the_lists_say_how_old_it_is_until_somebody_does() {
    let scene = Scene::new().await;
    scene.node(0).set_behaviour(Behaviour::Refuse);
    scene.cluster.set_topology(Topology::Hangs);
    let warden = scene.start(&["--connect-timeout", "300ms"]).await.unwrap();
    let mut conn = connect(&warden).await;
    let seen = list(&mut conn).await;
    assert_eq!(seen.failed(), [(scene.node(0).addr(), "REFUSED")]);
    assert_eq!(seen.warnings, 2);
    let warnings = show_warnings(&mut conn).await;
    let old = |(_, _, text): &(String, u16, String)| text.starts_with("the topology is ");
    assert!(warnings.iter().any(old), "{warnings:?}");

    scene.cluster.set_topology(Topology::Listed);
    assert_eq!(list(&mut conn).await.warnings, 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_warning_and_is_written_anew() {
    let scene = Scene::new().await;
    for broken in [&b"servers = ["[..], b"", b"\xff\xfe"] {
        fs::write(scene.file(), broken).unwrap();
        let warden = scene.start(&[]).await.unwrap();
        let log = warden.log();
        let is_it = |line: &&str| line.contains("WARN") && line.contains("cache is of no use");
        assert_eq!(log.lines().filter(is_it).count(), 1, "{log}");
        is_written(&scene.file(), scene.node(2)).await;
    }
}

#[tokio::test]
async fn where_the_file_cannot_be_written_there_is_one_warning() {
    let cluster = SimCluster::start(2).await.unwrap();
    let file = Path::new("/proc/obwarden/topology.toml");
    let args = ["--topology-refresh-interval", "50ms"];
    let warden = start(&cluster.node(0).seed(), file, &args).await.unwrap();
    let mut conn = connect(&warden).await;
    let warnings = || {
        let log = warden.log();
        let is_it = |line: &&str| line.contains("cannot be kept in its file");
        log.lines().filter(is_it).count()
    };
    until("it is logged", SOON, async || match warnings() {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    for _ in 0..10 {
        assert_eq!(list(&mut conn).await.warnings, 0);
    }
    assert_eq!(warnings(), 1);
}

#[tokio::test]
async fn another_clusters_file_leads_nowhere() {
    let scene = Scene::new().await;
    let other = SimCluster::start(1).await.unwrap();
    other.set_behaviour(Behaviour::Refuse);
    let started = start(&other.node(0).seed(), &scene.file(), &[]).await;
    let error = started.expect_err("its seed is dead");
    assert!(error.contains("may be another cluster's"), "{error}");

    // The same seed, and another name.
    scene.node(0).set_behaviour(Behaviour::Refuse);
    let error = scene.start(&["--cluster", "prod2"]).await;
    let error = error.expect_err("another cluster is wanted");
    assert!(
        error.contains("'obcluster'") && error.contains("'prod2'"),
        "{error}"
    );
    for node in scene.cluster.nodes() {
        assert_eq!(node.logins(), [""; 0], "nobody was asked");
    }
}

#[tokio::test]
async fn a_server_that_has_gone_over_to_another_cluster_is_not_followed() {
    let scene = Scene::new().await;
    scene.node(0).set_behaviour(Behaviour::Refuse);
    scene.cluster.set_name("prod2");
    let error = scene.start(&[]).await.expect_err("its cluster is another");
    assert!(
        error.contains("'prod2'") && error.contains("'obcluster'"),
        "{error}"
    );
    // The same when its table cannot be read.
    scene.cluster.set_topology(Topology::Hangs);
    scene.start(&[]).await.expect_err("its cluster is another");

    // Of the same name, but with other servers.
    scene.cluster.set_topology(Topology::Listed);
    scene.cluster.set_name("obcluster");
    let strangers = SimCluster::start(2).await.unwrap();
    let mut servers = strangers.servers();
    servers.push(scene.cluster.servers().remove(1));
    servers.push(scene.cluster.servers().remove(2));
    for server in &mut servers {
        server.id += 10;
    }
    scene.cluster.set_servers(servers);
    let error = scene.start(&[]).await.expect_err("its cluster is another");
    assert!(error.contains("with other servers now"), "{error}");
    for node in strangers.nodes() {
        assert_eq!(node.logins(), [""; 0]);
    }
}

#[tokio::test]
async fn the_file_follows_the_topology() {
    let scene = Scene::new().await;
    let args = ["--topology-refresh-interval", "50ms"];
    let warden = scene.start(&args).await.unwrap();
    let mut conn = connect(&warden).await;
    scene.cluster.unlist_server(2);
    until("the file follows", SOON, async || {
        let text = fs::read_to_string(scene.file()).unwrap();
        if text.contains(&scene.node(2).seed()) {
            Err(text)
        } else {
            Ok(())
        }
    })
    .await;
    // Nothing is written while nothing changes.
    let written = fs::metadata(scene.file()).unwrap().modified().unwrap();
    for _ in 0..10 {
        list(&mut conn).await;
    }
    run(&mut conn, "SELECT 1").await.unwrap();
    let again = fs::metadata(scene.file()).unwrap().modified().unwrap();
    assert_eq!(written, again);
}
