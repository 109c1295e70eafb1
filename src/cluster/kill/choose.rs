//! Which sessions a KILL of many is meant for: those that its expression picks, of all servers, judged one by one.
//!
//! ```text
//!   all servers ─► rows of all sessions ─► WHERE, ORDER BY (SQL) ─► verdicts ─► LIMIT
//! ```
//!
//! The LIMIT is counted here, behind the verdicts: what is spared takes no place of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::running::Running;
use super::verdict::{self, Judge, Suspect, Verdict};
use crate::audit::Caller;
use crate::clients::ClientKey;
use crate::cluster::Cluster;
use crate::cluster::chosen::Chosen;
use crate::cluster::evaluated::{self, Evaluated, Planner, Told};
use crate::cluster::list::ListError;
use crate::cluster::merge::{Included, Purpose, Viewer};
use crate::cluster::servers::Server;
use crate::cluster::session_columns::SessionColumn;
use crate::sql::{Context, Pick};
use crate::statement::diagnostics::Message;
use crate::statement::{KillKind, KillMany, SessionId};
use crate::table::{Row, Rows, Value};

/// Code of the notes on sessions that were spared.
const SPARED: u16 = 1105;

/// A KILL of many, or its explanation, and who asks for it.
#[derive(Debug, Clone)]
pub struct ManyRequest {
    /// Who asks.
    pub caller: Caller,
    /// The caller's own session.
    pub session: ClientKey,
    /// What is to end.
    pub kill: KillMany,
    /// What an expression may name of the caller's session.
    pub context: Context,
}

impl ManyRequest {
    /// How many rows the statement itself allows.
    pub(super) fn limit(&self) -> Option<u64> {
        self.kill.pick.limit.map(|limit| limit.rows)
    }
}

impl Cluster {
    /// Asks all servers for their sessions, and begins to pick among them.
    pub(super) async fn pick_sessions(
        self: &Arc<Self>,
        request: &ManyRequest,
        purpose: Purpose,
    ) -> Result<Evaluated, ListError> {
        let pick = Pick {
            limit: None,
            ..request.kill.pick.clone()
        };
        let request = evaluated::Request {
            user: request.caller.user.clone(),
            planner: Planner::Victims(pick),
            context: request.context.clone(),
            chosen: Chosen::all(),
            included: Included::ALL,
            purpose,
            deadline: self.statement_deadline(),
        };
        evaluated::evaluate(self, &request).await
    }
}

/// Where the facts of a session stand in a row.
#[derive(Debug)]
struct Places {
    rank: usize,
    id: usize,
    user: usize,
    tenant: usize,
    host: usize,
    db: usize,
    command: usize,
    time: usize,
    info: usize,
    total_time: usize,
    trace_id: usize,
    proxy_session: usize,
}

impl Places {
    /// In rows of these columns; what they do not have stands nowhere, where rows have NULL.
    fn in_columns(columns: &[SessionColumn]) -> Self {
        let place = |source: &SessionColumn| {
            let found = columns.iter().position(|column| column == source);
            found.unwrap_or(usize::MAX)
        };
        let reported = |name: &str| place(&SessionColumn::Reported(name.to_owned()));
        Self {
            rank: place(&SessionColumn::ServerRank),
            id: place(&SessionColumn::Id),
            user: place(&SessionColumn::User),
            tenant: place(&SessionColumn::Tenant),
            host: place(&SessionColumn::Host),
            db: place(&SessionColumn::Db),
            command: place(&SessionColumn::Command),
            time: place(&SessionColumn::Time),
            info: place(&SessionColumn::Info),
            total_time: reported("total_time"),
            trace_id: reported("trace_id"),
            proxy_session: reported("proxy_sessid"),
        }
    }
}

/// A session that was picked.
pub(super) struct Picked<'r> {
    pub(super) row: Row<'r>,
    pub(super) server: &'r Server,
    pub(super) id: SessionId,
    /// What it runs, if it is not idle.
    pub(super) running: Option<Running>,
    /// Whether ODP has made its id.
    pub(super) of_odp: bool,
    places: &'r Places,
}

impl<'r> Picked<'r> {
    pub(super) fn user(&self) -> Option<&'r [u8]> {
        self.row.text(self.places.user)
    }

    pub(super) fn host(&self) -> Option<&'r [u8]> {
        self.row.text(self.places.host)
    }

    pub(super) fn db(&self) -> Option<&'r [u8]> {
        self.row.text(self.places.db)
    }

    pub(super) fn info(&self) -> Option<&'r [u8]> {
        self.row.text(self.places.info)
    }

    /// As a verdict sees it.
    pub(super) fn suspect(&self) -> Suspect<'r> {
        Suspect {
            server: self.server.addr,
            id: self.id.get(),
            user: self.user(),
            tenant: self.row.text(self.places.tenant),
        }
    }
}

/// Goes through what was picked, in its order, and judges each.
pub(super) struct Verdicts<'a> {
    pub(super) judge: Judge<'a>,
    pub(super) kind: KillKind,
    pub(super) told: &'a Told,
    places: Places,
    /// How many more victims the statement allows.
    left: Option<u64>,
    /// Client sessions of ODP that are victims already.
    of_odp: HashSet<u32>,
    /// Victims so far.
    pub(super) victims: u64,
    pub(super) spared: Spared,
}

impl<'a> Verdicts<'a> {
    pub(super) fn new(
        judge: Judge<'a>,
        request: &ManyRequest,
        told: &'a Told,
        columns: &[SessionColumn],
    ) -> Self {
        Self {
            judge,
            kind: request.kill.kind,
            told,
            places: Places::in_columns(columns),
            left: request.limit(),
            of_odp: HashSet::new(),
            victims: 0,
            spared: Spared::default(),
        }
    }

    /// Judges these rows, and tells `each` of those that are a session's. Says whether the statement allows more
    /// victims.
    pub(super) fn on(&mut self, rows: &Rows, mut each: impl FnMut(&Picked<'_>, Verdict)) -> bool {
        for row in rows.iter() {
            if self.left == Some(0) {
                return false;
            }
            let Some(picked) = picked(&self.places, self.told, row) else {
                self.spared.unnamed += 1;
                continue;
            };
            let verdict = self.verdict(&picked);
            if verdict.is_victim() {
                self.victims += 1;
                self.left = self.left.map(|left| left - 1);
                if picked.of_odp {
                    self.of_odp.insert(picked.id.get());
                }
            } else {
                self.spared.note(verdict, picked.user());
            }
            each(&picked, verdict);
        }
        self.left != Some(0)
    }

    fn verdict(&self, picked: &Picked<'_>) -> Verdict {
        let suspect = picked.suspect();
        let verdict = self.judge.picked(suspect);
        if !verdict.is_victim() {
            return verdict;
        }
        let runs = || verdict::runs(self.judge.viewer, suspect, picked.running.as_ref());
        if self.told.second_hand.contains(&picked.server.addr) {
            Verdict::NodeUnreachable
        } else if self.kind == KillKind::Query && !runs() {
            Verdict::NothingRunning
        } else if picked.of_odp && self.of_odp.contains(&picked.id.get()) {
            Verdict::SameSession
        } else {
            verdict
        }
    }
}

/// What a row tells of a session; nothing where that has no server or no id that a KILL takes.
fn picked<'r>(places: &'r Places, told: &'r Told, row: Row<'r>) -> Option<Picked<'r>> {
    let number = |at| match row.value(at) {
        Value::Number(number) => Some(number),
        _ => None,
    };
    let rank = usize::try_from(number(places.rank)?).ok()?;
    let server = told.snapshot.servers.get(rank)?;
    let id = u32::try_from(number(places.id)?).ok();
    let id = id.and_then(SessionId::new)?;
    let command = row.text(places.command);
    let is_asleep = command.is_some_and(|command| command.eq_ignore_ascii_case(b"Sleep"));
    let running = (!is_asleep).then(|| {
        let elapsed = [places.total_time, places.time].map(|at| match row.value(at) {
            Value::Null => None,
            value => Some(value.to_string()),
        });
        let [total_time, time] = elapsed;
        Running::new(
            row.text(places.trace_id),
            row.text(places.info),
            total_time.or(time).as_deref().map(str::as_bytes),
            told.at
                .get(&server.addr)
                .copied()
                .unwrap_or_else(Instant::now),
        )
    });
    let is_proxied = number(places.proxy_session).is_some_and(|id| id != 0);
    Some(Picked {
        row,
        server,
        id,
        running,
        of_odp: is_proxied && id.maker().is_none(),
        places,
    })
}

/// Sessions that were picked and are left alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spared {
    /// By accounts.
    protected: BTreeMap<String, u64>,
    own: u64,
    service: u64,
    idle: u64,
    /// Without an id that a KILL takes.
    unnamed: u64,
}

impl Spared {
    fn note(&mut self, verdict: Verdict, user: Option<&[u8]>) {
        match verdict {
            Verdict::Protected => {
                let user = String::from_utf8_lossy(user.unwrap_or_default());
                *self.protected.entry(user.into_owned()).or_default() += 1;
            }
            Verdict::OwnSession => self.own += 1,
            Verdict::ServiceSession => self.service += 1,
            Verdict::NothingRunning => self.idle += 1,
            // Warnings tell of these, and of the victim that is the same session.
            Verdict::Killable
            | Verdict::Denied
            | Verdict::NodeUnreachable
            | Verdict::SameSession
            | Verdict::NoSuchSession => {}
        }
    }

    /// One note for each reason.
    pub(super) fn messages(&self) -> Vec<Message> {
        let protected = self.protected.iter().map(|(user, count)| {
            format!(
                "{} of {user}, which is one of protected_users",
                sessions(*count)
            )
        });
        let own = (self.own > 0).then(|| "your own session".to_owned());
        let service =
            (self.service > 0).then(|| format!("{} of obwarden itself", sessions(self.service)));
        let idle = (self.idle > 0).then(|| {
            let verb = if self.idle == 1 { "runs" } else { "run" };
            format!("{} that {verb} no statement", sessions(self.idle))
        });
        let unnamed = (self.unnamed > 0)
            .then(|| format!("{} without an id that KILL takes", sessions(self.unnamed)));
        let reasons = protected
            .chain(own)
            .chain(service)
            .chain(idle)
            .chain(unnamed);
        let notes = reasons.map(|what| Message::note(SPARED, format!("left alone: {what}")));
        notes.collect()
    }
}

/// `1 session`, `2 sessions`.
fn sessions(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} session{plural}")
}

/// Who looks, by what servers have told.
pub(super) fn viewer<'a>(cluster: &'a Cluster, user: &'a str, told: &Told) -> Viewer<'a> {
    Viewer {
        user,
        rights: told.rights,
        own: &cluster.own,
        clients: &cluster.clients,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spared_is_said_once_a_reason_and_account() {
        let mut spared = Spared::default();
        for (verdict, user) in [
            (Verdict::Protected, "proxyro"),
            (Verdict::Protected, "monitor"),
            (Verdict::Protected, "proxyro"),
            (Verdict::OwnSession, "dba"),
            (Verdict::ServiceSession, "warden"),
            (Verdict::NothingRunning, "app"),
            (Verdict::NothingRunning, "app"),
            (Verdict::NodeUnreachable, "app"),
        ] {
            spared.note(verdict, Some(user.as_bytes()));
        }
        let messages = spared.messages();
        let texts: Vec<_> = messages
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        assert_eq!(
            texts,
            [
                "left alone: 1 session of monitor, which is one of protected_users",
                "left alone: 2 sessions of proxyro, which is one of protected_users",
                "left alone: your own session",
                "left alone: 1 session of obwarden itself",
                "left alone: 2 sessions that run no statement",
            ]
        );
        assert_eq!(Spared::default().messages(), []);
    }
}
