//! Ends many sessions, or what they run: those that an expression picks among the sessions of all servers.
//!
//! ```text
//!   choose (all servers at once) ─► too many? not all told? ─► each server on its own (front) ─► tally
//! ```
//!
//! All victims are chosen before the first KILL is sent. Each is a KILL of its own then, with a record of its own,
//! by the rules of the KILL of one session; what becomes of one is no matter to the others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::KillError;
use super::aim::ends_elsewhere;
use super::choose::{ManyRequest, Picked, Verdicts, viewer};
use super::front::Front;
use super::running::Running;
use super::tally::tally;
use super::verdict::{Judge, Verdict};
use crate::audit;
use crate::cluster::Cluster;
use crate::cluster::evaluated::{Evaluated, Told};
use crate::cluster::list::ListError;
use crate::cluster::merge::{Purpose, Viewer};
use crate::cluster::servers::Server;
use crate::statement::diagnostics::{Level, Message};
use crate::statement::{Kill, KillKind, ServerRef};

/// What became of those that were picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KilledMany {
    /// How many were to be killed.
    pub matched: u64,
    /// How many of them are gone by their KILL.
    pub killed: u64,
    /// How many of them may still be there.
    pub failed: u64,
    /// A message for each that was not just killed, and what else there is to know.
    pub messages: Vec<Message>,
}

impl KilledMany {
    /// The counts, as a reply tells them.
    pub fn info(&self) -> String {
        let Self {
            matched,
            killed,
            failed,
            ..
        } = self;
        format!("Matched: {matched}  Killed: {killed}  Failed: {failed}")
    }
}

/// A session that is to be killed.
pub(super) struct Victim {
    /// The KILL of this one session.
    pub(super) kill: Kill,
    pub(super) user: String,
    /// For its record, until it is seen again.
    pub(super) described: audit::Victim,
    /// What it ran when it was chosen, where that is to end.
    pub(super) running: Option<Running>,
    /// Whether the caller may kill it.
    pub(super) is_denied: bool,
    /// Where else it ends.
    further: Option<Message>,
    server: Server,
}

impl Cluster {
    /// Ends all sessions that `request` picks, or what they run. `statement` is what the client has sent.
    ///
    /// Until the first KILL is sent, `cancel` ends all of it. After that no further KILL is sent, and those that
    /// were sent go on to their outcomes.
    ///
    /// # Errors
    /// Each says whether anything was killed.
    pub async fn kill_many(
        self: &Arc<Self>,
        request: &ManyRequest,
        statement: &str,
        cancel: &CancellationToken,
    ) -> Result<KilledMany, KillError> {
        let choosing = self.choose_victims(request);
        let chosen = tokio::select! {
            chosen = choosing => chosen,
            () = cancel.cancelled() => Err(KillError::Cancelled),
        };
        let (victims, told, messages) = chosen.inspect_err(|error| {
            let code = error.to_sql().code;
            let caller = &request.caller;
            self.audit
                .note_refused(caller, statement, code, &error.to_string());
        })?;
        let viewer = viewer(self, &request.caller.user, &told);
        let judge = self.judge(request, &viewer);
        let sent = AtomicU64::new(0);
        let fronts = by_server(&victims).into_values().map(async |(server, at)| {
            let front = Front {
                cluster: self,
                request,
                statement,
                server,
                judge: &judge,
                cancel,
                sent: &sent,
            };
            let victims: Vec<_> = at.iter().map(|at| &victims[*at]).collect();
            let dealt = front.end_all(&victims).await;
            at.into_iter().zip(dealt).collect::<Vec<_>>()
        });
        let mut dealt: Vec<_> = join_all(fronts).await.into_iter().flatten().collect();
        dealt.sort_by_key(|(at, _)| *at);
        let dealt = dealt.into_iter().map(|(at, mut dealt)| {
            dealt.further.extend(victims[at].further.clone());
            dealt
        });
        tally(messages, dealt.collect(), sent.load(Ordering::Relaxed))
    }

    /// Who judges the sessions that a statement picks.
    pub(super) fn judge<'a>(&'a self, request: &ManyRequest, viewer: &'a Viewer<'a>) -> Judge<'a> {
        Judge {
            viewer,
            caller: request.session,
            protected: &self.settings.protected_users,
        }
    }

    /// All sessions that are to be killed, in the order in which they are picked, and what is to be said of the
    /// others.
    async fn choose_victims(
        self: &Arc<Self>,
        request: &ManyRequest,
    ) -> Result<(Vec<Victim>, Told, Vec<Message>), KillError> {
        let picked = self.pick_sessions(request, Purpose::Kill).await?;
        let Evaluated {
            sources,
            mut evaluation,
            mut messages,
            told,
            ..
        } = picked;
        if self.settings.strict_listing
            && let Some(untold) = untold(&messages)
        {
            return Err(KillError::NotAllTold(untold));
        }
        let told = told.ok_or_else(ListError::no_server)?;
        let victims_max = match request.limit() {
            Some(_) => usize::MAX,
            None => self.settings.kill_victims_max,
        };
        let mut victims = Vec::new();
        let viewer = viewer(self, &request.caller.user, &told);
        let mut verdicts = Verdicts::new(self.judge(request, &viewer), request, &told, &sources);
        while let Some(rows) = evaluation.next().await.map_err(ListError::from)? {
            let goes_on = verdicts.on(&rows, |picked, verdict| {
                if verdict.is_victim() && victims.len() < victims_max {
                    victims.push(Victim::new(request, picked, verdict, &told));
                }
            });
            if !goes_on {
                break;
            }
        }
        if verdicts.victims > victims.len() as u64 {
            return Err(KillError::TooMany {
                matched: verdicts.victims,
                victims_max,
            });
        }
        messages.extend(verdicts.spared.messages());
        Ok((victims, told, messages))
    }
}

/// What is missing of the sessions of all servers, if anything.
pub(super) fn untold(messages: &[Message]) -> Option<String> {
    let missing = messages
        .iter()
        .filter(|message| message.level == Level::Incomplete);
    let texts: Vec<_> = missing.map(|message| message.text.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

impl Victim {
    fn new(request: &ManyRequest, picked: &Picked<'_>, verdict: Verdict, told: &Told) -> Self {
        let server = picked.server;
        let others = match picked.of_odp {
            true => told.others_with(picked.id, server.addr),
            false => Vec::new(),
        };
        let ends_statements = request.kill.kind == KillKind::Query;
        Self {
            kill: Kill {
                kind: request.kill.kind,
                server: Some(ServerRef::from(server.addr)),
                id: picked.id,
                reason: request.kill.reason.clone(),
            },
            user: String::from_utf8_lossy(picked.user().unwrap_or_default()).into_owned(),
            described: audit::Victim::new(picked.user(), picked.host(), picked.db(), picked.info()),
            running: picked.running.clone().filter(|_| ends_statements),
            is_denied: verdict == Verdict::Denied,
            further: ends_elsewhere(picked.id, &others),
            server: server.clone(),
        }
    }
}

/// The servers that victims are on, each with the places of its own.
fn by_server(victims: &[Victim]) -> BTreeMap<SocketAddr, (&Server, Vec<usize>)> {
    let mut servers = BTreeMap::new();
    for (at, victim) in victims.iter().enumerate() {
        let (_, places) = servers
            .entry(victim.server.addr)
            .or_insert_with(|| (&victim.server, Vec::new()));
        places.push(at);
    }
    servers
}
