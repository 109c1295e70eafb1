//! Sessions on their way into a database, server by server, as an account may see them.

use super::catalog::TableName;
use super::making::{Making, columns_to_insert};
use crate::cluster::fan_out::{NodeReport, Stale};
use crate::cluster::list::ListError;
use crate::cluster::merge::{Included, Merge, Purpose, Viewer};
use crate::cluster::topology::Snapshot;
use crate::statement::diagnostics::Message;
use crate::table::Rows;

/// A batch of rows goes in when it takes so much memory, in bytes.
const BATCH_BYTES: usize = 128 * 1024;

/// Sessions on their way.
pub(super) struct SessionsIn<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) viewer: &'a Viewer<'a>,
    pub(super) purpose: Purpose,
    /// From the first server on.
    pub(super) merge: Option<Merge<'a>>,
}

impl SessionsIn<'_> {
    /// Takes in a server's sessions, and frees what its answer has taken.
    pub(super) async fn take(
        &mut self,
        making: &mut Making<'_>,
        report: NodeReport,
    ) -> Result<(), ListError> {
        let (Ok(sessions), Some((table, planned))) =
            (&report.answer, making.planned(TableName::ServerSessions))
        else {
            return Ok(());
        };
        let merge = self.merge.get_or_insert_with(|| {
            let columns = columns_to_insert(planned).into_iter();
            let sources = columns.filter_map(|at| making.catalog.sessions.get(at).cloned());
            let merge = Merge::new(sources.collect(), making.request.included, self.viewer);
            merge.for_purpose(self.purpose)
        });
        let servers = &self.snapshot.servers;
        let rank = servers
            .iter()
            .position(|server| server.addr == report.server.addr);
        let width = merge.columns().len();
        let mut server = merge.server(&report, sessions, rank.unwrap_or(servers.len()) as u64);
        let mut batch = Rows::new(width);
        for session in sessions.iter() {
            server.push(&mut batch, session);
            if batch.memory_bytes() >= BATCH_BYTES {
                let full = std::mem::replace(&mut batch, Rows::new(width));
                making.insert(table, full).await?;
            }
        }
        making.insert(table, batch).await
    }

    /// What is to be said when all servers have been asked, of which these have failed.
    pub(super) fn end(self, failed: &[NodeReport], stale: Option<&Stale>) -> Vec<Message> {
        let merge = self
            .merge
            .unwrap_or_else(|| Merge::new(Vec::new(), Included::ALL, self.viewer))
            .for_purpose(self.purpose);
        merge.end(failed, &self.snapshot.unusable, stale)
    }
}
