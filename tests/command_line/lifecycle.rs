//! From `ready to accept` to SIGTERM.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::process::Signal;
use testkit::warden::Warden;
use tokio::net::TcpStream;

use crate::node;
use crate::support::SOON;
use crate::support::real::{through, until, warden_for};

#[tokio::test]
async fn one_line_says_when_it_is_ready_and_where() {
    let warden = warden_for(node().await)
        .listen("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let log = warden.log();
    let ready: Vec<_> = log
        .lines()
        .filter(|line| line.contains("ready to accept"))
        .collect();
    assert_eq!(ready.len(), 1, "{log}");
    assert!(ready[0].contains(&warden.addr().to_string()), "{log}");
    assert_ne!(warden.addr().port(), 0);
    Conn::new(through(&warden)).await.unwrap();
}

#[tokio::test]
async fn sigterm_ends_it_at_once_and_idle_clients_are_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let warden = warden_for(node().await).start().await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(Conn::new(through(&warden)).await.unwrap());
        }
        clients[0].query_drop("SHOW SERVER SESSIONS").await.unwrap();
        assert_eq!(
            ended_by(signal, &warden).await.code(),
            Some(0),
            "{}",
            warden.log()
        );
        for client in &mut clients {
            match client.ping().await {
                Err(mysql_async::Error::Server(error)) => assert_eq!(error.code, 1053, "{error}"),
                Err(_) => {}
                Ok(()) => panic!("a client lives on"),
            }
        }
    }
}

#[tokio::test]
async fn sigterm_does_not_wait_for_a_client_that_does_not_log_in() {
    let warden = warden_for(node().await).start().await.unwrap();
    let silent = TcpStream::connect(warden.addr()).await.unwrap();
    silent.readable().await.unwrap(); // it has been greeted
    assert_eq!(ended_by(Signal::TERM, &warden).await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_ends_a_client_that_waits_for_an_answer() {
    let warden = warden_for(node().await).start().await.unwrap();
    let mut busy = Conn::new(through(&warden)).await.unwrap();
    let running = format!(
        "SELECT 1 FROM information_schema.processlist WHERE id = {} AND command = 'Query'",
        busy.id()
    );
    let answer = tokio::spawn(async move { busy.query_drop("SELECT SLEEP(30)").await });
    let mut watcher = node().await.node(0).connect().await.unwrap();
    until("the statement runs", async || {
        let found: Option<u8> = watcher.query_first(&running).await.unwrap();
        found.is_some()
    })
    .await;
    assert_eq!(ended_by(Signal::TERM, &warden).await.code(), Some(0));
    answer.await.unwrap().unwrap_err();
}

/// Sends a signal, which must end it within a moment.
async fn ended_by(signal: Signal, warden: &Warden) -> ExitStatus {
    let start = Instant::now();
    warden.signal(signal).unwrap();
    let ended = tokio::time::timeout(SOON, warden.exited()).await;
    let status = ended.expect("it does not end").unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    status
}
