//! The MySQL port: accepts clients and deals them out to relay threads.
//!
//! Each relay thread has a single-threaded runtime of its own, so that a session's bytes never change
//! threads. The first one accepts for all of them: a client that it deals to itself wakes nobody else.
//! Consoles, fan-out and everything else that is slow live on the runtime that this is called from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::session::{self, Gate};

/// Clients that one relay thread may have waiting to be taken in.
const WAITING_CLIENTS_MAX: usize = 1024;

/// How long to wait when no more clients can be accepted, for want of descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long sessions may take to end after a shutdown has begun.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// An accepted client: its socket, not known to any runtime, and its address.
type Accepted = (std::net::TcpStream, SocketAddr);

/// Serves clients until `shutdown` is cancelled and the last session has ended, or is cut off.
///
/// # Errors
/// When the relay threads cannot be started.
pub async fn run(
    listener: TcpListener,
    gate: Arc<Gate>,
    relay_threads: usize,
    shutdown: CancellationToken,
) -> io::Result<()> {
    gate.set_up_listener(&listener)?;
    let sessions = TaskTracker::new();
    let relay = Relay {
        gate: Arc::clone(&gate),
        sessions: sessions.clone(),
    };
    let mut others = Vec::new();
    for number in 1..relay_threads {
        let (sender, clients) = mpsc::channel(WAITING_CLIENTS_MAX);
        start_thread(number, relay_runtime()?, relay.clone().take_in(clients))?;
        others.push(sender);
    }
    let runtime = relay_runtime()?;
    let listener = {
        let listener = listener.into_std()?;
        let _in_it = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let accepting = relay.accept(listener, others, shutdown.clone());
    start_thread(0, runtime, accepting)?;
    shutdown.cancelled().await;
    gate.end_sessions();
    sessions.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, sessions.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            sessions = sessions.len(),
            "sessions that do not end are cut off"
        );
    }
    Ok(())
}

fn relay_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}

fn start_thread(
    number: usize,
    runtime: Runtime,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(format!("relay-{number}"));
    thread.spawn(move || runtime.block_on(work)).map(drop)
}

/// What a relay thread works with.
#[derive(Clone)]
struct Relay {
    gate: Arc<Gate>,
    sessions: TaskTracker,
}

impl Relay {
    /// Accepts clients, until `shutdown`, for all threads in turn: for this one and the `others`.
    async fn accept(
        self,
        listener: TcpListener,
        others: Vec<mpsc::Sender<Accepted>>,
        shutdown: CancellationToken,
    ) {
        let mut next = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let dealt = match (accepted, others.get(next)) {
                (Ok((stream, client)), None) => {
                    self.serve(stream, client);
                    Ok(())
                }
                (Ok((stream, client)), Some(other)) => deal(stream, client, other).await,
                (Err(error), _) => Err(error),
            };
            if let Err(error) = dealt {
                tracing::warn!(%error, "a client cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            next = (next + 1) % (others.len() + 1);
        }
        drop((listener, others));
        self.sessions.wait().await;
    }

    /// Serves the clients that are dealt to this thread.
    async fn take_in(self, mut clients: mpsc::Receiver<Accepted>) {
        while let Some((stream, client)) = clients.recv().await {
            match TcpStream::from_std(stream) {
                Ok(stream) => self.serve(stream, client),
                Err(error) => tracing::warn!(%client, %error, "a client cannot be taken in"),
            }
        }
        self.sessions.wait().await;
    }

    fn serve(&self, stream: TcpStream, client: SocketAddr) {
        let session = session::serve(stream, client, Arc::clone(&self.gate));
        drop(self.sessions.spawn(session));
    }
}

/// Takes a client from this thread's runtime and gives it to another thread.
async fn deal(
    stream: TcpStream,
    client: SocketAddr,
    to: &mpsc::Sender<Accepted>,
) -> io::Result<()> {
    let stream = stream.into_std()?;
    // It ends with this sender only: there is always somebody to take the client.
    let _ = to.send((stream, client)).await;
    Ok(())
}
