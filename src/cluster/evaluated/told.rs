//! How servers have told their sessions, for those who mean to end some of them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::cluster::fan_out::NodeReport;
use crate::cluster::rights::Rights;
use crate::cluster::servers::Server;
use crate::cluster::topology::Snapshot;
use crate::statement::SessionId;

/// How servers have told their sessions.
#[derive(Debug)]
pub(in crate::cluster) struct Told {
    /// With this topology: a server's rank is its place in it.
    pub(in crate::cluster) snapshot: Arc<Snapshot>,
    /// What the account may do.
    pub(in crate::cluster) rights: Rights,
    /// When each has told them.
    pub(in crate::cluster) at: HashMap<SocketAddr, Instant>,
    /// Those that others have told them of.
    pub(in crate::cluster) second_hand: HashSet<SocketAddr>,
    /// Client sessions of ODP, and their servers, where kills are weighed.
    pub(in crate::cluster) of_odp: Vec<(u32, SocketAddr)>,
}

impl Told {
    /// Nobody has told any yet.
    pub(super) fn new(snapshot: Arc<Snapshot>, rights: Rights) -> Self {
        Self {
            snapshot,
            rights,
            at: HashMap::new(),
            second_hand: HashSet::new(),
            of_odp: Vec::new(),
        }
    }

    /// Notes how a server has told its sessions, if it has.
    pub(super) fn note(&mut self, report: &NodeReport) {
        let Ok(sessions) = &report.answer else { return };
        let addr = report.server.addr;
        self.at.insert(addr, Instant::now());
        if report.through.is_some() {
            self.second_hand.insert(addr);
        }
        let of_odp = sessions.iter().filter_map(|session| session.id_of_odp());
        self.of_odp.extend(of_odp.map(|id| (id.get(), addr)));
    }

    /// The servers but `here` on which a client session of ODP stands that has this id.
    pub(in crate::cluster) fn others_with(&self, id: SessionId, here: SocketAddr) -> Vec<String> {
        let there = self.of_odp.iter().filter(|(of_odp, _)| *of_odp == id.get());
        let there: HashSet<_> = there.map(|(_, addr)| *addr).collect();
        let servers = self.snapshot.servers.iter();
        let others = servers.filter(|server| server.addr != here && there.contains(&server.addr));
        others.map(Server::describe).collect()
    }
}
