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
mod cursor;
mod ending;
mod farewell;
mod gate;
mod login;
mod prepared;
mod proxy_protocol;
mod relay;
mod requests;
mod router;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::SemaphorePermit;

use crate::audit::{Caller, Origin};
use crate::clients::{Registration, Tls};
use crate::deadline::Deadline;
use crate::statement::diagnostics::{Level, Message};
use crate::transport::{PacketStream, Stream};
use crate::wire::answer::SqlError;
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::packet::put_packet;
use crate::wire::reply::ReplyTracker;
pub use gate::Gate;
use login::{Fault, LoginError};
pub use proxy_protocol::LoadBalancers;
use relay::{Ended, Event, Relay};
use router::Answered;

/// Serves one client from its connecting to its end.
pub async fn serve(stream: TcpStream, peer: SocketAddr, gate: Arc<Gate>) {
    let Ok(place) = gate.places.try_acquire() else {
        let packets = PacketStream::new(Stream::Plain(stream));
        let refusal = refuse(packets, peer, &LoginError::TooManyConnections, &gate);
        return Box::pin(refusal).await;
    };
    // What is rare or soon over is boxed: an idle session keeps no room for it.
    let Some((mut session, place)) = Box::pin(enter(stream, peer, place, &gate)).await else {
        return;
    };
    let ended = session.run(&gate).await;
    session.log_end(&ended);
    drop(place);
    // A client that has said that it leaves hears nothing any more.
    if !matches!(ended, Ended::Over) {
        Box::pin(session.say_farewell(&gate)).await;
    }
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
        () = gate.ending.begun() => return None,
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
                () = gate.ending.begun() => Err(LoginError::ShuttingDown),
            };
            (client, login)
        }
        Err(why) => (peer, Err(why.into())),
    };
    match login {
        Ok(logged_in) => {
            let session = Session::new(packets, client, logged_in, gate);
            let (backend, thread_id) = session.registration.key();
            let Caller {
                connection, user, ..
            } = &session.caller;
            tracing::debug!(connection, %client, %backend, thread_id, user, "logged in");
            Some((session, place))
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
    if error.fault() != Fault::Leaving {
        gate.clients.note_refused();
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
        let key = (logged_in.backend_addr, logged_in.thread_id);
        let tls = Tls {
            client: client_stream.tls_version(),
            server: backend.tls_version(),
        };
        let registration = gate.clients.register(key, client, &logged_in.user, tls);
        let activity = Arc::clone(registration.activity());
        let mut relay = Relay::new(
            client_stream,
            backend,
            tracker,
            activity,
            from_client,
            from_backend,
        );
        relay.router.packet_bytes_max = gate.limits.packet_bytes_max;
        Self {
            relay,
            caller: Caller {
                connection: registration.number(),
                user: logged_in.user,
                client: Origin::Client(client),
            },
            registration,
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
                () = gate.ending.begun() => return Box::pin(self.shut_down()).await,
            };
            let answered = match event {
                Event::Request(request) => Box::pin(self.answer(request, gate)).await,
                Event::Replied(outcome) => {
                    if outcome.succeeded {
                        self.begin_anew();
                    }
                    Ok(())
                }
                Event::Ended(ended) => return ended,
            };
            if let Err(ended) = answered {
                return ended;
            }
        }
    }

    /// Keeps a statement's messages for `SHOW WARNINGS`.
    fn leave_behind(&mut self, messages: Vec<Message>) {
        self.messages = Arc::new(messages);
        self.relay.router.last_answer = Answered::Console;
    }

    /// The session begins anew: as another user, or reset.
    fn begin_anew(&mut self) {
        self.relay.router.statements.clear();
        self.relay.router.select_limit = None;
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
            Ended::Over | Ended::ShutDown => {
                tracing::debug!(%client, %backend, "the session is over");
            }
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
        Ended::ShutDown
    }
}

#[cfg(test)]
mod tests;
