//! The configuration: one TOML file, and each key also by flag and by environment.
//!
//! A flag goes before the environment, the environment before the file. Unknown keys are errors.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Deserialize;

use crate::cluster::{RightsPolicy, Settings};
use crate::session::{Limits, LoadBalancers};
use crate::transport::tls::{ClientTls, ServerTls, TlsSetupError, Verify};
use crate::wire::login_name::LoginName;

/// OceanBase's SQL port, where an address names none.
const DEFAULT_SQL_PORT: u16 = 2881;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2889);
const DEFAULT_USER: &str = "root@sys";
const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_KILL_VERIFY_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_TOPOLOGY_REFRESH_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_LISTING_BUFFER_BYTES: usize = 64 * 1024 * 1024;
const DEFAULT_MAX_CONNECTIONS: usize = 5000;
const DEFAULT_PACKET_BYTES_MAX: usize = 1024 * 1024;
const DEFAULT_TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// More threads than this are never of use.
const RELAY_THREADS_MAX: usize = 1024;
/// With less no virtual statement would fit; more is no single packet of the protocol's.
const PACKET_BYTES_MAX: std::ops::RangeInclusive<usize> = 8192..=0xff_ffff - 1;
/// Timeouts longer than this are taken for a mistake of unit.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

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
    servers: Vec<String>,
    /// The service account, of the sys tenant [default: root@sys]
    #[arg(long, env = "OBWARDEN_USER")]
    user: Option<String>,
    /// A file with the service account's password (or OBWARDEN_PASSWORD, the password itself)
    #[arg(long, env = "OBWARDEN_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Only from the file and the environment: a flag would show it in the list of processes.
    #[arg(skip)]
    password: Option<String>,
    /// Where to take clients; port 0 takes a free one [default: 127.0.0.1:2889]
    #[arg(long, env = "OBWARDEN_LISTEN", value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// A load balancer that sends a PROXY header, IP or CIDR; repeat it for more [default: none]
    #[arg(
        long,
        env = "OBWARDEN_PROXY_PROTOCOL_FROM",
        value_name = "IP|CIDR",
        value_delimiter = ','
    )]
    #[serde(default)]
    proxy_protocol_from: Vec<String>,
    /// The cluster's name, to refuse logins meant for another [default: the server's parameter]
    #[arg(long, env = "OBWARDEN_CLUSTER")]
    cluster: Option<String>,
    /// Whose rights count: the account's own, or as OceanBase's KILL [default: account]
    #[arg(long, env = "OBWARDEN_RIGHTS")]
    rights: Option<RightsArg>,
    /// The deadline of a whole virtual statement [default: 3s]
    #[arg(long, env = "OBWARDEN_NODE_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    node_timeout: Option<Duration>,
    /// How long a backend may take to greet [default: 1s]
    #[arg(long, env = "OBWARDEN_CONNECT_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    connect_timeout: Option<Duration>,
    /// How long a client may take to log in [default: 10s]
    #[arg(long, env = "OBWARDEN_HANDSHAKE_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    handshake_timeout: Option<Duration>,
    /// Clients at once; one more is refused with 1040 [default: 5000]
    #[arg(long, env = "OBWARDEN_MAX_CONNECTIONS", value_name = "N")]
    max_connections: Option<usize>,
    /// The longest packet that obwarden reads whole: a login, a virtual statement [default: 1048576]
    #[arg(long, env = "OBWARDEN_PACKET_BYTES_MAX", value_name = "BYTES")]
    packet_bytes_max: Option<usize>,
    /// How long a connection may be silent before it is probed [default: 60s]
    #[arg(long, env = "OBWARDEN_TCP_KEEPALIVE", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    tcp_keepalive: Option<Duration>,
    /// How long a killed session may take to be gone [default: 5s]
    #[arg(long, env = "OBWARDEN_KILL_VERIFY_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    kill_verify_timeout: Option<Duration>,
    /// How often the list of servers is read in the background [default: 5s]
    #[arg(long, env = "OBWARDEN_TOPOLOGY_REFRESH_INTERVAL", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(default, with = "humantime_serde")]
    topology_refresh_interval: Option<Duration>,
    /// How many bytes of rows a list may keep to put them in order [default: 67108864]
    #[arg(long, env = "OBWARDEN_LISTING_BUFFER_BYTES", value_name = "BYTES")]
    listing_buffer_bytes: Option<usize>,
    /// Threads that move bytes [default: one for each core]
    #[arg(long, env = "OBWARDEN_RELAY_THREADS", value_name = "N")]
    relay_threads: Option<usize>,
    /// Whether clients may, or must, use TLS [default: off]
    #[arg(long, env = "OBWARDEN_TLS")]
    tls: Option<TlsArg>,
    /// The certificate shown to clients, and those behind it: a PEM file
    #[arg(long, env = "OBWARDEN_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key: a PEM file
    #[arg(long, env = "OBWARDEN_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// TLS with the servers, and what their certificates must show [default: off]
    #[arg(long, env = "OBWARDEN_SERVER_TLS")]
    server_tls: Option<ServerTlsArg>,
    /// The authorities that make the servers' certificates: a PEM file
    #[arg(long, env = "OBWARDEN_SERVER_TLS_CA", value_name = "FILE")]
    server_tls_ca: Option<PathBuf>,
}

/// `rights`, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum RightsArg {
    Account,
    Server,
}

/// `tls`, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum TlsArg {
    Off,
    Optional,
    Required,
}

/// `server_tls`, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum ServerTlsArg {
    Off,
    Required,
    VerifyCa,
    VerifyFull,
}

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
    /// TLS is on, and a file that it needs is not named.
    #[error("{key} is {value}, which needs {needs}")]
    TlsFile {
        /// What is on.
        key: &'static str,
        /// How it is on.
        value: &'static str,
        /// What is missing.
        needs: &'static str,
    },
    /// A limit of packets that makes no sense.
    #[error("packet_bytes_max must be at least {} and at most {}", PACKET_BYTES_MAX.start(), PACKET_BYTES_MAX.end())]
    BadPacketBytes,
    /// A timeout that makes no sense.
    #[error("{key} must be more than zero and at most an hour")]
    BadTimeout {
        /// Which one.
        key: &'static str,
    },
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
            handshake_timeout: self.handshake_timeout.or(below.handshake_timeout),
            max_connections: self.max_connections.or(below.max_connections),
            packet_bytes_max: self.packet_bytes_max.or(below.packet_bytes_max),
            tcp_keepalive: self.tcp_keepalive.or(below.tcp_keepalive),
            kill_verify_timeout: self.kill_verify_timeout.or(below.kill_verify_timeout),
            topology_refresh_interval: self
                .topology_refresh_interval
                .or(below.topology_refresh_interval),
            listing_buffer_bytes: self.listing_buffer_bytes.or(below.listing_buffer_bytes),
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
    pub fn with_password(self, password: Option<String>) -> Self {
        if self.password_file.is_some() {
            self
        } else {
            Self { password, ..self }
        }
    }

    fn client_tls(&self) -> Result<Option<ClientTls>, ConfigError> {
        let (required, value) = match self.tls {
            None | Some(TlsArg::Off) => return Ok(None),
            Some(TlsArg::Optional) => (false, "optional"),
            Some(TlsArg::Required) => (true, "required"),
        };
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(ClientTls::new(required, certificate, key)?)),
            _ => Err(ConfigError::TlsFile {
                key: "tls",
                value,
                needs: "tls_certificate and tls_key",
            }),
        }
    }

    fn server_tls(&self) -> Result<Option<ServerTls>, ConfigError> {
        let ca = |value| {
            self.server_tls_ca.clone().ok_or(ConfigError::TlsFile {
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

    /// The configuration that all layers together make.
    ///
    /// # Errors
    /// When something is missing or makes no sense.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let client_tls = self.client_tls()?;
        let server_tls = self.server_tls()?;
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
                connect_timeout: timeout(
                    "connect_timeout",
                    self.connect_timeout,
                    DEFAULT_CONNECT_TIMEOUT,
                )?,
                handshake_timeout: timeout(
                    "handshake_timeout",
                    self.handshake_timeout,
                    DEFAULT_HANDSHAKE_TIMEOUT,
                )?,
            },
            client_tls,
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
                kill_verify_timeout: timeout(
                    "kill_verify_timeout",
                    self.kill_verify_timeout,
                    DEFAULT_KILL_VERIFY_TIMEOUT,
                )?,
                topology_refresh_interval: timeout(
                    "topology_refresh_interval",
                    self.topology_refresh_interval,
                    DEFAULT_TOPOLOGY_REFRESH_INTERVAL,
                )?,
                rights,
                listing_buffer_bytes: self
                    .listing_buffer_bytes
                    .unwrap_or(DEFAULT_LISTING_BUFFER_BYTES),
            },
        })
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
        Err(ConfigError::BadPacketBytes)
    }
}

/// A password file's first line.
fn read_password(file: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::File {
        file: file.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
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
mod tests {
    use super::*;

    fn layer(text: &str) -> Layer {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_few_words_are_enough() {
        let config = layer("servers = ['10.0.0.1:2881']\npassword = ''")
            .resolve()
            .unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:2889");
        assert_eq!(config.cluster.user, "root");
        assert_eq!(config.cluster.node_timeout, Duration::from_secs(3));
    }

    #[test]
    fn what_a_flag_says_goes_before_what_the_file_says() {
        let file = layer(
            "servers = ['10.0.0.1:2881']\npassword = 'a'\nnode_timeout = '5s'\nrights = 'server'",
        );
        let flags = layer("servers = ['10.0.0.2:2881']\nnode_timeout = '2s'")
            .with_password(Some("b".into()));
        let config = flags.over(file).resolve().unwrap();
        assert_eq!(config.cluster.seeds, ["10.0.0.2:2881"]);
        assert_eq!(config.cluster.password, "b");
        assert_eq!(config.cluster.node_timeout, Duration::from_secs(2));
        assert_eq!(config.cluster.rights, RightsPolicy::Server);
    }

    #[test]
    fn servers_are_written_in_many_ways() {
        for (written, read) in [
            ("10.0.0.1", "10.0.0.1:2881"),
            ("10.0.0.1:3881", "10.0.0.1:3881"),
            ("ob1.example", "ob1.example:2881"),
            ("ob1:3881", "ob1:3881"),
            ("fe80::1", "[fe80::1]:2881"),
            ("[fe80::1]", "[fe80::1]:2881"),
            ("[fe80::1]:3881", "[fe80::1]:3881"),
        ] {
            assert_eq!(with_port(written).unwrap(), read);
        }
        for written in [
            "",
            ":2881",
            "ob1:",
            "ob1:x",
            "ob1:0",
            "ob1:99999",
            "a b",
            "user@host",
        ] {
            assert!(with_port(written).is_err(), "{written}");
        }
    }

    #[test]
    fn load_balancers_are_addresses_and_networks() {
        for written in [
            "10.0.0.5",
            "10.1.0.0/16",
            "fe80::1",
            "fd00::/8",
            " 10.0.0.5 ",
        ] {
            assert!(network(written).is_ok(), "{written}");
        }
        for written in ["", "lb1.example", "10.0.0.5:80", "10.0.0.0/33", "10.0.0.0/"] {
            assert!(network(written).is_err(), "{written}");
        }
    }

    #[test]
    fn each_mistake_gets_one_line_that_names_it() {
        for (text, named) in [
            ("password = ''", "no server"),
            ("servers = ['a:b']\npassword = ''", "'a:b'"),
            ("servers = ['a']", "no password"),
            (
                "servers = ['a']\npassword = ''\nuser = 'root@shop'",
                "'root@shop'",
            ),
            (
                "servers = ['a']\npassword = ''\nnode_timeout = '0s'",
                "node_timeout",
            ),
            (
                "servers = ['a']\npassword = ''\npacket_bytes_max = 100",
                "packet_bytes_max",
            ),
            (
                "servers = ['a']\npassword = ''\nproxy_protocol_from = ['lb1']",
                "'lb1'",
            ),
            (
                "servers = ['a']\npassword_file = '/does/not/exist'",
                "/does/not/exist",
            ),
        ] {
            let message = layer(text).resolve().unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}
