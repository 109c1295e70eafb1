//! Whether sessions that a server has just told are what an expression picks: at the last look before a KILL.

use std::collections::HashSet;
use std::sync::Arc;

use sqlparser::ast::Expr;

use super::catalog::Catalog;
use super::evaluation::Evaluation;
use crate::cluster::Cluster;
use crate::cluster::fan_out::NodeReport;
use crate::cluster::list::ListError;
use crate::cluster::merge::{Included, Merge, Viewer};
use crate::cluster::session_columns::SessionColumn;
use crate::sql::{self, Context, Pick};
use crate::table::{Rows, Value};

/// What sessions are to be.
pub(in crate::cluster) struct Condition<'a> {
    pub(in crate::cluster) filter: Option<&'a Expr>,
    pub(in crate::cluster) context: Context,
}

impl Cluster {
    /// Of the sessions with these ids those that meet a condition, as a server has told them.
    ///
    /// # Errors
    /// When that cannot be computed.
    pub(in crate::cluster) async fn matching(
        &self,
        condition: Condition<'_>,
        viewer: &Viewer<'_>,
        report: &NodeReport,
        ids: &HashSet<u32>,
    ) -> Result<HashSet<u32>, ListError> {
        let Ok(sessions) = &report.answer else {
            return Ok(HashSet::new());
        };
        let mut headers = self.known_headers();
        headers.push(Arc::clone(sessions.header()));
        let catalog = Catalog::new(&headers);
        let pick = Pick {
            filter: condition.filter.cloned(),
            ..Pick::default()
        };
        let id = SessionColumn::Id;
        let output = catalog.position(&id).map(|at| (at, id.column()));
        let output: Vec<_> = output.into_iter().collect();
        let table = catalog.session_table();
        let plan = sql::plan_pick(&pick, table, &output, &[], &condition.context)?;
        let needed = plan.tables.first();
        let needed = needed.map_or(&[][..], |planned| &planned.columns);
        let sources = needed.iter().filter_map(|at| catalog.sessions.get(*at));
        let mut merge = Merge::new(sources.cloned().collect(), Included::ALL, viewer);
        let mut rows = Rows::new(needed.len());
        let mut server = merge.server(report, sessions, 0);
        for session in ids.iter().filter_map(|id| sessions.find(*id)) {
            server.push(&mut rows, session);
        }
        let mut evaluation = Evaluation::begin(plan, self.settings.sql).await?;
        evaluation.insert(0, rows).await?;
        let mut matching = HashSet::new();
        while let Some(rows) = evaluation.next().await? {
            matching.extend(rows.iter().filter_map(|row| match row.value(0) {
                Value::Number(id) => u32::try_from(id).ok(),
                _ => None,
            }));
        }
        Ok(matching)
    }
}
