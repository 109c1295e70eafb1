//! The last topology is kept in a file: a restart in the middle of an incident, when no seed answers, still
//! finds the cluster.
//!
//! ```text
//!   start ─► seeds, and the file's servers ─► the topology, read anew
//!                  └─ nobody tells it ─► the file's, if its servers confirm the cluster's name
//!   running ─► each topology that differs ─► the file
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::Cluster;
use super::cached_topology::CachedTopology;
use super::topology::{Snapshot, TopologyError};
use crate::deadline::Deadline;

impl Cluster {
    /// Reads the file that keeps the topology, if there is one. That it is of no use is said in the log.
    pub fn load_topology_cache(&self) {
        let cached = CachedTopology::read(&self.settings);
        self.topology.cached.store(cached.map(Arc::new));
    }

    /// Reads the topology for the first time. Where no server tells it before `deadline`, that of the file
    /// serves, if a server of it confirms that it is still this cluster's.
    ///
    /// # Errors
    /// When there is neither.
    pub async fn find_topology(&self, deadline: Deadline) -> Result<Arc<Snapshot>, TopologyError> {
        let error = match self.refresh_topology(deadline).await {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => error,
        };
        let Some(snapshot) = self.confirmed_cache().await else {
            return Err(error);
        };
        let age_seconds = snapshot.age().as_secs();
        tracing::warn!(%error, age_seconds, "the topology cannot be read; the one from the file serves");
        let snapshot = Arc::new(snapshot);
        self.topology.snapshot.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// The file's topology without the servers that are of another cluster now; none if no server says that
    /// it is still of this one, or one has told another topology.
    async fn confirmed_cache(&self) -> Option<Snapshot> {
        if self.topology.contradicted.load(Ordering::Relaxed) {
            return None;
        }
        let cached = self.topology.cached.load_full()?;
        let deadline = self.statement_deadline();
        let asking = cached.servers.iter().map(|server| async move {
            let node = self.node(server.addr);
            let name = self.ask_cluster_name(&node, deadline).await;
            (server, name.ok().flatten())
        });
        let mut servers = Vec::new();
        let mut told_by = None;
        for (server, name) in join_all(asking).await {
            if name.is_some() && name != cached.cluster_name {
                tracing::warn!(server = %server.addr, name, "a server of the file is another cluster's now");
                continue;
            }
            if name.is_some() {
                told_by.get_or_insert(server.addr);
            }
            servers.push(server.clone());
        }
        Some(Snapshot {
            servers,
            listed: true,
            unusable: Vec::new(),
            cluster_name: cached.cluster_name.clone(),
            told_by: told_by?,
            read_at: cached.read_at,
        })
    }

    /// Keeps the topology in the file as it changes, until this future is dropped.
    pub async fn keep_topology_cache(&self) {
        let Some(file) = self.settings.topology_cache.clone() else {
            return;
        };
        let mut written: Option<CachedTopology> = None;
        let mut fails = false;
        loop {
            self.topology.read.notified().await;
            // A server that is alone is its own seed: there is nothing to keep.
            let Some(snapshot) = self.snapshot().filter(|snapshot| snapshot.listed) else {
                continue;
            };
            let newer = CachedTopology::of(&snapshot, &self.settings);
            if written
                .as_ref()
                .is_some_and(|written| written.is_as_good_as(&newer))
            {
                continue;
            }
            let (path, text) = (file.clone(), newer.clone());
            let writing = tokio::task::spawn_blocking(move || text.write(&path)).await;
            match writing.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                Ok(()) => {
                    written = Some(newer);
                    fails = false;
                }
                Err(error) if !fails => {
                    let file = file.display();
                    tracing::warn!(%file, %error, "the topology cannot be kept in its file");
                    fails = true;
                }
                Err(_) => {}
            }
        }
    }
}
