//! A network that fails on demand: a TCP relay before a node.
//!
//! What is wrong with it can be changed while it runs, for the connections that are open and for new ones.
//!
//! ```text
//! client ─► door ─► way to the node   (delay, bandwidth, stall) ─► node
//!                ◄─ way from the node (the same, and cut answers) ◄─
//! ```
//!
//! faults decides and does no I/O.

mod connection;
mod faults;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::door::Door;
use crate::host::Host;
use crate::lock::locked;

pub use faults::{Cut, CutEnd, Entrance, FIRST_STATEMENT, Faults, Loss, Way};

/// A way to a node, by an address of its own. Its connections are closed when it is dropped.
#[derive(Debug)]
pub struct Link {
    door: Arc<Door>,
    state: Arc<State>,
    server: JoinHandle<()>,
}

/// What all connections look at.
#[derive(Debug)]
struct State {
    node: SocketAddr,
    faults: watch::Sender<Faults>,
    /// Told of each loss.
    lost: watch::Sender<Loss>,
    /// Since the faults were last set.
    answers_cut: watch::Sender<u64>,
    clients: Mutex<Clients>,
}

/// How many connections clients have, and had at most.
#[derive(Debug, Default)]
struct Clients {
    open: usize,
    peak: usize,
}

impl Link {
    /// A link to `node` without faults, on the node's own address and a free port.
    pub async fn before(node: SocketAddr) -> io::Result<Self> {
        Self::open(Door::open_at((node.ip(), 0).into())?, node)
    }

    /// The same on a host, to a node that this machine reaches; port 0 takes a free one.
    pub async fn on(host: &Arc<Host>, port: u16, node: SocketAddr) -> io::Result<Self> {
        let addr = (host.ip(), port).into();
        Self::open(Door::open_on(Some(Arc::clone(host)), addr)?, node)
    }

    fn open(door: Door, node: SocketAddr) -> io::Result<Self> {
        let door = Arc::new(door);
        let state = Arc::new(State {
            node,
            faults: watch::Sender::new(Faults::default()),
            lost: watch::Sender::new(Loss::Reset),
            answers_cut: watch::Sender::new(0),
            clients: Mutex::default(),
        });
        Ok(Self {
            server: tokio::spawn(serve(Arc::clone(&door), Arc::clone(&state))),
            door,
            state,
        })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    /// Makes exactly this wrong with it.
    ///
    /// # Panics
    /// When the port, which is reserved, cannot be listened on again.
    pub fn set(&self, faults: Faults) {
        self.state.answers_cut.send_replace(0);
        self.state.faults.send_replace(faults);
        let switched = match faults.entrance {
            Entrance::Refuse => {
                self.door.close();
                Ok(())
            }
            Entrance::Deaf => self.door.deafen(),
            Entrance::Open | Entrance::Hold | Entrance::Reset => self.door.open(),
        };
        switched.expect("the link's port is reserved for it");
    }

    /// Nothing is wrong any more. What was held up is passed on.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// What happens once, to all connections that are open.
    pub fn lose_connections(&self, loss: Loss) {
        self.state.lost.send_replace(loss);
    }

    /// Connections that clients have not closed.
    pub fn connections_open(&self) -> usize {
        locked(&self.state.clients).open
    }

    /// The most of them that there ever were at once.
    pub fn connections_peak(&self) -> usize {
        locked(&self.state.clients).peak
    }

    /// Waits until an answer has been cut, since the faults were set. Has no deadline of its own.
    pub async fn answer_cut(&self) {
        let mut cut = self.state.answers_cut.subscribe();
        // The sender lives in `self`.
        let _ = cut.wait_for(|cut| *cut > 0).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(door: Arc<Door>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(connection::live(client, Arc::clone(&state)));
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
