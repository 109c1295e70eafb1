//! MySQL's client/server protocol as far as the proxy must understand it, without any I/O of its own.

mod one_packet_reader;
pub mod packet;

pub use one_packet_reader::OnePacketReader;
