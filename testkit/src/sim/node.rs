//! One simulated node, as a test holds it.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::{fmt, io};

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::behaviour::{Behaviour, KillBehaviour};
use super::rows::SimSession;
use super::server::serve;
use super::sessions::Build;
use super::state::{NodeState, locked};
use super::statement::Statement;

/// A listener on a loopback address with a scripted server behind it. It ends when it is dropped.
pub struct SimNode {
    state: Arc<NodeState>,
    server: JoinHandle<()>,
    runtime: Handle,
    /// Bound and never listening: keeps the port while connecting is refused.
    _reservation: TcpSocket,
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
    pub(super) fn new(state: NodeState, reservation: TcpSocket) -> Self {
        let state = Arc::new(state);
        Self {
            server: tokio::spawn(serve(state.clone())),
            state,
            runtime: Handle::current(),
            _reservation: reservation,
        }
    }

    /// Its own loopback address.
    pub fn ip(&self) -> Ipv4Addr {
        self.state.place.ip
    }

    /// The port that clients connect to.
    pub fn sql_port(&self) -> u16 {
        self.state.place.sql_port
    }

    /// The port that `svr_port` names. Nothing listens there.
    pub fn rpc_port(&self) -> u16 {
        self.state.place.rpc_port
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
        self.state.build
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
        let mut listener = locked(&self.state.listener);
        if refuse {
            *listener = None;
            drop(listener);
            self.cut_connections();
        } else if listener.is_none() {
            let _runtime = self.runtime.enter();
            *listener = Some(listen(self.addr()).expect("the node's port is reserved for it"));
            drop(listener);
        }
        self.state.listener_changed.notify_one();
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

/// Listens on `addr`, also while it is reserved or connections of an earlier listener linger.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    bind(addr)?.listen(CONNECTIONS_WAITING_MAX)
}

/// Binds without listening.
pub(super) fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

const CONNECTIONS_WAITING_MAX: u32 = 1024;
