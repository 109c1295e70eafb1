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
mod console_statements;
mod login;
mod packets;
mod relay;
mod router;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::audit::Caller;
use crate::clients::{Clients, Registration};
use crate::cluster::Cluster;
use crate::console::{self, Console};
use crate::deadline::Deadline;
use crate::statement::diagnostics::{Level, Message};
use crate::wire::answer::{OkAnswer, STATUS_LASTING, SqlError};
use crate::wire::attributes::Attributes;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::login::ChangeUser;
use crate::wire::packet::put_packet;
use crate::wire::reply::{Outcome, ReplyTracker};
use backends::Backends;
use console_statements::STATEMENTS_MAX;
use login::LoginError;
use packets::PacketStream;
use relay::{Ended, Event, Relay};
use router::{Answered, Request};

/// What clients may take of the proxy.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients at once, those in their login among them.
    pub max_connections: usize,

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
    limits: Limits,
    places: Arc<Semaphore>,
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
            backends: Backends::new(Arc::clone(&cluster), limits),
            cluster,
            clients,
            console,
            limits,
            places: Arc::new(Semaphore::new(
                limits.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            shutdown,
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
pub async fn serve(stream: TcpStream, client: SocketAddr, gate: Arc<Gate>) {
    let Ok(_place) = gate.places.try_acquire() else {
        let packets = PacketStream::new(stream);
        return Box::pin(refuse(packets, client, &LoginError::TooManyConnections)).await;
    };
    // What is rare or soon over is boxed: an idle session keeps no room for it.
    let Some(mut session) = Box::pin(enter(stream, client, &gate)).await else {
        return;
    };
    let ended = session.run(&gate).await;
    let (backend, _) = session.registration.key();
    match ended {
        Ended::ServerClosed => {
            tracing::debug!(%client, %backend, "the server has closed the session")
        }
        Ended::ServerLost(error) => {
            tracing::warn!(%client, %backend, %error, "the server is lost")
        }
        Ended::ClientLost(error) => {
            tracing::debug!(%client, %backend, %error, "the client has left")
        }
    }
}

/// Logs a client in, or tells it why not.
async fn enter(stream: TcpStream, client: SocketAddr, gate: &Gate) -> Option<Session> {
    let mut packets = PacketStream::new(stream);
    let deadline = Deadline::after(gate.limits.handshake_timeout);
    let login = tokio::select! {
        login = login::log_in(&mut packets, gate, deadline) => login,
        () = gate.shutdown.cancelled() => return None,
    };
    match login {
        Ok(logged_in) => {
            let (backend, thread_id) = (logged_in.backend_addr, logged_in.thread_id);
            tracing::debug!(%client, %backend, thread_id, user = logged_in.user, "logged in");
            Some(Session::new(packets, client, logged_in, gate))
        }
        Err(error) => {
            refuse(packets, client, &error).await;
            None
        }
    }
}

/// Tells a client why it is not let in.
async fn refuse(mut packets: PacketStream<TcpStream>, client: SocketAddr, error: &LoginError) {
    tracing::info!(%client, %error, "a client is not logged in");
    let Some(refusal) = error.to_sql() else {
        return;
    };
    let payload = match error {
        LoginError::NoBackend(_) | LoginError::TooManyConnections => {
            refusal.payload_before_greeting()
        }
        _ => refusal.payload(),
    };
    // That it has left meanwhile is its own business.
    let _ = packets.write(&payload).await;
}

/// A client that is logged in.
struct Session {
    relay: Relay<TcpStream, TcpStream>,
    registration: Registration,
    caller: Caller,
    capabilities: Capabilities,
    /// What the last virtual statement left behind, for `SHOW WARNINGS`.
    messages: Arc<Vec<Message>>,
    /// The user that a change is on its way to.
    changing_to: Option<String>,
}

impl Session {
    fn new(
        packets: PacketStream<TcpStream>,
        client: SocketAddr,
        logged_in: login::LoggedIn,
        gate: &Gate,
    ) -> Self {
        let deprecate_eof = logged_in.capabilities.has(Capabilities::DEPRECATE_EOF);
        let tracker = ReplyTracker::new(deprecate_eof, logged_in.status);
        let (client_stream, from_client) = packets.into_parts();
        let (backend, from_backend) = logged_in.backend.into_parts();
        Self {
            relay: Relay::new(client_stream, backend, tracker, from_client, from_backend),
            registration: gate
                .clients
                .register((logged_in.backend_addr, logged_in.thread_id), client),
            caller: Caller {
                user: logged_in.user,
                client,
            },
            capabilities: logged_in.capabilities,
            messages: Arc::default(),
            changing_to: None,
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
                    self.replied(outcome);
                    Ok(())
                }
                Event::Kill(thread_id) => {
                    let (backend, _) = self.registration.key();
                    self.registration.clients().cancel((backend, thread_id));
                    Ok(())
                }
                Event::Ended(ended) => return ended,
            };
            if let Err(error) = answered {
                return Ended::ClientLost(error);
            }
        }
    }

    /// Answers a command that does not go to the backend.
    async fn answer(&mut self, request: Request, gate: &Gate) -> io::Result<()> {
        match request {
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
                self.say_error(SqlError::new(
                    1153,
                    "Got a packet bigger than obwarden's statements may be",
                ))
                .await?;
                Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a virtual statement that is too long",
                ))
            }
            Request::ChangeUser(payload) => self.change_user(&payload, gate).await,
        }
    }

    /// Runs a virtual statement and passes its reply on as it comes. The client's leaving ends it.
    async fn ask_console(&mut self, command: console::Command, gate: &Gate) -> io::Result<()> {
        let running = self.registration.run();
        let mut exchange = gate.console.open(console::Request {
            command: command.clone(),
            caller: self.caller.clone(),
            capabilities: self.capabilities,
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

    /// Sends a change of user on, with the name and attributes that a server takes.
    async fn change_user(&mut self, payload: &[u8], gate: &Gate) -> io::Result<()> {
        let change = ChangeUser::read(payload, self.capabilities)
            .map_err(|error| SqlError::new(1043, format!("Bad handshake: {error}")));
        let admitted = change.and_then(|change| {
            let name = login::admit(&change.user, change.attributes.as_ref(), gate)?;
            Ok((change, name))
        });
        let (mut change, name) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                self.say_error(error).await?;
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        };
        change.user = name.for_server().into_bytes();
        change.attributes = change.attributes.map(Attributes::through_proxy);
        self.changing_to = Some(name.user);
        self.relay.router.hold_until_idle();
        self.relay
            .send_command(Command::CHANGE_USER, &change.payload(self.capabilities));
        Ok(())
    }

    /// The session begins anew: as another user, or reset.
    fn replied(&mut self, outcome: Outcome) {
        // Servers may keep a session whose change of user has failed: it is forgotten then, or the next
        // success of another command would be taken for this one's.
        let changed_to = self.changing_to.take();
        if !outcome.succeeded {
            return;
        }
        if let Some(user) = changed_to {
            self.caller.user = user;
        }
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

    /// Tells a client that waits for nothing why its session ends.
    async fn shut_down(&mut self) -> Ended {
        if self.relay.tracker.idle() {
            let error = SqlError::new(1053, "obwarden is shutting down");
            let mut packet = Vec::new();
            put_packet(&mut packet, 0, &error.payload());
            let _ = self.relay.send_to_client(&packet).await;
        }
        Ended::ServerClosed
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
