//! What clients may take of the proxy, and what those get who come on top.

mod support;

use std::fs;

use mysql_async::prelude::Queryable;
use testkit::sim::SimCluster;

use support::{SOON, connect, server_error, try_connect, until, warden};

#[tokio::test]
async fn one_client_too_many_is_refused_with_1040_and_served_once_another_has_left() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &["--max-connections", "2"]).await;
    let first = connect(&warden).await;
    let mut second = connect(&warden).await;
    let (code, text) = server_error(try_connect(&warden, "root").await);
    assert_eq!((code, text.as_str()), (1040, "Too many connections"));
    second.ping().await.unwrap();
    first.disconnect().await.unwrap();
    until("a place that has become free", SOON, async || {
        try_connect(&warden, "root").await
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_is_probed_on_both_sides() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut conn = connect(&warden).await;
    conn.query_drop("SELECT 1").await.unwrap();
    let backend = cluster.node(0).addr().port();
    for (what, local, remote) in [
        ("client", Some(warden.addr().port()), None),
        ("backend", None, Some(backend)),
    ] {
        until(what, SOON, async || {
            has_keepalive_timer(local, remote)
                .then_some(())
                .ok_or("no timer")
        })
        .await;
    }
}

/// Whether an established connection of these ports has the timer that probes it (2, as the kernel counts
/// timers in /proc/net/tcp: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html).
fn has_keepalive_timer(local: Option<u16>, remote: Option<u16>) -> bool {
    let port = |field: &str| {
        field
            .rsplit(':')
            .next()
            .and_then(|port| u16::from_str_radix(port, 16).ok())
    };
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_meant =
            |wanted: Option<u16>, at: usize| wanted.is_none_or(|p| port(fields[at]) == Some(p));
        let established = fields[3] == "01";
        established && is_meant(local, 1) && is_meant(remote, 2) && fields[5].starts_with("02:")
    })
}
