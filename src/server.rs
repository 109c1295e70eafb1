//! The MySQL port: accepts clients and deals them out to relay threads.
//!
//! Each relay thread has a single-threaded runtime of its own, so that a session's bytes never change
//! threads. Consoles, fan-out and everything else that is slow live on the runtime that this is called
//! from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::session::{self, Gate};

/// Clients that one relay thread may have waiting to be taken in.
const WAITING_CLIENTS_MAX: usize = 1024;

/// How long to wait when no more clients can be accepted, for want of descriptors perhaps.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// How long sessions may take to end when the proxy does: one whose client does not read takes for ever.
const DRAIN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// An accepted client: its socket, not yet known to any runtime, and its address.
type Accepted = (std::net::TcpStream, SocketAddr);

/// Serves clients until `shutdown` is cancelled and the last session has ended, or [`DRAIN_TIMEOUT`] has
/// passed since.
///
/// # Errors
/// When the relay threads cannot be started.
pub async fn run(
    listener: TcpListener,
    gate: Arc<Gate>,
    relay_threads: usize,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let sessions = TaskTracker::new();
    let mut threads = Vec::new();
    for number in 0..relay_threads.max(1) {
        let (sender, receiver) = mpsc::channel(WAITING_CLIENTS_MAX);
        start_relay_thread(number, receiver, Arc::clone(&gate), sessions.clone())?;
        threads.push(sender);
    }
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted.and_then(prepare) {
            Ok(client) => {
                // The thread ends with this sender only: there is always somebody to take the client.
                let _ = threads[next].send(client).await;
                next = (next + 1) % threads.len();
            }
            Err(error) => {
                tracing::warn!(%error, "a client cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    sessions.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, sessions.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            sessions = sessions.len(),
            "ending with sessions that do not end"
        );
    }
    Ok(())
}

/// Takes an accepted socket from this runtime, for a relay thread to take it over.
fn prepare((stream, client): (TcpStream, SocketAddr)) -> io::Result<Accepted> {
    stream.set_nodelay(true)?;
    Ok((stream.into_std()?, client))
}

fn start_relay_thread(
    number: usize,
    mut clients: mpsc::Receiver<Accepted>,
    gate: Arc<Gate>,
    sessions: TaskTracker,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let relay = async move {
        while let Some((stream, client)) = clients.recv().await {
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    let session = session::serve(stream, client, Arc::clone(&gate));
                    drop(sessions.spawn(session));
                }
                Err(error) => tracing::warn!(%client, %error, "a client cannot be taken in"),
            }
        }
        sessions.wait().await;
    };
    let thread = std::thread::Builder::new().name(format!("relay-{number}"));
    thread.spawn(move || runtime.block_on(relay))?;
    Ok(())
}
