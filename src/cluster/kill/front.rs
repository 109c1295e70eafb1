//! The victims of a KILL of many on one server.
//!
//! ```text
//!   look (all of them in one list) ─► each: still there, still meant, recorded ─► KILL, once ─► all gone?
//!      ▲                                                │
//!      └────────── when the look is older than LOOK_AGE_MAX
//! ```
//!
//! One connection does all of it. When it is lost, those that no KILL was sent to may have one more; none is
//! sent a KILL twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::KillError;
use super::aim::unreachable;
use super::choose::ManyRequest;
use super::many::Victim;
use super::running::Running;
use super::tally::{Dealt, Fate};
use super::verdict::{Judge, Suspect, Verdict};
use super::verify::{Prey, STILL_THERE, is_not_known};
use crate::audit::{self, Attempt};
use crate::cluster::Cluster;
use crate::cluster::evaluated::Condition;
use crate::cluster::failure::NodeFailure;
use crate::cluster::fan_out::NodeReport;
use crate::cluster::node::Checkout;
use crate::cluster::servers::Server;
use crate::sql::Context;
use crate::statement::diagnostics::Message;
use crate::statement::{KillKind, SessionId};

/// How old the last look at a session may be when its KILL is sent.
const LOOK_AGE_MAX: Duration = Duration::from_millis(250);

/// How often a server is connected to, for all looks and KILLs together.
const CONNECTIONS_MAX: usize = 2;

/// One server with victims on it.
#[derive(Clone, Copy)]
pub(super) struct Front<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) request: &'a ManyRequest,
    pub(super) statement: &'a str,
    pub(super) server: &'a Server,
    pub(super) judge: &'a Judge<'a>,
    pub(super) cancel: &'a CancellationToken,
    /// How many KILLs were sent, to all servers.
    pub(super) sent: &'a AtomicU64,
}

/// The connection, and what was seen on it.
struct Watch {
    checkout: Option<Checkout>,
    connections_left: usize,
    look: Option<Look>,
    /// Why the server cannot be looked at any more.
    lost: Option<NodeFailure>,
}

/// What a server has told of its sessions.
struct Look {
    report: NodeReport,
    /// Of the victims those that the expression still picks.
    meant: HashSet<u32>,
    at: Instant,
}

impl<'a> Front<'a> {
    /// Ends all victims, one after the other, and tells what became of each, in their order.
    pub(super) async fn end_all(self, victims: &[&'a Victim]) -> Vec<Dealt> {
        let mut watch = Watch {
            checkout: None,
            connections_left: CONNECTIONS_MAX,
            look: None,
            lost: None,
        };
        let ids: HashSet<u32> = victims.iter().map(|victim| victim.kill.id.get()).collect();
        let mut tried = Vec::with_capacity(victims.len());
        for victim in victims {
            if self.cancel.is_cancelled() {
                tried.push((None, Err(Fate::NotTried)));
                continue;
            }
            let audit = self.cluster.audit();
            let mut record = audit.begin(&self.request.caller, &victim.kill, self.statement);
            record.at(self.server.addr);
            record.saw(victim.described.clone());
            let sent = self.end_one(victim, &ids, &mut watch, &mut record).await;
            tried.push((Some(record), sent));
        }
        let (records, sent): (Vec<_>, Vec<_>) = tried.into_iter().unzip();
        let fates = self.verify(victims, sent, watch).await;
        let mut dealt = Vec::with_capacity(victims.len());
        for ((victim, record), fate) in victims.iter().zip(records).zip(fates) {
            let mut further = Vec::new();
            if let Some(record) = record {
                let (code, outcome) = fate.outcome();
                further.extend(record.end(code, &outcome).await);
            }
            dealt.push(Dealt {
                victim: self.call(victim),
                fate,
                further,
            });
        }
        dealt
    }

    /// A victim's id, user and server, as messages name it.
    fn call(&self, victim: &Victim) -> String {
        let Victim { kill, user, .. } = victim;
        format!("{} of {user} on {}", kill.id, self.server.describe())
    }

    /// Sends a victim its KILL, if it is still to be killed, and tells what is to be gone then.
    ///
    /// # Errors
    /// Its fate, if it was sent none, or nobody knows what became of it.
    async fn end_one(
        self,
        victim: &Victim,
        ids: &HashSet<u32>,
        watch: &mut Watch,
        record: &mut Attempt<'_>,
    ) -> Result<Prey, Fate> {
        if victim.is_denied {
            return Err(Fate::Failed(self.denied(victim.kill.id)));
        }
        self.look(ids, watch).await?;
        let mut prey = self.aim_again(victim, watch, record)?;
        let intended = record.intend().await;
        intended.map_err(|why| Fate::Failed(why.into()))?;
        if watch.look_is_old() {
            self.look(ids, watch).await?;
            prey = self.aim_again(victim, watch, record)?;
        }
        let Some(mut checkout) = watch.checkout.take() else {
            return Err(watch.out_of_reach(self.server));
        };
        if self.cancel.is_cancelled() {
            watch.checkout = Some(checkout);
            return Err(Fate::NotTried);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        let (caller, kill) = (&self.request.caller, &victim.kill);
        let cluster = self.cluster;
        let sent = cluster.send(caller, kill, self.server, &mut checkout).await;
        match sent {
            Err(KillError::UnknownId { .. }) => {
                watch.checkout = Some(checkout);
                Err(Fate::NothingLeft(ENDED_BY_ITSELF))
            }
            Err(error) => {
                if error.is_an_answer() {
                    watch.checkout = Some(checkout);
                }
                Err(Fate::Failed(error))
            }
            Ok(()) => {
                watch.checkout = Some(checkout);
                if kill.kind == KillKind::Session {
                    // Its virtual statement does not see that the server has closed the session.
                    cluster.clients.cancel((self.server.addr, kill.id.get()));
                }
                Ok(prey)
            }
        }
    }

    /// Looks at the server's sessions, unless the last look is young enough. The statement's end ends it.
    async fn look(self, ids: &HashSet<u32>, watch: &mut Watch) -> Result<(), Fate> {
        if !watch.look_is_old() && watch.checkout.is_some() {
            return Ok(());
        }
        let looking = self.look_now(ids, watch);
        tokio::select! {
            looked = looking => looked,
            () = self.cancel.cancelled() => Err(Fate::NotTried),
        }
    }

    async fn look_now(self, ids: &HashSet<u32>, watch: &mut Watch) -> Result<(), Fate> {
        let (checkout, sessions) = loop {
            let deadline = self.cluster.statement_deadline();
            let held = watch.checkout.take();
            let may_connect = watch.connections_left > 0 && watch.lost.is_none();
            let seen = match held {
                Some(checkout) => {
                    let seen = self
                        .cluster
                        .see_again(self.server, checkout, deadline)
                        .await;
                    match seen {
                        Err(failure) if may_connect && !failure.is_an_answer() => continue,
                        seen => seen,
                    }
                }
                None if may_connect => {
                    watch.connections_left -= 1;
                    self.cluster.see(self.server, deadline).await
                }
                None => return Err(watch.out_of_reach(self.server)),
            };
            match seen {
                Ok(seen) => break seen,
                Err(failure) => {
                    watch.lost = Some(failure);
                    return Err(watch.out_of_reach(self.server));
                }
            }
        };
        let at = Instant::now();
        watch.checkout = Some(checkout);
        let report = NodeReport {
            server: self.server.clone(),
            answer: Ok(sessions),
            through: None,
        };
        let condition = Condition {
            filter: self.request.kill.pick.filter.as_ref(),
            context: Context {
                now: SystemTime::now(),
                ..self.request.context.clone()
            },
        };
        let viewer = self.judge.viewer;
        let matching = self.cluster.matching(condition, viewer, &report, ids);
        let meant = matching
            .await
            .map_err(|error| Fate::Failed(KillError::NotChosen(error)))?;
        watch.look = Some(Look { report, meant, at });
        Ok(())
    }

    /// Whether a victim is still to be killed, by the last look; and what of it.
    fn aim_again(
        self,
        victim: &Victim,
        watch: &Watch,
        record: &mut Attempt<'_>,
    ) -> Result<Prey, Fate> {
        let Some(look) = &watch.look else {
            return Err(watch.out_of_reach(self.server));
        };
        let id = victim.kill.id;
        let sessions = look.report.answer.as_ref().ok();
        let session = sessions.and_then(|sessions| sessions.find(id.get()));
        let seen = session.filter(|session| self.judge.viewer.sees(*session));
        let Some(session) = seen else {
            return Err(Fate::NothingLeft(ENDED_BY_ITSELF));
        };
        record.saw(audit::Victim::new(
            session.user(),
            session.host(),
            session.db(),
            session.info(),
        ));
        match self
            .judge
            .picked(Suspect::new(self.server.addr, id, session))
        {
            Verdict::Killable => {}
            Verdict::Denied => return Err(Fate::Failed(self.denied(id))),
            _ => return Err(Fate::NothingLeft(ANOTHER_SESSION)),
        }
        if !look.meant.contains(&id.get()) {
            return Err(Fate::NothingLeft(NOT_MEANT));
        }
        if victim.kill.kind == KillKind::Session {
            return Ok(Prey::Session);
        }
        match (&victim.running, Running::of(session, look.at)) {
            (Some(chosen), Some(now)) if chosen.is(&now) => Ok(Prey::Statement(now)),
            (_, Some(_)) => Err(Fate::NothingLeft(ANOTHER_STATEMENT)),
            (Some(_), None) => Err(Fate::NothingLeft(NO_STATEMENT)),
            // What it waits for in the proxy is its statement.
            (None, None) => {
                let clients = &self.cluster.clients;
                Err(match clients.cancel((self.server.addr, id.get())) {
                    true => Fate::Killed,
                    false => Fate::NothingLeft(NO_STATEMENT),
                })
            }
        }
    }

    /// Looks for those that were sent a KILL until they are gone.
    async fn verify(
        self,
        victims: &[&Victim],
        sent: Vec<Result<Prey, Fate>>,
        watch: Watch,
    ) -> Vec<Fate> {
        let ids = victims.iter().map(|victim| victim.kill.id);
        let prey = ids.zip(&sent);
        let prey: Vec<_> = prey
            .filter_map(|(id, sent)| Some((id, sent.as_ref().ok()?.clone())))
            .collect();
        let mut verified = self.verify_prey(&prey, watch).await.into_iter();
        let fate = |sent| match sent {
            Ok(_) => match verified.next().flatten() {
                Some(warning) => Fate::StillThere(warning),
                None => Fate::Killed,
            },
            Err(fate) => fate,
        };
        sent.into_iter().map(fate).collect()
    }

    async fn verify_prey(self, prey: &[(SessionId, Prey)], watch: Watch) -> Vec<Option<Message>> {
        if prey.is_empty() {
            if let Some(checkout) = watch.checkout {
                checkout.give_back();
            }
            return Vec::new();
        }
        let connected = match watch.checkout {
            Some(checkout) => Ok(checkout),
            None => {
                let deadline = self.cluster.statement_deadline();
                self.cluster.node(self.server.addr).connect(deadline).await
            }
        };
        match connected {
            Ok(checkout) => {
                let cluster = self.cluster;
                cluster.verify_gone(self.server, prey, checkout).await
            }
            Err(failure) => {
                let warning = |(id, _): &(SessionId, Prey)| {
                    Some(Message::incomplete(
                        STILL_THERE,
                        is_not_known(*id, &failure),
                    ))
                };
                prey.iter().map(warning).collect()
            }
        }
    }

    fn denied(self, id: SessionId) -> KillError {
        KillError::Denied {
            id,
            server: self.server.describe(),
        }
    }
}

impl Watch {
    /// Whether sessions may have changed too much since the last look, or there was none.
    fn look_is_old(&self) -> bool {
        let look = self.look.as_ref();
        look.is_none_or(|look| look.at.elapsed() > LOOK_AGE_MAX)
    }

    /// The fate of those that cannot be looked at any more.
    fn out_of_reach(&self, server: &Server) -> Fate {
        let failure = self.lost.clone().unwrap_or_else(|| {
            NodeFailure::wrong(Duration::ZERO, "its connections were lost by KILLs before")
        });
        Fate::Failed(unreachable(server, failure))
    }
}

const ENDED_BY_ITSELF: &str = "it has ended by itself";
const ANOTHER_SESSION: &str = "its id is another session's by now";
const NOT_MEANT: &str = "it is not what the WHERE picks any more";
const ANOTHER_STATEMENT: &str = "it has ended its statement and runs another one";
const NO_STATEMENT: &str = "it has ended its statement and runs none";
