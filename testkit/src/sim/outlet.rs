//! The writing half of a simulated server's connection.
//!
//! opensrv-mysql writes every packet on its own and knows only its own errors. The outlet gathers
//! what it writes until the flush, puts any error in the place of the one that it wrote, and lets
//! the node send bytes that are no packet. It is shared by opensrv-mysql and its shim, which never
//! write at the same time.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use obwarden::wire::packet::{HEADER_BYTES, Header};
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use super::behaviour::ServerError;
use crate::lock::locked;

/// So much is gathered before it is sent without a flush.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Outlet(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    socket: OwnedWriteHalf,
    buffer: Vec<u8>,
    sent: usize,
    /// Where in the buffer the packet begins that the error is to replace.
    replaced: Option<(usize, ServerError)>,
    /// Of the packet written last.
    sequence: u8,
    /// So many packets of this reply are not opensrv-mysql's, which numbers its own as if they were not there.
    inserted: u8,
}

impl Outlet {
    pub(super) fn new(socket: OwnedWriteHalf) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            socket,
            buffer: Vec::new(),
            sent: 0,
            replaced: None,
            sequence: 0,
            inserted: 0,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        locked(&self.0)
    }

    /// The next packet that is written becomes this error; its sequence id is kept.
    pub(super) fn replace_next(&self, error: ServerError) {
        let mut inner = self.inner();
        let at = inner.buffer.len();
        inner.replaced = Some((at, error));
    }

    /// Appends bytes as they are.
    pub(super) fn append(&self, bytes: &[u8]) {
        self.inner().buffer.extend_from_slice(bytes);
    }

    /// Sends packets, of one part each, behind what opensrv-mysql has written of a reply.
    pub(super) async fn insert_packets(&self, mut packets: &[u8]) -> io::Result<()> {
        while !packets.is_empty() {
            packets = self.inner().insert(packets);
            poll_fn(|cx| self.inner().poll_send(cx)).await?;
        }
        Ok(())
    }
}

impl Inner {
    /// Takes as many packets as the buffer may hold, and numbers them; returns the others.
    fn insert<'p>(&mut self, packets: &'p [u8]) -> &'p [u8] {
        let mut rest = packets;
        while self.buffer.len() < BUFFER_BYTES_MAX
            && let Some(header) = Header::read(rest)
        {
            let (packet, after) = rest.split_at(HEADER_BYTES + header.payload_bytes);
            self.sequence = self.sequence.wrapping_add(1);
            self.inserted = self.inserted.wrapping_add(1);
            self.buffer.extend_from_slice(packet);
            let at = self.buffer.len() - packet.len();
            self.buffer[at + HEADER_BYTES - 1] = self.sequence;
            rest = after;
        }
        rest
    }

    /// Numbers the packet of opensrv-mysql that begins at `at`.
    fn number(&mut self, at: usize) {
        let sequence = &mut self.buffer[at + HEADER_BYTES - 1];
        *sequence = sequence.wrapping_add(self.inserted);
        self.sequence = *sequence;
    }

    fn replace(&mut self) {
        let Some((at, error)) = self
            .replaced
            .take_if(|(at, _)| *at + HEADER_BYTES <= self.buffer.len())
        else {
            return;
        };
        let payload = error.payload();
        let sequence = self.buffer[at + HEADER_BYTES - 1];
        self.buffer.truncate(at);
        let [low, middle, high, _] = (payload.len() as u32).to_le_bytes();
        self.buffer.extend([low, middle, high, sequence]);
        self.buffer.extend(payload);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.buffer.len() {
            let written =
                ready!(Pin::new(&mut self.socket).poll_write(cx, &self.buffer[self.sent..]))?;
            self.sent += written;
        }
        self.buffer.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Outlet {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// opensrv-mysql writes header and payload so; what is not taken at once it copies byte by byte.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.inner();
        if inner.buffer.len() > BUFFER_BYTES_MAX && inner.replaced.is_none() {
            ready!(inner.poll_send(cx))?;
        }
        let at = inner.buffer.len();
        for part in parts {
            inner.buffer.extend_from_slice(part);
        }
        // opensrv-mysql's way to write a packet.
        if let [header, _] = parts
            && header.len() == HEADER_BYTES
        {
            inner.number(at);
        }
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        inner.replace();
        ready!(inner.poll_send(cx))?;
        inner.inserted = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.socket).poll_shutdown(cx)
    }
}
