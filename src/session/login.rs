//! The login, passed through: the proxy keeps no list of users and never learns a password.
//!
//! ```text
//!   backend ─ greeting ─► mask ─► client ─ login ─► check name ─► rewrite ─► backend ─ … ─► OK or ERR
//! ```
//!
//! Scramble and thread id are the backend's own, so that passwords check and KILL finds the session.
//! TLS begins between greeting and login, with the client and with the backend on its own; each packet
//! takes the sequence id that comes next on its connection.

use std::io;
use std::net::SocketAddr;

use super::Gate;
use super::backends::{Dialled, NoBackend};
use super::proxy_protocol::NoHeader;
use crate::cluster::{ER_CONNECT_TO_FOREIGN_DATA_SOURCE, ER_QUERY_ON_FOREIGN_DATA_SOURCE};
use crate::deadline::Deadline;
use crate::transport::{Authenticated, Broken, PacketStream, Stream, authenticate};
use crate::wire::Malformed;
use crate::wire::answer::SqlError;
use crate::wire::attributes::Attributes;
use crate::wire::authentication::{Authentication, MethodRefused};
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::greeting::Greeting;
use crate::wire::login::{ClientAnswer, Login};
use crate::wire::login_name::LoginName;

/// A client that is logged in, and its backend.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) backend: PacketStream<Stream>,
    pub(super) backend_addr: SocketAddr,
    pub(super) thread_id: u32,
    /// What is in force on both connections.
    pub(super) capabilities: Capabilities,
    /// The same of MariaDB's own.
    pub(super) extended: ExtendedCapabilities,
    /// The account's bare name.
    pub(super) user: String,
    /// The server's status flags after the login.
    pub(super) status: u16,
}

/// Why a client is not logged in.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("Too many connections")]
    TooManyConnections,
    #[error("a PROXY header is expected from this address, but {0}")]
    NoHeader(#[from] NoHeader),
    #[error(transparent)]
    NoBackend(#[from] NoBackend),
    #[error("refused: {0}")]
    Refused(SqlError),
    /// The client has the server's own error already.
    #[error("refused by the server: {0}")]
    RefusedByServer(SqlError),
    #[error("the client sent a {0}")]
    Malformed(#[from] Malformed),
    #[error("a login in a packet too long for one")]
    TooLong,
    #[error("obwarden is shutting down")]
    ShuttingDown,
    #[error("the client has left: {0}")]
    ClientLeft(io::Error),
    #[error("the client did not log in in time")]
    ClientSilent,
    #[error("the server {0} broke off the login: {1}")]
    BackendLost(SocketAddr, io::Error),
    #[error("the server {0} has stopped answering in the middle of the login")]
    BackendSilent(SocketAddr),
    #[error("no TLS with the server {0}: {1}")]
    BackendTls(SocketAddr, io::Error),
    #[error("no TLS with the client: {0}")]
    ClientTls(io::Error),
    #[error("Connections using insecure transport are prohibited: obwarden's clients must use TLS")]
    TlsRequired,
    #[error(transparent)]
    Method(#[from] MethodRefused),
}

/// Whose doing it is that a client is not logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody's: it has gone of its own accord, as a health check does that only connects.
    Leaving,
    Client,
    Server,
}

impl LoginError {
    fn of_client(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::TooLong,
            _ => Self::ClientLeft(error),
        }
    }

    /// How an exchange with the server at `addr` has ended: with status flags, or as an error.
    ///
    /// # Errors
    /// When it has not ended well.
    pub(super) fn of(
        authenticated: Result<Authenticated, Broken>,
        addr: SocketAddr,
    ) -> Result<Option<u16>, Self> {
        Err(match authenticated {
            Ok(Authenticated::Accepted(status)) => return Ok(status),
            Ok(Authenticated::Refused(refusal)) => Self::RefusedByServer(refusal),
            Err(Broken::Client(error)) => Self::of_client(error),
            Err(Broken::ClientSilent) => Self::ClientSilent,
            Err(Broken::Server(error)) => Self::BackendLost(addr, error),
            Err(Broken::ServerSilent) => Self::BackendSilent(addr),
            Err(Broken::Method(refused)) => Self::Method(refused),
        })
    }

    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::ClientLeft(_) | Self::NoHeader(NoHeader::Left(_)) => Fault::Leaving,
            Self::NoBackend(_)
            | Self::BackendLost(..)
            | Self::BackendSilent(_)
            | Self::BackendTls(..) => Fault::Server,
            _ => Fault::Client,
        }
    }

    /// The error to send to the client, if it has not got one and is still there.
    pub(super) fn to_sql(&self) -> Option<SqlError> {
        let reconnect = "; connect again to be sent to another server";
        Some(match self {
            Self::RefusedByServer(_)
            | Self::ClientLeft(_)
            | Self::ClientTls(_)
            | Self::NoHeader(NoHeader::Left(_)) => return None,
            Self::TooManyConnections => SqlError::new(1040, self.to_string()),
            Self::NoBackend(_) => SqlError::new(
                ER_CONNECT_TO_FOREIGN_DATA_SOURCE,
                format!("obwarden: {self}"),
            ),
            Self::Refused(error) => error.clone(),
            Self::NoHeader(NoHeader::Silent) => SqlError::new(1159, format!("obwarden: {self}")),
            Self::NoHeader(_) | Self::Malformed(_) => {
                SqlError::new(1043, format!("Bad handshake: {self}"))
            }
            Self::TooLong => SqlError::new(1153, format!("obwarden: {self} (packet_bytes_max)")),
            Self::ShuttingDown => SqlError::new(1053, self.to_string()),
            Self::ClientSilent => SqlError::new(1159, format!("obwarden: {self}")),
            Self::BackendLost(..) | Self::BackendSilent(_) | Self::BackendTls(..) => SqlError::new(
                ER_QUERY_ON_FOREIGN_DATA_SOURCE,
                format!("obwarden: {self}{reconnect}"),
            ),
            Self::TlsRequired => SqlError::new(ER_SECURE_TRANSPORT_REQUIRED, self.to_string()),
            Self::Method(_) => {
                SqlError::new(ER_NOT_SUPPORTED_AUTH_MODE, format!("obwarden: {self}"))
            }
        })
    }
}

/// Logs a client in. A server that fails in the middle of it is not given to the next client.
pub(super) async fn log_in(
    client: &mut PacketStream<Stream>,
    gate: &Gate,
    deadline: Deadline,
) -> Result<LoggedIn, LoginError> {
    let login = pass_on(client, gate, deadline).await;
    login.inspect_err(|error| match error {
        LoginError::BackendSilent(addr) | LoginError::BackendTls(addr, _) => {
            gate.backends.avoid(*addr, &error.to_string());
        }
        _ => {}
    })
}

async fn pass_on(
    client: &mut PacketStream<Stream>,
    gate: &Gate,
    deadline: Deadline,
) -> Result<LoggedIn, LoginError> {
    let Dialled {
        addr,
        mut packets,
        greeting,
        payload,
    } = gate.backends.dial(deadline).await?;
    client
        .write(&greeting.masked(&payload, gate.client_tls.is_some()))
        .await
        .map_err(LoginError::ClientLeft)?;
    let login = read_login(client, &greeting, gate, deadline).await?;
    let (mut login, user) = rewritten(login, gate)?;
    let server_tls = gate.cluster.settings().server_tls.as_ref();
    // The client's TLS ends here.
    login.capabilities = login.capabilities.with_tls(false);
    let authentication = Authentication::begin(
        login.plugin.as_deref(),
        client.stream().has_tls() != server_tls.is_some(),
    )?;
    if let Some(tls) = server_tls {
        let host = gate.cluster.host_of(addr);
        let begun = packets.ask_for_tls(&greeting, &mut login, &host, tls);
        deadline
            .limit(begun)
            .await
            .map_err(|_| LoginError::BackendSilent(addr))?
            .map_err(|error| LoginError::BackendTls(addr, error))?;
    }
    packets
        .write(&login.payload())
        .await
        .map_err(|error| LoginError::BackendLost(addr, error))?;
    let authenticated = authenticate(client, &mut packets, authentication, deadline).await;
    let status = LoginError::of(authenticated, addr)?;
    Ok(LoggedIn {
        backend: packets,
        backend_addr: addr,
        thread_id: greeting.thread_id,
        capabilities: login.capabilities,
        extended: login.extended,
        user,
        status: status.unwrap_or(greeting.status),
    })
}

/// Reads the client's login, behind TLS if it wants that.
async fn read_login(
    client: &mut PacketStream<Stream>,
    greeting: &Greeting,
    gate: &Gate,
    deadline: Deadline,
) -> Result<Login, LoginError> {
    let extended = greeting.extended.through_proxy();
    let offer = |tls: bool| greeting.capabilities.offered_through_proxy(tls);
    let tls = gate.client_tls.as_ref();
    let answer = read_client(client, deadline).await?;
    match (
        ClientAnswer::read(&answer, offer(tls.is_some()), extended)?,
        tls,
    ) {
        (ClientAnswer::Login(_), Some(tls)) if tls.required => Err(LoginError::TlsRequired),
        (ClientAnswer::Login(login), _) => Ok(login),
        (ClientAnswer::SslRequest, None) => Err(LoginError::Refused(SqlError::new(
            1043,
            "TLS was not offered by obwarden",
        ))),
        (ClientAnswer::SslRequest, Some(tls)) => {
            let plain = client.nothing_read_ahead().map_err(LoginError::ClientTls)?;
            match deadline.limit(plain.begin_tls(|tcp| tls.accept(tcp))).await {
                Ok(begun) => begun.map_err(LoginError::ClientTls)?,
                Err(_) => return Err(LoginError::ClientSilent),
            }
            let answer = read_client(client, deadline).await?;
            match ClientAnswer::read(&answer, offer(true), extended)? {
                ClientAnswer::Login(login) => Ok(login),
                ClientAnswer::SslRequest => Err(Malformed("login: TLS within TLS").into()),
            }
        }
    }
}

async fn read_client(
    client: &mut PacketStream<Stream>,
    deadline: Deadline,
) -> Result<Vec<u8>, LoginError> {
    match deadline.limit(client.read()).await {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(error)) => Err(LoginError::of_client(error)),
        Err(_) => Err(LoginError::ClientSilent),
    }
}

/// The login as the server takes it, and the bare name of its account.
fn rewritten(mut login: Login, gate: &Gate) -> Result<(Login, String), LoginError> {
    let name = admit(&login.user, login.attributes.as_ref(), gate).map_err(LoginError::Refused)?;
    login.user = name.for_server().into_bytes();
    login.attributes = login.attributes.map(Attributes::through_proxy);
    Ok((login, name.user))
}

/// Checks that a login means the sys tenant of this cluster.
///
/// # Errors
/// 1045 for another tenant, 4666 for another cluster.
pub(super) fn admit(
    user: &[u8],
    attributes: Option<&Attributes>,
    gate: &Gate,
) -> Result<LoginName, SqlError> {
    let Ok(typed) = std::str::from_utf8(user) else {
        return Err(SqlError::new(
            1045,
            "Access denied: the user name is not UTF-8",
        ));
    };
    let name = LoginName::parse(typed);
    if !name.is_sys() {
        let tenant = name.tenant.as_deref().unwrap_or_default();
        let text = format!(
            "Access denied for user '{typed}': obwarden serves the sys tenant only, not '{tenant}'"
        );
        return Err(SqlError::new(1045, text));
    }
    let in_attributes = attributes
        .and_then(Attributes::cluster_name)
        .map(String::from_utf8_lossy);
    for meant in name
        .cluster
        .as_deref()
        .into_iter()
        .chain(in_attributes.as_deref())
    {
        match gate.cluster.name() {
            Some(own) if own != meant => {
                let text =
                    format!("the login is for cluster '{meant}', but this is cluster '{own}'");
                return Err(SqlError::new(ER_CLUSTER_NO_MATCH, text));
            }
            Some(_) => {}
            None => tracing::warn!(
                meant,
                "a login names a cluster; this one's own name is not known"
            ),
        }
    }
    Ok(name)
}

/// MySQL's code for a client without TLS where TLS is required.
const ER_SECURE_TRANSPORT_REQUIRED: u16 = 3159;

/// MySQL's code for an authentication method that does not work out.
const ER_NOT_SUPPORTED_AUTH_MODE: u16 = 1251;

/// OceanBase's `OB_CLUSTER_NO_MATCH`.
const ER_CLUSTER_NO_MATCH: u16 = 4666;
