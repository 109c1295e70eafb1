//! `obwarden --check`: logs on to the cluster, and prints its servers and whether each answers.

use std::io::{self, Write};
use std::sync::Arc;

use crate::cluster::{Cluster, TopologyError};

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Servers of the cluster.
    pub servers: usize,
    /// Of these, those that did not answer.
    pub failed: usize,
}

/// The cluster cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nobody tells which servers there are.
    #[error("{0}")]
    Topology(#[from] TopologyError),
    /// What was found cannot be printed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Prints one line for each server to `out`.
///
/// # Errors
/// When no server tells which servers there are, or `out` cannot be written.
pub async fn check(cluster: &Arc<Cluster>, out: &mut impl Write) -> Result<Checked, CheckError> {
    let probes = cluster.probe(cluster.statement_deadline()).await?;
    let failed = probes
        .iter()
        .filter(|probe| probe.sessions.is_err())
        .count();
    for probe in &probes {
        let build = probe.server.build.as_deref().unwrap_or("unknown");
        let verdict = match &probe.sessions {
            Ok(sessions) => format!("ok, {sessions} sessions"),
            Err(failure) => format!("{}: {failure}", failure.kind),
        };
        writeln!(out, "{}  build {build}  {verdict}", probe.server.describe())?;
    }
    writeln!(out, "{} servers, {failed} failed", probes.len())?;
    Ok(Checked {
        servers: probes.len(),
        failed,
    })
}
