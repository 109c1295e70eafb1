//! A list or a SELECT in the making: servers are asked, rows go into the database, and it begins to evaluate them.

use std::sync::Arc;

use super::Request;
use super::catalog::{Catalog, TableName};
use super::evaluation::Evaluation;
use super::server_terms::ServerTerms;
use super::sessions_in::SessionsIn;
use super::told::Told;
use crate::cluster::Cluster;
use crate::cluster::budget::Budget;
use crate::cluster::fan_out::{self, FanOut, NodeReport};
use crate::cluster::list::{ListError, describe, row_bytes};
use crate::cluster::merge::{Purpose, Viewer};
use crate::cluster::queries::Columns;
use crate::cluster::rights::Rights;
use crate::cluster::session_columns::{SessionColumn, made_of};
use crate::cluster::topology::TopologyError;
use crate::deadline::Deadline;
use crate::sql::{Plan, PlannedTable};
use crate::statement::diagnostics::Message;
use crate::table::{Column, Rows};

/// A list or a SELECT, of which all rows are in the database.
#[derive(Debug)]
pub(in crate::cluster) struct Evaluated {
    /// The result's columns.
    pub(in crate::cluster) columns: Vec<Column>,
    /// What they are of sessions; none of a SELECT.
    pub(in crate::cluster) sources: Vec<SessionColumn>,
    /// Gives the result's rows.
    pub(in crate::cluster) evaluation: Evaluation,
    /// The servers that have failed.
    pub(in crate::cluster) failed: Vec<NodeReport>,
    pub(in crate::cluster) messages: Vec<Message>,
    /// Where sessions were asked for.
    pub(in crate::cluster) told: Option<Told>,
}

/// Asks for all rows that a list or a SELECT needs, and begins to evaluate it.
pub(in crate::cluster) async fn evaluate(
    cluster: &Arc<Cluster>,
    request: &Request,
) -> Result<Evaluated, ListError> {
    let names = request.planner.names();
    let uses = |table: TableName| names.tables.contains(table.name());
    let mut making = Making {
        cluster,
        request,
        catalog: Catalog::new(&cluster.known_headers()),
        plan: None,
        evaluation: None,
        messages: Vec::new(),
        told: None,
    };
    let Request {
        planner, context, ..
    } = request;
    // What is wrong is said before anybody is asked.
    if let Some(plan) = cluster.plan_if_known(planner, &names, &making.catalog, context)? {
        making.begin(plan).await?;
    }
    let (sessions, others) = tokio::join!(
        making.take_sessions(uses(TableName::ServerSessions)),
        other_tables(cluster, request, uses)
    );
    let failed = sessions?;
    for (table, rows, messages) in others? {
        making.insert_table(table, &rows).await?;
        making.messages.extend(messages);
    }
    making.end(failed)
}

/// The rows of a table that is not asked of the servers, and what is to be said of it.
type OtherTable = (TableName, Rows, Vec<Message>);

/// The tables that are needed beside the sessions.
async fn other_tables(
    cluster: &Arc<Cluster>,
    request: &Request,
    uses: impl Fn(TableName) -> bool,
) -> Result<Vec<OtherTable>, ListError> {
    let Request { user, deadline, .. } = request;
    let mut tables = Vec::new();
    if uses(TableName::Servers) {
        let (rows, messages) = cluster.server_table(user, *deadline).await?;
        tables.push((TableName::Servers, rows, messages));
    }
    if uses(TableName::Clients) {
        let (rows, messages) = cluster.client_table(user, *deadline).await;
        tables.push((TableName::Clients, rows, messages));
    }
    if uses(TableName::KillLog) {
        let (rows, messages) = cluster.kill_table(user, *deadline).await;
        tables.push((TableName::KillLog, rows, messages));
    }
    Ok(tables)
}

/// A result in the making.
pub(super) struct Making<'a> {
    cluster: &'a Arc<Cluster>,
    pub(super) request: &'a Request,
    pub(super) catalog: Catalog,
    /// Once all columns that it names are known.
    plan: Option<Plan>,
    evaluation: Option<Evaluation>,
    messages: Vec<Message>,
    told: Option<Told>,
}

impl Making<'_> {
    /// Begins to evaluate a plan.
    async fn begin(&mut self, plan: Plan) -> Result<(), ListError> {
        let limits = self.cluster.settings.sql;
        let evaluation = match self.request.purpose {
            Purpose::Kill => Evaluation::begin(plan.clone(), limits).await?,
            _ => Evaluation::begin_for_client(plan.clone(), limits).await?,
        };
        self.evaluation = Some(evaluation);
        self.plan = Some(plan);
        Ok(())
    }

    /// Where a table stands in the plan, and the columns of it that the plan needs.
    pub(super) fn planned(&self, table: TableName) -> Option<(usize, &PlannedTable)> {
        let tables = &self.plan.as_ref()?.tables;
        let mut tables = tables.iter().enumerate();
        tables.find(|(_, planned)| planned.table == table as usize)
    }

    /// Asks the servers for their sessions, if they are used, and takes these in. Gives the servers that have
    /// failed.
    async fn take_sessions(&mut self, used: bool) -> Result<Vec<NodeReport>, ListError> {
        if !used {
            return Ok(Vec::new());
        }
        let Request {
            user,
            deadline,
            chosen,
            purpose,
            ..
        } = self.request;
        let budget = Budget::new(row_bytes(self.cluster));
        let terms = ServerTerms::of(
            &self.request.planner,
            &self.request.context,
            self.cluster.settings.sql,
        );
        let chosen = chosen.clone().that_meet(terms);
        let columns = self.columns_to_ask();
        let (rights, begun) = tokio::join!(
            self.rights(user, *deadline),
            FanOut::begin(self.cluster, *deadline, chosen, columns, Some(budget))
        );
        let (mut fan_out, snapshot, stale) = begun?;
        let rights = rights?;
        self.told = Some(Told::new(Arc::clone(&snapshot), rights));
        let viewer = Viewer {
            user,
            rights,
            own: &self.cluster.own,
            clients: &self.cluster.clients,
        };
        let mut sessions = SessionsIn {
            snapshot: &snapshot,
            viewer: &viewer,
            purpose: *purpose,
            merge: None,
        };
        let (mut kept, mut failed, mut answered) = (Vec::new(), Vec::new(), 0);
        while let Some(report) = fan_out.next().await {
            if purpose.weighs_kills()
                && let Some(told) = &mut self.told
            {
                told.note(&report);
            }
            match &report.answer {
                Err(_) => failed.push(report),
                Ok(_) if self.plan.is_none() => kept.push(report),
                Ok(_) => {
                    answered += 1;
                    sessions.take(self, report).await?;
                }
            }
        }
        fan_out::sort(&mut failed);
        if answered + kept.len() == 0 && !failed.is_empty() {
            return Err(ListError::NobodyAnswered(describe(&failed)));
        }
        if self.plan.is_none() {
            self.plan_with(&kept).await?;
        }
        for report in kept {
            sessions.take(self, report).await?;
        }
        self.messages.extend(sessions.end(&failed, stale.as_ref()));
        Ok(failed)
    }

    /// What the account may do.
    async fn rights(&self, user: &str, deadline: Deadline) -> Result<Rights, TopologyError> {
        if self.request.purpose.weighs_kills() {
            self.cluster.rights_to_kill(user, deadline).await
        } else {
            self.cluster.rights(user, deadline).await
        }
    }

    /// What the servers must tell for the columns that are named.
    fn columns_to_ask(&self) -> Columns {
        let planner = &self.request.planner;
        let names = planner.names();
        if planner.wants_all_columns(&names) {
            return Columns::All;
        }
        let mut wanted = made_of(self.catalog.sessions_named(&names.columns));
        wanted.extend(made_of(&planner.columns(&self.catalog)));
        wanted.extend(made_of(&planner.facts()));
        // What is not known yet may be a server's.
        wanted.extend(names.columns);
        Columns::Those(Arc::new(wanted))
    }

    /// Plans with what these servers have reported, too.
    async fn plan_with(&mut self, reports: &[NodeReport]) -> Result<(), ListError> {
        let mut headers = self.cluster.known_headers();
        let answered = reports
            .iter()
            .filter_map(|report| report.answer.as_ref().ok());
        headers.extend(answered.map(|sessions| Arc::clone(sessions.header())));
        self.catalog = Catalog::new(&headers);
        let plan = self
            .request
            .planner
            .plan(&self.catalog, &self.request.context)?;
        self.begin(plan).await
    }

    /// Puts a table's rows into the database.
    async fn insert_table(&mut self, table: TableName, rows: &Rows) -> Result<(), ListError> {
        let Some((at, planned)) = self.planned(table) else {
            return Ok(());
        };
        let rows = rows.project(&columns_to_insert(planned));
        self.insert(at, rows).await
    }

    pub(super) async fn insert(&mut self, table: usize, rows: Rows) -> Result<(), ListError> {
        if let Some(evaluation) = &mut self.evaluation {
            evaluation.insert(table, rows).await?;
        }
        Ok(())
    }

    /// All that there is has gone in.
    fn end(self, failed: Vec<NodeReport>) -> Result<Evaluated, ListError> {
        let sources = self.request.planner.columns(&self.catalog);
        let (Some(plan), Some(evaluation)) = (self.plan, self.evaluation) else {
            return Err(ListError::no_server());
        };
        Ok(Evaluated {
            columns: plan.columns,
            sources,
            evaluation,
            failed,
            messages: self.messages,
            told: self.told,
        })
    }
}

/// The columns of a table that go into the database: one at least, as a row of none is no row. The database
/// does not look at it.
pub(super) fn columns_to_insert(planned: &PlannedTable) -> Vec<usize> {
    match planned.columns[..] {
        [] => vec![0],
        _ => planned.columns.clone(),
    }
}
