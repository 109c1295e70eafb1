//! The list of every server's sessions, as an account may see it.

use std::sync::Arc;

use super::Cluster;
use super::failure::NodeFailure;
use super::fan_out::NodeReport;
use super::merge::{Listing, Viewer, known_columns, merge};
use super::topology::{Server, TopologyError};
use crate::deadline::Deadline;
use crate::table::Column;
use crate::wire::answer::SqlError;

/// Whether one server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub server: Server,
    /// How many sessions it has, the proxy's own among them.
    pub sessions: Result<usize, NodeFailure>,
}

/// There is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("{0}")]
    Topology(#[from] TopologyError),
    #[error("no server of the cluster gives an answer: {0}")]
    NobodyAnswered(String),
}

impl ListError {
    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        SqlError::new(ER_UNKNOWN_ERROR, self.to_string())
    }
}

const ER_UNKNOWN_ERROR: u16 = 1105;

impl Cluster {
    /// All sessions that the account `user` may see.
    ///
    /// # Errors
    /// When no server answered, or nobody could tell the account's rights.
    pub async fn list(
        self: &Arc<Self>,
        user: &str,
        full: bool,
        deadline: Deadline,
    ) -> Result<Listing, ListError> {
        let (rights, reports) = tokio::join!(self.rights(user, deadline), self.ask_all(deadline));
        let reports = reports?;
        if !reports.nodes.iter().any(|node| node.answer.is_ok()) {
            return Err(ListError::NobodyAnswered(describe_failures(&reports.nodes)));
        }
        let viewer = Viewer {
            user,
            rights: rights?,
            own: &self.own,
            clients: &self.clients,
        };
        Ok(merge(reports, full, &viewer, &self.queries))
    }

    /// The columns of a list, as far as they are known before the servers have answered.
    pub fn list_columns(&self, full: bool) -> Vec<Column> {
        let snapshot = self.snapshot();
        let servers = snapshot
            .as_deref()
            .map_or(&[][..], |snapshot| &snapshot.servers);
        known_columns(full, servers, &self.queries)
    }

    /// Asks every server how many sessions it has.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub async fn probe(self: &Arc<Self>, deadline: Deadline) -> Result<Vec<Probe>, TopologyError> {
        let reports = self.ask_all(deadline).await?;
        let probe = |NodeReport { server, answer }| Probe {
            server,
            sessions: answer.map(|sessions| sessions.iter().count()),
        };
        Ok(reports.nodes.into_iter().map(probe).collect())
    }
}

/// One line for each server that failed.
fn describe_failures(nodes: &[NodeReport]) -> String {
    let failures = nodes.iter().filter_map(|node| {
        let failure = node.answer.as_ref().err()?;
        Some(format!("{}: {failure}", node.server.describe()))
    });
    failures.collect::<Vec<_>>().join("; ")
}
