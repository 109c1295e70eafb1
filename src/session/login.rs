//! The login, passed through: the proxy keeps no list of users and never learns a password.
//!
//! ```text
//!   backend ─ greeting ─► mask ─► client ─ login ─► check name ─► rewrite ─► backend ─ … ─► OK or ERR
//! ```
//!
//! Scramble and thread id are the backend's own, so that passwords check and KILL finds the session.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::Gate;
use super::backends::{Dialled, NoBackend};
use super::packets::PacketStream;
use crate::cluster::{ER_CONNECT_TO_FOREIGN_DATA_SOURCE, ER_QUERY_ON_FOREIGN_DATA_SOURCE};
use crate::deadline::Deadline;
use crate::wire::Malformed;
use crate::wire::answer::{SqlError, ok_status};
use crate::wire::attributes::Attributes;
use crate::wire::capabilities::Capabilities;
use crate::wire::login::{ClientAnswer, Login};
use crate::wire::login_name::LoginName;

/// A client that is logged in, and its backend.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) backend: PacketStream<TcpStream>,
    pub(super) backend_addr: SocketAddr,
    pub(super) thread_id: u32,
    /// What is in force on both connections.
    pub(super) capabilities: Capabilities,
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
    #[error(transparent)]
    NoBackend(#[from] NoBackend),
    #[error("refused: {0}")]
    Refused(SqlError),
    /// The client has the server's own error already.
    #[error("refused by the server: {0}")]
    RefusedByServer(SqlError),
    #[error("the client sent a {0}")]
    Malformed(#[from] Malformed),
    #[error("the client has left: {0}")]
    ClientLeft(io::Error),
    #[error("the client did not log in in time")]
    ClientSilent,
    #[error("the server {0} broke off the login: {1}")]
    BackendLost(SocketAddr, io::Error),
    #[error("the server {0} has stopped answering in the middle of the login")]
    BackendSilent(SocketAddr),
}

impl LoginError {
    /// The error to send to the client, if it has not got one and is still there.
    pub(super) fn to_sql(&self) -> Option<SqlError> {
        let reconnect = "; connect again to be sent to another server";
        Some(match self {
            Self::RefusedByServer(_) | Self::ClientLeft(_) => return None,
            Self::TooManyConnections => SqlError::new(1040, self.to_string()),
            Self::NoBackend(_) => SqlError::new(
                ER_CONNECT_TO_FOREIGN_DATA_SOURCE,
                format!("obwarden: {self}"),
            ),
            Self::Refused(error) => error.clone(),
            Self::Malformed(_) => SqlError::new(1043, format!("Bad handshake: {self}")),
            Self::ClientSilent => SqlError::new(1159, format!("obwarden: {self}")),
            Self::BackendLost(..) | Self::BackendSilent(_) => SqlError::new(
                ER_QUERY_ON_FOREIGN_DATA_SOURCE,
                format!("obwarden: {self}{reconnect}"),
            ),
        })
    }
}

/// Logs a client in.
pub(super) async fn log_in(
    client: &mut PacketStream<TcpStream>,
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
        .write(&greeting.masked(&payload))
        .await
        .map_err(LoginError::ClientLeft)?;
    let answer = read_client(client, deadline).await?;
    let offer = greeting.capabilities.offered_through_proxy();
    let login = match ClientAnswer::read(&answer, offer, greeting.extended.through_proxy())? {
        ClientAnswer::Login(login) => login,
        ClientAnswer::SslRequest => {
            return Err(LoginError::Refused(SqlError::new(
                1043,
                "TLS was not offered by obwarden",
            )));
        }
    };
    let (login, user) = rewritten(login, gate)?;
    let backend_lost = |error| LoginError::BackendLost(addr, error);
    packets
        .write(&login.payload())
        .await
        .map_err(backend_lost)?;
    let status = loop {
        let Ok(read) = deadline.limit(packets.read()).await else {
            gate.backends.avoid(addr);
            return Err(LoginError::BackendSilent(addr));
        };
        let payload = read.map_err(backend_lost)?;
        client
            .write(&payload)
            .await
            .map_err(LoginError::ClientLeft)?;
        match payload[..] {
            [0x00, ..] => break ok_status(&payload).unwrap_or(greeting.status),
            [0xff, ..] => return Err(LoginError::RefusedByServer(SqlError::read(&payload)?)),
            // caching_sha2_password: "fast authentication succeeded", the OK follows by itself.
            [0x01, 0x03] => {}
            // Another method, or more data: the client answers each.
            _ => {
                let answer = read_client(client, deadline).await?;
                packets.write(&answer).await.map_err(backend_lost)?;
            }
        }
    };
    Ok(LoggedIn {
        backend: packets,
        backend_addr: addr,
        thread_id: greeting.thread_id,
        capabilities: login.capabilities,
        user,
        status,
    })
}

async fn read_client(
    client: &mut PacketStream<TcpStream>,
    deadline: Deadline,
) -> Result<Vec<u8>, LoginError> {
    match deadline.limit(client.read()).await {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            Err(LoginError::Malformed(Malformed("login: it is too long")))
        }
        Ok(Err(error)) => Err(LoginError::ClientLeft(error)),
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
        match gate.cluster_name() {
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

/// OceanBase's `OB_CLUSTER_NO_MATCH`.
const ER_CLUSTER_NO_MATCH: u16 = 4666;
