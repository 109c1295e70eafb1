//! Connections below the commands: a socket with TLS or without, whole packets over it for the length of
//! a login, that login's exchange, and a way for mysql_async to have the same TLS.

mod authenticate;
mod packets;
mod stream;
pub mod tls;
mod tunnel;

pub(crate) use authenticate::{Authenticated, Broken, authenticate};
pub(crate) use packets::PacketStream;
pub(crate) use stream::Stream;
pub(crate) use tunnel::Tunnel;
