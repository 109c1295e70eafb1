//! Whole packets over a stream, for the login: the one phase in which the proxy reads packet by packet.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::wire::packet::{HEADER_BYTES, Header, put_packet};

/// The longest packet of a login, in bytes: user, answer, and 64 KiB of connection attributes.
const LOGIN_PACKET_BYTES_MAX: usize = 128 * 1024;

/// Room for what one read takes, in bytes: greetings and most logins come in one.
const READ_BYTES: usize = 1024;

/// A stream of packets, and what was read beyond the last one.
#[derive(Debug)]
pub(super) struct PacketStream<S> {
    stream: S,
    received: Vec<u8>,
    /// The sequence id that the next packet in the exchange has, whoever sends it.
    next_sequence: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
            next_sequence: 0,
        }
    }

    /// Reads a packet's payload. Cancel-safe: what was received is kept.
    ///
    /// # Errors
    /// When the stream ends or fails, or the packet is too long for a login.
    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(header) = Header::read(&self.received) {
                if header.payload_bytes > LOGIN_PACKET_BYTES_MAX {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a packet too long for a login",
                    ));
                }
                let end = HEADER_BYTES + header.payload_bytes;
                if self.received.len() >= end {
                    let payload = self.received[HEADER_BYTES..end].to_vec();
                    self.received.drain(..end);
                    self.next_sequence = header.sequence.wrapping_add(1);
                    return Ok(payload);
                }
            }
            self.received.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a packet with the sequence id that comes next.
    ///
    /// # Errors
    /// When the stream fails.
    pub(super) async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut packet = Vec::with_capacity(HEADER_BYTES + payload.len());
        self.next_sequence = put_packet(&mut packet, self.next_sequence, payload);
        self.stream.write_all(&packet).await
    }

    /// The stream, and what was read beyond the last packet.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_behind_a_packet_is_kept_and_the_answer_has_the_next_sequence_id() {
        let (one, mut other) = tokio::io::duplex(64);
        other
            .write_all(&[2, 0, 0, 1, b'h', b'i', 9, 9])
            .await
            .unwrap();
        let mut packets = PacketStream::new(one);
        assert_eq!(packets.read().await.unwrap(), b"hi");
        packets.write(b"!").await.unwrap();
        let mut answer = [0; 5];
        other.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [1, 0, 0, 2, b'!']);
        assert_eq!(packets.into_parts().1, [9, 9]);
    }

    #[tokio::test]
    async fn a_login_packet_without_end_is_refused_at_its_header() {
        let (one, mut other) = tokio::io::duplex(64);
        other.write_all(&[0, 0, 0xff, 0]).await.unwrap();
        let error = PacketStream::new(one).read().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
