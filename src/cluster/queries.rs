//! Which query asks a server for its own sessions, and for no other's: found once a build.
//!
//! In the sys tenant SHOW PROCESSLIST is cluster-wide: asked of each of N servers it gives every session
//! N times.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Share;
use super::failure::{FailureKind, NodeFailure, Stage};
use super::node::Checkout;
use super::servers::Server;
use super::sessions::{NodeSessions, SessionsHeader};
use crate::deadline::Deadline;

/// The queries for a server's own sessions, from the newest branch to servers that are no OceanBase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionsQuery {
    /// OceanBase 4.x.
    View,
    /// OceanBase 3.x.
    VirtualTable,
    /// MySQL, MariaDB.
    ProcessList,
}

impl SessionsQuery {
    const ALL: [Self; 3] = [Self::View, Self::VirtualTable, Self::ProcessList];

    /// The statement to send for these columns.
    fn sql(self, columns: &str) -> Cow<'static, str> {
        match self {
            Self::View => format!("SELECT {columns} FROM oceanbase.V$OB_PROCESSLIST").into(),
            Self::VirtualTable => format!(
                "SELECT {columns} FROM oceanbase.__all_virtual_processlist \
                 WHERE svr_ip = host_ip() AND svr_port = rpc_port()"
            )
            .into(),
            // It gives all columns that it has, and they are few.
            Self::ProcessList => "SHOW FULL PROCESSLIST".into(),
        }
    }
}

/// Which columns a server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// All that it has.
    All,
    /// Those that a plain list is made of; all, until it is known which there are.
    Listed,
}

const ALL_COLUMNS: &str = "*";

/// Errors which say that a server does not have what a query asks for: no such table, database,
/// function or column.
const NOT_UNDERSTOOD: [u16; 6] = [1146, 1049, 1305, 1128, 1054, 1109];

/// Which query a build understands, found once.
#[derive(Debug, Default)]
pub(super) struct KnownQueries(Mutex<HashMap<String, Known>>);

/// What is known of a build.
#[derive(Debug, Clone)]
struct Known {
    query: SessionsQuery,
    header: Arc<SessionsHeader>,
}

impl KnownQueries {
    /// Asks a server for its own sessions.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn ask(
        &self,
        server: &Server,
        checkout: &mut Checkout,
        columns: Columns,
        deadline: Deadline,
        mut share: Share,
    ) -> Result<NodeSessions, NodeFailure> {
        let key = build_key(server);
        let known = self.lock().get(&key).cloned();
        if let (Columns::Listed, Some(known)) = (columns, &known) {
            let listed = known.header.listed().collect::<Vec<_>>().join(", ");
            let sql = known.query.sql(&listed);
            match checkout.query(&sql, deadline, &mut share).await {
                Ok(answer) => return Ok(NodeSessions::new(answer, server.addr, share)),
                // It is of another build than it was.
                Err(failure) if is_not_understood(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        let known = known.map(|known| known.query);
        let candidates = known.into_iter().chain(SessionsQuery::ALL);
        let mut refusal = None;
        for query in candidates {
            let sql = query.sql(ALL_COLUMNS);
            match checkout.query(&sql, deadline, &mut share).await {
                Ok(answer) => {
                    let sessions = NodeSessions::new(answer, server.addr, share);
                    let header = Arc::clone(sessions.header());
                    self.lock().insert(key, Known { query, header });
                    return Ok(sessions);
                }
                Err(failure) if is_not_understood(&failure) => refusal = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(refusal.unwrap_or_else(|| NodeFailure::no_answer(Stage::Query, deadline.elapsed())))
    }

    /// Whether a server of this build has OceanBase's views, and so knows the sessions of all servers.
    pub(super) fn has_views(&self, server: &Server) -> bool {
        let known = self.lock();
        known
            .get(&build_key(server))
            .is_some_and(|known| known.query == SessionsQuery::View)
    }

    /// The columns that servers of these builds have reported before.
    pub(super) fn headers(&self, servers: &[Server]) -> Vec<Arc<SessionsHeader>> {
        let known = self.lock();
        let mut builds: Vec<String> = servers.iter().map(build_key).collect();
        builds.dedup();
        builds
            .iter()
            .filter_map(|build| Some(Arc::clone(&known.get(build)?.header)))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server's build, or where that is not known, the server itself.
fn build_key(server: &Server) -> String {
    server
        .build
        .clone()
        .unwrap_or_else(|| server.addr.to_string())
}

fn is_not_understood(failure: &NodeFailure) -> bool {
    failure.kind == FailureKind::NodeError
        && failure
            .server_code
            .is_some_and(|code| NOT_UNDERSTOOD.contains(&code))
}
