//! Makes a configuration of what the layers say: defaults, limits, and files that are named.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::layer::{RightsArg, ServerTlsArg, TlsArg};
use super::{Config, ConfigError, Layer};
use crate::audit::AuditSettings;
use crate::clients::Limits;
use crate::cluster::{RightsPolicy, Settings};
use crate::secret::Secret;
use crate::session::LoadBalancers;
use crate::sql;
use crate::transport::tls::{ClientTls, ServerTls, Verify};
use crate::wire::login_name::LoginName;

/// OceanBase's SQL port, where an address names none.
const DEFAULT_SQL_PORT: u16 = 2881;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2889);
const DEFAULT_USER: &str = "root@sys";
const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_NODE_CONNECTIONS_MAX: usize = 2;
const DEFAULT_NODE_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_KILL_VERIFY_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_KILL_VICTIMS_MAX: usize = 100;
/// ODP's own account, by which it watches the servers.
const DEFAULT_PROTECTED_USER: &str = "proxyro";
const DEFAULT_TOPOLOGY_REFRESH_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_LISTING_BUFFER_BYTES: usize = 64 * 1024 * 1024;
const DEFAULT_SQL_ROWS_MAX: u64 = 2_000_000;
const DEFAULT_SQL_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_MAX_CONNECTIONS: usize = 5000;
const DEFAULT_PACKET_BYTES_MAX: usize = 1024 * 1024;
const DEFAULT_TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// More threads than this are never of use.
const RELAY_THREADS_MAX: usize = 1024;
/// With less no virtual statement would fit; more is no single packet of the protocol's.
const PACKET_BYTES_MAX: RangeInclusive<usize> = 8192..=0xff_ffff - 1;
/// A server in trouble is not to be helped by many more connections.
const NODE_CONNECTIONS_MAX: RangeInclusive<usize> = 1..=64;
/// Who means to end more than this names a LIMIT.
const KILL_VICTIMS_MAX: RangeInclusive<usize> = 1..=100_000;
/// Timeouts longer than this are taken for a mistake of unit.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

impl Layer {
    fn client_tls(&self) -> Result<Option<ClientTls>, ConfigError> {
        let (required, value) = match self.tls {
            None | Some(TlsArg::Off) => return Ok(None),
            Some(TlsArg::Optional) => (false, "optional"),
            Some(TlsArg::Required) => (true, "required"),
        };
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(ClientTls::new(required, certificate, key)?)),
            _ => Err(ConfigError::Needs {
                key: "tls",
                value,
                needs: "tls_certificate and tls_key",
            }),
        }
    }

    fn server_tls(&self) -> Result<Option<ServerTls>, ConfigError> {
        let ca = |value| {
            self.server_tls_ca.clone().ok_or(ConfigError::Needs {
                key: "server_tls",
                value,
                needs: "server_tls_ca",
            })
        };
        let verify = match self.server_tls {
            None | Some(ServerTlsArg::Off) => return Ok(None),
            Some(ServerTlsArg::Required) => Verify::Nothing,
            Some(ServerTlsArg::VerifyCa) => Verify::Authority(ca("verify-ca")?),
            Some(ServerTlsArg::VerifyFull) => Verify::AuthorityAndName(ca("verify-full")?),
        };
        Ok(Some(ServerTls::new(verify)?))
    }

    fn audit(&self) -> Result<AuditSettings, ConfigError> {
        let required = self.audit_required.unwrap_or_default();
        if required && self.audit_file.is_none() {
            return Err(ConfigError::Needs {
                key: "audit_required",
                value: "true",
                needs: "audit_file",
            });
        }
        Ok(AuditSettings {
            file: self.audit_file.clone(),
            required,
        })
    }

    /// The configuration that all layers together make.
    ///
    /// # Errors
    /// When something is missing or makes no sense.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let client_tls = self.client_tls()?;
        let server_tls = self.server_tls()?;
        let audit = self.audit()?;
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(file)) => read_password(file)?,
            (None, None) => return Err(ConfigError::NoPassword),
        };
        let user = self.user.unwrap_or_else(|| DEFAULT_USER.to_owned());
        let name = LoginName::parse(&user);
        if !name.is_sys() {
            return Err(ConfigError::NotSys(user));
        }
        if self.servers.is_empty() {
            return Err(ConfigError::NoServer);
        }
        let rights = match self.rights {
            Some(RightsArg::Server) => RightsPolicy::Server,
            Some(RightsArg::Account) | None => RightsPolicy::Account,
        };
        let connect_timeout = timeout(
            "connect_timeout",
            self.connect_timeout,
            DEFAULT_CONNECT_TIMEOUT,
        )?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Config {
            listen: self.listen.unwrap_or(DEFAULT_LISTEN),
            relay_threads: self
                .relay_threads
                .unwrap_or(cores)
                .clamp(1, RELAY_THREADS_MAX),
            limits: Limits {
                max_connections: self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
                packet_bytes_max: packet_bytes(self.packet_bytes_max)?,
                tcp_keepalive: timeout("tcp_keepalive", self.tcp_keepalive, DEFAULT_TCP_KEEPALIVE)?,
                connect_timeout,
                handshake_timeout: timeout(
                    "handshake_timeout",
                    self.handshake_timeout,
                    DEFAULT_HANDSHAKE_TIMEOUT,
                )?,
            },
            client_tls,
            audit,
            load_balancers: LoadBalancers::new(
                self.proxy_protocol_from
                    .iter()
                    .map(|written| network(written))
                    .collect::<Result<_, _>>()?,
            ),
            cluster: Settings {
                server_tls,
                seeds: self
                    .servers
                    .iter()
                    .map(|server| with_port(server))
                    .collect::<Result<_, _>>()?,
                user: name.for_server(),
                password,
                cluster_name: self.cluster.or(name.cluster),
                node_timeout: timeout("node_timeout", self.node_timeout, DEFAULT_NODE_TIMEOUT)?,
                connect_timeout,
                node_connections_max: node_connections(self.node_connections_max)?,
                node_idle_timeout: timeout(
                    "node_idle_timeout",
                    self.node_idle_timeout,
                    DEFAULT_NODE_IDLE_TIMEOUT,
                )?,
                kill_verify_timeout: timeout(
                    "kill_verify_timeout",
                    self.kill_verify_timeout,
                    DEFAULT_KILL_VERIFY_TIMEOUT,
                )?,
                kill_victims_max: kill_victims(self.kill_victims_max)?,
                protected_users: protected_users(self.protected_users)?,
                strict_listing: self.strict_listing.unwrap_or_default(),
                topology_refresh_interval: timeout(
                    "topology_refresh_interval",
                    self.topology_refresh_interval,
                    DEFAULT_TOPOLOGY_REFRESH_INTERVAL,
                )?,
                topology_cache: self.topology_cache,
                rights,
                sql: sql::Limits {
                    rows_max: self.sql_rows_max.unwrap_or(DEFAULT_SQL_ROWS_MAX),
                    timeout: timeout("sql_timeout", self.sql_timeout, DEFAULT_SQL_TIMEOUT)?,
                },
                listing_buffer_bytes: self
                    .listing_buffer_bytes
                    .unwrap_or(DEFAULT_LISTING_BUFFER_BYTES),
            },
        })
    }
}

fn timeout(
    key: &'static str,
    given: Option<Duration>,
    default: Duration,
) -> Result<Duration, ConfigError> {
    let timeout = given.unwrap_or(default);
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        return Err(ConfigError::BadTimeout { key });
    }
    Ok(timeout)
}

fn packet_bytes(given: Option<usize>) -> Result<usize, ConfigError> {
    let bytes = given.unwrap_or(DEFAULT_PACKET_BYTES_MAX);
    if PACKET_BYTES_MAX.contains(&bytes) {
        Ok(bytes)
    } else {
        Err(ConfigError::BadPacketBytes(PACKET_BYTES_MAX))
    }
}

fn kill_victims(given: Option<usize>) -> Result<usize, ConfigError> {
    let victims = given.unwrap_or(DEFAULT_KILL_VICTIMS_MAX);
    if KILL_VICTIMS_MAX.contains(&victims) {
        Ok(victims)
    } else {
        Err(ConfigError::BadKillVictims(KILL_VICTIMS_MAX))
    }
}

/// The names that are given, or the default. An empty name is none: so an empty list can be given by flag and by
/// environment, too.
fn protected_users(given: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let names = given.unwrap_or_else(|| vec![DEFAULT_PROTECTED_USER.to_owned()]);
    if let Some(wrong) = names.iter().find(|name| name.contains(['@', '#'])) {
        return Err(ConfigError::BadProtectedUser(wrong.clone()));
    }
    let named = names.into_iter().filter(|name| !name.is_empty());
    Ok(named.collect())
}

fn node_connections(given: Option<usize>) -> Result<usize, ConfigError> {
    let connections = given.unwrap_or(DEFAULT_NODE_CONNECTIONS_MAX);
    if NODE_CONNECTIONS_MAX.contains(&connections) {
        Ok(connections)
    } else {
        Err(ConfigError::BadNodeConnections(NODE_CONNECTIONS_MAX))
    }
}

/// A password file's first line.
fn read_password(file: &Path) -> Result<Secret, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::File {
        file: file.to_owned(),
        reason: error.to_string(),
    })?;
    let line = text.lines().next().unwrap_or_default();
    Ok(line.to_owned().into())
}

/// A network, or one address.
fn network(written: &str) -> Result<IpNet, ConfigError> {
    let written = written.trim();
    let address = || written.parse::<IpAddr>().map(IpNet::from);
    written
        .parse()
        .or_else(|_| address())
        .map_err(|_| ConfigError::BadNetwork(written.to_owned()))
}

/// `host:port`, with OceanBase's SQL port where none is given.
fn with_port(server: &str) -> Result<String, ConfigError> {
    let bad = || ConfigError::BadServer(server.to_owned());
    if server.parse::<SocketAddr>().is_ok() {
        return Ok(server.to_owned());
    }
    if let Ok(ip) = server.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, DEFAULT_SQL_PORT).to_string());
    }
    let (host, port) = match server.split_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
        None => (server, DEFAULT_SQL_PORT),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !host.chars().all(is_name) || port == 0 {
        return Err(bad());
    }
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests;
