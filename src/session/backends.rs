//! Finds a backend for a client: the first healthy server of a stable order.
//!
//! One server for all, so that a second connection's `KILL QUERY <id>` reaches the first one's server. A
//! server that refuses, does not connect or sends no greeting in time is passed over for the next one.
//! Those that fail, as the cluster's health has it, are asked last.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::sockets::set_up;
use crate::clients::Limits;
use crate::cluster::Cluster;
use crate::deadline::{self, Deadline};
use crate::transport::{PacketStream, Stream};
use crate::wire::answer::SqlError;
use crate::wire::capabilities::Capabilities;
use crate::wire::greeting::Greeting;

/// A backend that has greeted.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) addr: SocketAddr,
    pub(super) packets: PacketStream<Stream>,
    pub(super) greeting: Greeting,
    /// The greeting's bytes.
    pub(super) payload: Vec<u8>,
}

/// No server greets.
#[derive(Debug, thiserror::Error)]
#[error("no server of the cluster takes connections: {}", .tried.join("; "))]
pub(super) struct NoBackend {
    tried: Vec<String>,
}

/// The servers that clients are sent to.
#[derive(Debug)]
pub(super) struct Backends {
    cluster: Arc<Cluster>,
    limits: Limits,
}

impl Backends {
    pub(super) fn new(cluster: Arc<Cluster>, limits: Limits) -> Self {
        Self { cluster, limits }
    }

    /// Connects to the first server that greets before `deadline`.
    pub(super) async fn dial(&self, deadline: Deadline) -> Result<Dialled, NoBackend> {
        let mut tried = Vec::new();
        for addr in self.in_order().await {
            let why = match deadline
                .at_most(self.limits.connect_timeout)
                .limit(self.greeted(addr))
                .await
            {
                Ok(Ok(dialled)) => {
                    self.cluster.health().answered(addr);
                    return Ok(dialled);
                }
                Ok(Err(why)) => why,
                Err(deadline::Passed) => "no greeting in time".to_owned(),
            };
            self.avoid(addr, &why);
            tried.push(format!("{addr}: {why}"));
            if deadline.has_passed() {
                break;
            }
        }
        if tried.is_empty() {
            tried.push(format!(
                "none of {} can be resolved",
                self.cluster.settings().seeds.join(", ")
            ));
        }
        Err(NoBackend { tried })
    }

    /// Sends the next clients elsewhere until the server is well again, if there is an elsewhere.
    pub(super) fn avoid(&self, addr: SocketAddr, why: &str) {
        self.cluster.health().failed_a_client(addr, why);
    }

    /// The stable order, with those that fail at its end.
    async fn in_order(&self) -> Vec<SocketAddr> {
        let mut addrs = self.cluster.backends().await;
        self.cluster.health().put_failing_last(&mut addrs);
        addrs
    }

    async fn greeted(&self, addr: SocketAddr) -> Result<Dialled, String> {
        let failed = |error: std::io::Error| error.to_string();
        let stream = TcpStream::connect(addr).await.map_err(failed)?;
        set_up(&stream, self.limits.tcp_keepalive).map_err(failed)?;
        let mut packets = PacketStream::new(Stream::Plain(stream));
        let payload = packets.read().await.map_err(failed)?;
        if let Ok(refusal) = SqlError::read(&payload) {
            return Err(refusal.to_string());
        }
        let greeting = Greeting::read(&payload).map_err(|error| error.to_string())?;
        let wants_tls = self.cluster.settings().server_tls.is_some();
        if wants_tls && !greeting.capabilities.has(Capabilities::SSL) {
            return Err("it offers no TLS, which server_tls demands".to_owned());
        }
        Ok(Dialled {
            addr,
            packets,
            greeting,
            payload,
        })
    }
}
