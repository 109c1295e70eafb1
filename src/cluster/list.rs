//! The list of every server's sessions, as an account may see it.
//!
//! What servers answer is kept until all have answered, so that the list has an order. Beyond
//! `listing_buffer_bytes` rows go out as they come: ordered within each server, but not among servers.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Cluster;
use super::budget::Budget;
use super::chosen::Chosen;
use super::evaluated::{self, Planner};
use super::fan_out::{self, FanOut, NodeReport, Stale};
use super::merge::{Included, Merge, Purpose, Viewer, failed_rows};
use super::queries::Columns;
use super::session_columns::{SessionColumn, listed, made_of};
use super::sessions::SessionsHeader;
use super::topology::{Snapshot, TopologyError};
use crate::deadline::Deadline;
use crate::sql::Context;
use crate::statement::diagnostics::Message;
use crate::statement::{ServerRef, SessionsForm, ShowServerSessions};
use crate::table::{Column, Rows};
use crate::wire::answer::SqlError;

/// Batches of rows that may wait for the client.
const BATCHES_WAITING_MAX: usize = 2;
/// What a connection to a server takes, mostly for the driver's buffers, in bytes.
const CONNECTION_BYTES: usize = 40 * 1024;
/// A batch of rows goes out when it takes so much memory, in bytes.
const BATCH_BYTES: usize = 32 * 1024;

/// A part of a list, in the order in which they come: columns, rows, end.
#[derive(Debug, Clone, PartialEq)]
pub enum ListPart {
    /// The columns, once.
    Columns(Vec<Column>),
    /// Some rows.
    Rows(Rows),
    /// One warning for each server that failed, and what else must not be silent.
    End(Vec<Message>),
}

/// A list that is being made. Dropping it ends the work on it.
pub type ListParts = mpsc::Receiver<Result<ListPart, ListError>>;

/// There is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not known which servers there are, or what the account may see.
    #[error("{0}")]
    Topology(#[from] TopologyError),
    /// It cannot be evaluated.
    #[error("{}", .0.text)]
    Sql(SqlError),
    /// Each server has failed.
    #[error("no server of the cluster gives an answer: {0}")]
    NobodyAnswered(String),
}

impl ListError {
    /// There is nobody to ask.
    pub(super) fn no_server() -> Self {
        Self::NobodyAnswered("there is no server".to_owned())
    }

    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        match self {
            Self::Sql(error) => error.clone(),
            Self::Topology(_) | Self::NobodyAnswered(_) => {
                SqlError::new(ER_UNKNOWN_ERROR, self.to_string())
            }
        }
    }
}

impl From<SqlError> for ListError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

const ER_UNKNOWN_ERROR: u16 = 1105;

/// Which list is wanted.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// The account that is to see it.
    pub user: String,
    /// How much of the sessions, of which servers, and which of them.
    pub show: ShowServerSessions,
    /// What an expression may name of the client's session.
    pub context: Context,
}

impl ListRequest {
    fn is_full(&self) -> bool {
        self.show.form == SessionsForm::Full
    }

    /// Which sessions it has.
    fn included(&self) -> Included {
        Included {
            sleeping: self.show.form != SessionsForm::Active,
            own: self.is_full(),
        }
    }
}

impl Cluster {
    /// The sessions that the account may see. The last part is an end or an error.
    pub fn list(self: &Arc<Self>, request: ListRequest) -> ListParts {
        let cluster = Arc::clone(self);
        in_parts(async move |sender| {
            let timeout = request.show.timeout;
            let deadline = timeout.map_or_else(|| cluster.statement_deadline(), Deadline::after);
            let chosen = cluster.choose(&request.show.servers, deadline).await?;
            if request.show.pick.is_all() {
                return make_list(&cluster, &request, chosen, deadline, &sender).await;
            }
            let included = request.included();
            let picked = evaluated::Request {
                user: request.user,
                planner: Planner::Pick {
                    form: request.show.form,
                    pick: request.show.pick,
                },
                context: request.context,
                chosen,
                included,
                purpose: Purpose::List,
                deadline,
            };
            evaluated::make(&cluster, &picked, &sender).await
        })
    }

    /// The columns of a list. Where it shows all that servers report, and that is not known, they are asked for
    /// it, before `deadline`.
    pub async fn list_columns(
        self: &Arc<Self>,
        form: SessionsForm,
        deadline: Deadline,
    ) -> Vec<Column> {
        let full = form == SessionsForm::Full;
        if full && !self.knows_all_headers() {
            self.learn_headers(deadline).await;
        }
        let columns = listed(full, &self.known_headers());
        columns.iter().map(SessionColumn::column).collect()
    }

    /// The servers that a statement names; all, where it names none.
    async fn choose(&self, named: &[ServerRef], deadline: Deadline) -> Result<Chosen, ListError> {
        if named.is_empty() {
            return Ok(Chosen::all());
        }
        let mut chosen = HashSet::new();
        for named in named {
            let server = self.find_server(named, deadline).await;
            chosen.insert(server.map_err(|error| error.to_sql())?.addr);
        }
        Ok(Chosen::at(chosen))
    }

    /// Learns which columns servers report whose builds have not been asked yet: of each build from one server,
    /// before `deadline`.
    pub(super) async fn learn_headers(self: &Arc<Self>, deadline: Deadline) {
        let snapshot = match self.snapshot() {
            Some(snapshot) => snapshot,
            None => match self.refresh_topology(deadline).await {
                Ok(snapshot) => snapshot,
                Err(_) => return,
            },
        };
        let asked = self.queries.one_of_each_unknown(&snapshot.servers);
        let chosen = Chosen::at(asked.iter().map(|server| server.addr).collect());
        let begun = FanOut::begin(self, deadline, chosen, Columns::All, None).await;
        if let Ok((fan_out, _, _)) = begun {
            fan_out.all().await;
        }
    }

    /// Whether it is known which columns each server reports.
    pub(super) fn knows_all_headers(&self) -> bool {
        let snapshot = self.snapshot();
        snapshot.is_some_and(|snapshot| self.queries.knows_all(&snapshot.servers))
    }

    /// What the servers' builds have reported before.
    pub(super) fn known_headers(&self) -> Vec<Arc<SessionsHeader>> {
        let snapshot = self.snapshot();
        let servers = snapshot
            .as_deref()
            .map_or(&[][..], |snapshot| &snapshot.servers);
        self.queries.headers(servers)
    }
}

/// Where the parts of a list go.
pub(super) type PartSender = mpsc::Sender<Result<ListPart, ListError>>;

/// Makes a list in a task of its own, which ends when nobody waits for the list any more.
pub(super) fn in_parts<M>(make: impl FnOnce(PartSender) -> M) -> ListParts
where
    M: Future<Output = Result<(), ListError>> + Send + 'static,
{
    let (sender, parts) = mpsc::channel(BATCHES_WAITING_MAX);
    let making = make(sender.clone());
    tokio::spawn(async move {
        let made = tokio::select! {
            made = making => made,
            () = sender.closed() => return,
        };
        if let Err(error) = made {
            let _ = sender.send(Err(error)).await;
        }
    });
    parts
}

/// Makes a list and sends its parts.
async fn make_list(
    cluster: &Arc<Cluster>,
    request: &ListRequest,
    chosen: Chosen,
    deadline: Deadline,
    sender: &PartSender,
) -> Result<(), ListError> {
    let user = &request.user;
    let budget = Budget::new(row_bytes(cluster));
    let columns = if request.is_full() {
        Columns::All
    } else {
        Columns::Those(Arc::new(made_of(&listed(false, &[]))))
    };
    let (rights, begun) = tokio::join!(
        cluster.rights(user, deadline),
        FanOut::begin(
            cluster,
            deadline,
            chosen,
            columns,
            Some(Arc::clone(&budget))
        )
    );
    let (mut fan_out, snapshot, stale) = begun?;
    let viewer = Viewer {
        user,
        rights: rights?,
        own: &cluster.own,
        clients: &cluster.clients,
    };
    let mut going_out = GoingOut {
        cluster,
        snapshot: &snapshot,
        request,
        viewer: &viewer,
        merge: None,
        sender,
    };
    let mut kept = Vec::new();
    let mut failed = Vec::new();
    loop {
        let report = tokio::select! {
            report = fan_out.next() => report,
            () = budget.starved(), if !kept.is_empty() => {
                going_out.send(&mut kept).await;
                continue;
            }
        };
        match report {
            Some(report) if report.answer.is_err() => failed.push(report),
            Some(report) => kept.push(report),
            None => break,
        }
        if going_out.merge.is_some() {
            going_out.send(&mut kept).await;
        }
    }
    fan_out::sort(&mut failed);
    if kept.is_empty() && going_out.merge.is_none() {
        return Err(ListError::NobodyAnswered(describe(&failed)));
    }
    going_out.send(&mut kept).await;
    going_out.end(&failed, stale.as_ref()).await;
    Ok(())
}

/// What the rows of a list may take of `listing_buffer_bytes`: most of it, for many servers less, as the
/// connections to them take memory, too.
pub(super) fn row_bytes(cluster: &Cluster) -> usize {
    let buffer = cluster.settings.listing_buffer_bytes;
    let servers = cluster
        .snapshot()
        .map_or(0, |snapshot| snapshot.servers.len());
    let connections = servers.saturating_mul(CONNECTION_BYTES);
    buffer.saturating_sub(connections).max(buffer / 4)
}

/// Rows on their way to the client. That it has left shows in the channel's being closed.
struct GoingOut<'a> {
    cluster: &'a Cluster,
    snapshot: &'a Snapshot,
    request: &'a ListRequest,
    viewer: &'a Viewer<'a>,
    /// From the first rows on.
    merge: Option<Merge<'a>>,
    sender: &'a PartSender,
}

impl GoingOut<'_> {
    /// Sends the rows of servers that have answered, in order, and frees their memory.
    async fn send(&mut self, kept: &mut Vec<NodeReport>) {
        fan_out::sort(kept);
        let merge = match &mut self.merge {
            Some(merge) => merge,
            none => {
                let mut headers = self.cluster.queries.headers(&self.snapshot.servers);
                // Servers of one build do not always report the same, in the middle of an upgrade.
                let answered = kept.iter().filter_map(|report| report.answer.as_ref().ok());
                headers.extend(answered.map(|sessions| Arc::clone(sessions.header())));
                let columns = listed(self.request.is_full(), &headers);
                let merge = Merge::new(columns, self.request.included(), self.viewer);
                let columns = merge.columns().iter().map(SessionColumn::column);
                let columns = ListPart::Columns(columns.collect());
                let _ = self.sender.send(Ok(columns)).await;
                none.insert(merge)
            }
        };
        let width = merge.columns().len();
        for report in kept.drain(..) {
            let Ok(sessions) = &report.answer else {
                continue;
            };
            let mut server = merge.server(&report, sessions, 0);
            let mut batch = Rows::new(width);
            for session in sessions.iter() {
                server.push(&mut batch, session);
                if batch.memory_bytes() >= BATCH_BYTES {
                    let full = std::mem::replace(&mut batch, Rows::new(width));
                    let _ = self.sender.send(Ok(ListPart::Rows(full))).await;
                }
            }
            let _ = self.sender.send(Ok(ListPart::Rows(batch))).await;
        }
    }

    /// Sends the rows of servers that have failed, and the end.
    async fn end(self, failed: &[NodeReport], stale: Option<&Stale>) {
        let Some(merge) = self.merge else { return };
        let rows = failed_rows(failed, merge.columns());
        let messages = merge.end(failed, &self.snapshot.unusable, stale);
        let _ = self.sender.send(Ok(ListPart::Rows(rows))).await;
        let _ = self.sender.send(Ok(ListPart::End(messages))).await;
    }
}

/// One line for each server that failed.
pub(super) fn describe(failed: &[NodeReport]) -> String {
    let failures = failed.iter().filter_map(|node| {
        let failure = node.answer.as_ref().err()?;
        Some(format!("{}: {failure}", node.server.describe()))
    });
    failures.collect::<Vec<_>>().join("; ")
}
