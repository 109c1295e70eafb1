//! The clients that are connected through this proxy, by (backend, thread id).
//!
//! Servers see the proxy's address where a client's should be, and know nothing of the virtual statements
//! that it runs. This is where lists find the true address, and where `KILL <thread id>` finds a virtual
//! statement to end, or the server that a session is on; and where the proxy's own tables find what it does
//! for whom.
//!
//! The registry's lock is held to find clients, never to read what they do: each has a part of its own,
//! shared with its session.

mod activity;
mod limits;
mod table;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::mask::written_down;
pub use activity::{Activity, Doing, Traffic};
pub use limits::Limits;
pub use table::{columns, rows};

/// A session's key: its backend, and its thread id there.
pub type ClientKey = (SocketAddr, u32);

/// How much of a virtual statement is shown while it runs, in characters.
const STATEMENT_CHARS_MAX: usize = 1024;

/// All clients of this proxy.
#[derive(Debug, Default)]
pub struct Clients {
    here: Mutex<Here>,
    /// How many there have been.
    entered: AtomicU64,
    refused: AtomicU64,
    /// Commands of theirs that the proxy has answered itself.
    virtual_statements: AtomicU64,
    port: OnceLock<Port>,
}

#[derive(Debug, Default)]
struct Here {
    clients: HashMap<ClientKey, Arc<Client>>,
    /// What went through those that have left.
    gone: Traffic,
}

/// Where clients come in.
#[derive(Debug, Clone, Copy)]
pub struct Port {
    /// The address that they connect to.
    pub address: SocketAddr,
    /// What they may take.
    pub limits: Limits,
    /// Since when.
    pub opened: Instant,
}

/// What there has been since the proxy began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Clients that are logged in now.
    pub connected: u64,
    /// Clients that have logged in.
    pub entered: u64,
    /// Clients that were not let in: those that have gone of their own accord do not count.
    pub refused: u64,
    /// Commands for virtual statements.
    pub virtual_statements: u64,
    /// What went through all sessions.
    pub traffic: Traffic,
}

/// One client.
#[derive(Debug)]
struct Client {
    /// Of each client of this run of the proxy another, whatever its backend.
    number: u64,
    key: ClientKey,
    address: SocketAddr,
    tls: Tls,
    connected_at: SystemTime,
    activity: Arc<Activity>,
    changing: Mutex<Changing>,
}

/// What of a client is not always the same.
#[derive(Debug)]
struct Changing {
    /// The account's bare name.
    user: Box<str>,
    /// The virtual statement that it runs, if it runs one.
    running: Option<Statement>,
    /// Ends all cursors that it has opened over virtual statements.
    cursors: Option<CancellationToken>,
}

#[derive(Debug)]
struct Statement {
    /// Without passwords, and of a long one the beginning.
    text: Box<str>,
    /// Ends it.
    token: CancellationToken,
}

/// The TLS versions of a session's two connections; none where there is no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tls {
    /// With the client.
    pub client: Option<&'static str>,
    /// With its backend.
    pub server: Option<&'static str>,
}

impl Clients {
    /// Enters a client that has logged in as `user`; it is in for as long as the registration lives.
    pub fn register(
        self: &Arc<Self>,
        key: ClientKey,
        address: SocketAddr,
        user: &str,
        tls: Tls,
    ) -> Registration {
        let client = Arc::new(Client {
            number: self.entered.fetch_add(1, Ordering::Relaxed) + 1,
            key,
            address,
            tls,
            connected_at: SystemTime::now(),
            activity: Arc::default(),
            changing: Mutex::new(Changing {
                user: user.into(),
                running: None,
                cursors: None,
            }),
        });
        // It takes the place of another that had its id and has not noticed its own end yet.
        self.lock().clients.insert(key, Arc::clone(&client));
        Registration {
            clients: Arc::clone(self),
            client,
        }
    }

    /// Notes where clients come in. Only the first time counts.
    pub fn open(&self, port: Port) {
        // There is one port, and whoever opens it a second time has opened that one.
        let _ = self.port.set(port);
    }

    /// Where clients come in, if anywhere.
    pub fn port(&self) -> Option<&Port> {
        self.port.get()
    }

    /// Notes that a client was not let in.
    pub(crate) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The addresses of all clients, by their backends and thread ids there.
    pub fn addresses(&self) -> HashMap<SocketAddr, HashMap<u32, SocketAddr>> {
        let mut addresses: HashMap<_, HashMap<_, _>> = HashMap::new();
        for ((backend, thread_id), client) in &self.lock().clients {
            let of_backend = addresses.entry(*backend).or_default();
            of_backend.insert(*thread_id, client.address);
        }
        addresses
    }

    /// Whether this session is a client's.
    pub fn contains(&self, key: ClientKey) -> bool {
        self.lock().clients.contains_key(&key)
    }

    /// The backends on which a client has this thread id, in their order: servers count on their own, so
    /// that an id may be there more than once.
    pub fn backends_of(&self, thread_id: u32) -> Vec<SocketAddr> {
        let here = self.lock();
        let with_id = here.clients.keys().filter(|(_, id)| *id == thread_id);
        let mut backends: Vec<_> = with_id.map(|(backend, _)| *backend).collect();
        backends.sort_unstable();
        backends
    }

    /// Ends the virtual statement that a session runs, and says whether it runs one; and ends those of which
    /// it has not fetched all rows.
    pub fn cancel(&self, key: ClientKey) -> bool {
        let client = self.lock().clients.get(&key).map(Arc::clone);
        client.is_some_and(|client| {
            let mut changing = client.changing();
            if let Some(cursors) = changing.cursors.take() {
                cursors.cancel();
            }
            let running = changing.running.as_ref();
            running
                .inspect(|statement| statement.token.cancel())
                .is_some()
        })
    }

    /// Whether a session runs a virtual statement.
    pub fn runs_statement(&self, key: ClientKey) -> bool {
        let client = self.lock().clients.get(&key).map(Arc::clone);
        client.is_some_and(|client| client.changing().running.is_some())
    }

    /// What there has been so far.
    pub fn totals(&self) -> Totals {
        let here = self.lock();
        let traffic = here
            .clients
            .values()
            .map(|client| client.activity.traffic());
        Totals {
            connected: here.clients.len() as u64,
            entered: self.entered.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            virtual_statements: self.virtual_statements.load(Ordering::Relaxed),
            traffic: traffic.fold(here.gone, |sum, traffic| sum + traffic),
        }
    }

    /// All of them, in the order in which they came.
    fn all(&self) -> Vec<Arc<Client>> {
        let mut all: Vec<_> = self.lock().clients.values().map(Arc::clone).collect();
        all.sort_unstable_by_key(|client| client.number);
        all
    }

    fn lock(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's entry. Dropping it takes the client out and ends what it runs.
#[derive(Debug)]
pub struct Registration {
    clients: Arc<Clients>,
    client: Arc<Client>,
}

impl Registration {
    /// The session's key.
    pub fn key(&self) -> ClientKey {
        self.client.key
    }

    /// The number of the session: of each client of this run of the proxy another, whatever its backend.
    pub fn number(&self) -> u64 {
        self.client.number
    }

    /// The registry that it is entered in.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Where the session notes what it does.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.client.activity
    }

    /// The client is another user from now on.
    pub fn change_user(&self, user: &str) {
        self.client.changing().user = user.into();
    }

    /// Notes that a virtual statement begins, and gives the token by which it is to be ended. It is
    /// cancelled when the guard is dropped.
    pub fn run(&self, statement: &str) -> Running<'_> {
        let token = CancellationToken::new();
        self.clients
            .virtual_statements
            .fetch_add(1, Ordering::Relaxed);
        self.client.changing().running = Some(Statement {
            text: written_down(statement, STATEMENT_CHARS_MAX).into(),
            token: token.clone(),
        });
        self.client.activity.does(Doing::Virtual);
        Running {
            registration: self,
            token,
        }
    }

    /// Gives the token by which a cursor over a virtual statement is to be ended.
    pub fn open_cursor(&self) -> CancellationToken {
        let mut changing = self.client.changing();
        changing.cursors.get_or_insert_default().child_token()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let here = &mut *self.clients.lock();
        if let Entry::Occupied(entry) = here.clients.entry(self.client.key)
            && Arc::ptr_eq(entry.get(), &self.client)
        {
            entry.remove();
        }
        here.gone = here.gone + self.client.activity.traffic();
    }
}

/// A virtual statement that is running.
#[derive(Debug)]
pub struct Running<'a> {
    registration: &'a Registration,
    token: CancellationToken,
}

impl Running<'_> {
    /// Is cancelled when the statement is to end.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.token.cancel();
        let client = &self.registration.client;
        client.changing().running = None;
        client.activity.does(Doing::Nothing);
    }
}

#[cfg(test)]
mod tests;
