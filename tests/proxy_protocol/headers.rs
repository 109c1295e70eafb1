//! Headers by hand: where none is read, wrong ones, missing ones, and slow ones.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::sim::SimCluster;
use testkit::warden::Warden;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::LISTED;
use crate::support::{GRACE, RawClient, SOON, soon, until, warden};

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 127.0.0.1 56324 2889\r\n";
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

async fn stage() -> (SimCluster, Warden) {
    let cluster = SimCluster::start(1).await.unwrap();
    let args = [
        "--proxy-protocol-from",
        "10.1.0.0/16,127.0.0.5",
        "--handshake-timeout",
        "1s",
        "--max-connections",
        "1",
        // Clients are taken in as they come.
        "--relay-threads",
        "1",
    ];
    let warden = warden(&cluster, &args).await;
    (cluster, warden)
}

async fn connect_from(ip: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ip, 0).into()).unwrap();
    soon("connecting", socket.connect(to)).await.unwrap()
}

async fn is_logged(warden: &Warden, part: &str) -> String {
    until(part, SOON, async || {
        let log = warden.log();
        let line = log.lines().find(|line| line.contains(part));
        line.map(str::to_owned).ok_or(log.clone())
    })
    .await
}

#[tokio::test]
async fn a_header_may_be_dribbled_and_the_client_is_greeted_after_it() {
    let (_cluster, warden) = stage().await;
    let mut stream = connect_from(LISTED, warden.addr()).await;
    for byte in HEADER {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut client = RawClient::greeted_on(stream).await;
    client.send_login("root@shop", &[]).await;
    assert_eq!(client.read_error().await.0, 1045);
    let line = is_logged(&warden, "a client is not logged in").await;
    assert!(line.contains("client=192.0.2.7:56324"), "{line}");
}

/// A client need not wait for the greeting before it sends its login: what is behind the header is its.
#[tokio::test]
async fn a_login_in_the_same_packet_as_the_header_is_not_lost() {
    let (_cluster, warden) = stage().await;
    let stream = connect_from(LISTED, warden.addr()).await;
    let mut client = RawClient::on(stream);
    let login = RawClient::login("root", &[]);
    let packet = [HEADER, &[login.len() as u8, 0, 0, 1], &login].concat();
    client.send_bytes(&packet).await;
    client.read_greeting().await;
    assert_eq!(client.read().await.unwrap()[0], 0, "logged in");
}

#[tokio::test]
async fn from_others_a_header_is_a_bad_login() {
    let (_cluster, warden) = stage().await;
    let mut stream = connect_from([127, 0, 0, 6], warden.addr()).await;
    stream.write_all(HEADER).await.unwrap();
    let mut client = RawClient::greeted_on(stream).await;
    let (code, text) = client.read_error().await;
    assert!(matches!(code, 1043 | 1153), "{code} {text}");
    let line = is_logged(&warden, "a client is not logged in").await;
    assert!(line.contains("client=127.0.0.6:"), "{line}");
    assert!(!warden.log().contains("192.0.2.7"), "{}", warden.log());
}

#[tokio::test]
async fn garbage_in_a_headers_place_is_refused_at_once_and_logged_with_who_and_why() {
    let (_cluster, warden) = stage().await;
    for (sent, why) in [
        (
            &b"GET / HTTP/1.1\r\nHost: obwarden\r\n\r\n"[..],
            "does not begin with a PROXY header",
        ),
        (
            b"PROXY TCP4 192.0.2.700 127.0.0.1 1 2\r\n",
            "its PROXY header is wrong",
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            "longer than 4096 bytes",
        ),
    ] {
        let mut stream = connect_from(LISTED, warden.addr()).await;
        stream.write_all(sent).await.unwrap();
        let mut client = RawClient::on(stream);
        let (code, text) = client.read_error().await;
        assert!(code == 1043 && text.contains(why), "{code} {text}");
        let line = is_logged(&warden, why).await;
        assert!(line.contains("client=127.0.0.5:"), "{line}");
    }
}

/// As a health check may that knows nothing of PROXY headers, or nothing of MySQL.
#[tokio::test]
async fn one_that_only_connects_leaves_no_trace_in_an_ordinary_log() {
    let (_cluster, warden) = stage().await;
    for sent in [&b""[..], &HEADER[..20], HEADER] {
        let mut stream = connect_from(LISTED, warden.addr()).await;
        stream.write_all(sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        soon("it is closed", stream.read_to_end(&mut rest))
            .await
            .unwrap();
        assert_eq!(rest.is_empty(), sent != HEADER, "{rest:?}");
    }
    let log = warden.log();
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test]
async fn one_that_sends_no_header_in_time_holds_a_place_until_then_and_no_longer() {
    for begun in [&b""[..], &HEADER[..20]] {
        let (_cluster, warden) = stage().await;
        let began = Instant::now();
        let mut stream = connect_from(LISTED, warden.addr()).await;
        stream.write_all(begun).await.unwrap();
        let mut waiting = RawClient::on(stream);
        // It is a connection like any other: max_connections is 1 here.
        let mut other = RawClient::on(connect_from([127, 0, 0, 1], warden.addr()).await);
        assert_eq!(other.read_error().await.0, 1040);
        let (code, text) = waiting.read_error().await;
        assert!(
            code == 1159 && text.contains("PROXY header"),
            "{code} {text}"
        );
        assert!(
            began.elapsed() <= HANDSHAKE_TIMEOUT + GRACE,
            "{:?}",
            began.elapsed()
        );
        // Its place is free although it has not closed.
        let mut next = RawClient::greeted(warden.addr()).await;
        next.log_in("root", &[]).await;
        is_logged(&warden, "no whole PROXY header in time").await;
    }
}
