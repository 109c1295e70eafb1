//! Lists and SELECTs that SQL evaluates.
//!
//! ```text
//!   names ─► servers asked, for the columns named ─┐
//!   plan, as soon as all columns are known ────────┼─► Evaluation: rows in, as servers answer ─► rows out
//!   servers, clients, kill log ────────────────────┘
//! ```
//!
//! A list picks among the rows of sessions. Failed servers' rows are none of these, so that nothing picks among
//! them and none is left out. The tables of a SELECT do not have them: there the warnings tell.

mod catalog;
mod evaluation;
mod making;
mod matching;
mod picked;
mod planner;
mod server_terms;
mod sessions_in;
mod told;

use std::sync::Arc;

use sqlparser::ast::Query;

pub(super) use catalog::{Catalog, TableName};
pub(super) use making::{Evaluated, evaluate};
pub(super) use matching::Condition;
pub use picked::SmallTable;
pub(super) use picked::send_picked;
pub(super) use planner::Planner;
pub(super) use server_terms::ServerTerms;
pub(super) use told::Told;

use super::Cluster;
use super::chosen::Chosen;
use super::list::{ListError, ListPart, ListParts, PartSender, in_parts};
use super::merge::{Included, Purpose, failed_rows};
use crate::deadline::Deadline;
use crate::sql::{Context, Names, Plan, Table};
use crate::table::Column;
use crate::wire::answer::SqlError;

/// "Unknown column".
const ER_BAD_FIELD_ERROR: u16 = 1054;

/// A list or a SELECT.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The account that is to see it.
    pub(super) user: String,
    pub(super) planner: Planner,
    pub(super) context: Context,
    pub(super) chosen: Chosen,
    /// Which sessions there are.
    pub(super) included: Included,
    /// What for.
    pub(super) purpose: Purpose,
    /// Until when servers may answer.
    pub(super) deadline: Deadline,
}

impl Cluster {
    /// What a SELECT gives that the account `user` asks. The last part is an end or an error.
    pub fn select(
        self: &Arc<Self>,
        user: &str,
        query: Box<Query>,
        context: Context,
        deadline: Deadline,
    ) -> ListParts {
        let (cluster, user) = (Arc::clone(self), user.to_owned());
        in_parts(async move |sender| {
            let planner = Planner::Query(query);
            let request = Request {
                user,
                chosen: Chosen::all(),
                planner,
                context,
                included: Included::OTHERS,
                purpose: Purpose::List,
                deadline,
            };
            make(&cluster, &request, &sender).await
        })
    }

    /// The proxy's own tables, as far as it is known which columns servers report.
    pub fn tables(&self) -> Vec<Table> {
        Catalog::new(&self.known_headers()).tables
    }

    /// The columns of a SELECT. Where it names columns that no server has reported yet, servers are asked which
    /// they have, before `deadline`.
    ///
    /// # Errors
    /// When it cannot be planned.
    pub async fn select_columns(
        self: &Arc<Self>,
        query: Box<Query>,
        context: &Context,
        deadline: Deadline,
    ) -> Result<Vec<Column>, SqlError> {
        let planner = Planner::Query(query);
        let names = planner.names();
        let catalog = Catalog::new(&self.known_headers());
        let plan = match self.plan_if_known(&planner, &names, &catalog, context)? {
            Some(plan) => plan,
            None => {
                self.learn_headers(deadline).await;
                planner.plan(&Catalog::new(&self.known_headers()), context)?
            }
        };
        Ok(plan.columns)
    }

    /// A plan, or none where servers may still report columns that it needs.
    ///
    /// # Errors
    /// What is wrong whatever servers report.
    fn plan_if_known(
        &self,
        planner: &Planner,
        names: &Names,
        catalog: &Catalog,
        context: &Context,
    ) -> Result<Option<Plan>, SqlError> {
        let uses_sessions = names.tables.contains(TableName::ServerSessions.name());
        let may_learn = uses_sessions && !self.knows_all_headers();
        match planner.plan(catalog, context) {
            Ok(_) if may_learn && planner.takes_what_is_reported(names) => Ok(None),
            Err(error) if may_learn && error.code == ER_BAD_FIELD_ERROR => Ok(None),
            planned => planned.map(Some),
        }
    }
}

/// Makes a list or a SELECT's result and sends its parts.
pub(super) async fn make(
    cluster: &Arc<Cluster>,
    request: &Request,
    sender: &PartSender,
) -> Result<(), ListError> {
    let Evaluated {
        columns,
        sources,
        mut evaluation,
        failed,
        messages,
        ..
    } = evaluate(cluster, request).await?;
    // That the client has left shows in the channel's being closed.
    let mut next = evaluation.next().await?;
    let _ = sender.send(Ok(ListPart::Columns(columns))).await;
    while let Some(rows) = next {
        let _ = sender.send(Ok(ListPart::Rows(rows))).await;
        next = evaluation.next().await?;
    }
    if let Planner::Pick { .. } = request.planner {
        let rows = failed_rows(&failed, &sources);
        let _ = sender.send(Ok(ListPart::Rows(rows))).await;
    }
    let _ = sender.send(Ok(ListPart::End(messages))).await;
    Ok(())
}
