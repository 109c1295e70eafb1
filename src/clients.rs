//! The clients that are connected through this proxy, by (backend, thread id).
//!
//! Servers see the proxy's address where a client's should be, and know nothing of the virtual statements
//! that it runs. This is where lists find the true address, and where `KILL <thread id>` finds a virtual
//! statement to end, or the server that a session is on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// A session's key: its backend, and its thread id there.
pub type ClientKey = (SocketAddr, u32);

/// All clients of this proxy.
#[derive(Debug, Default)]
pub struct Clients {
    entries: Mutex<HashMap<ClientKey, Client>>,
    /// How many there have been.
    entered: AtomicU64,
}

#[derive(Debug)]
struct Client {
    /// Whose entry it is: a server may give an id anew before its last holder has noticed.
    owner: Arc<()>,
    address: SocketAddr,
    /// Of the virtual statement that it runs, if it runs one.
    running: Option<CancellationToken>,
}

impl Clients {
    /// Enters a client; it is in for as long as the registration lives.
    pub fn register(self: &Arc<Self>, key: ClientKey, address: SocketAddr) -> Registration {
        let owner = Arc::new(());
        self.lock().insert(
            key,
            Client {
                owner: Arc::clone(&owner),
                address,
                running: None,
            },
        );
        Registration {
            number: self.entered.fetch_add(1, Ordering::Relaxed) + 1,
            clients: Arc::clone(self),
            key,
            owner,
        }
    }

    /// The addresses of all clients, by their backends and thread ids there.
    pub fn addresses(&self) -> HashMap<SocketAddr, HashMap<u32, SocketAddr>> {
        let mut addresses: HashMap<_, HashMap<_, _>> = HashMap::new();
        for ((backend, thread_id), client) in &*self.lock() {
            let of_backend = addresses.entry(*backend).or_default();
            of_backend.insert(*thread_id, client.address);
        }
        addresses
    }

    /// Whether this session is a client's.
    pub fn contains(&self, key: ClientKey) -> bool {
        self.lock().contains_key(&key)
    }

    /// The backends on which a client has this thread id, in their order: servers count on their own, so
    /// that an id may be there more than once.
    pub fn backends_of(&self, thread_id: u32) -> Vec<SocketAddr> {
        let clients = self.lock();
        let with_id = clients.keys().filter(|(_, id)| *id == thread_id);
        let mut backends: Vec<_> = with_id.map(|(backend, _)| *backend).collect();
        backends.sort_unstable();
        backends
    }

    /// Ends the virtual statement that a session runs, and says whether it runs one.
    pub fn cancel(&self, key: ClientKey) -> bool {
        let clients = self.lock();
        let running = clients.get(&key).and_then(|client| client.running.as_ref());
        running.inspect(|token| token.cancel()).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClientKey, Client>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's entry. Dropping it takes the client out and ends what it runs.
#[derive(Debug)]
pub struct Registration {
    clients: Arc<Clients>,
    key: ClientKey,
    owner: Arc<()>,
    number: u64,
}

impl Registration {
    /// The session's key.
    pub fn key(&self) -> ClientKey {
        self.key
    }

    /// The number of the session: of each client of this run of the proxy another, whatever its backend.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The registry that it is entered in.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Notes that a virtual statement begins, and gives the token by which it is to be ended. It is
    /// cancelled when the guard is dropped.
    pub fn run(&self) -> Running<'_> {
        let token = CancellationToken::new();
        self.change(|client| client.running = Some(token.clone()));
        Running {
            registration: self,
            token,
        }
    }

    /// Changes the entry, if it is still this session's.
    fn change(&self, change: impl FnOnce(&mut Client)) {
        let mut clients = self.clients.lock();
        let client = clients.get_mut(&self.key);
        if let Some(client) = client.filter(|client| Arc::ptr_eq(&client.owner, &self.owner)) {
            change(client);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Entry::Occupied(entry) = self.clients.lock().entry(self.key)
            && Arc::ptr_eq(&entry.get().owner, &self.owner)
        {
            entry.remove();
        }
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
        self.registration.change(|client| client.running = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_reaches_the_statement_of_its_session_only() {
        let clients = Arc::new(Clients::default());
        let backend: SocketAddr = "10.0.0.1:2881".parse().unwrap();
        let one = clients.register((backend, 1), "10.1.1.1:1".parse().unwrap());
        let two = clients.register((backend, 2), "10.1.1.1:2".parse().unwrap());
        let (running_one, running_two) = (one.run(), two.run());
        clients.cancel((backend, 2));
        assert!(!running_one.token().is_cancelled());
        assert!(running_two.token().is_cancelled());
    }

    #[test]
    fn an_id_is_found_on_every_backend_that_has_given_it() {
        let clients = Arc::new(Clients::default());
        let [one, two]: [SocketAddr; 2] =
            ["10.0.0.1:2881", "10.0.0.2:2881"].map(|addr| addr.parse().unwrap());
        let address = "10.1.1.1:1".parse().unwrap();
        let _there = clients.register((two, 7), address);
        let here = clients.register((one, 7), address);
        let _other = clients.register((one, 8), address);
        assert_eq!(clients.backends_of(7), [one, two]);
        drop(here);
        assert_eq!(clients.backends_of(7), [two]);
        assert!(clients.contains((two, 7)) && !clients.contains((one, 7)));
    }

    #[test]
    fn one_that_leaves_late_takes_nobody_out_who_was_given_its_id() {
        let clients = Arc::new(Clients::default());
        let key = ("10.0.0.1:2881".parse().unwrap(), 1);
        let late = clients.register(key, "10.1.1.1:1".parse().unwrap());
        let next = clients.register(key, "10.1.1.1:2".parse().unwrap());
        let running = next.run();
        drop(late.run());
        drop(late);
        assert_eq!(
            clients.addresses()[&key.0].get(&1).copied(),
            Some("10.1.1.1:2".parse().unwrap())
        );
        clients.cancel(key);
        assert!(running.token().is_cancelled());
    }

    #[test]
    fn a_client_that_has_left_is_forgotten() {
        let clients = Arc::new(Clients::default());
        let backend: SocketAddr = "10.0.0.1:2881".parse().unwrap();
        let address = "10.1.1.1:1".parse().unwrap();
        let registration = clients.register((backend, 1), address);
        assert_eq!(clients.addresses()[&backend][&1], address);
        drop(registration);
        assert!(clients.addresses().is_empty());
    }
}
