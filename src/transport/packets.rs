//! Whole packets over a stream, for the login: the one phase in which the proxy reads packet by packet.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Stream;
use super::tls::ServerTls;
use crate::wire::capabilities::Capabilities;
use crate::wire::greeting::Greeting;
use crate::wire::login::Login;
use crate::wire::packet::{HEADER_BYTES, Header, put_packet};

/// The longest packet of a login, in bytes: user, answer, and 64 KiB of connection attributes. Nobody has
/// said yet who he is.
const LOGIN_PACKET_BYTES_MAX: usize = 128 * 1024;

/// Room for what one read takes, in bytes: greetings and most logins come in one.
const READ_BYTES: usize = 1024;

/// A stream of packets, and what was read beyond the last one.
#[derive(Debug)]
pub(crate) struct PacketStream<S> {
    stream: S,
    received: Vec<u8>,
    packet_bytes_max: usize,
    /// The sequence id that the next packet in the exchange has, whoever sends it.
    next_sequence: u8,
    /// Whether no byte may be read beyond the packet in hand: TLS may begin behind it.
    reads_one: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self::behind(stream, Vec::new(), 0)
    }

    /// A stream of which `received` was read already, in an exchange in which `next_sequence` is next.
    pub(crate) fn behind(stream: S, received: Vec<u8>, next_sequence: u8) -> Self {
        Self {
            stream,
            received,
            packet_bytes_max: LOGIN_PACKET_BYTES_MAX,
            next_sequence,
            reads_one: false,
        }
    }

    /// The same stream, of which no packet may be longer than `packet_bytes_max`.
    pub(crate) fn limited(self, packet_bytes_max: usize) -> Self {
        Self {
            packet_bytes_max: self.packet_bytes_max.min(packet_bytes_max),
            ..self
        }
    }

    /// Whether no packet has gone by yet, in either direction.
    pub(crate) fn is_new(&self) -> bool {
        self.next_sequence == 0
    }

    /// The same stream, of which no byte is read beyond the packet in hand.
    pub(crate) fn reading_one_at_a_time(self) -> Self {
        Self {
            reads_one: true,
            ..self
        }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, of which nothing was read ahead.
    ///
    /// # Errors
    /// When something was: it would have to be read in another way than it was sent.
    pub(crate) fn nothing_read_ahead(&mut self) -> io::Result<&mut S> {
        if self.received.is_empty() {
            Ok(&mut self.stream)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes that nobody has asked for",
            ))
        }
    }

    /// Reads a packet's payload. Cancel-safe: what was received is kept.
    ///
    /// # Errors
    /// When the stream ends or fails, or the packet is too long for a login.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut end = HEADER_BYTES;
            if let Some(header) = Header::read(&self.received) {
                if header.payload_bytes > self.packet_bytes_max {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a packet too long for a login",
                    ));
                }
                end += header.payload_bytes;
                if self.received.len() >= end {
                    let payload = self.received[HEADER_BYTES..end].to_vec();
                    self.received.drain(..end);
                    self.next_sequence = header.sequence.wrapping_add(1);
                    return Ok(payload);
                }
            }
            self.received.reserve(READ_BYTES);
            let read = if self.reads_one {
                let missing = (end - self.received.len()) as u64;
                let mut no_further = (&mut self.stream).take(missing);
                no_further.read_buf(&mut self.received).await?
            } else {
                self.stream.read_buf(&mut self.received).await?
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a packet with the sequence id that comes next.
    ///
    /// # Errors
    /// When the stream fails.
    pub(crate) async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut packet = Vec::with_capacity(HEADER_BYTES + payload.len());
        self.next_sequence = put_packet(&mut packet, self.next_sequence, payload);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await
    }

    /// The stream, and what was read beyond the last packet.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.received)
    }
}

impl PacketStream<Stream> {
    /// Asks the server that has sent `greeting` for TLS, and begins it; `login` is made the one to send
    /// through it.
    ///
    /// # Errors
    /// When the server offers none, or its certificate does not show what it must.
    pub(crate) async fn ask_for_tls(
        &mut self,
        greeting: &Greeting,
        login: &mut Login,
        host: &str,
        tls: &ServerTls,
    ) -> io::Result<()> {
        if !greeting.capabilities.has(Capabilities::SSL) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the server offers none",
            ));
        }
        login.capabilities = login.capabilities.with_tls(true);
        self.write(&login.ssl_request()).await?;
        let plain = self.nothing_read_ahead()?;
        plain.begin_tls(|tcp| tls.connect(host, tcp)).await
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
    async fn no_byte_is_read_beyond_a_packet_behind_which_tls_may_begin() {
        let (one, mut other) = tokio::io::duplex(64);
        other
            .write_all(&[2, 0, 0, 1, b'h', b'i', 0x16, 3])
            .await
            .unwrap();
        let mut packets = PacketStream::new(one).reading_one_at_a_time();
        assert_eq!(packets.read().await.unwrap(), b"hi");
        let mut rest = [0; 2];
        let stream = packets.nothing_read_ahead().unwrap();
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest, [0x16, 3]);
    }

    #[tokio::test]
    async fn bytes_in_front_of_tls_are_not_taken_for_what_comes_through_it() {
        let (one, mut other) = tokio::io::duplex(64);
        other.write_all(&[1, 0, 0, 0, 10, 9, 9]).await.unwrap();
        let mut packets = PacketStream::new(one);
        packets.read().await.unwrap();
        assert!(packets.nothing_read_ahead().is_err());
    }

    #[tokio::test]
    async fn a_login_packet_without_end_is_refused_at_its_header() {
        let (one, mut other) = tokio::io::duplex(64);
        other.write_all(&[0, 0, 0xff, 0]).await.unwrap();
        let error = PacketStream::new(one).read().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
