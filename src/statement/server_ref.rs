//! How a statement names a server and a session.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A server as a statement names it: an address, with the SQL or the RPC port or with none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRef {
    /// Its address.
    pub ip: IpAddr,
    /// The SQL port or the RPC port, as OceanBase's views and runbooks print the one or the other.
    pub port: Option<u16>,
}

impl ServerRef {
    /// Stands for one that is not known yet.
    pub(super) const STAND_IN: Self = Self {
        ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: None,
    };

    /// Reads `10.10.10.1`, `10.10.10.1:2881`, `fe80::1`, `[fe80::1]` or `[fe80::1]:2881`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse() {
            return Some(Self { ip, port: None });
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let (ip, after) = bracketed.split_once(']')?;
            let ip = IpAddr::V6(ip.parse().ok()?);
            return match after.strip_prefix(':') {
                Some(port) => Some(Self {
                    ip,
                    port: Some(parse_port(port)?),
                }),
                None => after.is_empty().then_some(Self { ip, port: None }),
            };
        }
        let (ip, port) = text.rsplit_once(':')?;
        Some(Self {
            ip: IpAddr::V4(ip.parse().ok()?),
            port: Some(parse_port(port)?),
        })
    }
}

fn parse_port(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&port| port != 0)
}

impl From<SocketAddr> for ServerRef {
    fn from(addr: SocketAddr) -> Self {
        Self {
            ip: addr.ip(),
            port: Some(addr.port()),
        }
    }
}

impl fmt::Display for ServerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port) {
            (ip, None) => write!(f, "{ip}"),
            (ip, Some(port)) => write!(f, "{}", SocketAddr::new(ip, port)),
        }
    }
}

/// A session's id on its server: 1 to 2^32 - 1. OceanBase cuts a larger one to 32 bits in silence and
/// would kill another session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u32);

/// The bit of an id that says a server made it, not ODP.
const MADE_BY_SERVER: u32 = 1 << 31;
/// What stands below the number of the server that made it.
const SEQUENCE_BITS: u32 = 18;
const SERVER_NUMBER_MAX: u32 = 0xfff;

impl SessionId {
    /// Stands for one that is not known yet.
    pub(super) const STAND_IN: Self = Self(1);

    /// Reads a decimal id.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().and_then(Self::new)
    }

    /// The id of this number; 0 is none.
    pub fn new(id: u32) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// The number of the server that made it, as OceanBase makes ids; none where ODP did. Other servers just
    /// count, so that this proves nothing but what else is known of that server.
    pub fn maker(self) -> Option<u64> {
        let made_by_server = self.0 & MADE_BY_SERVER != 0;
        made_by_server.then_some(u64::from(self.0 >> SEQUENCE_BITS & SERVER_NUMBER_MAX))
    }

    /// The id as a number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_read_back_as_written() {
        for text in ["10.10.10.1", "10.10.10.1:2881", "fe80::1", "[fe80::1]:2881"] {
            assert_eq!(ServerRef::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ServerRef::parse("[fe80::1]").unwrap().port, None);
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "10.10.10",
            "10.10.10.1:",
            "10.10.10.1:0",
            "10.10.10.1:+1",
            "10.10.10.1:65536",
            "[10.10.10.1]:2881",
            "[fe80::1",
            "[fe80::1]2881",
            "host",
            "host:2881",
        ] {
            assert_eq!(ServerRef::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_that_the_server_would_cut_is_refused() {
        for text in [
            "0",
            "-1",
            "+1",
            "",
            "abc",
            "1.0",
            "4294967296",
            "4294967299",
            "1e3",
        ] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
        assert_eq!(SessionId::parse("4294967295").unwrap().get(), u32::MAX);
    }
    #[test]
    fn an_id_tells_the_server_that_made_it() {
        for (id, maker) in [
            (3_221_487_617, Some(1)),
            (3_221_749_761, Some(2)),
            (1_073_741_825, None),
            (7, None),
        ] {
            assert_eq!(SessionId::new(id).unwrap().maker(), maker, "{id}");
        }
    }
}
