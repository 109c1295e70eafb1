//! A reader that never hands out bytes of two packets in one read.
//!
//! opensrv-mysql's packet reader looks at freed memory when one read brings it more than the packet
//! that it is waiting for. Whatever it reads from therefore goes through [`OnePacketReader`], which
//! ends each read where the packet ends (a packet of 16 MiB or more ends with its last part).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::packet::HEADER_BYTES;

/// Wraps a stream of MySQL packets; every read ends at the latest where a packet ends.
#[derive(Debug)]
pub struct OnePacketReader<R> {
    inner: R,
    header: [u8; HEADER_BYTES],
    header_seen: usize,
    payload_left: usize,
}

impl<R> OnePacketReader<R> {
    /// Wraps `inner`, which must be at the beginning of a packet.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            header: [0; HEADER_BYTES],
            header_seen: 0,
            payload_left: 0,
        }
    }

    /// How many bytes may be read before the next decision is due.
    fn allowance(&self) -> usize {
        if self.payload_left > 0 {
            self.payload_left
        } else {
            HEADER_BYTES - self.header_seen
        }
    }

    /// Takes note of bytes that have been handed out, at most [`Self::allowance`] of them.
    fn advance(&mut self, bytes: &[u8]) {
        if self.payload_left > 0 {
            self.payload_left -= bytes.len();
            return;
        }
        self.header[self.header_seen..self.header_seen + bytes.len()].copy_from_slice(bytes);
        self.header_seen += bytes.len();
        if self.header_seen == HEADER_BYTES {
            self.header_seen = 0;
            self.payload_left =
                u32::from_le_bytes([self.header[0], self.header[1], self.header[2], 0]) as usize;
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for OnePacketReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let limit = self.allowance().min(buf.remaining());
        let mut limited = ReadBuf::new(buf.initialize_unfilled_to(limit));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut limited))?;
        let read = limited.filled().len();
        buf.advance(read);
        let filled = buf.filled();
        self.advance(&filled[filled.len() - read..]);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_read_ends_where_the_packet_ends_even_if_more_is_there() {
        let two_packets: &[u8] = &[1, 0, 0, 0, 0x0e, 2, 0, 0, 0, 3, b'x'];
        let mut reader = OnePacketReader::new(two_packets);
        let mut buf = [0; 64];
        let mut reads = Vec::new();
        loop {
            match reader.read(&mut buf).await.unwrap() {
                0 => break,
                n => reads.push(buf[..n].to_vec()),
            }
        }
        let expected: Vec<Vec<u8>> = vec![
            vec![1, 0, 0, 0],
            vec![0x0e],
            vec![2, 0, 0, 0],
            vec![3, b'x'],
        ];
        assert_eq!(reads, expected);
    }
}
