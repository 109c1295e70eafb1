//! A real HAProxy in front.

use std::ffi::OsString;
use std::process::Stdio;

use mysql_async::Conn;
use testkit::certificates::Certificates;
use testkit::sim::{SimCluster, SimSession};
use tokio::process::Command;

use crate::haproxy::Haproxy;
use crate::support::{SOON, builder, full_list, opts, run, soon, until, warden};

const LISTED: &[&str] = &["--proxy-protocol-from", "127.0.0.5"];

#[tokio::test]
async fn lists_audit_and_kill_show_the_client_behind_haproxy_with_version_1() {
    the_client_is_shown("send-proxy source 127.0.0.5").await;
}

#[tokio::test]
async fn lists_audit_and_kill_show_the_client_behind_haproxy_with_version_2() {
    the_client_is_shown("send-proxy-v2 source 127.0.0.5").await;
}

async fn the_client_is_shown(options: &str) {
    let cluster = SimCluster::start(2).await.unwrap();
    let warden = warden(&cluster, LISTED).await;
    let haproxy = Haproxy::before(warden.addr(), options).await;
    let mut conn = Conn::new(opts(haproxy.addr(), "root@sys")).await.unwrap();
    let node = cluster.node(1);
    let victim = node.add_session(SimSession::default());

    let list = full_list(&mut conn).await;
    let id = conn.id().to_string();
    let own = list.rows.iter().find(|row| {
        list.value(row, "Id") == Some(&id) && list.value(row, "Warden") == Some("client")
    });
    let shown = list.value(own.expect("it lists itself"), "Client").unwrap();
    assert!(shown.starts_with("127.0.0.1:"), "{shown}");

    run(
        &mut conn,
        &format!("KILL SERVER SESSION {} {victim}", node.ip()),
    )
    .await
    .unwrap();
    let kills = node.kills_received();
    let comment = format!("/* obwarden: KILL SERVER by root from {shown} */");
    assert!(kills[0].ends_with(&comment), "{kills:?}");
    until("the kill is recorded", SOON, async || {
        let log = warden.log();
        let records = log.lines().filter(|line| line.contains("obwarden::audit"));
        let of_client = format!("client={shown} ");
        let count = records.filter(|line| line.contains(&of_client)).count();
        if count == 2 { Ok(()) } else { Err(log) }
    })
    .await;
}

/// The header comes before all TLS, and in clear.
#[tokio::test]
async fn tls_begins_behind_the_header() {
    let certificates = Certificates::make().unwrap();
    let own = certificates.issue("obwarden", &["127.0.0.1"]).unwrap();
    let cluster = SimCluster::start(1).await.unwrap();
    let started = builder()
        .servers(cluster.seeds())
        .args(LISTED)
        .args(["--tls", "required", "--tls-certificate"])
        .args([&own.certificate])
        .args(["--tls-key"])
        .args([&own.key])
        .start();
    let warden = started.await.unwrap();
    for options in ["send-proxy", "send-proxy-v2"] {
        let options = format!("{options} source 127.0.0.5");
        let haproxy = Haproxy::before(warden.addr(), &options).await;
        let mut ca = OsString::from("--ssl-ca=");
        ca.push(certificates.ca());
        let mysql = Command::new("mysql")
            .args(["--no-defaults", "-h127.0.0.1", "-uroot", "-N"])
            .arg(format!("-P{}", haproxy.addr().port()))
            .args([ca, "--ssl-verify-server-cert".into()])
            .args(["-e", "SHOW FULL SERVER SESSIONS"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = soon("mysql ends", mysql).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("client") && said.contains("127.0.0.1:"),
            "{options}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!said.contains("127.0.0.5"), "{options}: {said}");
    }
}

#[tokio::test]
async fn health_checks_leave_no_trace_in_an_ordinary_log() {
    const CHECKS: &str = "check inter 20ms fastinter 20ms downinter 20ms source 127.0.0.5";
    const CHECKS_SEEN: usize = 10;
    let cluster = SimCluster::start(1).await.unwrap();
    for options in ["send-proxy", "send-proxy-v2"] {
        let started = builder()
            .servers(cluster.seeds())
            .args(LISTED)
            .env("OBWARDEN_LOG", "debug")
            .start();
        let warden = started.await.unwrap();
        let _haproxy = Haproxy::before(warden.addr(), &format!("{options} {CHECKS}")).await;
        let log = until("some checks are over", SOON, async || {
            let log = warden.log();
            let checks = log.matches("client=127.0.0.5").count();
            if checks >= CHECKS_SEEN {
                Ok(log)
            } else {
                Err(log)
            }
        })
        .await;
        for line in log.lines().filter(|line| line.contains("127.0.0.5")) {
            assert!(line.contains(" DEBUG "), "'{options}': {line}");
        }
    }
}

#[tokio::test]
async fn a_client_past_haproxy_is_served_as_ever() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, LISTED).await;
    let mut conn = Conn::new(opts(warden.addr(), "root@sys")).await.unwrap();
    run(&mut conn, "SELECT 1").await.unwrap();
}
