//! Packets: a header of four bytes (payload length in three, sequence id in one) and the payload.
//!
//! A payload of 16 MiB - 1 bytes or more is sent in parts; a part shorter than that ends it.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = 4;

/// The longest payload of one part, in bytes: 2^24 - 1. A part of this length is followed by another.
pub const PART_BYTES_MAX: usize = 0xff_ffff;
