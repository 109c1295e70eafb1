//! Which query asks a server for its own sessions, and for no other's: found once a build, or once a server
//! where it is not the newest one. A server may be older than its row in `__all_server` says, and what it lacks
//! is not taken for what its build lacks.
//!
//! In the sys tenant SHOW PROCESSLIST is cluster-wide: asked of each of N servers it gives every session
//! N times.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::budget::Share;
use super::failure::{FailureKind, NodeFailure, Stage};
use super::grants::{Asked, grant_process, shows_process};
use super::node::Checkout;
use super::rows::Answer;
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

/// How many sessions a server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    /// The proxy's own among them.
    pub(super) sessions: u64,
    /// What the question took, on a connection that was there.
    pub(super) round_trip: Duration,
    /// What the service account lacks to see them all.
    pub(super) needs_grant: Option<String>,
}

/// Which columns a server is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Columns {
    /// All that it has.
    All,
    /// Of those with these names, in lower case, the ones that it has; all, until it is known which it has.
    Those(Arc<BTreeSet<String>>),
}

const ALL_COLUMNS: &str = "*";
const COUNT: &str = "COUNT(*)";

/// What the service account may do.
const GRANTS_SQL: &str = "SHOW GRANTS";

/// Errors which say that a server does not have what a query asks for: no such table, database,
/// function or column.
const NOT_UNDERSTOOD: [u16; 6] = [1146, 1049, 1305, 1128, 1054, 1109];

/// Which query a build understands, found once.
#[derive(Debug)]
pub(super) struct KnownQueries {
    /// The service account's name.
    account: String,
    known: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Builds that understand the newest query.
    builds: HashMap<String, Known>,
    /// Servers that do not, each with its build.
    servers: HashMap<SocketAddr, (String, Known)>,
}

/// What is known of a build or a server.
#[derive(Debug, Clone)]
struct Known {
    query: SessionsQuery,
    header: Arc<SessionsHeader>,
}

impl KnownQueries {
    /// None is known yet; `account` will ask.
    pub(super) fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            known: Mutex::default(),
        }
    }

    /// Asks a server for its own sessions.
    ///
    /// # Errors
    /// When the answer was not complete before the deadline, or is an error.
    pub(super) async fn ask(
        &self,
        server: &Server,
        checkout: &mut Checkout,
        columns: &Columns,
        deadline: Deadline,
        mut share: Share,
    ) -> Result<NodeSessions, NodeFailure> {
        let known = self.lock().known(server).cloned();
        if let (Columns::Those(wanted), Some(known)) = (columns, &known) {
            let those = known.header.those(wanted).collect::<Vec<_>>().join(", ");
            let sql = known.query.sql(&those);
            match checkout.query(&sql, deadline, &mut share).await {
                Ok(answer) => {
                    let mut sessions = NodeSessions::new(answer, server.addr, share);
                    self.note_needs(known.query, &mut sessions, checkout, deadline)
                        .await?;
                    return Ok(sessions);
                }
                // It is of another build than it was.
                Err(failure) if is_not_understood(&failure) => {}
                Err(failure) => return Err(failure.naming_grant(Asked::Sessions, &self.account)),
            }
        }
        let known = known.map(|known| known.query);
        let candidates = known.into_iter().chain(SessionsQuery::ALL);
        let mut refusal = None;
        for query in candidates {
            let sql = query.sql(ALL_COLUMNS);
            match checkout.query(&sql, deadline, &mut share).await {
                Ok(answer) => {
                    let mut sessions = NodeSessions::new(answer, server.addr, share);
                    self.note_needs(query, &mut sessions, checkout, deadline)
                        .await?;
                    let header = Arc::clone(sessions.header());
                    self.lock().insert(server, Known { query, header });
                    return Ok(sessions);
                }
                Err(failure) if is_not_understood(&failure) => refusal = Some(failure),
                Err(failure) => return Err(failure.naming_grant(Asked::Sessions, &self.account)),
            }
        }
        Err(refusal.unwrap_or_else(|| NodeFailure::no_answer(Stage::Query, deadline.elapsed())))
    }

    /// Notes what a process list needs that has none of others' sessions, where the service account has no
    /// right to see them: such a list is incomplete without a word.
    async fn note_needs(
        &self,
        query: SessionsQuery,
        sessions: &mut NodeSessions,
        checkout: &mut Checkout,
        deadline: Deadline,
    ) -> Result<(), NodeFailure> {
        if query == SessionsQuery::ProcessList && sessions.are_all_of(&self.account) {
            let mut share = Share::unlimited();
            let grants = checkout.query(GRANTS_SQL, deadline, &mut share).await?;
            sessions.needs_grant = (!shows_process(&grants)).then(|| grant_process(&self.account));
        }
        Ok(())
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
    ) -> Result<Counted, NodeFailure> {
        let known = self.lock().known(server).map(|known| known.query);
        let mut refusal = None;
        for query in known.into_iter().chain(SessionsQuery::ALL) {
            let counts = query != SessionsQuery::ProcessList;
            let sql = query.sql(if counts { COUNT } else { ALL_COLUMNS });
            let mut share = Share::unlimited();
            let answer = match checkout.query(&sql, deadline, &mut share).await {
                Ok(answer) => answer,
                Err(failure) if is_not_understood(&failure) => {
                    refusal = Some(failure);
                    continue;
                }
                Err(failure) => return Err(failure.naming_grant(Asked::Sessions, &self.account)),
            };
            let round_trip = checkout.round_trip();
            if counts {
                return Ok(Counted {
                    sessions: count_in(&answer, deadline)?,
                    round_trip,
                    needs_grant: None,
                });
            }
            let mut sessions = NodeSessions::new(answer, server.addr, share);
            self.note_needs(query, &mut sessions, checkout, deadline)
                .await?;
            return Ok(Counted {
                sessions: sessions.len() as u64,
                round_trip,
                needs_grant: sessions.needs_grant,
            });
        }
        Err(refusal.unwrap_or_else(|| NodeFailure::no_answer(Stage::Query, deadline.elapsed())))
    }

    /// The statement that asks this server for all columns; nothing where that is not known.
    pub(super) fn chosen(&self, server: &Server) -> String {
        let state = self.lock();
        let known = state.known(server);
        known.map_or_else(String::new, |known| {
            known.query.sql(ALL_COLUMNS).into_owned()
        })
    }

    /// Whether a server of this build has OceanBase's views, and so knows the sessions of all servers.
    pub(super) fn has_views(&self, server: &Server) -> bool {
        let state = self.lock();
        let known = state.known(server);
        known.is_some_and(|known| known.query == SessionsQuery::View)
    }

    /// Whether that is known of all these servers.
    pub(super) fn knows_all(&self, servers: &[Server]) -> bool {
        let state = self.lock();
        servers.iter().all(|server| state.known(server).is_some())
    }

    /// Of those of which it is not known one of each build.
    pub(super) fn one_of_each_unknown<'s>(&self, servers: &'s [Server]) -> Vec<&'s Server> {
        let state = self.lock();
        let mut builds = BTreeSet::new();
        let unknown = servers
            .iter()
            .filter(|server| state.known(server).is_none());
        unknown
            .filter(|server| builds.insert(build_key(server)))
            .collect()
    }

    /// The columns that these servers, or others of their builds, have reported before.
    pub(super) fn headers(&self, servers: &[Server]) -> Vec<Arc<SessionsHeader>> {
        let state = self.lock();
        let mut headers: Vec<Arc<SessionsHeader>> = Vec::new();
        for known in servers.iter().filter_map(|server| state.known(server)) {
            if !headers.contains(&known.header) {
                headers.push(Arc::clone(&known.header));
            }
        }
        headers
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn known(&self, server: &Server) -> Option<&Known> {
        let build = build_key(server);
        match self.servers.get(&server.addr) {
            Some((its, known)) if *its == build => Some(known),
            _ => self.builds.get(&build),
        }
    }

    /// Remembers it, unless less is known from it than from another server of the build.
    fn insert(&mut self, server: &Server, known: Known) {
        let build = build_key(server);
        if known.query == SessionsQuery::ALL[0] {
            self.servers.remove(&server.addr);
            let columns = |known: &Known| known.header.names.len();
            if self.builds.get(&build).map_or(0, columns) <= columns(&known) {
                self.builds.insert(build, known);
            }
        } else {
            self.servers.insert(server.addr, (build, known));
        }
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
fn count_in(answer: &Answer, deadline: Deadline) -> Result<u64, NodeFailure> {
    let value = answer.rows.first().text(0);
    let number = value.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let unread = || NodeFailure::wrong(deadline.elapsed(), "its count of sessions is no number");
    number.ok_or_else(unread)
}

pub(super) fn is_not_understood(failure: &NodeFailure) -> bool {
    failure.kind == FailureKind::NodeError
        && failure
            .server_code
            .is_some_and(|code| NOT_UNDERSTOOD.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::super::rows::Answer;
    use super::*;

    fn server(last: u8, build: &str) -> Server {
        Server {
            build: Some(build.to_owned()),
            ..Server::alone(([10, 0, 0, last], 2881).into())
        }
    }

    fn known(query: SessionsQuery, columns: &[&str]) -> Known {
        let addr = ([10, 0, 0, 1], 2881).into();
        let sessions = NodeSessions::new(Answer::of(columns, &[]), addr, Share::unlimited());
        Known {
            query,
            header: Arc::clone(sessions.header()),
        }
    }

    fn names(state: &State, server: &Server) -> Vec<String> {
        let known = state.known(server).expect("known");
        known.header.names.clone()
    }

    #[test]
    fn what_an_older_server_lacks_is_not_taken_for_what_its_build_lacks() {
        let mut state = State::default();
        let (new, old) = (server(1, "4.2"), server(2, "4.2"));
        state.insert(&new, known(SessionsQuery::View, &["ID", "LEVEL"]));
        state.insert(&old, known(SessionsQuery::View, &["ID"]));
        assert_eq!(names(&state, &new), ["ID", "LEVEL"]);

        state.insert(&old, known(SessionsQuery::VirtualTable, &["id"]));
        assert_eq!(names(&state, &old), ["id"]);
        assert_eq!(names(&state, &new), ["ID", "LEVEL"]);
        assert!(state.known(&server(3, "4.2")).is_some());
    }

    #[test]
    fn a_server_of_another_build_than_it_was_is_asked_anew() {
        let mut state = State::default();
        let old = known(SessionsQuery::VirtualTable, &["id"]);
        state.insert(&server(1, "3.1"), old);
        assert!(state.known(&server(1, "4.2")).is_none());
        assert!(state.known(&server(2, "3.1")).is_none());
        state.insert(&server(1, "4.2"), known(SessionsQuery::View, &["ID"]));
        assert!(state.known(&server(2, "4.2")).is_some());
    }
}
