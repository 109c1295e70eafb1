//! The two buffers that a session may own: what a client has sent and nobody has taken yet, and what the
//! other side did not take at once. Both are empty, and without memory, most of the time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Bytes from the client that are not done with. Taking some off the front moves none of the others:
/// a client may have pipelined a thousand statements, each of which is taken on its own.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    done: usize,
}

impl Held {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.done
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.tail().extend_from_slice(bytes);
    }

    /// Where more is to be put.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if self.done >= COMPACTED_BYTES {
            self.bytes.drain(..self.done);
            self.done = 0;
        }
        &mut self.bytes
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut held = std::mem::take(self);
        held.bytes.drain(..held.done);
        held.bytes
    }

    /// Takes bytes off the front. No memory is kept when none are left.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.done += bytes;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl From<&[u8]> for Held {
    fn from(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            done: 0,
        }
    }
}

/// Bytes that the other side does not take yet.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    /// The stream has taken bytes that it may not have sent on: TLS does so.
    unflushed: bool,
}

impl Unsent {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.unflushed = true;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn is_without_memory(&self) -> bool {
        self.bytes.capacity() == 0
    }

    /// Sends what is left over. Ready when nothing is, and then no memory is kept.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            match Pin::new(&mut *to).poll_write(cx, &self.bytes[self.sent..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => self.sent += sent,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if !self.bytes.is_empty() {
            self.bytes = Vec::new();
            self.sent = 0;
        }
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends `bytes` behind what is left over; keeps what is not taken at once.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
        mut bytes: &[u8],
    ) -> io::Result<()> {
        self.unflushed = true;
        while self.bytes.is_empty() && !bytes.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => bytes = &bytes[sent..],
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if bytes.is_empty() {
            if let Poll::Ready(flushed) = Pin::new(to).poll_flush(cx) {
                self.unflushed = false;
                flushed?;
            }
        } else {
            self.push(bytes);
        }
        Ok(())
    }
}

/// How many bytes that are done with may stand in front of the others before these are moved.
const COMPACTED_BYTES: usize = 1024 * 1024;
