//! MySQL's client/server protocol as far as the proxy must understand it, without any I/O of its own.
//!
//! Everything here takes bytes and gives values: headers are walked ([`packet`]), replies followed to
//! their end ([`reply`]), logins read and rewritten ([`greeting`], [`login`], [`attributes`]) and followed
//! ([`authentication`]), the parameters of prepared statements read ([`execute`]), and the few packets that the
//! proxy speaks in its own name built ([`answer`]).

pub mod answer;
pub mod attributes;
pub mod authentication;
pub mod capabilities;
pub mod command;
pub mod cursor;
pub mod execute;
pub mod greeting;
pub mod login;
pub mod login_name;
mod one_packet_reader;
pub mod packet;
pub mod parameter;
pub mod reply;

pub use one_packet_reader::OnePacketReader;

/// Bytes that are not what the protocol says; the text names the field that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed packet: {0}")]
pub struct Malformed(pub &'static str);
