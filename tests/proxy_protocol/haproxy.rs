//! A real load balancer as a process.

use std::net::SocketAddr;

use testkit::paths::RunDir;
use testkit::ports::PortLease;
use testkit::process::{Process, Program};
use tokio::net::TcpStream;

use crate::support::{SOON, until};

/// HAProxy before one server. It ends when it is dropped.
pub(crate) struct Haproxy {
    addr: SocketAddr,
    _process: Process,
    _port: PortLease,
    _dir: RunDir, // after the process, which runs in it
}

impl Haproxy {
    /// Starts it with a server line that ends in `options`: `send-proxy`, say.
    pub(crate) async fn before(server: SocketAddr, options: &str) -> Self {
        let dir = RunDir::create().unwrap();
        let port = PortLease::acquire().unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], port.port()));
        let config = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
             listen obwarden\n bind {addr}\n server obwarden {server} {options}\n"
        );
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let log = dir.path().join("haproxy.log");
        let program = Program::new("/usr/sbin/haproxy", log).args(["-db", "-f"]);
        let process = program.args([file]).start().unwrap();
        until("HAProxy listens", SOON, async || {
            let connected = TcpStream::connect(addr).await;
            connected.map_err(|error| (error, process.log()))
        })
        .await;
        Self {
            addr,
            _process: process,
            _port: port,
            _dir: dir,
        }
    }

    /// Where it takes clients.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}
