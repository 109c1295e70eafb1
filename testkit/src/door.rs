//! A place where connections are taken, refused or left unanswered, switched while it runs.
//!
//! Its port is its own in each of these states: a socket that never listens keeps it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::host::Host;
use crate::lock::locked;

/// A port, and what becomes of those who connect to it.
pub(crate) struct Door {
    /// `None`: this machine.
    host: Option<Arc<Host>>,
    runtime: Handle,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    addr: SocketAddr,
    /// Bound and never listening.
    _reservation: TcpSocket,
    state: State,
}

enum State {
    Open(TcpListener),
    Closed,
    /// The kernel drops each SYN, for the queue of those who wait to be taken in is full.
    Deaf {
        _listener: TcpListener,
        _waiting: std::net::TcpStream,
    },
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.addr())
    }
}

impl Door {
    /// An open door on this machine; port 0 takes a free one.
    pub(crate) fn open_at(addr: SocketAddr) -> io::Result<Self> {
        Self::open_on(None, addr)
    }

    /// An open door on a host, or on this machine.
    pub(crate) fn open_on(host: Option<Arc<Host>>, addr: SocketAddr) -> io::Result<Self> {
        let runtime = Handle::current();
        let inner = on(host.as_deref(), &runtime, || {
            let reservation = bind(addr)?;
            let addr = reservation.local_addr()?;
            Ok(Inner {
                addr,
                _reservation: reservation,
                state: State::Open(listen(addr, CONNECTIONS_WAITING_MAX)?),
            })
        })?;
        Ok(Self {
            host,
            runtime,
            inner: Mutex::new(inner),
            changed: Notify::new(),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.inner().addr
    }

    /// Takes connections, if it did not already.
    pub(crate) fn open(&self) -> io::Result<()> {
        self.switch(|inner| {
            if !matches!(inner.state, State::Open(_)) {
                inner.state = State::Closed;
                inner.state = State::Open(listen(inner.addr, CONNECTIONS_WAITING_MAX)?);
            }
            Ok(())
        })
    }

    /// Refuses connections from now on.
    pub(crate) fn close(&self) {
        self.inner().state = State::Closed;
        self.changed.notify_one();
    }

    /// Answers nobody who connects, from now on: neither yes nor no.
    pub(crate) fn deafen(&self) -> io::Result<()> {
        self.switch(|inner| {
            if !matches!(inner.state, State::Deaf { .. }) {
                inner.state = State::Closed;
                // There is always room for one.
                let listener = listen(inner.addr, 0)?;
                let waiting = std::net::TcpStream::connect(inner.addr)?;
                inner.state = State::Deaf {
                    _listener: listener,
                    _waiting: waiting,
                };
            }
            Ok(())
        })
    }

    /// Takes connections at another address and no longer at the one before; port 0 takes a free one.
    pub(crate) fn move_to(&self, addr: SocketAddr) -> io::Result<()> {
        self.switch(|inner| {
            let reservation = bind(addr)?;
            let addr = reservation.local_addr()?;
            let state = State::Open(listen(addr, CONNECTIONS_WAITING_MAX)?);
            *inner = Inner {
                addr,
                _reservation: reservation,
                state,
            };
            Ok(())
        })
    }

    /// The next connection, in whichever state the door is meanwhile. For one caller at a time.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let changed = self.changed.notified();
            let accepted = poll_fn(|cx| match &self.inner().state {
                State::Open(listener) => listener.poll_accept(cx),
                State::Closed | State::Deaf { .. } => Poll::Pending,
            });
            tokio::select! {
                accepted = accepted => return accepted,
                () = changed => {}
            }
        }
    }

    fn switch(&self, change: impl FnOnce(&mut Inner) -> io::Result<()> + Send) -> io::Result<()> {
        let mut inner = self.inner();
        let place = &mut *inner;
        let changed = on(self.host.as_deref(), &self.runtime, || change(place));
        drop(inner);
        self.changed.notify_one();
        changed
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        locked(&self.inner)
    }
}

/// Runs `work` where sockets belong to `host`, or here.
fn on<T: Send>(
    host: Option<&Host>,
    runtime: &Handle,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let work = || {
        let _runtime = runtime.enter();
        work()
    };
    match host {
        Some(host) => host.run(work)?,
        None => work(),
    }
}

/// Listens, also while the address is reserved or connections of an earlier listener linger.
fn listen(addr: SocketAddr, waiting_max: u32) -> io::Result<TcpListener> {
    bind(addr)?.listen(waiting_max)
}

/// Binds without listening.
fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

const CONNECTIONS_WAITING_MAX: u32 = 1024;
