//! What all sessions share: where they go, what they may take, and when they must end.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::LoadBalancers;
use super::backends::Backends;
use super::ending::Ending;
use super::farewell::Farewells;
use super::sockets::set_up;
use crate::clients::{Clients, Limits};
use crate::cluster::Cluster;
use crate::console::Console;
use crate::transport::tls::ClientTls;

/// What all sessions share.
#[derive(Debug)]
pub struct Gate {
    pub(super) cluster: Arc<Cluster>,
    pub(super) clients: Arc<Clients>,
    pub(super) console: Console,
    pub(super) backends: Backends,
    pub(super) client_tls: Option<ClientTls>,
    pub(super) limits: Limits,
    pub(super) load_balancers: LoadBalancers,
    pub(super) places: Arc<Semaphore>,
    pub(super) farewells: Farewells,
    pub(super) ending: Ending,
}

impl Gate {
    /// A gate to `cluster`.
    pub fn new(
        cluster: Arc<Cluster>,
        clients: Arc<Clients>,
        console: Console,
        limits: Limits,
    ) -> Self {
        Self {
            client_tls: None,
            backends: Backends::new(Arc::clone(&cluster), limits),
            cluster,
            clients,
            console,
            limits,
            load_balancers: LoadBalancers::default(),
            places: Arc::new(Semaphore::new(
                limits.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            farewells: Farewells::default(),
            ending: Ending::default(),
        }
    }

    /// The same gate with TLS toward clients.
    #[must_use]
    pub fn with_tls(self, tls: ClientTls) -> Self {
        Self {
            client_tls: Some(tls),
            ..self
        }
    }

    /// The same gate behind `load_balancers`, which say by PROXY header whom they connect for.
    #[must_use]
    pub fn behind(self, load_balancers: LoadBalancers) -> Self {
        Self {
            load_balancers,
            ..self
        }
    }

    /// Prepares a socket that clients will be accepted from: they inherit what is set here.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn set_up_listener(&self, listener: &impl AsFd) -> io::Result<()> {
        set_up(listener, self.limits.tcp_keepalive)
    }

    /// Ends all sessions: a client that waits for nothing is told why.
    pub fn end_sessions(&self) {
        self.ending.begin();
    }
}
