//! A reader that never hands out bytes of two packets in one read.
//!
//! opensrv-mysql's packet reader looks at freed memory when one read brings it more than the packet that
//! it is waiting for. Whatever it reads from therefore goes through [`OnePacketReader`], which ends each
//! read where the packet ends (one of 16 MiB or more, where its part ends). A header is not handed out
//! alone: opensrv-mysql would ask for the rest with a buffer of 1 MiB, filled with zeros each time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::packet::{HEADER_BYTES, Header};

/// Wraps a stream of MySQL packets; every read ends at the latest where a packet ends.
#[derive(Debug)]
pub struct OnePacketReader<R> {
    inner: R,
    header: [u8; HEADER_BYTES],
    header_seen: usize,
    /// Bytes of a complete header that have not been handed out yet.
    header_due: usize,
    payload_left: usize,
}

impl<R: AsyncRead + Unpin> OnePacketReader<R> {
    /// Wraps `inner`, which must be at the beginning of a packet.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            header: [0; HEADER_BYTES],
            header_seen: 0,
            header_due: 0,
            payload_left: 0,
        }
    }

    /// Reads the header; at the end of the stream, what there is of it.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.header_seen < HEADER_BYTES {
            let mut rest = ReadBuf::new(&mut self.header[self.header_seen..]);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut rest))?;
            let read = rest.filled().len();
            if read == 0 {
                break;
            }
            self.header_seen += read;
            self.header_due += read;
        }
        if self.header_seen == HEADER_BYTES {
            self.payload_left = Header::read(&self.header).map_or(0, |h| h.payload_bytes);
        }
        Poll::Ready(Ok(()))
    }

    fn header_due(&self) -> &[u8] {
        &self.header[self.header_seen - self.header_due..self.header_seen]
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for OnePacketReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.header_seen < HEADER_BYTES {
            ready!(this.poll_header(cx))?;
        }
        if this.payload_left == 0 || buf.remaining() <= this.header_due {
            let now = this.header_due.min(buf.remaining());
            buf.put_slice(&this.header_due()[..now]);
            this.header_due -= now;
        } else {
            let header = this.header_due;
            let space = buf.remaining().min(header + this.payload_left);
            let space = buf.initialize_unfilled_to(space);
            space[..header].copy_from_slice(this.header_due());
            let mut payload = ReadBuf::new(&mut space[header..]);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut payload))?;
            let read = payload.filled().len();
            buf.advance(header + read);
            this.header_due = 0;
            this.payload_left = if read == 0 {
                0
            } else {
                this.payload_left - read
            };
        }
        if this.header_due == 0 && this.payload_left == 0 {
            this.header_seen = 0;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn reads(from: &[u8], buffer_bytes: usize) -> Vec<Vec<u8>> {
        let mut reader = OnePacketReader::new(from);
        let mut buffer = vec![0; buffer_bytes];
        let mut reads = Vec::new();
        loop {
            match reader.read(&mut buffer).await.unwrap() {
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
