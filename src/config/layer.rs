//! One layer of the configuration, before anybody has asked whether it makes sense.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::ConfigError;
use crate::secret::Secret;

/// One layer of the configuration: what a file, the environment or the flags say.
#[derive(Debug, Clone, Default, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// A server to begin with, host:port; repeat it for more, the first healthy one serves clients
    #[arg(
        long = "server",
        env = "OBWARDEN_SERVER",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    #[serde(default)]
    pub(super) servers: Vec<String>,
    /// The service account, of the sys tenant [default: root@sys]
    #[arg(long, env = "OBWARDEN_USER")]
    pub(super) user: Option<String>,
    /// A file with the service account's password (or OBWARDEN_PASSWORD, the password itself)
    #[arg(long, env = "OBWARDEN_PASSWORD_FILE", value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Only from the file and the environment: a flag would show it in the list of processes.
    #[arg(skip)]
    pub(super) password: Option<Secret>,
    /// Where to take clients; port 0 takes a free one [default: 127.0.0.1:2889]
    #[arg(long, env = "OBWARDEN_LISTEN", value_name = "IP:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// A load balancer that sends a PROXY header, IP or CIDR; repeat it for more [default: none]
    #[arg(
        long,
        env = "OBWARDEN_PROXY_PROTOCOL_FROM",
        value_name = "IP|CIDR",
        value_delimiter = ','
    )]
    #[serde(default)]
    pub(super) proxy_protocol_from: Vec<String>,
    /// The cluster's name, to refuse logins meant for another [default: the server's parameter]
    #[arg(long, env = "OBWARDEN_CLUSTER")]
    pub(super) cluster: Option<String>,
    /// Whose rights count: the account's own, or as OceanBase's KILL [default: account]
    #[arg(long, env = "OBWARDEN_RIGHTS")]
    pub(super) rights: Option<RightsArg>,
    /// The deadline of a whole virtual statement [default: 3s]
    #[arg(long, env = "OBWARDEN_NODE_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) node_timeout: Option<Duration>,
    /// How long a server may take to greet or let us in before another is asked [default: 1s]
    #[arg(long, env = "OBWARDEN_CONNECT_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) connect_timeout: Option<Duration>,
    /// Service connections to one server at most [default: 2]
    #[arg(long, env = "OBWARDEN_NODE_CONNECTIONS_MAX", value_name = "N")]
    pub(super) node_connections_max: Option<usize>,
    /// How long a service connection may lie idle [default: 1m]
    #[arg(long, env = "OBWARDEN_NODE_IDLE_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) node_idle_timeout: Option<Duration>,
    /// How long a client may take to log in [default: 10s]
    #[arg(long, env = "OBWARDEN_HANDSHAKE_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) handshake_timeout: Option<Duration>,
    /// Clients at once; one more is refused with 1040 [default: 5000]
    #[arg(long, env = "OBWARDEN_MAX_CONNECTIONS", value_name = "N")]
    pub(super) max_connections: Option<usize>,
    /// The longest packet that obwarden reads whole: a login, a virtual statement [default: 1048576]
    #[arg(long, env = "OBWARDEN_PACKET_BYTES_MAX", value_name = "BYTES")]
    pub(super) packet_bytes_max: Option<usize>,
    /// How long a connection may be silent before it is probed [default: 60s]
    #[arg(long, env = "OBWARDEN_TCP_KEEPALIVE", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) tcp_keepalive: Option<Duration>,
    /// How long a killed session may take to be gone [default: 5s]
    #[arg(long, env = "OBWARDEN_KILL_VERIFY_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) kill_verify_timeout: Option<Duration>,
    /// How many sessions a KILL SERVER SESSIONS without a LIMIT may end [default: 100]
    #[arg(long, env = "OBWARDEN_KILL_VICTIMS_MAX", value_name = "N")]
    pub(super) kill_victims_max: Option<usize>,
    /// An account whose sessions are killed by their ids only; repeat it for more [default: proxyro]
    #[arg(
        long = "protected-user",
        env = "OBWARDEN_PROTECTED_USERS",
        value_name = "USER",
        value_delimiter = ','
    )]
    pub(super) protected_users: Option<Vec<String>>,
    /// Kill no sessions by WHERE unless every server has told its sessions [default: false]
    #[arg(
        long,
        env = "OBWARDEN_STRICT_LISTING",
        value_name = "true|false",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub(super) strict_listing: Option<bool>,
    /// How often the list of servers is read in the background [default: 5s]
    #[arg(long, env = "OBWARDEN_TOPOLOGY_REFRESH_INTERVAL", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) topology_refresh_interval: Option<Duration>,
    /// A file that keeps the list of servers, for a start at which no server answers [default: none]
    #[arg(long, env = "OBWARDEN_TOPOLOGY_CACHE", value_name = "FILE")]
    pub(super) topology_cache: Option<PathBuf>,
    /// Rows that SQL may take in, and give, in one statement [default: 2000000]
    #[arg(long, env = "OBWARDEN_SQL_ROWS_MAX", value_name = "ROWS")]
    pub(super) sql_rows_max: Option<u64>,
    /// How long SQL may compute in one statement [default: 10s]
    #[arg(long, env = "OBWARDEN_SQL_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    pub(super) sql_timeout: Option<Duration>,
    /// How many bytes of rows a list may keep to put them in order [default: 67108864]
    #[arg(long, env = "OBWARDEN_LISTING_BUFFER_BYTES", value_name = "BYTES")]
    pub(super) listing_buffer_bytes: Option<usize>,
    /// A file of JSON lines, one when a kill begins and one when it is over [default: none]
    #[arg(long, env = "OBWARDEN_AUDIT_FILE", value_name = "FILE")]
    pub(super) audit_file: Option<PathBuf>,
    /// Kill nothing that has no record in audit_file [default: false]
    #[arg(
        long,
        env = "OBWARDEN_AUDIT_REQUIRED",
        value_name = "true|false",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub(super) audit_required: Option<bool>,
    /// Threads that move bytes [default: one for each core]
    #[arg(long, env = "OBWARDEN_RELAY_THREADS", value_name = "N")]
    pub(super) relay_threads: Option<usize>,
    /// Whether clients may, or must, use TLS [default: off]
    #[arg(long, env = "OBWARDEN_TLS")]
    pub(super) tls: Option<TlsArg>,
    /// The certificate shown to clients, and those behind it: a PEM file
    #[arg(long, env = "OBWARDEN_TLS_CERTIFICATE", value_name = "FILE")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// The certificate's private key: a PEM file
    #[arg(long, env = "OBWARDEN_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// TLS with the servers, and what their certificates must show [default: off]
    #[arg(long, env = "OBWARDEN_SERVER_TLS")]
    pub(super) server_tls: Option<ServerTlsArg>,
    /// The authorities that make the servers' certificates: a PEM file
    #[arg(long, env = "OBWARDEN_SERVER_TLS_CA", value_name = "FILE")]
    pub(super) server_tls_ca: Option<PathBuf>,
}

/// `rights`, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum RightsArg {
    Account,
    Server,
}

/// `tls`, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum TlsArg {
    Off,
    Optional,
    Required,
}

/// `server_tls`, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ServerTlsArg {
    Off,
    Required,
    VerifyCa,
    VerifyFull,
}

impl Layer {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let failed = |reason| ConfigError::File {
            file: file.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(mistake(&text, &error)))
    }

    /// This layer, and beneath it another: what this one does not say, that one says.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        // A secret of the upper layer hides both forms of the lower one.
        let secret = self.password.is_some() || self.password_file.is_some();
        let below = if secret {
            Self {
                password: None,
                password_file: None,
                ..below
            }
        } else {
            below
        };
        Self {
            servers: if self.servers.is_empty() {
                below.servers
            } else {
                self.servers
            },
            user: self.user.or(below.user),
            password_file: self.password_file.or(below.password_file),
            password: self.password.or(below.password),
            listen: self.listen.or(below.listen),
            proxy_protocol_from: if self.proxy_protocol_from.is_empty() {
                below.proxy_protocol_from
            } else {
                self.proxy_protocol_from
            },
            cluster: self.cluster.or(below.cluster),
            rights: self.rights.or(below.rights),
            node_timeout: self.node_timeout.or(below.node_timeout),
            connect_timeout: self.connect_timeout.or(below.connect_timeout),
            node_connections_max: self.node_connections_max.or(below.node_connections_max),
            node_idle_timeout: self.node_idle_timeout.or(below.node_idle_timeout),
            handshake_timeout: self.handshake_timeout.or(below.handshake_timeout),
            max_connections: self.max_connections.or(below.max_connections),
            packet_bytes_max: self.packet_bytes_max.or(below.packet_bytes_max),
            tcp_keepalive: self.tcp_keepalive.or(below.tcp_keepalive),
            kill_verify_timeout: self.kill_verify_timeout.or(below.kill_verify_timeout),
            kill_victims_max: self.kill_victims_max.or(below.kill_victims_max),
            protected_users: self.protected_users.or(below.protected_users),
            strict_listing: self.strict_listing.or(below.strict_listing),
            topology_refresh_interval: self
                .topology_refresh_interval
                .or(below.topology_refresh_interval),
            topology_cache: self.topology_cache.or(below.topology_cache),
            sql_rows_max: self.sql_rows_max.or(below.sql_rows_max),
            sql_timeout: self.sql_timeout.or(below.sql_timeout),
            listing_buffer_bytes: self.listing_buffer_bytes.or(below.listing_buffer_bytes),
            audit_file: self.audit_file.or(below.audit_file),
            audit_required: self.audit_required.or(below.audit_required),
            relay_threads: self.relay_threads.or(below.relay_threads),
            tls: self.tls.or(below.tls),
            tls_certificate: self.tls_certificate.or(below.tls_certificate),
            tls_key: self.tls_key.or(below.tls_key),
            server_tls: self.server_tls.or(below.server_tls),
            server_tls_ca: self.server_tls_ca.or(below.server_tls_ca),
        }
    }

    /// The same layer with the password that the environment gives, unless a file is named by flag.
    #[must_use]
    pub fn with_password(self, password: Option<Secret>) -> Self {
        if self.password_file.is_some() {
            self
        } else {
            Self { password, ..self }
        }
    }
}

/// What is wrong with a file's text, and in which line.
fn mistake(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', " ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| key.trim());
    let place = key.map_or(String::new(), |key| format!(", key {key}"));
    let message = match key {
        // The parser's message would show it.
        Some("password") if message.starts_with("invalid type") => "it must stand in quotes",
        _ => &message,
    };
    format!("line {}{place}: {message}", number + 1)
}
