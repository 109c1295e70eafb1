//! LOAD DATA LOCAL INFILE: files of every size, none, and a client or a server that leaves in the middle.

use std::ops::Deref;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;

use super::House;
use super::client::{Client, Profile, write_all};
use super::command::{Command, PART_BYTES_MAX, put_packet};
use super::play::{ask, same};
use super::statements::{DATABASE, LOAD};

const MIB: usize = 1024 * 1024;
/// More than the scratch buffers of all threads, and far less than the file.
const GROWTH_BYTES_MAX: u64 = 24 * MIB as u64;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn files_of_every_size_reach_mariadb() {
    files(super::mariadb().await).await;
}

#[tokio::test]
async fn files_of_every_size_reach_seekdb() {
    files(super::seekdb().await).await;
}

/// A client that refuses to send its file sends an empty one, and keeps the reason to itself.
async fn files<C: Deref<Target = Cluster>>(house: &House<C>) {
    // Not the table of the random sequences: these run at the same time.
    let table = "CREATE TABLE IF NOT EXISTS files (a INT, b VARCHAR(8))";
    let load = LOAD.replace("loaded", "files");
    let load = |file: Vec<Vec<u8>>| Command::query(&load).with_turn(file);
    let many = "7\tmany\n".repeat(20_000).into_bytes();
    let commands = [
        Command::query(table),
        load(vec![b"1\tone\n2\ttwo\n".to_vec(), Vec::new()]),
        load(vec![Vec::new()]),
        // Cut in the middle of a line, and not ended by one.
        load(vec![b"3\tth".to_vec(), b"ree".to_vec(), Vec::new()]),
        load(vec![many, b"8\tlast\n".to_vec(), Vec::new()]),
        load(vec![
            b"no number\ttoo long for its column\n".to_vec(),
            Vec::new(),
        ]),
        Command::query(LOAD.replace("loaded", "nowhere.nothing"))
            .with_turn(vec![b"1\tone\n".to_vec(), Vec::new()]),
        Command::query("SELECT a, b, COUNT(*) FROM files GROUP BY a, b ORDER BY a, b"),
        Command::query("DROP TABLE files"),
        Command::ping(),
    ];
    let ordinary = Profile::ordinary(DATABASE);
    for profile in [ordinary.clone(), ordinary.with_deprecate_eof()] {
        let replies = same(house, &profile, &commands).await;
        for at in [1, 2, 3, 4] {
            assert_eq!(replies[at].error_code(), None, "{}", commands[at]);
        }
        assert!(replies[7].rows().len() >= 5);
    }
}

#[tokio::test]
async fn a_file_of_100_mb_reaches_mariadb_and_leaves_memory_flat() {
    const LINES: usize = 1600;
    let house = super::mariadb().await;
    // The line's length, and not the line itself: the way is of interest here, not the disk.
    let load = "LOAD DATA LOCAL INFILE 'big' INTO TABLE big (@line) SET a = LENGTH(@line)";
    let mut client = house.client().await;
    let table = [Command::query("CREATE OR REPLACE TABLE big (a INT)")];
    ask(&mut client, &table, &[]).await;
    let mut query = Vec::new();
    Command::query(load).put(&mut query, None);
    write_all(&client.stream, &query).await.unwrap();
    let asked = client.reader.packet(&client.stream).await.unwrap().unwrap();
    assert_eq!(asked.payload[0], 0xfb, "the server asks for the file");
    let before = house.warden.rss_bytes().unwrap();
    let line = [&[b'x'; 65_535][..], b"\n"].concat();
    let mut sequence = asked.bytes[3];
    for number in 0..LINES {
        sequence = sequence.wrapping_add(1);
        let mut packet = Vec::new();
        put_packet(&mut packet, sequence, &line);
        write_all(&client.stream, &packet).await.unwrap();
        if number % 100 == 0 {
            let now = house.warden.rss_bytes().unwrap();
            assert!(now < before + GROWTH_BYTES_MAX, "{now}, before {before}");
        }
    }
    let mut end = Vec::new();
    put_packet(&mut end, sequence.wrapping_add(1), &[]);
    write_all(&client.stream, &end).await.unwrap();
    let ok = tokio::time::timeout(PATIENCE, client.reader.packet(&client.stream)).await;
    let ok = ok.expect("it is answered").unwrap().unwrap();
    assert_eq!(ok.payload[0], 0, "{}", ok.payload.escape_ascii());
    let check = [Command::query("SELECT COUNT(*), MIN(a), MAX(a) FROM big")];
    let replies = ask(&mut client, &check, &[]).await;
    assert_eq!(replies[0].rows()[0], b"\x041600\x0565535\x0565535");
    ask(&mut client, &[Command::query("DROP TABLE big")], &[]).await;
}

#[tokio::test]
async fn a_file_in_packets_of_16_mib_is_not_over_at_their_seam() {
    let house = super::mariadb().await;
    // A packet of exactly one part is followed by an empty part, which is not yet the file's end.
    for bytes in [PART_BYTES_MAX, PART_BYTES_MAX + 1] {
        let mut client = house.client().await;
        let load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE empty (@line) SET a = LENGTH(@line)";
        let mut file = vec![b'x'; bytes - 1];
        file.push(b'\n');
        let load = Command::query(format!("{load}; SELECT 'next'"));
        let commands = [
            Command::query("BEGIN"),
            load.with_turn(vec![file, b"yy\n".to_vec(), Vec::new()]),
            Command::query("SELECT a FROM empty ORDER BY a"),
            Command::query("ROLLBACK"),
        ];
        let mut rows = Vec::new();
        for command in commands {
            let reply = ask(&mut client, &[command], &[]).await.remove(0);
            rows.push(reply.rows().concat());
        }
        let length = (bytes - 1).to_string();
        let lengths = [b"\x012\x08", length.as_bytes()].concat();
        assert_eq!(
            rows,
            [Vec::new(), b"\x04next".to_vec(), lengths, Vec::new()]
        );
    }
}

#[tokio::test]
async fn mariadb_is_rid_of_a_client_that_has_left_in_mid_upload() {
    left_in_mid_upload(super::mariadb().await).await;
}

#[tokio::test]
async fn seekdb_is_rid_of_a_client_that_has_left_in_mid_upload() {
    left_in_mid_upload(super::seekdb().await).await;
}

async fn left_in_mid_upload<C: Deref<Target = Cluster>>(house: &House<C>) {
    let mut client = house.client().await;
    let mut bytes = Vec::new();
    let table = "CREATE TABLE IF NOT EXISTS half (a INT, b VARCHAR(8))";
    ask(&mut client, &[Command::query(table)], &[]).await;
    Command::query(LOAD.replace("loaded", "half")).put(&mut bytes, None);
    write_all(&client.stream, &bytes).await.unwrap();
    client.reader.packet(&client.stream).await.unwrap().unwrap();
    let mut part = Vec::new();
    put_packet(&mut part, 2, &b"1\tone\n".repeat(10_000));
    let half = &part[..part.len() / 2];
    write_all(&client.stream, half).await.unwrap();
    let Client {
        stream, greeting, ..
    } = client;
    drop(stream);
    let mut control = house.node().connect().await.unwrap();
    let gone = async {
        loop {
            let sessions: Vec<mysql_async::Row> = control.query("SHOW PROCESSLIST").await.unwrap();
            let mut ids = sessions.iter().filter_map(|row| row.get::<u32, _>(0));
            if !ids.any(|id| id == greeting.thread_id) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let gone = tokio::time::timeout(PATIENCE, gone).await;
    gone.expect("the server knows that its client has left");
    // That a client leaves is its own business: at its ordinary level the log has no word of it.
    let log = house.warden.log();
    assert!(!log.contains("has left"), "{log}");
}
