//! What clients may take of the proxy, and what their sockets are told.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

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

/// Sends small packets at once, and has a silent connection probed, so that one whose other side has
/// vanished ends. What a listener has been told, the sockets that it accepts need not be told.
pub(super) fn set_up(socket: &impl AsFd, keepalive: Duration) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(keepalive)
        .with_interval(keepalive);
    socket.set_tcp_keepalive(&keepalive)
}
