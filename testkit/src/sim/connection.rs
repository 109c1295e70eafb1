//! One client's connection: who it is, what it runs, and how it is told to stop.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::rows::SimSession;
use super::sessions::Place;
use crate::lock::locked;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u32,
    peer: SocketAddr,
    /// Whoever waits on its behalf stops: KILL QUERY.
    pub(super) query_killed: Notify,
    /// KILL.
    pub(super) killed: CancellationToken,
    /// The client has closed its side.
    pub(super) peer_left: CancellationToken,
    /// The node ends it, at once.
    pub(super) cut: CancellationToken,
    doing: Mutex<Doing>,
}

#[derive(Debug)]
struct Doing {
    /// As the client gave it; `None` before the login.
    login: Option<String>,
    db: Option<String>,
    statement: Option<String>,
    statements: u64,
    since: Instant,
}

impl Connection {
    pub(super) fn new(id: u32, peer: SocketAddr) -> Self {
        Self {
            id,
            peer,
            query_killed: Notify::new(),
            killed: CancellationToken::new(),
            peer_left: CancellationToken::new(),
            cut: CancellationToken::new(),
            doing: Mutex::new(Doing {
                login: None,
                db: None,
                statement: None,
                statements: 0,
                since: Instant::now(),
            }),
        }
    }

    pub(super) fn log_in(&self, login: &str) {
        locked(&self.doing).login = Some(login.to_owned());
    }

    pub(super) fn use_db(&self, db: &str) {
        locked(&self.doing).db = Some(db.to_owned());
    }

    pub(super) fn begin(&self, statement: &str) {
        let mut doing = locked(&self.doing);
        doing.statement = Some(statement.to_owned());
        doing.statements += 1;
        doing.since = Instant::now();
    }

    pub(super) fn end(&self) {
        let mut doing = locked(&self.doing);
        doing.statement = None;
        doing.since = Instant::now();
    }

    pub(super) fn is_busy(&self) -> bool {
        locked(&self.doing).statement.is_some()
    }

    /// The login's name up to the tenant.
    pub(super) fn user(&self) -> String {
        let doing = locked(&self.doing);
        let login = doing.login.as_deref().unwrap_or_default();
        login.split('@').next().unwrap_or_default().to_owned()
    }

    /// None before the login.
    pub(super) fn session(&self, place: Place) -> Option<SimSession> {
        let user = self.user();
        let doing = locked(&self.doing);
        doing.login.as_ref()?;
        let base = match &doing.statement {
            Some(statement) => SimSession {
                trace_id: Some(format!(
                    "Y{:X}-{:X}-{}",
                    place.sql_port, self.id, doing.statements
                )),
                ..SimSession::running(statement, doing.since.elapsed())
            },
            None => SimSession {
                time: doing.since.elapsed(),
                total_time: doing.since.elapsed(),
                ..SimSession::default()
            },
        };
        Some(SimSession {
            id: self.id,
            user,
            tenant: "sys".to_owned(),
            host: self.peer.to_string(),
            db: doing.db.clone(),
            ..base
        })
    }
}
