//! Free TCP ports, leased so that no two nodes started at the same time get the same one.
//!
//! The kernel names a port that is free now, but a server takes a second to bind it. Until then the
//! lease is a bound abstract Unix socket named after the port: no file, and gone with its process.
//! A stranger can still take the port meanwhile; whoever starts a server tries again with another.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::{Context, Result};

/// A port of every local address that no other holder of a lease uses.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lease: UnixDatagram,
}

impl PortLease {
    pub fn acquire() -> Result<Self> {
        loop {
            let port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
                .and_then(|listener| listener.local_addr())
                .context("no free TCP port")?
                .port();
            let name = SocketAddr::from_abstract_name(format!("obwarden-testkit-port-{port}"))
                .context("abstract socket name")?;
            match UnixDatagram::bind_addr(&name) {
                Ok(lease) => {
                    return Ok(Self {
                        port,
                        _lease: lease,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => return Err(error).context("cannot lease a port"),
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}
