//! The machine's TCP connections, as the kernel counts them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};

/// How many connections to `addr` are open, or being made, on the connecting side.
pub fn connections_to(addr: SocketAddrV4) -> Result<usize> {
    let table = fs::read_to_string(TABLE).with_context(|| format!("cannot read {TABLE}"))?;
    Ok(count(&table, addr))
}

const TABLE: &str = "/proc/net/tcp";

/// ESTABLISHED, SYN_SENT, and CLOSE_WAIT, which is one that only the other side has closed.
const OPEN_STATES: [&str; 3] = ["01", "02", "08"];

fn count(table: &str, addr: SocketAddrV4) -> usize {
    let is_it = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let (remote, state) = (fields.next(), fields.next());
        remote.and_then(parse) == Some(addr)
            && state.is_some_and(|state| OPEN_STATES.contains(&state))
    };
    table.lines().filter(is_it).count()
}

/// `0100007F:0B41` is 127.0.0.1:2881.
fn parse(field: &str) -> Option<SocketAddrV4> {
    let (ip, port) = field.split_once(':')?;
    let ip = u32::from_str_radix(ip, 16).ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(ip.to_ne_bytes()), port))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_are_counted_from_the_side_that_connected_until_it_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(addr) = listener.local_addr().unwrap() else {
            panic!("IPv4 was bound");
        };
        let count = || connections_to(addr).unwrap();
        assert_eq!(count(), 0);
        let (one, other) = (TcpStream::connect(addr), TcpStream::connect(addr));
        assert_eq!(count(), 2);
        drop(one);
        assert_eq!(count(), 1);
        drop(listener.accept());
        drop(listener.accept());
        assert_eq!(count(), 1);
        drop(other);
        assert_eq!(count(), 0);
    }
}
