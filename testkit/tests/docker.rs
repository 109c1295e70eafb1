//! The files for those who have Docker, as far as they can be checked without an engine.

use std::fs;
use std::process::{Command, Output};

use mysql_async::prelude::Queryable;
use testkit::paths::workspace_dir;
use testkit::seekdb::{self, SeekdbCluster};

#[test]
fn docker_compose_accepts_the_file() {
    let output = docker_compose(&["config", "--services"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let services = String::from_utf8(output.stdout).unwrap();
    let mut services: Vec<&str> = services.lines().collect();
    services.sort_unstable();
    assert_eq!(
        services,
        ["obwarden", "register", "seekdb1", "seekdb2", "seekdb3"]
    );
}

#[test]
fn obwarden_waits_for_the_registration_and_that_for_the_nodes() {
    let output = docker_compose(&["config"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let config = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        config.matches("condition: service_healthy").count(),
        3,
        "{config}"
    );
    assert_eq!(
        config
            .matches("condition: service_completed_successfully")
            .count(),
        1,
        "{config}"
    );
}

#[test]
fn no_image_runs_as_root() {
    for file in ["Dockerfile", "docker/seekdb.Dockerfile"] {
        let dockerfile = read(file);
        let last_stage = dockerfile.rsplit("\nFROM ").next().unwrap();
        let user = last_stage
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("USER "));
        assert!(
            user.is_some_and(|user| !["root", "0"].contains(&user)),
            "{file}: {user:?}"
        );
    }
    assert!(read("Dockerfile").contains("\nEXPOSE 2889\n"));
}

#[test]
fn the_image_and_the_tests_use_the_same_seekdb() {
    let pinned = format!("{} --hash=sha256:{}\n", seekdb::REQUIREMENT, seekdb::SHA256);
    assert_eq!(read("docker/seekdb-requirements.txt"), pinned);
}

/// One kernel, which listens on every address, stands for three.
#[tokio::test]
async fn the_register_script_makes_nodes_a_cluster() {
    let cluster = SeekdbCluster::start(1).await.unwrap();
    cluster.drop_topology().await.unwrap();
    let node = cluster.node(0);
    let output = Command::new("sh")
        .arg(workspace_dir().join("docker/register.sh"))
        .args(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        .env("SQL_PORT", node.port().to_string())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let mut conn = node.connect().await.unwrap();
    let rows: Vec<(String, u16, u8, String)> = conn
        .query("SELECT svr_ip, inner_port, id, zone FROM oceanbase.__all_server ORDER BY id")
        .await
        .unwrap();
    let row = |id: u8| (format!("127.0.0.{id}"), node.port(), id, format!("z{id}"));
    assert_eq!(rows, [row(1), row(2), row(3)]);
}

fn docker_compose(args: &[&str]) -> Output {
    Command::new("docker-compose")
        .arg("--file")
        .arg(workspace_dir().join("docker-compose.yml"))
        .args(args)
        .output()
        .expect("docker-compose is missing; on Debian: apt-get install docker-compose")
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace_dir().join(path)).expect(path)
}
