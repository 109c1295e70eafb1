//! What clients' and backends' sockets are told.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

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
