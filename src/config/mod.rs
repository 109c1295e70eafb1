//! The configuration: one TOML file, and each key also by flag and by environment.
//!
//! ```text
//!   flags ─► over the environment ─► over the file ─► resolve ─► Config
//! ```
//!
//! Unknown keys are errors.

mod layer;
mod resolve;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::audit::AuditSettings;
use crate::clients::Limits;
use crate::cluster::Settings;
use crate::session::LoadBalancers;
use crate::transport::tls::{ClientTls, TlsSetupError};
pub use layer::Layer;

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to take clients.
    pub listen: SocketAddr,
    /// Threads that move bytes; at least one.
    pub relay_threads: usize,
    /// For clients and their backends.
    pub limits: Limits,
    /// TLS with clients, where it is on.
    pub client_tls: Option<ClientTls>,
    /// Those that say by PROXY header whom they connect for.
    pub load_balancers: LoadBalancers,
    /// Where kills are recorded.
    pub audit: AuditSettings,
    /// How to reach the cluster.
    pub cluster: Settings,
}

/// A configuration that cannot be run; one line says why.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read, or is not what it should be.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Where in it, and what is wrong.
        reason: String,
    },
    /// There is nothing to connect to.
    #[error("no server is named; say --server HOST:PORT, or servers = [\"HOST:PORT\"] in the file")]
    NoServer,
    /// What is named is no address.
    #[error("'{0}' is no server's address; write HOST:PORT")]
    BadServer(String),
    /// What is named is no network.
    #[error(
        "'{0}' in proxy_protocol_from is no address; write an IP, or a network such as 10.1.0.0/16"
    )]
    BadNetwork(String),
    /// The service account has no password, not even an empty one.
    #[error(
        "no password is given; say --password-file FILE, or set OBWARDEN_PASSWORD (it may be empty)"
    )]
    NoPassword,
    /// The service account is another tenant's.
    #[error("user '{0}' is no account of the sys tenant; obwarden serves no other")]
    NotSys(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// Something is on, and a file that it needs is not named.
    #[error("{key} is {value}, which needs {needs}")]
    Needs {
        /// What is on.
        key: &'static str,
        /// How it is on.
        value: &'static str,
        /// What is missing.
        needs: &'static str,
    },
    /// A limit of packets that makes no sense.
    #[error("packet_bytes_max must be at least {} and at most {}", .0.start(), .0.end())]
    BadPacketBytes(RangeInclusive<usize>),
    /// A number of connections that makes no sense.
    #[error("node_connections_max must be at least {} and at most {}", .0.start(), .0.end())]
    BadNodeConnections(RangeInclusive<usize>),
    /// A number of victims that makes no sense.
    #[error("kill_victims_max must be at least {} and at most {}", .0.start(), .0.end())]
    BadKillVictims(RangeInclusive<usize>),
    /// What is named is no account's bare name.
    #[error("'{0}' in protected_users is no bare name of an account; write it without its tenant")]
    BadProtectedUser(String),
    /// A timeout that makes no sense.
    #[error("{key} must be more than zero and at most an hour")]
    BadTimeout {
        /// Which one.
        key: &'static str,
    },
}
