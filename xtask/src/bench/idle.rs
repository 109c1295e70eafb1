//! The memory of idle connections: logged in, one query, and nothing more.

use anyhow::{Context, Result};
use testkit::mariadb::MariadbCluster;

use super::proc_stat::memory_bytes;
use super::raw_client::RawClient;
use super::targets::{Haproxy, Target, start_warden};

/// How many there are when it is measured. A proxy has two descriptors for each.
const CONNECTIONS: [usize; 2] = [1000, 5000];

/// Descriptors for everything else.
const OTHER_DESCRIPTORS: usize = 200;

/// A proxy's memory with so many idle connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Idle {
    pub(super) target: Target,
    pub(super) connections: usize,
    pub(super) bytes_each: f64,
}

/// As many as `descriptors` are enough for.
pub(super) fn steps(descriptors: Option<u64>) -> Vec<usize> {
    let permitted = |count: &usize| {
        descriptors.is_none_or(|most| most as usize >= 2 * count + OTHER_DESCRIPTORS)
    };
    CONNECTIONS.into_iter().filter(permitted).collect()
}

/// Measures both proxies, each one new, for memory that was used once is kept.
pub(super) async fn measure(mariadb: &MariadbCluster, steps: &[usize]) -> Result<Vec<Idle>> {
    let server = mariadb.nodes().first().context("no server")?.addr();
    let mut measured = Vec::new();
    {
        let haproxy = Haproxy::start(server).await?;
        measured.extend(fill(Target::Haproxy, haproxy.addr, haproxy.pid(), steps).await?);
    }
    let warden = start_warden(mariadb).await?;
    measured.extend(fill(Target::Obwarden, warden.addr(), warden.pid(), steps).await?);
    Ok(measured)
}

async fn fill(
    target: Target,
    addr: std::net::SocketAddr,
    pid: u32,
    steps: &[usize],
) -> Result<Vec<Idle>> {
    // Whatever a first connection takes for good is not a connection's.
    let mut clients = vec![connect(addr).await?];
    let empty = memory_bytes(pid)?;
    let mut measured = Vec::new();
    for &connections in steps {
        while clients.len() <= connections {
            clients.push(connect(addr).await?);
        }
        let taken = memory_bytes(pid)?.saturating_sub(empty);
        measured.push(Idle {
            target,
            connections,
            bytes_each: taken as f64 / connections as f64,
        });
    }
    Ok(measured)
}

async fn connect(addr: std::net::SocketAddr) -> Result<RawClient> {
    let mut client = RawClient::connect(addr).await?;
    client.execute("DO 1").await?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_connections_as_there_are_descriptors_for() {
        assert_eq!(steps(None), [1000, 5000]);
        assert_eq!(steps(Some(20_000)), [1000, 5000]);
        assert_eq!(steps(Some(4096)), [1000]);
        assert!(steps(Some(1024)).is_empty());
    }
}
