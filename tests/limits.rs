//! What clients may take of the proxy, and what those get who come on top.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use testkit::process::Signal;
use testkit::sim::{Behaviour, SimCluster};

use support::{
    GRACE, RawClient, SOON, connect, run, server_error, sql_error, try_connect, until, warden,
};

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

const ONE_SECOND: Duration = Duration::from_secs(1);
/// Clients are taken in as they come; one at a time.
const ONE_AT_A_TIME: &[&str] = &[
    "--max-connections",
    "1",
    "--relay-threads",
    "1",
    "--handshake-timeout",
    "1s",
];

#[tokio::test]
async fn one_that_dribbles_its_login_or_says_nothing_gets_1159_and_its_place_is_free() {
    const PAUSE: Duration = Duration::from_millis(50);
    let cluster = SimCluster::start(1).await.unwrap();
    let login = RawClient::login("root", &[]);
    for dribbled in [false, true] {
        let warden = warden(&cluster, ONE_AT_A_TIME).await;
        let began = Instant::now();
        let mut slow = RawClient::greeted(warden.addr()).await;
        let (code, _) = server_error(try_connect(&warden, "root").await);
        assert_eq!(code, 1040);
        if dribbled {
            slow.send_bytes(&[login.len() as u8, 0, 0, 1]).await;
            for byte in &login {
                if began.elapsed() > ONE_SECOND {
                    break;
                }
                slow.send_bytes(&[*byte]).await;
                tokio::time::sleep(PAUSE).await;
            }
        }
        let (code, text) = slow.read_error().await;
        let took = began.elapsed();
        assert!(
            code == 1159 && took <= ONE_SECOND + GRACE,
            "{code} {text}: {took:?}"
        );
        // It still holds its socket, and nothing else.
        connect(&warden).await;
    }
}

#[tokio::test]
async fn whoever_is_refused_in_the_login_reads_why() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &["--packet-bytes-max", "16384"]).await;
    let flags = |capabilities: u32| [&capabilities.to_le_bytes()[..], &[0; 28]].concat();
    let login = RawClient::login("root", &[]);
    let long = [&login[..], &[b'x'; 20_000]].concat();
    let mut without_end = login.clone();
    without_end.truncate(34);
    for (what, payload, refusal) in [
        ("no login", vec![b'x'; 4], (1043, "08S01")),
        ("one that breaks off", without_end, (1043, "08S01")),
        ("a request for TLS", flags(0x8a00), (1043, "08S01")),
        ("the protocol before 4.1", flags(0x8000), (1043, "08S01")),
        ("an empty packet", Vec::new(), (1043, "08S01")),
        ("one too long", long, (1153, "08S01")),
        (
            "another tenant",
            RawClient::login("root@shop", &[]),
            (1045, "28000"),
        ),
        (
            "another cluster",
            RawClient::login("root@sys#other", &[]),
            (4666, "HY000"),
        ),
    ] {
        let mut client = RawClient::greeted(warden.addr()).await;
        client.send(1, &payload).await;
        // A client may have sent more by then: it must not lose its answer by that.
        client.send(2, &[b'x'; 1000]).await;
        let error = client.read().await.expect(what);
        let code = u16::from_le_bytes([error[1], error[2]]);
        let state = std::str::from_utf8(&error[4..9]).unwrap();
        assert_eq!(
            (error[0], code, state),
            (0xff, refusal.0, refusal.1),
            "{what}"
        );
        assert!(client.read().await.is_err(), "{what}: it is closed");
    }
}

#[tokio::test]
async fn a_shutdown_tells_those_in_their_login_too() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &["--connect-timeout", "10s"]).await;
    let mut greeted = RawClient::greeted(warden.addr()).await;
    cluster.node(0).set_behaviour(Behaviour::AcceptNoGreeting);
    let open = cluster.node(0).connections_open();
    let stream = tokio::net::TcpStream::connect(warden.addr()).await.unwrap();
    let mut waiting = RawClient::on(stream);
    cluster
        .node(0)
        .until(|node| node.connections_open() > open)
        .await;
    warden.signal(Signal::TERM).unwrap();
    for client in [&mut greeted, &mut waiting] {
        let (code, text) = client.read_error().await;
        assert!(
            code == 1053 && text.contains("shutting down"),
            "{code} {text}"
        );
    }
}

#[tokio::test]
async fn what_obwarden_reads_whole_is_limited_and_what_passes_through_is_not() {
    const LIMIT: usize = 16_384;
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &["--packet-bytes-max", "16384"]).await;
    let mut conn = connect(&warden).await;
    let padded = |statement: &str, bytes: usize| {
        let text = format!("{statement} /*  */");
        let padding = "x".repeat(bytes - 1 - text.len());
        format!("{statement} /* {padding} */")
    };
    run(&mut conn, &padded("SELECT 1", 10 * LIMIT))
        .await
        .unwrap();
    run(&mut conn, &padded("SHOW SERVER SESSIONS", LIMIT))
        .await
        .unwrap();
    let error = sql_error(run(&mut conn, &padded("SHOW SERVER SESSIONS", LIMIT + 1)).await);
    assert_eq!(
        (error.code, error.state.as_str()),
        (1153, "08S01"),
        "{error}"
    );
    assert!(error.message.contains("16384"), "{error}");
    assert!(conn.ping().await.is_err(), "the session has ended");
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
