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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// Both sides, as client and server see them, and the exchange between them.
    fn stage(
        tls_on_one_side: bool,
    ) -> (
        DuplexStream,
        DuplexStream,
        impl Future<Output = Result<Authenticated, Broken>>,
    ) {
        let (client, to_client) = tokio::io::duplex(1024);
        let (server, to_server) = tokio::io::duplex(1024);
        let exchange = async move {
            let begun = Authentication::begin(None, tls_on_one_side).unwrap();
            // With TLS, which has taken a packet of its own, on the client's side.
            let mut client = PacketStream::behind(to_client, Vec::new(), 3);
            let mut server = PacketStream::behind(to_server, Vec::new(), 2);
            let deadline = Deadline::after(Duration::from_secs(5));
            authenticate(&mut client, &mut server, begun, deadline).await
        };
        (client, server, exchange)
    }

    async fn read(from: &mut DuplexStream, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        from.read_exact(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn each_side_has_its_own_sequence_ids() {
        let (mut client, mut server, exchange) = stage(true);
        let play = async {
            server.write_all(b"\x04\0\0\x02\xfeab\0").await.unwrap();
            assert_eq!(read(&mut client, 8).await, b"\x04\0\0\x03\xfeab\0");
            client.write_all(b"\x02\0\0\x04hi").await.unwrap();
            assert_eq!(read(&mut server, 6).await, b"\x02\0\0\x03hi");
            let ok = b"\x07\0\0\x04\0\0\0\x02\0\0\0";
            server.write_all(ok).await.unwrap();
            assert_eq!(read(&mut client, 5).await, b"\x07\0\0\x05\0");
        };
        let (ended, ()) = tokio::join!(exchange, play);
        assert!(matches!(ended, Ok(Authenticated::Accepted(Some(2)))));
    }

    #[tokio::test]
    async fn what_asks_for_a_readable_password_does_not_reach_the_client() {
        let (mut client, mut server, exchange) = stage(true);
        let switch = b"\x15\0\0\x02\xfemysql_clear_password";
        server.write_all(switch).await.unwrap();
        assert!(matches!(exchange.await, Err(Broken::Method(_))));
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }
}
