//! Which query asks a server for its own sessions, and for no other's: found once a build.
//!
//! In the sys tenant SHOW PROCESSLIST is cluster-wide: asked of each of N servers it gives every session
//! N times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Share;
use super::failure::{FailureKind, NodeFailure, Stage};
use super::node::{Checkout, Rows};
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

    /// The statement to send.
    fn sql(self) -> &'static str {
        match self {
            Self::View => "SELECT * FROM oceanbase.V$OB_PROCESSLIST",
            Self::VirtualTable => {
                "SELECT * FROM oceanbase.__all_virtual_processlist \
                 WHERE svr_ip = host_ip() AND svr_port = rpc_port()"
            }
            Self::ProcessList => "SHOW FULL PROCESSLIST",
        }
    }

    /// The statement that counts what the other one lists; none where a COUNT would count other servers'
    /// sessions, too.
    fn count_sql(self) -> Option<&'static str> {
        match self {
            Self::View => Some("SELECT COUNT(*) FROM oceanbase.V$OB_PROCESSLIST"),
            Self::VirtualTable => Some(
                "SELECT COUNT(*) FROM oceanbase.__all_virtual_processlist \
                 WHERE svr_ip = host_ip() AND svr_port = rpc_port()",
            ),
            Self::ProcessList => None,
        }
    }
}

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
        deadline: Deadline,
        mut share: Share,
    ) -> Result<NodeSessions, NodeFailure> {
        let key = build_key(server);
        let known = self.lock().get(&key).map(|known| known.query);
        let candidates = known.into_iter().chain(SessionsQuery::ALL);
        let mut refusal = None;
        for query in candidates {
            match checkout.query(query.sql(), deadline, &mut share).await {
                Ok(rows) => {
                    let sessions = NodeSessions::new(rows, server.addr, share);
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

    /// Asks a server how many sessions it has, the proxy's own among them: by a COUNT where it is known to
    /// count this server's alone. Where there is only a process list, its rows are counted.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn count(
        &self,
        server: &Server,
        checkout: &mut Checkout,
        deadline: Deadline,
    ) -> Result<u64, NodeFailure> {
        let known = self.lock().get(&build_key(server)).map(|known| known.query);
        let mut refusal = None;
        for query in known.into_iter().chain(SessionsQuery::ALL) {
            let (sql, is_count) = match query.count_sql() {
                Some(sql) => (sql, true),
                None => (query.sql(), false),
            };
            match checkout.query(sql, deadline, &mut Share::unlimited()).await {
                Ok(rows) if is_count => return count_in(&rows, deadline),
                Ok(rows) => {
                    let sessions = NodeSessions::new(rows, server.addr, Share::unlimited());
                    return Ok(sessions.iter().count() as u64);
                }
                Err(failure) if is_not_understood(&failure) => refusal = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(refusal.unwrap_or_else(|| NodeFailure::no_answer(Stage::Query, deadline.elapsed())))
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

/// The number in an answer to a COUNT.
fn count_in(rows: &Rows, deadline: Deadline) -> Result<u64, NodeFailure> {
    let value = rows.rows.first().and_then(|row| row.first()?.as_deref());
    let number = value.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let unread = || {
        let detail = "its count of sessions is no number";
        NodeFailure::garbage(Stage::Read, deadline.elapsed(), detail)
    };
    number.ok_or_else(unread)
}

fn is_not_understood(failure: &NodeFailure) -> bool {
    failure.kind == FailureKind::NodeError
        && failure
            .server_code
            .is_some_and(|code| NOT_UNDERSTOOD.contains(&code))
}
