//! The reading half of a simulated server's connection.
//!
//! No read passes a packet's end: that is [`OnePacketReader`]'s, and opensrv-mysql needs it. But a
//! header that comes alone makes opensrv-mysql ask for the rest with a buffer of 1 MiB, which it
//! fills with zeros and keeps: 500 nodes took ten seconds of CPU in a debug build instead of one.
//! So a header is held back until bytes of its payload are there, too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use obwarden::wire::OnePacketReader;
use obwarden::wire::packet::HEADER_BYTES;
use tokio::io::{AsyncRead, ReadBuf};

/// With the header, as much as opensrv-mysql's first buffer takes.
const GATHERED_BYTES_MAX: usize = 4096;

pub(super) struct Inlet<R> {
    inner: OnePacketReader<R>,
    gathered: Vec<u8>,
    handed_out: usize,
    payload_left: usize,
}

impl<R: AsyncRead + Unpin> Inlet<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner: OnePacketReader::new(inner),
            gathered: Vec::new(),
            handed_out: 0,
            payload_left: 0,
        }
    }

    /// Reads the header and the payload's beginning; less only at the end of the stream.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; GATHERED_BYTES_MAX - HEADER_BYTES];
            let mut buf = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            self.gathered.extend_from_slice(read);
            if let [low, middle, high, _] = self.gathered[..] {
                self.payload_left = u32::from_le_bytes([low, middle, high, 0]) as usize;
            } else if self.gathered.len() > HEADER_BYTES {
                self.payload_left -= read.len();
                return Poll::Ready(Ok(()));
            }
            let is_empty_packet = self.gathered.len() == HEADER_BYTES && self.payload_left == 0;
            if read.is_empty() || is_empty_packet {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Inlet<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let inlet = &mut *self;
        if inlet.gathered.len() < HEADER_BYTES && inlet.payload_left == 0 {
            ready!(inlet.poll_gather(cx))?;
        }
        if inlet.handed_out < inlet.gathered.len() {
            let rest = &inlet.gathered[inlet.handed_out..];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            inlet.handed_out += taken;
        } else {
            let before = buf.filled().len();
            ready!(Pin::new(&mut inlet.inner).poll_read(cx, buf))?;
            let read = buf.filled().len() - before;
            inlet.payload_left = if read == 0 {
                0
            } else {
                inlet.payload_left - read
            };
        }
        if inlet.handed_out == inlet.gathered.len() {
            inlet.gathered.clear();
            inlet.handed_out = 0;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn reads(from: &[u8], buffer_bytes: usize) -> Vec<Vec<u8>> {
        let mut inlet = Inlet::new(from);
        let mut buffer = vec![0; buffer_bytes];
        let mut reads = Vec::new();
        loop {
            match inlet.read(&mut buffer).await.unwrap() {
                0 => return reads,
                read => reads.push(buffer[..read].to_vec()),
            }
        }
    }

    #[tokio::test]
    async fn one_read_gives_one_packet_with_its_header() {
        let packets = [1, 0, 0, 0, 0x0e, 0, 0, 0, 1, 2, 0, 0, 0, 3, b'x'];
        let expected: [&[u8]; 3] = [&packets[..5], &packets[5..9], &packets[9..]];
        assert_eq!(reads(&packets, 64).await, expected);
    }

    #[tokio::test]
    async fn long_packets_and_small_buffers_lose_nothing_and_pass_no_end() {
        let mut packets = Vec::new();
        for length in [5000_usize, 1, 4092, 4093] {
            packets.extend((length as u32).to_le_bytes());
            packets.extend(std::iter::repeat_n(7, length));
        }
        for buffer_bytes in [1, 3, 4096, 1 << 20] {
            let reads = reads(&packets, buffer_bytes).await;
            assert_eq!(reads.concat(), packets, "{buffer_bytes}");
            let mut ends = reads.iter().scan(0, |at, read| {
                *at += read.len();
                Some(*at)
            });
            for end in [5004, 5009, 9105, 13_202] {
                assert!(
                    ends.any(|at| at == end),
                    "{buffer_bytes}: no read ends at {end}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_packet_cut_short_gives_what_is_there() {
        assert_eq!(reads(&[9, 0], 64).await.concat(), [9, 0]);
        assert_eq!(reads(&[9, 0, 0, 0, 1], 64).await.concat(), [9, 0, 0, 0, 1]);
    }
}
