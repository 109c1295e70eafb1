//! One session: a client and two servers, the backend and the console.
//!
//! ```text
//!   accept ─► log_in ─► Relay ─┬─ bytes to and from the backend
//!                              └─ Event::Request ─► answer ─► console, or a word of the session's own
//! ```
//!
//! Whatever is true of one server is true of the other, so there is one command loop, one reply tracker,
//! one place for errors.

mod backends;
mod buffers;
mod change_user;
mod console_statements;
mod farewell;
mod login;
mod proxy_protocol;
mod relay;
mod router;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::audit::Caller;
use crate::clients::{Clients, Registration};
use crate::cluster::Cluster;
use crate::console::{self, Console};
use crate::deadline::Deadline;
use crate::statement::diagnostics::{Level, Message};
use crate::transport::tls::ClientTls;
use crate::transport::{PacketStream, Stream};
use crate::wire::answer::{OkAnswer, STATUS_LASTING, SqlError};
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::packet::put_packet;
use crate::wire::reply::ReplyTracker;
use backends::Backends;
use console_statements::STATEMENTS_MAX;
use farewell::Farewells;
use login::{Fault, LoginError};
pub use proxy_protocol::LoadBalancers;
use relay::{Ended, Event, Relay};
use router::{Answered, Request};

/// What clients may take of the proxy.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients at once, those in their login among them.
    pub max_connections: usize,
    /// The longest packet that the proxy reads whole, in bytes: all others pass through, however long.
    pub packet_bytes_max: usize,
    /// Until a backend must have greeted.
    pub connect_timeout: Duration,
    /// Until a client must have logged in.
    pub handshake_timeout: Duration,
    /// How long a connection may be silent before it is probed whether the other side is still there.
    pub tcp_keepalive: Duration,
}

/// What all sessions share.
#[derive(Debug)]
pub struct Gate {
    cluster: Arc<Cluster>,
    clients: Arc<Clients>,
    console: Console,
    backends: Backends,
    client_tls: Option<ClientTls>,
    limits: Limits,
    load_balancers: LoadBalancers,
    places: Arc<Semaphore>,
    farewells: Farewells,
    shutdown: CancellationToken,
}

impl Gate {
    /// A gate to `cluster`. Sessions end when `shutdown` is cancelled.
    pub fn new(
        cluster: Arc<Cluster>,
        clients: Arc<Clients>,
        console: Console,
        limits: Limits,
        shutdown: CancellationToken,
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
            shutdown,
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

    /// The cluster's name, where it is known.
    fn cluster_name(&self) -> Option<String> {
        let configured = self.cluster.settings().cluster_name.clone();
        configured.or_else(|| self.cluster.snapshot()?.cluster_name.clone())
    }
}

/// Serves one client from its connecting to its end.
pub async fn serve(stream: TcpStream, peer: SocketAddr, gate: Arc<Gate>) {
    let Ok(place) = gate.places.try_acquire() else {
        let packets = PacketStream::new(Stream::Plain(stream));
        let refusal = refuse(packets, peer, &LoginError::TooManyConnections, &gate);
        return Box::pin(refusal).await;
    };
    // What is rare or soon over is boxed: an idle session keeps no room for it.
    let Some((mut session, _place)) = Box::pin(enter(stream, peer, place, &gate)).await else {
        return;
    };
    let ended = session.run(&gate).await;
    session.log_end(&ended);
    Box::pin(session.say_farewell(&gate)).await;
}

/// Logs a client in, or tells it why not: it has lost its place then.
async fn enter<'g>(
    mut stream: TcpStream,
    peer: SocketAddr,
    place: SemaphorePermit<'g>,
    gate: &'g Gate,
) -> Option<(Session, SemaphorePermit<'g>)> {
    let deadline = Deadline::after(gate.limits.handshake_timeout);
    let client = tokio::select! {
        client = gate.load_balancers.client(&mut stream, peer, deadline) => client,
        () = gate.shutdown.cancelled() => return None,
    };
    let mut packets =
        PacketStream::new(Stream::Plain(stream)).limited(gate.limits.packet_bytes_max);
    if gate.client_tls.is_some() {
        packets = packets.reading_one_at_a_time();
    }
    let (client, login) = match client {
        Ok(client) => {
            let login = tokio::select! {
                login = login::log_in(&mut packets, gate, deadline) => login,
                () = gate.shutdown.cancelled() => Err(LoginError::ShuttingDown),
            };
            (client, login)
        }
        Err(why) => (peer, Err(why.into())),
    };
    match login {
        Ok(logged_in) => {
            let (backend, thread_id) = (logged_in.backend_addr, logged_in.thread_id);
            tracing::debug!(%client, %backend, thread_id, user = logged_in.user, "logged in");
            Some((Session::new(packets, client, logged_in, gate), place))
        }
        Err(error) => {
            drop(place);
            refuse(packets, client, &error, gate).await;
            None
        }
    }
}

/// Tells a client why it is not let in.
async fn refuse(
    mut packets: PacketStream<Stream>,
    client: SocketAddr,
    error: &LoginError,
    gate: &Gate,
) {
    match error.fault() {
        Fault::Leaving => tracing::debug!(%client, %error, "a client has left before its login"),
        Fault::Client => tracing::info!(%client, %error, "a client is not logged in"),
        Fault::Server => tracing::warn!(%client, %error, "a client is not logged in"),
    }
    let Some(refusal) = error.to_sql() else {
        return;
    };
    let payload = if packets.is_new() {
        refusal.payload_before_greeting()
    } else {
        refusal.payload()
    };
    // That it has left meanwhile is its own business.
    let _ = packets.write(&payload).await;
    gate.farewells.close(packets.into_parts().0).await;
}

/// A client that is logged in.
struct Session {
    relay: Relay<Stream, Stream>,
    registration: Registration,
    caller: Caller,
    capabilities: Capabilities,
    extended: ExtendedCapabilities,
    /// What the last virtual statement left behind, for `SHOW WARNINGS`.
    messages: Arc<Vec<Message>>,
}

impl Session {
    fn new(
        packets: PacketStream<Stream>,
        client: SocketAddr,
        logged_in: login::LoggedIn,
        gate: &Gate,
    ) -> Self {
        let deprecate_eof = logged_in.capabilities.has(Capabilities::DEPRECATE_EOF);
        let tracker = ReplyTracker::new(deprecate_eof, logged_in.status);
        let (client_stream, from_client) = packets.into_parts();
        let (backend, from_backend) = logged_in.backend.into_parts();
        let mut relay = Relay::new(client_stream, backend, tracker, from_client, from_backend);
        relay.router.packet_bytes_max = gate.limits.packet_bytes_max;
        Self {
            relay,
            registration: gate
                .clients
                .register((logged_in.backend_addr, logged_in.thread_id), client),
            caller: Caller {
                user: logged_in.user,
                client,
            },
            capabilities: logged_in.capabilities,
            extended: logged_in.extended,
            messages: Arc::default(),
        }
    }

    /// The command loop: what happens until it is over.
    async fn run(&mut self, gate: &Gate) -> Ended {
        loop {
            let event = tokio::select! {
                event = self.relay.next() => event,
                () = gate.shutdown.cancelled() => return Box::pin(self.shut_down()).await,
            };
            let answered = match event {
                Event::Request(request) => Box::pin(self.answer(request, gate)).await,
                Event::Replied(outcome) => {
                    if outcome.succeeded {
                        self.begin_anew();
                    }
                    Ok(())
                }
                Event::Kill(thread_id) => {
                    let (backend, _) = self.registration.key();
                    self.registration.clients().cancel((backend, thread_id));
                    Ok(())
                }
                Event::Ended(ended) => return ended,
            };
            if let Err(ended) = answered {
                return ended;
            }
        }
    }

    /// Answers a command that does not go to the backend.
    async fn answer(&mut self, request: Request, gate: &Gate) -> Result<(), Ended> {
        let said = match request {
            Request::Query(text) => match String::from_utf8(text) {
                Ok(text) => self.ask_console(console::Command::Query(text), gate).await,
                Err(_) => self.say_error(not_utf8()).await,
            },
            Request::Prepare(text) => match (
                String::from_utf8(text),
                self.relay.router.statements.next_id(),
            ) {
                (Ok(text), Some(id)) => {
                    self.ask_console(console::Command::Prepare { id, text }, gate)
                        .await
                }
                (Ok(_), None) => {
                    let text = format!(
                        "Can't prepare more than {STATEMENTS_MAX} virtual statements in a session"
                    );
                    self.say_error(SqlError::new(1461, text)).await
                }
                (Err(_), _) => self.say_error(not_utf8()).await,
            },
            Request::Execute { id } => {
                match self.relay.router.statements.text(id).map(str::to_owned) {
                    Some(text) => {
                        self.ask_console(console::Command::Execute { id, text }, gate)
                            .await
                    }
                    None => {
                        self.say_error(SqlError::new(
                            1243,
                            format!("Unknown prepared statement {id}"),
                        ))
                        .await
                    }
                }
            }
            Request::Fetch { id } => {
                let text = format!("The statement ({id}) has no open cursor.");
                self.say_error(SqlError::new(1421, text)).await
            }
            Request::Reset => {
                let status = self.relay.tracker.status() & STATUS_LASTING;
                let ok = OkAnswer {
                    status,
                    ..OkAnswer::default()
                };
                self.say(&ok.ok_payload(self.capabilities)).await
            }
            Request::Mixed => {
                let text =
                    "A statement of obwarden's must stand alone: nothing of this packet was run";
                self.say_error(SqlError::new(1235, text)).await
            }
            Request::TooLong => {
                let text = format!(
                    "obwarden: a virtual statement of more than {} bytes (packet_bytes_max)",
                    gate.limits.packet_bytes_max
                );
                let said = self.say_error(SqlError::new(1153, text)).await;
                said.and(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a virtual statement that is too long",
                )))
            }
            Request::ChangeUser(payload) => return self.change_user(&payload, gate).await,
        };
        said.map_err(Ended::ClientLost)
    }

    /// Runs a virtual statement and passes its reply on as it comes. The client's leaving ends it.
    async fn ask_console(&mut self, command: console::Command, gate: &Gate) -> io::Result<()> {
        let running = self.registration.run();
        let mut exchange = gate.console.open(console::Request {
            command: command.clone(),
            caller: self.caller.clone(),
            capabilities: self.capabilities,
            extended: self.extended,
            status: self.relay.tracker.status(),
            messages: Arc::clone(&self.messages),
            cancel: running.token().clone(),
        });
        let mut reply = Vec::new();
        let mut replied = false;
        loop {
            reply.clear();
            let more = tokio::select! {
                more = exchange.next(&mut reply) => more,
                () = self.relay.client_left() => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            match more {
                Ok(true) => self.relay.send_to_client(&reply).await?,
                Ok(false) => break,
                Err(error) if replied => return Err(error),
                Err(error) => {
                    drop(running);
                    tracing::error!(%error, "a virtual statement has broken off");
                    let text = format!("obwarden: the statement has broken off: {error}");
                    return self.say_error(SqlError::new(1105, text)).await;
                }
            }
            replied = true;
        }
        let Some(outcome) = exchange.outcome() else {
            return Ok(());
        };
        drop(running);
        if let (console::Command::Prepare { id, text }, Ok(())) = (command, &outcome.result) {
            self.relay.router.statements.keep(id, text);
        }
        if let Some(messages) = outcome.messages {
            self.leave_behind(messages);
        }
        Ok(())
    }

    /// Keeps a statement's messages for `SHOW WARNINGS`.
    fn leave_behind(&mut self, messages: Vec<Message>) {
        self.messages = Arc::new(messages);
        self.relay.router.last_answer = Answered::Console;
    }

    /// The session begins anew: as another user, or reset.
    fn begin_anew(&mut self) {
        self.relay.router.statements.clear();
        self.relay.router.last_answer = Answered::Backend;
        self.messages = Arc::default();
    }

    /// An error of the session's own, in answer to the last command.
    async fn say_error(&mut self, error: SqlError) -> io::Result<()> {
        self.leave_behind(vec![Message {
            level: Level::Error,
            code: error.code,
            text: error.text.clone(),
        }]);
        self.say(&error.payload()).await
    }

    /// A packet of the session's own, in answer to the last command.
    async fn say(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut packet = Vec::new();
        put_packet(&mut packet, 1, payload);
        self.relay.send_to_client(&packet).await
    }

    /// Who has ended the session.
    fn log_end(&self, ended: &Ended) {
        let client = self.caller.client;
        let (backend, thread_id) = self.registration.key();
        match ended {
            Ended::Over => tracing::debug!(%client, %backend, "the session is over"),
            Ended::ServerClosed { owing: false } => {
                tracing::info!(%client, %backend, thread_id, "the server has closed an idle session");
            }
            Ended::ServerClosed { owing: true } => {
                tracing::warn!(%client, %backend, thread_id, "the server is lost: it closed the connection and owes a reply");
            }
            Ended::ServerLost(error) => {
                tracing::warn!(%client, %backend, thread_id, %error, "the server is lost");
            }
            Ended::ClientLost(error) => {
                tracing::debug!(%client, %backend, %error, "the client has left");
            }
        }
    }

    /// Closes the client's connection when all that was said to it has been read. The backend's is closed
    /// before.
    async fn say_farewell(self, gate: &Gate) {
        let Self {
            relay,
            registration,
            ..
        } = self;
        drop(registration);
        gate.farewells.close(relay.into_client()).await;
    }

    /// Tells a client that waits for nothing why its session ends.
    async fn shut_down(&mut self) -> Ended {
        if self.relay.tracker.idle() {
            let error = SqlError::new(1053, "obwarden is shutting down");
            let mut packet = Vec::new();
            put_packet(&mut packet, 0, &error.payload());
            let _ = self.relay.send_to_client(&packet).await;
        }
        Ended::Over
    }
}

/// Sends small packets at once, and has a silent connection probed, so that one whose other side has
/// vanished ends. What a listener has been told, the sockets that it accepts need not be told.
fn set_up(socket: &impl AsFd, keepalive: Duration) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(keepalive)
        .with_interval(keepalive);
    socket.set_tcp_keepalive(&keepalive)
}

fn not_utf8() -> SqlError {
    SqlError::new(
        1300,
        "Invalid utf8mb4 character string: a statement of obwarden's must be UTF-8",
    )
}

#[cfg(test)]
mod tests;
