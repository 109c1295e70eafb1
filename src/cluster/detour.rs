//! The second way in: a server that the proxy cannot reach is read through another one, which the cluster's own
//! connections lead from.
//!
//! ```text
//!   proxy ──✗──► server            no connection, or no login
//!   proxy ─────► carrier ─► server  GV$OB_PROCESSLIST WHERE svr_ip = … AND svr_port = …
//! ```
//!
//! Carriers are servers that have answered the same statement already. Each carries one question at a time, so
//! that one which hangs takes no more than one of its slots. That nothing comes back means nothing: a dead
//! server is missing from that view in silence, and every live one has a session at least.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::budget::{Budget, Share};
use super::failure::NodeFailure;
use super::node::Node;
use super::servers::Server;
use super::sessions::NodeSessions;
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;

/// How many carriers are tried for one server.
const CARRIERS_TRIED_MAX: usize = 2;

/// Sessions that a server has not given itself.
#[derive(Debug)]
pub(super) struct Through {
    /// Who gave them.
    pub(super) by: Server,
    /// Why the server itself did not.
    pub(super) failure: NodeFailure,
}

impl Through {
    /// The warning that the list's rows of `server`, `sessions` of them, are second-hand.
    pub(super) fn message(&self, server: &Server, sessions: usize) -> Message {
        let text = format!(
            "{}: {}; its {sessions} sessions were read through {}",
            server.describe(),
            self.failure,
            self.by.describe()
        );
        Message::warning(self.failure.code(), text)
    }
}

/// The servers that may be asked for others' sessions, in one statement.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Carrier>,
    /// Servers that may still become carriers, or are at work as such.
    coming: usize,
}

/// A server that has answered.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) node: Arc<Node>,
    pub(super) server: Server,
}

/// A server that may still become a carrier. Dropping it says that it does not any more.
#[derive(Debug)]
pub(super) struct Coming(Arc<Carriers>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.update(|state| state.coming -= 1);
    }
}

impl Carriers {
    /// One more server is being asked, and may become a carrier.
    pub(super) fn expect(self: &Arc<Self>) -> Coming {
        self.update(|state| state.coming += 1);
        Coming(Arc::clone(self))
    }

    /// The server has answered.
    pub(super) fn add(&self, carrier: Carrier) {
        self.update(|state| state.ready.push_back(carrier));
    }

    /// Asks for `server`'s sessions, and tells who gave them. None where nobody could before `deadline`.
    pub(super) async fn ask(
        self: &Arc<Self>,
        server: &Server,
        deadline: Deadline,
        budget: Option<&Arc<Budget>>,
    ) -> Option<(NodeSessions, Server)> {
        let rpc_port = server.rpc_port?;
        for _ in 0..CARRIERS_TRIED_MAX {
            let (carrier, _at_work) = deadline.limit(self.next()).await.ok()??;
            let share = budget.map_or_else(Share::unlimited, Share::of);
            let asking = carrier.ask(server, rpc_port, deadline, share);
            if let Ok(sessions) = asking.await {
                let by = carrier.server.clone();
                self.add(carrier);
                return sessions.map(|sessions| (sessions, by));
            }
        }
        None
    }

    /// The next carrier; none when no more can come.
    async fn next(self: &Arc<Self>) -> Option<(Carrier, Coming)> {
        let mut changed = self.changed.subscribe();
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(carrier) = state.ready.pop_front() {
                    state.coming += 1;
                    return Some((carrier, Coming(Arc::clone(self))));
                }
                if state.coming == 0 {
                    return None;
                }
            }
            changed.changed().await.ok()?;
        }
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }
}

impl Carrier {
    /// Asks this server for the sessions of another one. None: it knows of none.
    async fn ask(
        &self,
        server: &Server,
        rpc_port: u16,
        deadline: Deadline,
        mut share: Share,
    ) -> Result<Option<NodeSessions>, NodeFailure> {
        let _only_one = self.node.carry(deadline).await?;
        let mut checkout = self.node.connect(deadline).await?;
        let sql = format!(
            "SELECT /*+ QUERY_TIMEOUT({}) */ * FROM oceanbase.GV$OB_PROCESSLIST \
             WHERE svr_ip = '{}' AND svr_port = {rpc_port}",
            deadline.left().as_micros().max(1),
            server.addr.ip(),
        );
        let answer = checkout.query(&sql, deadline, &mut share).await;
        checkout.settle(answer.as_ref().err());
        let sessions = NodeSessions::new(answer?, server.addr, share);
        Ok((sessions.len() > 0).then_some(sessions))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_when_no_carrier_can_come_any_more() {
        let carriers = Arc::<Carriers>::default();
        let (one, other) = (carriers.expect(), carriers.expect());
        let waiting = tokio::spawn({
            let carriers = Arc::clone(&carriers);
            async move { carriers.next().await.is_none() }
        });
        drop(one);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        drop(other);
        assert!(waiting.await.unwrap());
    }
}
