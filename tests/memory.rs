//! Bytes pass through in bounded memory, however many they are and however slowly they are taken.

mod support;

use std::time::Duration;

use futures_util::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use testkit::mariadb::MariadbCluster;
use testkit::warden::Warden;
use tokio::sync::OnceCell;

use support::{builder, connect, run, soon};

const MIB: u64 = 1024 * 1024;
/// More than the scratch buffers of all threads, and far less than what passes through.
const GROWTH_MAX: u64 = 16 * MIB;
const ROW_BYTES: usize = 1_000_000;
const ROWS: usize = 200;
const BIG: &str = "SELECT REPEAT('x', 1000000) FROM mysql.seq_1_to_200";

async fn cluster() -> &'static MariadbCluster {
    static CLUSTER: OnceCell<MariadbCluster> = OnceCell::const_new();
    let start = async || MariadbCluster::start(1).await.expect("a node");
    CLUSTER.get_or_init(start).await
}

/// A proxy of its own for each measurement, that has served a client before.
async fn warm() -> (Warden, Conn, u64) {
    let started = builder().servers(cluster().await.seeds()).start().await;
    let warden = started.expect("obwarden starts");
    let mut conn = connect(&warden).await;
    run(&mut conn, "SHOW SERVER SESSIONS").await.unwrap();
    run(&mut conn, "SELECT REPEAT('x', 1000000)").await.unwrap();
    let rss = warden.rss_bytes().unwrap();
    (warden, conn, rss)
}

fn assert_flat(warden: &Warden, before: u64, when: &str) {
    let now = warden.rss_bytes().unwrap();
    assert!(
        now <= before + GROWTH_MAX,
        "{when}: {} MiB, before: {} MiB",
        now / MIB,
        before / MIB
    );
}

/// Reads 200 MB, with a pause after each of the first rows.
async fn read_all(warden: &Warden, conn: &mut Conn, before: u64, pause: Duration) {
    let mut rows = soon("the result begins", conn.exec_stream::<Row, _, _>(BIG, ()))
        .await
        .unwrap();
    let mut read = 0;
    while let Some(row) = soon("a row", rows.next()).await {
        assert_eq!(row.unwrap().as_ref(0).map(value_bytes), Some(ROW_BYTES));
        read += 1;
        if !pause.is_zero() && read <= 20 {
            tokio::time::sleep(pause).await;
        }
        if read % 10 == 0 {
            assert_flat(warden, before, &format!("after {read} MB"));
        }
    }
    assert_eq!(read, ROWS);
    drop(rows);
    assert_flat(warden, before, "at the end");
}

fn value_bytes(value: &mysql_async::Value) -> usize {
    match value {
        mysql_async::Value::Bytes(bytes) => bytes.len(),
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test]
async fn two_hundred_megabytes_of_result_leave_memory_flat() {
    let (warden, mut conn, before) = warm().await;
    read_all(&warden, &mut conn, before, Duration::ZERO).await;
    run(&mut conn, "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_slowly_leaves_memory_flat() {
    let (warden, mut conn, before) = warm().await;
    read_all(&warden, &mut conn, before, Duration::from_millis(50)).await;
}

#[tokio::test]
async fn many_clients_that_do_not_read_leave_memory_flat() {
    let (warden, _conn, before) = warm().await;
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let mut conn = support::RawClient::greeted(warden.addr()).await;
        conn.log_in("root", &[]).await;
        conn.send_query(BIG).await;
        assert_eq!(
            conn.read().await.unwrap(),
            [1],
            "one column; nobody reads on"
        );
        stuck.push(conn);
    }
    let mut busy = connect(&warden).await;
    read_all(&warden, &mut busy, before, Duration::ZERO).await;
    drop(stuck);
}

#[tokio::test]
async fn two_hundred_megabytes_of_upload_leave_memory_flat() {
    let (warden, mut conn, before) = warm().await;
    let statement = format!("DO LENGTH('{}')", "x".repeat(10_000_000));
    for _ in 0..20 {
        run(&mut conn, &statement).await.unwrap();
        assert_flat(&warden, before, "after an upload");
    }
}
