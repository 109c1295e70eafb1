//! What is measured: MariaDB itself, HAProxy before it, and obwarden before it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Node;
use testkit::mariadb::MariadbCluster;
use testkit::paths::RunDir;
use testkit::ports::PortLease;
use testkit::process::{Process, Program};
use testkit::warden::Warden;
use tokio::net::TcpStream;

use super::release::OBWARDEN;
use super::sysbench;

/// Connections that the server and both proxies take.
pub(super) const CONNECTIONS_MAX: usize = 6000;

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Direct,
    Haproxy,
    Obwarden,
}

impl Target {
    pub(super) const ALL: [Self; 3] = [Self::Direct, Self::Haproxy, Self::Obwarden];

    /// All three, another one first in each round.
    pub(super) fn in_turn(round: usize) -> [Self; 3] {
        let mut order = Self::ALL;
        order.rotate_left(round % Self::ALL.len());
        order
    }
}

/// All of them, running.
pub(super) struct Targets {
    pub(super) haproxy: Haproxy,
    pub(super) warden: Warden,
    pub(super) mariadb: MariadbCluster,
    pub(super) dir: RunDir,
}

impl Targets {
    pub(super) async fn start() -> Result<Self> {
        let mariadb = MariadbCluster::start_with(1, MARIADB).await?;
        let dir = RunDir::create()?;
        let node = &mariadb.nodes()[0];
        let create = format!("CREATE DATABASE {}", sysbench::DATABASE);
        Conn::new(node.opts()).await?.query_drop(create).await?;
        sysbench::prepare(node.addr(), dir.path()).await?;
        Ok(Self {
            haproxy: Haproxy::start(node.addr()).await?,
            warden: start_warden(&mariadb).await?,
            mariadb,
            dir,
        })
    }

    pub(super) fn addr(&self, target: Target) -> SocketAddr {
        match target {
            Target::Direct => self.node().addr(),
            Target::Haproxy => self.haproxy.addr,
            Target::Obwarden => self.warden.addr(),
        }
    }

    /// The proxy's process, where there is one.
    pub(super) fn pid(&self, target: Target) -> Option<u32> {
        match target {
            Target::Direct => None,
            Target::Haproxy => Some(self.haproxy.pid()),
            Target::Obwarden => Some(self.warden.pid()),
        }
    }

    fn node(&self) -> &Node {
        &self.mariadb.nodes()[0]
    }
}

/// Later ones count; the first are testkit's.
const MARIADB: [&str; 5] = [
    "--max-connections=6100",
    "--back-log=4096",
    "--innodb-buffer-pool-size=512M",
    "--skip-log-bin",
    "--thread-cache-size=300",
];

pub(super) async fn start_warden(mariadb: &MariadbCluster) -> Result<Warden> {
    Warden::builder(OBWARDEN.path())
        .servers(mariadb.seeds())
        .user("root@sys")
        .password("")
        .args(["--max-connections", &CONNECTIONS_MAX.to_string()])
        .start()
        .await
}

/// HAProxy as a TCP proxy. It has as many threads as there are cores and sets TCP_NODELAY, both without
/// being told; no log, as that is off unless it is asked for.
pub(super) struct Haproxy {
    pub(super) addr: SocketAddr,
    process: Process,
    _dir: RunDir, // after the process, which reads it
    _port: PortLease,
}

impl Haproxy {
    pub(super) async fn start(server: SocketAddr) -> Result<Self> {
        let dir = RunDir::create()?;
        let port = PortLease::acquire()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port()));
        let path = dir.path().join("haproxy.cfg");
        std::fs::write(&path, haproxy_config(addr, server))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let process = Program::new(HAPROXY, dir.path().join("haproxy.log"))
            .args([Path::new("-db"), Path::new("-f"), &path])
            .start()?;
        process
            .ready(START_TIMEOUT, || async {
                Ok(TcpStream::connect(addr).await.map(drop)?)
            })
            .await?;
        Ok(Self {
            addr,
            process,
            _dir: dir,
            _port: port,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Not always in an ordinary user's PATH.
pub(super) const HAPROXY: &str = "/usr/sbin/haproxy";
const START_TIMEOUT: Duration = Duration::from_secs(10);

fn haproxy_config(listen: SocketAddr, server: SocketAddr) -> String {
    format!(
        "global\n    \
             maxconn {CONNECTIONS_MAX}\n\
         defaults\n    \
             mode tcp\n    \
             timeout connect 5s\n    \
             timeout client 8h\n    \
             timeout server 8h\n\
         listen mysql\n    \
             bind {listen}\n    \
             server mariadb {server}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_as_often_as_the_others() {
        let first = [0, 1, 2, 3].map(|round| Target::in_turn(round)[0]);
        let [direct, haproxy, obwarden] = Target::ALL;
        assert_eq!(first, [direct, haproxy, obwarden, direct]);
    }

    #[test]
    fn haproxy_is_told_where_to_listen_and_whom_to_serve() {
        let config = haproxy_config(
            "127.0.0.1:1".parse().unwrap(),
            "127.0.0.2:2".parse().unwrap(),
        );
        assert!(config.contains("\n    bind 127.0.0.1:1\n    server mariadb 127.0.0.2:2\n"));
        assert!(config.contains("mode tcp"));
    }
}
