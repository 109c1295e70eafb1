//! Opens the service account's connections: TCP, TLS where that is wanted, the login.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use mysql_async::{Conn, Opts, OptsBuilder};
use tokio::net::TcpStream;

use super::Settings;
use super::failure::{FailureKind, NodeFailure, Stage};
use super::rows::until;
use crate::deadline::Deadline;
use crate::transport::Tunnel;
use crate::transport::tls::ServerTls;

/// The longest packet that a server may send to the proxy, in bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What mysql_async would else ask of each new connection: after how many seconds an idle one is dead.
const WAIT_TIMEOUT_SECONDS: usize = 28_800;

/// How to log on to one server.
#[derive(Debug)]
pub(super) struct Dialler {
    addr: SocketAddr,
    opts: Opts,
    /// TLS, and the name by which the server is called in it.
    tls: Option<(ServerTls, String)>,
}

impl Dialler {
    pub(super) fn new(addr: SocketAddr, host: String, settings: &Settings) -> Self {
        let opts = OptsBuilder::default()
            .ip_or_hostname(addr.ip().to_string())
            .tcp_port(addr.port())
            .user(Some(&settings.user))
            .pass(Some(settings.password.reveal()))
            .prefer_socket(false)
            .stmt_cache_size(0)
            // Known here, so that logging on asks no questions of its own.
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
            .connect_attribute("program_name", "obwarden");
        Self {
            addr,
            opts: opts.into(),
            tls: settings.server_tls.clone().map(|tls| (tls, host)),
        }
    }

    /// Connects and logs on.
    ///
    /// # Errors
    /// When that has not come about before the deadline, or the server does not let us in.
    pub(super) async fn dial(&self, deadline: Deadline) -> Result<Conn, NodeFailure> {
        let Some((tls, host)) = &self.tls else {
            let connected = Arc::<FirstWake>::default();
            let login = Watched {
                work: Box::pin(Conn::new(self.opts.clone())),
                first_wake: Arc::clone(&connected),
            };
            let login = until(deadline, Stage::Login, login).await;
            return match login {
                // Nothing ever came of the socket; but a connection may have been there before it was looked at.
                Err(failure)
                    if failure.kind == FailureKind::NoAnswer
                        && !connected.happened()
                        && !self.takes_connections().await =>
                {
                    Err(failure.before_connecting())
                }
                login => login,
            };
        };
        let tunnel = Tunnel::open(self.addr, host.clone(), tls.clone(), deadline);
        let tunnel = until(deadline, Stage::Connect, async { Ok(tunnel.await?) }).await?;
        let opts = OptsBuilder::from_opts(self.opts.clone()).socket(Some(tunnel.socket));
        let login = until(deadline, Stage::Login, Conn::new(opts)).await;
        if login.is_err()
            && let Ok(Ok(why)) = deadline.limit(tunnel.failure).await
        {
            // What mysql_async has seen is only that the tunnel fell in.
            return Err(NodeFailure::tls(deadline.elapsed(), &why));
        }
        login
    }

    /// Whether a connection can be made now.
    async fn takes_connections(&self) -> bool {
        let connecting = TcpStream::connect(self.addr);
        let connected = tokio::time::timeout(SECOND_LOOK_TIMEOUT, connecting).await;
        matches!(connected, Ok(Ok(_)))
    }
}

/// How long a server may take to be connected to that is looked at again, because it is not known how far a login
/// came. Its deadline has passed then.
const SECOND_LOOK_TIMEOUT: Duration = Duration::from_millis(100);

/// Whether anything has happened on a connection that is being made. mysql_async connects and logs on in one
/// and does not say how far it came; but the first thing that can happen to a socket is that it is connected.
#[derive(Debug, Default)]
struct FirstWake {
    happened: AtomicBool,
    waiting: AtomicWaker,
}

impl FirstWake {
    fn happened(&self) -> bool {
        self.happened.load(Ordering::Relaxed)
    }
}

impl Wake for FirstWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.happened.store(true, Ordering::Relaxed);
        self.waiting.wake();
    }
}

/// Work of which it is watched whether it was ever woken.
struct Watched<F> {
    work: Pin<Box<F>>,
    first_wake: Arc<FirstWake>,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.first_wake.waiting.register(cx.waker());
        let waker = Waker::from(Arc::clone(&self.first_wake));
        self.work.as_mut().poll(&mut Context::from_waker(&waker))
    }
}
