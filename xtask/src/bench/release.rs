//! Programs of this workspace, built in release mode: nobody runs others.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use testkit::paths::target_dir;

use crate::test::cargo;

/// A program of this workspace, built in release mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    package: &'static str,
    program: &'static str,
}

pub(super) const OBWARDEN: Release = Release {
    package: "obwarden",
    program: "obwarden",
};

/// Simulated nodes.
pub(super) const SIM_CLUSTER: Release = Release {
    package: "testkit",
    program: "sim-cluster",
};

impl Release {
    pub(super) fn path(&self) -> PathBuf {
        target_dir().join("release").join(self.program)
    }

    /// Returns when it is built.
    pub(super) async fn build(&self) -> Result<()> {
        let status = tokio::process::Command::from(cargo())
            .args(["build", "--quiet", "--release"])
            .args(["--package", self.package, "--bin", self.program])
            .kill_on_drop(true)
            .status()
            .await
            .context("cannot run cargo build")?;
        ensure!(status.success(), "cargo build: {status}");
        Ok(())
    }
}
