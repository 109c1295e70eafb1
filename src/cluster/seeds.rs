//! The servers to begin with: the addresses behind the names that the configuration has for them.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::join_all;

use super::Cluster;
use super::failure::{NodeFailure, Stage};
use crate::deadline::Deadline;

/// How long names may take to be resolved, all at once. Addresses take no time.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(1);

impl Cluster {
    /// The addresses behind all seeds, in their order, and why there is none behind some. Half of what is left until
    /// `deadline` is left for those that have one.
    pub(super) async fn resolve_seeds(
        &self,
        deadline: Deadline,
    ) -> (Vec<SocketAddr>, Vec<(String, NodeFailure)>) {
        let deadline = deadline.at_most(RESOLVE_TIMEOUT.min(deadline.left() / 2));
        let seeds = &self.settings.seeds;
        let resolved = join_all(seeds.iter().map(|seed| self.resolve(seed, deadline))).await;
        let (mut addrs, mut failures) = (Vec::new(), Vec::new());
        for (seed, resolved) in seeds.iter().zip(resolved) {
            match resolved {
                Ok(resolved) => addrs.extend(resolved),
                Err(failure) => failures.push((seed.clone(), failure)),
            }
        }
        (addrs, failures)
    }

    /// The same, for a client: those that have an address are enough.
    pub(super) async fn seeds_for_clients(&self) -> Vec<SocketAddr> {
        let deadline = Deadline::after(2 * RESOLVE_TIMEOUT);
        self.resolve_seeds(deadline).await.0
    }

    /// Logs which seeds have no address, each when it begins to have none.
    pub(super) fn tell_unresolved(&self, failures: &[(String, String)]) {
        let mut told = self
            .unresolved_seeds
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (seed, why) in failures {
            if !told.contains(seed) {
                tracing::warn!(seed, "{why}");
            }
        }
        *told = failures.iter().map(|(seed, _)| seed.clone()).collect();
    }

    /// The addresses behind `host:port`.
    async fn resolve(
        &self,
        seed: &str,
        deadline: Deadline,
    ) -> Result<Vec<SocketAddr>, NodeFailure> {
        if let Ok(addr) = seed.parse() {
            return Ok(vec![addr]);
        }
        let looked_up = match deadline.limit(tokio::net::lookup_host(seed)).await {
            Ok(Ok(addrs)) => addrs.collect(),
            Ok(Err(error)) => {
                return Err(NodeFailure::unresolved(
                    deadline.elapsed(),
                    error.to_string(),
                ));
            }
            Err(_) => return Err(NodeFailure::no_answer(Stage::Resolve, deadline.elapsed())),
        };
        let addrs: Vec<SocketAddr> = looked_up;
        if let Some((host, _)) = seed.rsplit_once(':') {
            let mut names = self
                .host_names
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            names.extend(addrs.iter().map(|addr| (*addr, host.to_owned())));
        }
        Ok(addrs)
    }
}
