//! The PROXY protocol, versions 1 and 2: a load balancer says which client it has connected for.
//!
//! ```text
//!   client ─► load balancer ─ PROXY TCP4 192.0.2.7 … ─► obwarden ─ greeting ─► …
//! ```
//!
//! A header is read from the configured addresses only, and from those one must come, before the greeting.
//! It is read to its last byte and no further: what comes behind it belongs to MySQL.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::deadline::Deadline;

/// The longest header that is read, in bytes. Version 1 allows 107; version 2 carries certificates' names
/// and the like behind the addresses.
const HEADER_BYTES_MAX: usize = 4096;

/// The longest header of version 1, in bytes.
const V1_BYTES_MAX: usize = 107;
/// The shortest header of version 1: `PROXY UNKNOWN`, CR and LF. No header at all is shorter.
const V1_BYTES_MIN: usize = 15;
/// What a header of version 2 begins with, in bytes, up to and including the length of the rest.
const V2_BYTES_MIN: usize = 16;
/// Where in a header of version 2 its version and command stand.
const V2_COMMAND_AT: usize = 12;
/// Version 2, and a connection that the load balancer makes for itself.
const V2_LOCAL: u8 = 0x20;

/// The load balancers from which a header is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadBalancers(Vec<IpNet>);

impl LoadBalancers {
    /// Those whose addresses are in any of `networks`.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether `peer` is one of them. An IPv4 address may come as an IPv6 one.
    fn has(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The client behind `peer`: the one that its header names, if it is a load balancer that connects for
    /// somebody, else itself. Nothing is read from anybody else.
    pub(super) async fn client(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        peer: SocketAddr,
        deadline: Deadline,
    ) -> Result<SocketAddr, NoHeader> {
        if !self.has(peer) {
            return Ok(peer);
        }
        match deadline.limit(read(stream)).await {
            Ok(source) => Ok(source?.unwrap_or(peer)),
            Err(_) => Err(NoHeader::Silent),
        }
    }
}

/// Why a load balancer's connection names no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHeader {
    #[error("it does not begin with a PROXY header")]
    Missing,
    #[error("its PROXY header is wrong: {0}")]
    Wrong(String),
    #[error("its PROXY header is longer than {HEADER_BYTES_MAX} bytes")]
    TooLong,
    #[error("it sent no whole PROXY header in time")]
    Silent,
    /// As a health check does that only connects.
    #[error("it has left before its PROXY header was whole: {0}")]
    Left(io::Error),
}

/// Reads a header, and says whom it connects for, if anybody.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, NoHeader> {
    let mut header = Vec::with_capacity(V1_BYTES_MAX);
    loop {
        match progress(&header)? {
            Progress::Wants(bytes) => {
                let mut part = (&mut *stream).take(bytes as u64);
                if part.read_buf(&mut header).await.map_err(NoHeader::Left)? == 0 {
                    return Err(NoHeader::Left(io::ErrorKind::UnexpectedEof.into()));
                }
            }
            Progress::Whole(source) => return Ok(source),
        }
    }
}

/// How much of a header is there.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// At least so many more bytes belong to it.
    Wants(usize),
    /// All of it; it names this client, or none.
    Whole(Option<SocketAddr>),
}

/// Looks at the first bytes of a connection, of which none lies behind the header.
fn progress(bytes: &[u8]) -> Result<Progress, NoHeader> {
    if begins_as(bytes, v1::PROTOCOL_PREFIX.as_bytes()) {
        match bytes {
            [.., b'\n'] => v1_source(bytes).map(Progress::Whole),
            _ if bytes.len() >= V1_BYTES_MAX => Err(NoHeader::TooLong),
            _ => Ok(Progress::Wants(
                V1_BYTES_MIN.saturating_sub(bytes.len()).max(1),
            )),
        }
    } else if begins_as(bytes, v2::PROTOCOL_PREFIX) {
        let Some(&[high, low]) = bytes.get(V2_BYTES_MIN - 2..V2_BYTES_MIN) else {
            return Ok(Progress::Wants(V2_BYTES_MIN - bytes.len()));
        };
        match V2_BYTES_MIN + usize::from(u16::from_be_bytes([high, low])) {
            whole if whole > HEADER_BYTES_MAX => Err(NoHeader::TooLong),
            whole if whole > bytes.len() => Ok(Progress::Wants(whole - bytes.len())),
            _ => v2_source(bytes).map(Progress::Whole),
        }
    } else {
        Err(NoHeader::Missing)
    }
}

/// Whether `bytes` may still become something that begins with `prefix`.
fn begins_as(bytes: &[u8], prefix: &[u8]) -> bool {
    let both = bytes.len().min(prefix.len());
    bytes[..both] == prefix[..both]
}

/// The client that a whole header of version 1 names.
fn v1_source(header: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let header =
        v1::Header::try_from(header).map_err(|error| NoHeader::Wrong(error.to_string()))?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(of) => source(of.source_address.into(), of.source_port),
        v1::Addresses::Tcp6(of) => source(of.source_address.into(), of.source_port),
        v1::Addresses::Unknown => None,
    })
}

/// The client that a whole header of version 2 names.
fn v2_source(header: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    // The rest of such a header means nothing, whatever it is.
    if header.get(V2_COMMAND_AT) == Some(&V2_LOCAL) {
        return Ok(None);
    }
    let header =
        v2::Header::try_from(header).map_err(|error| NoHeader::Wrong(error.to_string()))?;
    Ok(match header.addresses {
        v2::Addresses::IPv4(of) => source(of.source_address.into(), of.source_port),
        v2::Addresses::IPv6(of) => source(of.source_address.into(), of.source_port),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    })
}

fn source(ip: IpAddr, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests;
