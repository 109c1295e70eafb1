//! Moves bytes between a client and its backend, both ways at once, in one task.
//!
//! ```text
//!   client ──► scratch ──► router ──► backend        what is not decided, or waits, is held
//!   client ◄── scratch ◄── tracker ◄── backend       what the client does not take yet is kept
//! ```
//!
//! Both directions are polled in turn; bytes are read into a scratch buffer of the thread, looked at there
//! and written straight from it. Only a write that came up short makes a session own a buffer, and nothing
//! more is read in that direction until it is empty: memory is bounded, and close to none when idle.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::buffers::{Held, Unsent};
use super::router::{Request, Router, Step};
use crate::clients::{Activity, Doing};
use crate::transport::{PacketStream, Stream};
use crate::wire::command::Command;
use crate::wire::packet::HEADER_BYTES;
use crate::wire::reply::{Outcome, ReplyTracker};

/// Bytes that one read takes at most.
const SCRATCH_BYTES: usize = 64 * 1024;

/// How much a client may send behind a running virtual statement before it is read no further, in bytes.
const PIPELINED_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// What happens on a relay that is more than bytes going by.
#[derive(Debug)]
pub(super) enum Event {
    /// The session must answer a command.
    Request(Request),
    /// A command that the session wants to know of has been answered.
    Replied(Outcome),
    /// It is over.
    Ended(Ended),
}

/// Who ended a relay.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client has said that it leaves, and the server has let it go.
    Over,
    /// The server has closed its connection unasked, with a reply owed or not.
    ServerClosed {
        owing: bool,
    },
    ServerLost(io::Error),
    ClientLost(io::Error),
    /// The proxy itself ends.
    ShutDown,
}

/// A client, its backend, and what is between them.
#[derive(Debug)]
pub(super) struct Relay<C, B> {
    client: C,
    backend: B,
    pub(super) router: Router,
    pub(super) tracker: ReplyTracker,
    /// Where others see what goes on here.
    activity: Arc<Activity>,
    /// From the client: not decided yet, or waiting.
    held: Held,
    to_backend: Unsent,
    to_client: Unsent,
    client_ended: bool,
    half_closed: bool,
    server_ended: Option<Ended>,
}

/// How a poll of one direction went.
enum Flow {
    Moved,
    Blocked,
    Event(Event),
}

impl Relay<Stream, Stream> {
    /// Whether one of the two connections has TLS and the other has none.
    pub(super) fn has_tls_on_one_side(&self) -> bool {
        self.client.has_tls() != self.backend.has_tls()
    }
}

impl<C, B> Relay<C, B>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    /// A relay on which the login is over. `from_client` and `from_backend` were read behind it.
    pub(super) fn new(
        client: C,
        backend: B,
        tracker: ReplyTracker,
        activity: Arc<Activity>,
        from_client: Vec<u8>,
        from_backend: Vec<u8>,
    ) -> Self {
        activity.received(from_client.len());
        activity.sent(from_backend.len());
        let mut relay = Self {
            client,
            backend,
            router: Router::new(),
            tracker,
            activity,
            held: Held::from(&from_client[..]),
            to_backend: Unsent::default(),
            to_client: Unsent::default(),
            client_ended: false,
            half_closed: false,
            server_ended: None,
        };
        relay.tracker.feed(&from_backend, |_| {});
        relay.to_client.push(&from_backend);
        relay
    }

    /// The client's stream, when all is over.
    pub(super) fn into_client(self) -> C {
        self.client
    }

    /// The next event. Cancel-safe: all state is in the relay.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        SCRATCH.with_borrow_mut(|scratch| {
            let (mut replies, mut commands) = (true, true);
            // A direction that is blocked is not looked at again before something wakes the task; but what
            // is held may have waited for a reply.
            while replies || commands {
                if replies {
                    match self.pump_replies(cx, scratch) {
                        Flow::Event(event) => return Poll::Ready(event),
                        Flow::Moved => commands |= !self.held.is_empty(),
                        Flow::Blocked => replies = false,
                    }
                }
                if commands {
                    match self.pump_commands(cx, scratch) {
                        Flow::Event(event) => return Poll::Ready(event),
                        Flow::Moved => {}
                        Flow::Blocked => commands = false,
                    }
                }
            }
            Poll::Pending
        })
    }

    /// Backend to client.
    fn pump_replies(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Flow {
        match self.to_client.poll_send(cx, &mut self.client) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Flow::Event(Event::Ended(Ended::ClientLost(error))),
            Poll::Pending => return Flow::Blocked,
        }
        if let Some(ended) = self.server_ended.take() {
            return Flow::Event(Event::Ended(ended));
        }
        let bytes = match poll_read(cx, &mut self.backend, scratch) {
            Poll::Pending => return Flow::Blocked,
            Poll::Ready(Ok([])) => {
                self.server_ended = Some(self.server_left(None));
                return Flow::Moved;
            }
            Poll::Ready(Err(error)) => {
                self.server_ended = Some(self.server_left(Some(error)));
                return Flow::Moved;
            }
            Poll::Ready(Ok(bytes)) => bytes,
        };
        let mut notable = None;
        let mut has_ended = false;
        self.activity.sent(bytes.len());
        self.tracker.feed(bytes, |outcome| {
            has_ended = true;
            self.router.note_reply(outcome);
            if outcome.command == Command::RESET_CONNECTION {
                notable = Some(outcome);
            }
        });
        if has_ended {
            // The next one is being answered, if there is a next one.
            self.activity.does(Doing::of(self.tracker.running()));
        }
        if let Err(error) = self.to_client.send(cx, &mut self.client, bytes) {
            return Flow::Event(Event::Ended(Ended::ClientLost(error)));
        }
        notable.map_or(Flow::Moved, |outcome| Flow::Event(Event::Replied(outcome)))
    }

    /// Who ends the relay when the server's stream does.
    fn server_left(&self, error: Option<io::Error>) -> Ended {
        match error {
            _ if self.client_ended || self.router.has_quit => Ended::Over,
            Some(error) => Ended::ServerLost(error),
            None => Ended::ServerClosed {
                owing: !self.tracker.idle(),
            },
        }
    }

    /// Client to backend.
    fn pump_commands(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Flow {
        match self.to_backend.poll_send(cx, &mut self.backend) {
            Poll::Ready(Ok(())) => {}
            // Its last words may still be there to be read: the other direction ends the relay.
            Poll::Ready(Err(_)) => self.to_backend.clear(),
            Poll::Pending => return Flow::Blocked,
        }
        if !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            let Routed { flow, done, waits } = self.route(cx, held.bytes());
            held.advance(done);
            self.held = held;
            if done > 0 || waits {
                return flow;
            }
        }
        if self.client_ended {
            return self.half_close(cx);
        }
        let bytes = match poll_read(cx, &mut self.client, scratch) {
            Poll::Pending => return Flow::Blocked,
            Poll::Ready(Err(error)) => return Flow::Event(Event::Ended(Ended::ClientLost(error))),
            Poll::Ready(Ok([])) => {
                self.client_ended = true;
                return Flow::Moved;
            }
            Poll::Ready(Ok(bytes)) => bytes,
        };
        self.activity.received(bytes.len());
        if !self.held.is_empty() {
            self.held.push(bytes);
            return Flow::Moved;
        }
        let Routed { flow, done, .. } = self.route(cx, bytes);
        self.held.push(&bytes[done..]);
        flow
    }

    /// Sends on what of `input` may pass.
    fn route(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Routed {
        let mut passed = 0;
        let was_running = self.tracker.running();
        let (flow, taken, waits) = loop {
            if passed == input.len() {
                break (Flow::Moved, 0, false);
            }
            match self.router.next(&input[passed..], &mut self.tracker) {
                Step::Pass { bytes } => passed += bytes,
                Step::Skip { bytes } => break (Flow::Moved, bytes, false),
                Step::More => break (Flow::Moved, 0, false),
                Step::Wait if passed > 0 => break (Flow::Moved, 0, true),
                Step::Wait => break (Flow::Blocked, 0, true),
                Step::Take { bytes, request } => {
                    break (Flow::Event(Event::Request(request)), bytes, false);
                }
            }
        };
        self.note_begun(was_running);
        if passed > 0 {
            // A failed write shows when the backend is read.
            let _ = self
                .to_backend
                .send(cx, &mut self.backend, &input[..passed]);
        }
        Routed {
            flow,
            done: passed + taken,
            waits,
        }
    }

    /// Notes what the backend is to answer now, if it had nothing to answer before.
    fn note_begun(&self, was_running: Option<Command>) {
        let running = self.tracker.running();
        if was_running.is_none() && running.is_some() {
            self.activity.does(Doing::of(running));
        }
    }

    /// Passes the end of the client's stream on, after everything before it.
    fn half_close(&mut self, cx: &mut Context<'_>) -> Flow {
        if self.half_closed {
            return Flow::Blocked;
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            let _ = self.to_backend.send(cx, &mut self.backend, held.bytes());
            return Flow::Moved;
        }
        match Pin::new(&mut self.backend).poll_shutdown(cx) {
            Poll::Pending => Flow::Blocked,
            Poll::Ready(_) => {
                self.half_closed = true;
                Flow::Moved
            }
        }
    }

    /// Sends a command on, as it came, that the session has taken and is not to answer.
    pub(super) fn pass_on(&mut self, packet: &[u8]) {
        let command = Command(packet.get(HEADER_BYTES).copied().unwrap_or_default());
        let was_running = self.tracker.running();
        self.router.note_passed(command, &mut self.tracker);
        self.note_begun(was_running);
        self.to_backend.push(packet);
    }

    /// Sends bytes to the client in the proxy's own name, behind all that is on its way to it.
    ///
    /// # Errors
    /// When the client is gone.
    pub(super) async fn send_to_client(&mut self, bytes: &[u8]) -> io::Result<()> {
        poll_fn(|cx| self.to_client.poll_send(cx, &mut self.client)).await?;
        self.activity.sent(bytes.len());
        self.client.write_all(bytes).await?;
        self.client.flush().await
    }

    /// Lends both connections, when no reply is awaited, for an exchange packet by packet that the client
    /// has begun with a packet of its own. What is read beyond its end is the relay's again.
    ///
    /// # Errors
    /// When the client is gone.
    pub(super) async fn exchange<T>(
        &mut self,
        exchange: impl AsyncFnOnce(&mut PacketStream<&mut C>, &mut PacketStream<&mut B>) -> T,
    ) -> io::Result<T> {
        self.send_to_client(&[]).await?;
        // That it fails shows when the backend is read.
        let _ = poll_fn(|cx| self.to_backend.poll_send(cx, &mut self.backend)).await;
        let held = self.held.take();
        let mut client = PacketStream::behind(&mut self.client, held, 1);
        let mut backend = PacketStream::new(&mut self.backend);
        let outcome = exchange(&mut client, &mut backend).await;
        let (_, from_client) = client.into_parts();
        let (_, from_backend) = backend.into_parts();
        self.held = Held::from(&from_client[..]);
        self.tracker.feed(&from_backend, |_| {});
        self.to_client.push(&from_backend);
        Ok(outcome)
    }

    /// Ends when the client has left. What it sends meanwhile is held. Cancel-safe.
    pub(super) async fn client_left(&mut self) {
        while self.held.len() < PIPELINED_BYTES_MAX && !self.client_ended {
            match self.client.read_buf(self.held.tail()).await {
                Ok(0) => self.client_ended = true,
                Ok(bytes) => self.activity.received(bytes),
                Err(_) => return,
            }
        }
        if !self.client_ended {
            std::future::pending::<()>().await;
        }
    }
}

/// How far routing has come.
struct Routed {
    flow: Flow,
    /// Bytes that are done with: sent on, or taken.
    done: usize,
    /// What comes next waits for replies.
    waits: bool,
}

fn poll_read<'b>(
    cx: &mut Context<'_>,
    from: &mut (impl AsyncRead + Unpin),
    scratch: &'b mut [u8],
) -> Poll<io::Result<&'b [u8]>> {
    let mut buf = ReadBuf::new(scratch);
    match Pin::new(from).poll_read(cx, &mut buf) {
        Poll::Ready(Ok(())) => {
            let read = buf.filled().len();
            Poll::Ready(Ok(&scratch[..read]))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}

#[cfg(test)]
mod tests;
