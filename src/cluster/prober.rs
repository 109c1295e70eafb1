//! Finds out when a server that has failed is back, so that it comes back by itself.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Cluster;
use super::servers::Server;

/// Servers that are probed at once at most.
const PROBES_AT_ONCE_MAX: usize = 32;

impl Cluster {
    /// Probes the servers that have failed, until this future is dropped.
    pub async fn follow_health(self: &Arc<Self>) {
        self.health.begin_watching();
        let mut probes = JoinSet::new();
        loop {
            let room = PROBES_AT_ONCE_MAX - probes.len();
            for addr in self.health.take_due(Instant::now(), room) {
                let cluster = Arc::clone(self);
                probes.spawn(async move { cluster.probe_again(addr).await });
            }
            let next = self.health.next_due();
            let is_due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            let is_full = probes.len() == PROBES_AT_ONCE_MAX;
            tokio::select! {
                Some(_) = probes.join_next() => {}
                () = is_due, if !is_full => {}
                () = self.health.changed(), if !is_full => {}
            }
        }
    }

    /// Logs on to a server anew and counts its sessions. What has failed is noted where it fails; while
    /// others use the server, their answers tell.
    async fn probe_again(&self, addr: SocketAddr) {
        let deadline = self.statement_deadline();
        let Some(Ok(mut checkout)) = self.node(addr).log_on_anew(deadline).await else {
            return;
        };
        let snapshot = self.snapshot();
        let mut servers = snapshot.iter().flat_map(|snapshot| &snapshot.servers);
        let server = servers.find(|server| server.addr == addr).cloned();
        let server = server.unwrap_or_else(|| Server::alone(addr));
        let count = self.queries.count(&server, &mut checkout, deadline).await;
        let failure = count.err();
        checkout.settle(failure.as_ref());
        if failure.is_none_or(|failure| failure.is_an_answer()) {
            self.health.is_well(addr);
        }
    }
}
