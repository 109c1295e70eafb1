//! Real OceanBase: seekdb is its kernel as a single-node server.
//!
//! Each node listens on every local address, with a port of its own; it is named by its own
//! loopback address all the same, so that the nodes differ as those of a cluster do.

mod package;

use std::ops::Deref;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cluster::{Cluster, Kernel, Place};
use crate::process::Program;
use crate::topology::ServerRow;

pub use package::{REQUIREMENT, SHA256};

/// OceanBase kernels that list one another in `__all_server`. A node takes about 2 s to start,
/// 280 MB of memory and 170 MB of disk.
#[derive(Debug)]
pub struct SeekdbCluster(Cluster);

impl SeekdbCluster {
    /// Starts so many nodes, all at once. The first start of all fetches the package (54 MB).
    pub async fn start(nodes: u8) -> Result<Self> {
        Cluster::start(
            nodes,
            &Seekdb {
                home: fetch().await?,
            },
        )
        .await
        .map(Self)
    }
}

impl Deref for SeekdbCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

/// Fetches seekdb, when it is not there yet, and says where it is.
pub async fn fetch() -> Result<PathBuf> {
    tokio::task::spawn_blocking(package::fetch)
        .await
        .context("fetching seekdb")?
}

struct Seekdb {
    /// The unpacked package.
    home: PathBuf,
}

impl Kernel for Seekdb {
    fn program(&self, place: &Place) -> Result<Program> {
        let lib = self.home.join("pylibseekdb");
        let port = place.port.to_string();
        Ok(
            Program::new(lib.join("seekdb"), place.dir.join("output.log"))
                .args(["--nodaemon", "--port", &port, "--base-dir"])
                .args([&place.dir])
                .current_dir(&place.dir)
                .env("LD_LIBRARY_PATH", &lib)
                // It reports each start to its makers otherwise; no other value turns that off.
                .env("TELEMETRY_ENABLED", "false"),
        )
    }

    fn prepare(&self, _server: &ServerRow) -> Option<String> {
        None
    }
}
