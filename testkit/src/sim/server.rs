//! A node's server: accepting, and one connection's life.
//!
//! ```text
//! client ─► pump ─► pass_unless_frozen ─► one packet ─► opensrv-mysql ─► outlet ─► client
//! ```
//!
//! The pump reads ahead, so that a client's leaving is noticed while the node pretends to hang.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use obwarden::wire::OnePacketReader;
use opensrv_mysql::AsyncMysqlIntermediary;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::{JoinSet, yield_now};

use super::behaviour::Behaviour;
use super::connection::Connection;
use super::outlet::Outlet;
use super::shim::Shim;
use super::state::NodeState;

/// How much of what a client sends is read while nobody asks for it.
const READ_AHEAD_BYTES: usize = 64 * 1024;

const PASSED_BYTES_MAX: usize = 4096;

/// A killed session that runs a statement gets so long to say so to its client.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts connections for as long as it is polled, and serves them all.
pub(super) async fn serve(state: Arc<NodeState>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = state.door.accept() => match accepted {
                Ok((socket, peer)) => {
                    let state = state.clone();
                    connections.spawn(async move {
                        // What clients have closed before they opened this one is seen to be closed.
                        yield_now().await;
                        Open::new(state, peer).live(socket).await;
                    });
                }
                // Out of descriptors, say: those that are open must get on.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// A registered connection; taken off the register when it is dropped.
struct Open {
    state: Arc<NodeState>,
    connection: Arc<Connection>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.close(self.connection.id);
    }
}

impl Open {
    fn new(state: Arc<NodeState>, peer: SocketAddr) -> Self {
        let connection = state.open(peer);
        Self { state, connection }
    }

    async fn live(self, socket: TcpStream) {
        let connection = &self.connection;
        // A reply must not wait for the acknowledgment of the one before it.
        let _ = socket.set_nodelay(true);
        let (inbound, outbound) = socket.into_split();
        let (feed, ahead) = tokio::io::duplex(READ_AHEAD_BYTES);
        let (gate, input) = tokio::io::duplex(PASSED_BYTES_MAX);
        tokio::select! {
            () = connection.cut.cancelled() => {}
            () = pump(inbound, feed, connection) => {}
            () = self.pass_unless_frozen(ahead, gate) => {}
            () = self.converse(input, Outlet::new(outbound)) => {}
        }
    }

    /// A frozen process reads nothing: not even a ping, which opensrv-mysql answers itself.
    async fn pass_unless_frozen(&self, mut from: DuplexStream, mut to: DuplexStream) {
        let mut behaviour = self.state.behaviour.subscribe();
        let mut bytes = [0; PASSED_BYTES_MAX];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            let _ = behaviour
                .wait_for(|now| *now != Behaviour::AcceptNoGreeting)
                .await;
            if to.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
        pending().await
    }

    async fn converse(&self, input: DuplexStream, mut outlet: Outlet) {
        let connection = &self.connection;
        let mut behaviour = self.state.behaviour.subscribe();
        let garbage = loop {
            let now = behaviour.borrow_and_update().clone();
            match now {
                Behaviour::AcceptNoGreeting => {}
                Behaviour::Garbage(garbage) => break Some(garbage),
                _ => break None,
            }
            tokio::select! {
                _ = behaviour.changed() => {}
                () = connection.peer_left.cancelled() => return,
            }
        };
        if let Some(garbage) = garbage {
            outlet.append(garbage.bytes());
            let _ = outlet.flush().await;
            return connection.peer_left.cancelled().await;
        }
        let shim = Shim::new(self.state.clone(), connection.clone(), outlet.clone());
        let server = AsyncMysqlIntermediary::run_on(shim, OnePacketReader::new(input), outlet);
        tokio::pin!(server);
        tokio::select! {
            _ = &mut server => {}
            () = connection.killed.cancelled() => if connection.is_busy() {
                let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, server).await;
            }
        }
    }
}

/// Moves bytes from the client until it leaves; then only remembers that.
async fn pump(mut from: OwnedReadHalf, mut to: DuplexStream, connection: &Connection) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    connection.peer_left.cancel();
    let _ = to.shutdown().await;
    pending().await
}
