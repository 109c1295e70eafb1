//! What a node knows at a moment: its connections, scripted sessions and records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answers::Cluster;
use super::behaviour::{Behaviour, KillBehaviour, Reach};
use super::connection::Connection;
use super::held_rows::Made;
use super::rows::SimSession;
use super::sessions::{Build, Place, Sessions};
use crate::door::Door;
use crate::lock::locked;

/// Scripted sessions' ids begin so far above the first real one's.
const SCRIPTED_ID_OFFSET: u32 = 100_000;

#[derive(Debug)]
pub(super) struct NodeState {
    pub(super) ip: Ipv4Addr,
    pub(super) rpc_port: u16,
    pub(super) zone: String,
    pub(super) first_id: u32,
    pub(super) cluster: Arc<RwLock<Cluster>>,
    /// Told whenever the cluster's topology switch is changed.
    pub(super) cluster_changed: watch::Sender<()>,
    pub(super) behaviour: watch::Sender<Behaviour>,
    /// Closed while connecting is refused.
    pub(super) door: Door,
    /// Told whenever anything that a test may wait for has changed.
    pub(super) changed: watch::Sender<()>,
    inner: Mutex<Inner>,
    /// Sessions that outlive their KILL wait here.
    late_kills: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    build: Build,
    /// `None`: as its behaviour has it.
    reach: Option<Reach>,
    next_id: u32,
    connections: BTreeMap<u32, Arc<Connection>>,
    connections_peak: usize,
    connections_closed: usize,
    scripted: Vec<SimSession>,
    /// What they become, one after each list.
    scripted_next: VecDeque<Vec<SimSession>>,
    next_scripted_id: u32,
    held: Range<u32>,
    killed: Arc<BTreeSet<u32>>,
    /// Rows of the held ones; another one whenever these change.
    made: Arc<Made>,
    kill_behaviour: KillBehaviour,
    statements: Vec<String>,
    logins: Vec<String>,
}

impl NodeState {
    #[allow(
        clippy::too_many_arguments,
        reason = "one call, right below the builder"
    )]
    pub(super) fn new(
        rpc_port: u16,
        zone: String,
        build: Build,
        first_id: u32,
        cluster: Arc<RwLock<Cluster>>,
        cluster_changed: watch::Sender<()>,
        behaviour: Behaviour,
        door: Door,
    ) -> io::Result<Self> {
        let SocketAddr::V4(addr) = door.addr() else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        if behaviour == Behaviour::Refuse {
            door.close();
        }
        Ok(Self {
            ip: *addr.ip(),
            rpc_port,
            zone,
            first_id,
            cluster,
            cluster_changed,
            behaviour: watch::Sender::new(behaviour),
            door,
            changed: watch::Sender::new(()),
            inner: Mutex::new(Inner {
                build,
                next_id: first_id,
                next_scripted_id: first_id.saturating_add(SCRIPTED_ID_OFFSET),
                ..Inner::default()
            }),
            late_kills: Mutex::default(),
        })
    }

    /// Where it is now.
    pub(super) fn place(&self) -> Place {
        Place {
            ip: self.ip,
            sql_port: self.door.addr().port(),
            rpc_port: self.rpc_port,
        }
    }

    pub(super) fn build(&self) -> Build {
        self.read(|inner| inner.build)
    }

    pub(super) fn set_build(&self, build: Build) {
        self.update(|inner| inner.build = build);
    }

    /// How the cluster's other nodes reach it now.
    pub(super) fn reach(&self) -> Reach {
        let set = self.read(|inner| inner.reach);
        set.unwrap_or_else(|| self.behaviour.borrow().reach())
    }

    pub(super) fn set_reach(&self, reach: Option<Reach>) {
        self.update(|inner| inner.reach = reach);
    }

    fn update<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut locked(&self.inner));
        self.changed.send_replace(());
        result
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&locked(&self.inner))
    }

    /// Registers a connection that has just been accepted.
    pub(super) fn open(&self, peer: SocketAddr) -> Arc<Connection> {
        self.update(|inner| {
            let connection = Arc::new(Connection::new(inner.next_id, peer));
            inner.next_id = inner.next_id.wrapping_add(1);
            inner.connections.insert(connection.id, connection.clone());
            let open = inner.connections.values();
            let open = open.filter(|connection| !connection.peer_left.is_cancelled());
            inner.connections_peak = inner.connections_peak.max(open.count());
            connection
        })
    }

    pub(super) fn close(&self, id: u32) {
        self.update(|inner| {
            inner.connections.remove(&id);
            inner.connections_closed += 1;
        });
    }

    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        self.read(|inner| inner.connections.values().cloned().collect())
    }

    pub(super) fn connections_open(&self) -> usize {
        self.read(|inner| inner.connections.len())
    }

    pub(super) fn connections_closed(&self) -> usize {
        self.read(|inner| inner.connections_closed)
    }

    pub(super) fn connections_peak(&self) -> usize {
        self.read(|inner| inner.connections_peak)
    }

    pub(super) fn record_statement(&self, text: &str) {
        self.update(|inner| inner.statements.push(text.to_owned()));
    }

    pub(super) fn record_login(&self, login: &str) {
        self.update(|inner| inner.logins.push(login.to_owned()));
    }

    pub(super) fn statements(&self) -> Vec<String> {
        self.read(|inner| inner.statements.clone())
    }

    pub(super) fn logins(&self) -> Vec<String> {
        self.read(|inner| inner.logins.clone())
    }

    pub(super) fn forget_records(&self) {
        self.update(|inner| {
            inner.statements.clear();
            inner.logins.clear();
            inner.connections_peak = inner.connections.len();
        });
    }

    pub(super) fn kill_behaviour(&self) -> KillBehaviour {
        self.read(|inner| inner.kill_behaviour.clone())
    }

    pub(super) fn set_kill_behaviour(&self, behaviour: KillBehaviour) {
        self.update(|inner| inner.kill_behaviour = behaviour);
    }

    pub(super) fn add_session(&self, mut session: SimSession) -> u32 {
        self.update(|inner| {
            if session.id == 0 {
                session.id = inner.next_scripted_id;
                inner.next_scripted_id += 1;
            }
            let id = session.id;
            inner.scripted.push(session);
            id
        })
    }

    pub(super) fn set_sessions(&self, sessions: Vec<SimSession>) {
        self.update(|inner| inner.scripted.clear());
        for session in sessions {
            self.add_session(session);
        }
    }

    pub(super) fn set_sessions_after_list(&self, sessions: Vec<SimSession>) {
        self.update(|inner| inner.scripted_next.push_back(sessions));
    }

    /// Notes that a list of sessions is on its way.
    pub(super) fn listed(&self) {
        if let Some(sessions) = self.update(|inner| inner.scripted_next.pop_front()) {
            self.set_sessions(sessions);
        }
    }

    /// Holds `count` sessions, above all ids that explicit ones may be given.
    pub(super) fn hold_sessions(&self, count: u32) -> Range<u32> {
        self.update(|inner| {
            let first = self.first_id.saturating_add(2 * SCRIPTED_ID_OFFSET);
            inner.held = first..first.saturating_add(count);
            inner.killed = Arc::default();
            inner.made = Arc::default();
            inner.held.clone()
        })
    }

    pub(super) fn sessions(&self) -> Sessions {
        let place = self.place();
        self.read(|inner| {
            let connected = inner
                .connections
                .values()
                .filter_map(|connection| connection.session(place));
            Sessions {
                listed: connected.chain(inner.scripted.iter().cloned()).collect(),
                held: inner.held.clone(),
                killed: inner.killed.clone(),
                made: inner.made.clone(),
            }
        })
    }

    pub(super) fn has_session(&self, id: u32) -> bool {
        self.sessions().contains(id)
    }

    /// Ends a session, or its statement.
    pub(super) fn kill(&self, query_only: bool, id: u32) {
        self.update(|inner| {
            if let Some(connection) = inner.connections.get(&id) {
                match query_only {
                    true => connection.query_killed.notify_waiters(),
                    false => connection.killed.cancel(),
                }
            } else if query_only {
                for session in inner.scripted.iter_mut().filter(|session| session.id == id) {
                    session.command = "Sleep".to_owned();
                    session.state = "SLEEP".to_owned();
                    session.info = None;
                }
            } else {
                inner.scripted.retain(|session| session.id != id);
                if inner.held.contains(&id) {
                    Arc::make_mut(&mut inner.killed).insert(id);
                    inner.made = Arc::default();
                }
            }
        });
    }

    /// Does so after a time, unless the node is gone by then.
    pub(super) fn kill_later(self: &Arc<Self>, after: Duration, query_only: bool, id: u32) {
        let state: Weak<Self> = Arc::downgrade(self);
        locked(&self.late_kills).spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(state) = state.upgrade() {
                state.kill(query_only, id);
            }
        });
    }
}
