//! One simulated node, as a test holds it.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::{fmt, io};

use tokio::task::JoinHandle;

use super::behaviour::{Behaviour, KillBehaviour, Reach};
use super::rows::{ServerRow, SimSession};
use super::server::serve;
use super::sessions::Build;
use super::state::NodeState;
use super::statement::Statement;

/// A listener on a loopback address with a scripted server behind it. It ends when it is dropped.
pub struct SimNode {
    state: Arc<NodeState>,
    server: JoinHandle<()>,
}

impl fmt::Debug for SimNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimNode({})", self.seed())
    }
}

impl Drop for SimNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl SimNode {
    pub(super) fn new(state: Arc<NodeState>) -> Self {
        Self {
            server: tokio::spawn(serve(state.clone())),
            state,
        }
    }

    /// Its own loopback address.
    pub fn ip(&self) -> Ipv4Addr {
        self.state.ip
    }

    /// The port that clients connect to.
    pub fn sql_port(&self) -> u16 {
        self.state.door.addr().port()
    }

    /// The port that `svr_port` names. Nothing listens there.
    pub fn rpc_port(&self) -> u16 {
        self.state.rpc_port
    }

    /// Address and SQL port.
    pub fn addr(&self) -> SocketAddr {
        (self.ip(), self.sql_port()).into()
    }

    /// `ip:port`, as `--server` takes it.
    pub fn seed(&self) -> String {
        self.addr().to_string()
    }

    /// Its zone.
    pub fn zone(&self) -> &str {
        &self.state.zone
    }

    /// What it claims to be.
    pub fn build(&self) -> Build {
        self.state.build()
    }

    /// Makes it another build, as after an upgrade: new connections are greeted so, and all lists have its
    /// columns. Its row in `__all_server` stays until it is listed anew.
    pub fn set_build(&self, build: Build) {
        self.state.set_build(build);
    }

    /// Moves it to another port, which is free: its listener and its connections end, and it listens
    /// there. Its row in `__all_server` stays until it is listed anew.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn move_to_another_port(&self) -> io::Result<()> {
        self.state.door.move_to((self.ip(), 0).into())?;
        self.cut_connections();
        Ok(())
    }

    /// How the other nodes reach it; `None`: as its behaviour has it, which is that a process that is gone
    /// or frozen gives them no answer, and any other does.
    pub fn set_reach(&self, reach: Option<Reach>) {
        self.state.set_reach(reach);
    }

    /// What it does now.
    pub fn behaviour(&self) -> Behaviour {
        self.state.behaviour.borrow().clone()
    }

    /// Changes what it does, from this moment on. What hangs goes on if the new behaviour says so.
    ///
    /// # Panics
    /// When the port, which the node keeps reserved, cannot be listened on again.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        let refuse = behaviour == Behaviour::Refuse;
        self.state.behaviour.send_replace(behaviour);
        if refuse {
            self.state.door.close();
            self.cut_connections();
        } else {
            let opened = self.state.door.open();
            opened.expect("the node's port is reserved for it");
        }
    }

    /// Its row in `__all_server`, as an active server of this number.
    pub(super) fn row(&self, id: u64) -> ServerRow {
        ServerRow {
            svr_ip: self.ip().to_string(),
            svr_port: self.rpc_port(),
            id,
            zone: self.zone().to_owned(),
            inner_port: self.sql_port(),
            status: "ACTIVE".to_owned(),
            with_rootserver: id == 1,
            build_version: self.build().version().to_owned(),
        }
    }

    /// Whether the row is this node's. A server is known by its RPC address.
    pub(super) fn is_named_by(&self, row: &ServerRow) -> bool {
        row.svr_ip == self.ip().to_string() && row.svr_port == self.rpc_port()
    }

    pub(super) fn downgrade(&self) -> Weak<NodeState> {
        Arc::downgrade(&self.state)
    }

    /// Changes what it does with a KILL.
    pub fn set_kill_behaviour(&self, behaviour: KillBehaviour) {
        self.state.set_kill_behaviour(behaviour);
    }

    /// Closes every connection; new ones are served.
    pub fn cut_connections(&self) {
        for connection in self.state.connections() {
            connection.cut.cancel();
        }
    }

    /// Holds `count` generated sessions, besides real and added ones; every third runs a statement.
    /// Gives their ids.
    pub fn hold_sessions(&self, count: u32) -> Range<u32> {
        self.state.hold_sessions(count)
    }

    /// Adds a session. Gives its id.
    pub fn add_session(&self, session: SimSession) -> u32 {
        self.state.add_session(session)
    }

    /// Replaces all added sessions.
    pub fn set_sessions(&self, sessions: Vec<SimSession>) {
        self.state.set_sessions(sessions);
    }

    /// Replaces all added sessions once the next list of sessions has been told; called again, once the one
    /// after that has.
    pub fn set_sessions_after_list(&self, sessions: Vec<SimSession>) {
        self.state.set_sessions_after_list(sessions);
    }

    /// Whether a session of this id is there, real or not.
    pub fn has_session(&self, id: u32) -> bool {
        self.state.has_session(id)
    }

    /// Every statement received, verbatim, in order (but for `SELECT @@max_allowed_packet` alone,
    /// which opensrv-mysql answers itself).
    pub fn statements(&self) -> Vec<String> {
        self.state.statements()
    }

    /// Every KILL received, verbatim, in order, whatever became of it.
    pub fn kills_received(&self) -> Vec<String> {
        let mut statements = self.state.statements();
        statements.retain(|text| matches!(Statement::parse(text), Statement::Kill { .. }));
        statements
    }

    /// How many statements asked for sessions.
    pub fn session_lists_received(&self) -> usize {
        let statements = self.state.statements();
        let lists = |text: &&String| Statement::parse(text).lists_sessions();
        statements.iter().filter(lists).count()
    }

    /// User names as the logins gave them, denied and hanging ones, too.
    pub fn logins(&self) -> Vec<String> {
        self.state.logins()
    }

    /// Forgets statements and logins; the peak becomes what is open now.
    pub fn forget_records(&self) {
        self.state.forget_records();
    }

    /// How many connections have ended since it began.
    pub fn connections_closed(&self) -> usize {
        self.state.connections_closed()
    }

    /// Connections open now, logged in or not.
    pub fn connections_open(&self) -> usize {
        self.state.connections_open()
    }

    /// The most connections ever open at once.
    pub fn connections_peak(&self) -> usize {
        self.state.connections_peak()
    }

    /// Waits until `condition` holds; it is looked at after each change of connections, statements
    /// and sessions. Has no deadline of its own.
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changed = self.state.changed.subscribe();
        while !condition(self) {
            // The sender lives in `self`.
            let _ = changed.changed().await;
        }
    }
}
