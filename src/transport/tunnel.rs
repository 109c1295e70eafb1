//! A socket of this process behind which a server is reached by TLS, for mysql_async.
//!
//! ```text
//!   mysql_async ── plain, inside the process ──► tunnel ══ TLS ══► server
//! ```
//!
//! So that the service account's connections and the clients' backends have the same TLS, and the same
//! demands on certificates: mysql_async's own cannot do without the check of names (`verify-ca`). The
//! server is told that TLS comes by a packet which mysql_async knows nothing of, so that the sequence ids
//! of the login differ on the two sides.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::tls::ServerTls;
use super::{Broken, PacketStream, Stream, authenticate};
use crate::deadline::Deadline;
use crate::wire::authentication::Authentication;
use crate::wire::greeting::Greeting;
use crate::wire::login::ClientAnswer;

/// A tunnel to one server, for one connection.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// The socket's abstract name.
    pub(crate) socket: String,
    /// Why there is no way through it, if there is none.
    pub(crate) failure: oneshot::Receiver<io::Error>,
}

impl Tunnel {
    /// Connects to the server at `addr`, which is called `host`. TLS begins when the socket is connected
    /// to; if that has not led to a login by the deadline, the tunnel falls in.
    ///
    /// # Errors
    /// When there is no connection.
    pub(crate) async fn open(
        addr: SocketAddr,
        host: String,
        tls: ServerTls,
        deadline: Deadline,
    ) -> io::Result<Self> {
        let server = TcpStream::connect(addr).await?;
        server.set_nodelay(true)?;
        let (socket, listener) = listen()?;
        let (failed, failure) = oneshot::channel();
        tokio::spawn(async move {
            let login = async {
                let inner = accept_own(&listener).await?;
                drop(listener);
                log_in(inner, server, &host, &tls, deadline).await
            };
            let through = deadline
                .limit(login)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match through {
                Ok((inner, server)) => {
                    drop(failed);
                    carry(inner, server).await;
                }
                // Nobody may be waiting for it any more.
                Err(error) => drop(failed.send(error)),
            }
        });
        Ok(Self { socket, failure })
    }
}

/// Listens under a new name. It is no file: it ends with the listener.
fn listen() -> io::Result<(String, UnixListener)> {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    let name = format!("obwarden-{}-{number}", std::process::id());
    let addr = net::SocketAddr::from_abstract_name(&name)?;
    let listener = net::UnixListener::bind_addr(&addr)?;
    listener.set_nonblocking(true)?;
    Ok((format!("\0{name}"), UnixListener::from_std(listener)?))
}

/// Takes a connection from this process, and from no other.
async fn accept_own(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (inner, _) = listener.accept().await?;
        let peer = inner
            .peer_cred()?
            .pid()
            .and_then(|pid| u32::try_from(pid).ok());
        if peer == Some(std::process::id()) {
            return Ok(inner);
        }
    }
}

/// Passes the login on, with TLS begun between greeting and login.
async fn log_in(
    inner: UnixStream,
    server: TcpStream,
    host: &str,
    tls: &ServerTls,
    deadline: Deadline,
) -> io::Result<(PacketStream<UnixStream>, PacketStream<Stream>)> {
    let mut inner = PacketStream::new(inner);
    let mut server = PacketStream::new(Stream::Plain(server));
    let payload = server.read().await?;
    let Ok(greeting) = Greeting::read(&payload) else {
        // An error, most likely: whoever logs in reads it.
        inner.write(&payload).await?;
        return Ok((inner, server));
    };
    inner.write(&greeting.masked(&payload, false)).await?;
    let offer = greeting.capabilities.offered_through_proxy(false);
    let answer = ClientAnswer::read(&inner.read().await?, offer, greeting.extended);
    let Ok(ClientAnswer::Login(mut login)) = answer else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    server.ask_for_tls(&greeting, &mut login, host, tls).await?;
    server.write(&login.payload()).await?;
    let exchange = Authentication::begin(login.plugin.as_deref(), false).map_err(io::Error::other);
    match authenticate(&mut inner, &mut server, exchange?, deadline).await {
        Ok(_) => Ok((inner, server)),
        Err(Broken::Client(error) | Broken::Server(error)) => Err(error),
        Err(Broken::ClientSilent | Broken::ServerSilent) => Err(io::ErrorKind::TimedOut.into()),
        Err(Broken::Method(refused)) => Err(io::Error::other(refused)),
    }
}

/// Moves bytes until one side ends. Then both do: a server that hangs keeps nothing open here.
async fn carry(inner: PacketStream<UnixStream>, server: PacketStream<Stream>) {
    let (inner, from_inner) = inner.into_parts();
    let (server, from_server) = server.into_parts();
    let (mut inner_reads, mut inner_writes) = tokio::io::split(inner);
    let (mut server_reads, mut server_writes) = tokio::io::split(server);
    let mut to_server = (&from_inner[..]).chain(&mut inner_reads);
    let mut to_inner = (&from_server[..]).chain(&mut server_reads);
    // However it ends, both ends see that it has.
    tokio::select! {
        _ = tokio::io::copy(&mut to_server, &mut server_writes) => {}
        _ = tokio::io::copy(&mut to_inner, &mut inner_writes) => {}
    }
}
