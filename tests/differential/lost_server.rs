//! A server that dies under its sessions, wherever these are: each client is told or sees a clean end, and the
//! log says who has left.

use std::ops::Deref;
use std::time::Duration;

use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use tokio::net::TcpStream;

use super::House;
use super::client::{Client, Reader, write_all};
use super::command::{Command, put_packet};
use super::play::ask;
use super::statements::{Kind, LOAD};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn clients_of_a_killed_mariadb_see_a_clean_end() {
    let cluster = MariadbCluster::start(1).await.unwrap();
    killed(House::open(Kind::Mariadb, cluster).await).await;
}

#[tokio::test]
async fn clients_of_a_killed_seekdb_see_a_clean_end() {
    let cluster = SeekdbCluster::start(1).await.unwrap();
    killed(House::open(Kind::Seekdb, cluster).await).await;
}

async fn killed<C: Deref<Target = Cluster>>(house: House<C>) {
    let idle = house.client().await;
    let waiting = begun(&house, Command::query("SELECT SLEEP(600)")).await;
    let rows = "SELECT x.n, REPEAT('z', 60000) FROM numbers x, numbers y, numbers z";
    let mut in_result = begun(&house, Command::query(rows)).await;
    for _ in 0..4 {
        let packet = in_result.reader.packet(&in_result.stream).await;
        packet.unwrap().expect("rows");
    }
    let mut in_upload = begun(&house, Command::query(LOAD)).await;
    let asked = in_upload.reader.packet(&in_upload.stream).await;
    assert_eq!(asked.unwrap().expect("a request").payload[0], 0xfb);
    let mut part = Vec::new();
    put_packet(&mut part, 2, b"1\tone\n");
    write_all(&in_upload.stream, &part).await.unwrap();
    let in_prepare = {
        let mut client = house.client().await;
        let prepare = [Command::prepare("SELECT LENGTH(?)")];
        ask(&mut client, &prepare, &[]).await;
        // Half a command of 1 MB.
        let mut half = Vec::new();
        put_packet(&mut half, 0, &[&[0x03][..], &[b' '; 1_000_000]].concat());
        write_all(&client.stream, &half[..500_000]).await.unwrap();
        client
    };

    house.node().process().kill().unwrap();
    let server = house.node().addr().to_string();
    for (client, what, level, text) in [
        (
            idle,
            "idle",
            "INFO",
            "the server has closed an idle session",
        ),
        (waiting, "waiting", "WARN", "the server is lost"),
        (in_result, "in mid-result", "WARN", "the server is lost"),
        (in_upload, "in mid-upload", "WARN", "the server is lost"),
        (in_prepare, "in mid-command", "WARN", "the server is lost"),
    ] {
        let has_read_nothing_yet = what != "in mid-result";
        let rest = clean_end(&client).await;
        assert!(rest == 0 || !has_read_nothing_yet, "{what}: {rest} bytes");
        let session = format!("thread_id={}", client.greeting.thread_id);
        let line = logged(&house, |line| {
            line.split_whitespace().any(|word| word == session)
        })
        .await;
        assert!(
            line.contains(level) && line.contains(text) && line.contains(&server),
            "{what}: {line}"
        );
    }
    let next = TcpStream::connect(house.warden.addr()).await.unwrap();
    let error = Reader::default().packet(&next).await.unwrap();
    let error = error.expect("an error in the greeting's place").payload;
    let text = String::from_utf8_lossy(&error[3..]);
    assert!(
        error.starts_with(&[0xff, 0x95, 0x05]) && text.contains(&server),
        "1429 that names it: {text}"
    );
    let passed_over = "clients are sent to other servers until it does";
    logged(&house, |line| {
        line.contains("WARN") && line.contains(passed_over) && line.contains(&server)
    })
    .await;
}

/// A client that has sent a command.
async fn begun<C: Deref<Target = Cluster>>(house: &House<C>, command: Command) -> Client {
    let client = house.client().await;
    let mut bytes = Vec::new();
    command.put(&mut bytes, None);
    write_all(&client.stream, &bytes).await.unwrap();
    client
}

/// Reads to the end of the stream, which is to be no reset; says how many bytes came before it.
async fn clean_end(client: &Client) -> usize {
    let mut bytes = 0;
    let mut buffer = vec![0; 65_536];
    let read = async {
        loop {
            client.stream.readable().await.unwrap();
            match client.stream.try_read(&mut buffer) {
                Ok(0) => return bytes,
                Ok(read) => bytes += read,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("no clean end: {error}"),
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, read).await;
    ended.expect("the connection is closed")
}

async fn logged<C>(house: &House<C>, is_it: impl Fn(&str) -> bool) -> String {
    let look = async {
        loop {
            let log = house.warden.log();
            if let Some(line) = log.lines().find(|line| is_it(line)) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let line = tokio::time::timeout(PATIENCE, look).await;
    line.unwrap_or_else(|_| panic!("it is not logged: {}", house.warden.log()))
}
