//! What clients may take of the proxy.

use std::time::Duration;

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
