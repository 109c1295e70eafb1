//! Passes on the exchange in which an account proves who it is, packet by packet.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::PacketStream;
use crate::deadline::Deadline;
use crate::wire::answer::{SqlError, ok_status};
use crate::wire::authentication::{Authentication, MethodRefused, Next};

/// How an exchange has ended. The client has been told.
#[derive(Debug)]
pub(crate) enum Authenticated {
    /// By an OK packet, with the server's status flags if it had any.
    Accepted(Option<u16>),
    /// By the server's error.
    Refused(SqlError),
}

/// An exchange that has not come to its end, and through whom.
#[derive(Debug)]
pub(crate) enum Broken {
    Client(io::Error),
    ClientSilent,
    Server(io::Error),
    ServerSilent,
    /// The client has not been told.
    Method(MethodRefused),
}

/// Passes the exchange on, from the server's next packet to its end.
///
/// # Errors
/// When one of the two leaves, or says nothing before the deadline; and when what the server asks for
/// must not be passed on.
pub(crate) async fn authenticate<C, S>(
    client: &mut PacketStream<C>,
    server: &mut PacketStream<S>,
    mut authentication: Authentication,
    deadline: Deadline,
) -> Result<Authenticated, Broken>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let read = deadline.limit(server.read()).await;
        let payload = read
            .map_err(|_| Broken::ServerSilent)?
            .map_err(Broken::Server)?;
        let next = authentication
            .server_sends(&payload)
            .map_err(Broken::Method)?;
        client.write(&payload).await.map_err(Broken::Client)?;
        match next {
            Next::Accepted => return Ok(Authenticated::Accepted(ok_status(&payload))),
            Next::Refused => {
                let refusal = SqlError::read(&payload).map_err(|malformed| {
                    Broken::Server(io::Error::new(io::ErrorKind::InvalidData, malformed))
                })?;
                return Ok(Authenticated::Refused(refusal));
            }
            Next::ServerGoesOn => {}
            Next::ClientAnswers => {
                let read = deadline.limit(client.read()).await;
                let answer = read
                    .map_err(|_| Broken::ClientSilent)?
                    .map_err(Broken::Client)?;
                server.write(&answer).await.map_err(Broken::Server)?;
            }
        }
    }
}
