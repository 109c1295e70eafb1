//! Looks the whole cluster over, for `obwarden --check`: what each server is asked and answers, and whether
//! the servers' own lists together are what the cluster itself lists.
//!
//! ```text
//!   every server's own list ─► GV$OB_PROCESSLIST ─┬─► the same: done
//!                                                 └─► both once more: sessions come and go meanwhile
//! ```

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::Cluster;
use super::ask_any::ask_any;
use super::chosen::Chosen;
use super::failure::NodeFailure;
use super::fan_out::{FanOut, NodeReport};
use super::grants::{grant_process, grant_super};
use super::queries::{Columns, is_not_understood};
use super::rights::Rights;
use super::rows::Answer;
use super::servers::Server;
use super::sessions::NodeSessions;
use super::topology::TopologyError;
use crate::table::Row;

/// What was found.
#[derive(Debug)]
pub struct Examination {
    /// Ordered by zone and address.
    pub servers: Vec<Examined>,
    /// Rows of the topology that name no address.
    pub unusable: Vec<String>,
    /// How the servers' own lists compare with the cluster's.
    pub view: ClusterView,
    /// What the service account lacks, or why nobody can say.
    pub lacks: Result<Vec<Lacking>, TopologyError>,
}

/// A right that the service account lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// What it cannot do.
    pub what: &'static str,
    /// The statement that ends that.
    pub grant: String,
}

/// One server.
#[derive(Debug)]
pub struct Examined {
    /// Which one.
    pub server: Server,
    /// What it has answered.
    pub answer: Result<ExaminedList, NodeFailure>,
    /// The other server that has given its sessions instead, and how many, where it has not answered itself.
    pub through: Option<(Server, usize)>,
}

/// A server's list of its own sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminedList {
    /// The statement that its build understands.
    pub query: String,
    /// The columns that it has.
    pub columns: Vec<String>,
    /// How many sessions there are, the proxy's own among them.
    pub sessions: usize,
    /// Who made their ids.
    pub ids: Ids,
    /// What the service account lacks to see others' sessions, too.
    pub needs_grant: Option<String>,
}

/// Sessions by who made their ids, as the ids say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ids {
    /// The server that lists them.
    pub by_this_server: usize,
    /// Another server, by its number in the id.
    pub by_other_servers: usize,
    /// ODP; or a kernel that makes ids as it likes.
    pub by_odp: usize,
}

/// How the servers' own lists compare with `GV$OB_PROCESSLIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterView {
    /// There is no such view.
    Missing,
    /// It could not be read.
    Failed(String),
    /// It was read.
    Compared(Difference),
}

/// Sessions that stand in one of the two only. Those that have come or gone meanwhile are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// In both, or come and gone meanwhile.
    pub in_both: usize,
    /// Only in the list of their server.
    pub only_in_lists: Vec<SessionKey>,
    /// Only in the view.
    pub only_in_view: Vec<SessionKey>,
    /// In the view, of servers that have not answered themselves.
    pub of_silent_servers: usize,
}

/// A session as the view names it: its server by address and RPC port, and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The server's address.
    pub ip: IpAddr,
    /// The server's RPC port.
    pub rpc_port: u16,
    /// The session's id.
    pub id: u64,
}

impl Cluster {
    /// Looks the cluster over.
    ///
    /// # Errors
    /// When it is not known which servers there are.
    pub async fn examine(self: &Arc<Self>) -> Result<Examination, TopologyError> {
        let deadline = self.statement_deadline();
        let begun = FanOut::begin(self, deadline, Chosen::all(), Columns::All, None).await;
        let (fan_out, snapshot, _) = begun?;
        let reports = fan_out.all().await;
        let view = self.compare(&reports).await;
        let account = &self.settings.user;
        let rights = self.rights(account, self.statement_deadline()).await;
        Ok(Examination {
            servers: reports
                .into_iter()
                .map(|report| self.examined(report))
                .collect(),
            unusable: snapshot.unusable.clone(),
            view,
            lacks: rights.map(|rights| lacking(rights, account)),
        })
    }

    fn examined(&self, report: NodeReport) -> Examined {
        let server = report.server;
        match (report.answer, report.through) {
            (Ok(sessions), Some(through)) => Examined {
                answer: Err(through.failure),
                through: Some((through.by, sessions.len())),
                server,
            },
            (answer, _) => Examined {
                answer: answer.map(|sessions| ExaminedList {
                    needs_grant: sessions.needs_grant.clone(),
                    query: self.queries.chosen(&server),
                    columns: sessions.header().names.clone(),
                    sessions: sessions.len(),
                    ids: Ids::of(&server, sessions.iter().filter_map(|session| session.id())),
                }),
                through: None,
                server,
            },
        }
    }

    /// Compares the servers' own lists with the view; twice, where they differ.
    async fn compare(self: &Arc<Self>, reports: &[NodeReport]) -> ClusterView {
        let first = match self.view().await {
            Ok(view) => Sightings::new(reports, view),
            Err(none) => return none,
        };
        let difference = first.difference(&first);
        if difference.only_in_lists.is_empty() && difference.only_in_view.is_empty() {
            return ClusterView::Compared(difference);
        }
        let again = FanOut::begin(
            self,
            self.statement_deadline(),
            Chosen::all(),
            Columns::All,
            None,
        )
        .await;
        let (fan_out, _, _) = match again {
            Ok(begun) => begun,
            Err(error) => return ClusterView::Failed(error.to_string()),
        };
        let reports = fan_out.all().await;
        match self.view().await {
            Ok(view) => ClusterView::Compared(first.difference(&Sightings::new(&reports, view))),
            Err(none) => none,
        }
    }

    /// The cluster's own list.
    async fn view(&self) -> Result<HashSet<SessionKey>, ClusterView> {
        let deadline = self.statement_deadline();
        let sql = format!(
            "SELECT /*+ QUERY_TIMEOUT({}) */ svr_ip, svr_port, id FROM oceanbase.GV$OB_PROCESSLIST",
            deadline.left().as_micros().max(1)
        );
        let nodes = self.nodes_to_ask().await;
        match ask_any(nodes, &sql, deadline).await {
            Ok((_, answer)) => Ok(keys(&answer)),
            Err(failures) if failures.iter().all(|(_, f)| is_not_understood(f)) => {
                Err(ClusterView::Missing)
            }
            Err(failures) => {
                let told = failures.iter().map(|(addr, f)| format!("{addr}: {f}"));
                Err(ClusterView::Failed(told.collect::<Vec<_>>().join("; ")))
            }
        }
    }
}

/// What an account lacks that servers may ask for.
fn lacking(rights: Rights, account: &str) -> Vec<Lacking> {
    let sees = Lacking {
        what: "it sees no others' sessions where a server asks for PROCESS",
        grant: grant_process(account),
    };
    let ends = Lacking {
        what: "it ends no others' sessions where a server asks for SUPER",
        grant: grant_super(account),
    };
    let lacks = [(!rights.see_others, sees), (!rights.kill_others, ends)];
    let lacks = lacks.into_iter().filter(|(lacks, _)| *lacks);
    lacks.map(|(_, lacking)| lacking).collect()
}

impl Ids {
    fn of(server: &Server, ids: impl Iterator<Item = u64>) -> Self {
        let mut made = Self::default();
        for id in ids {
            let number = id >> SERVER_BITS_FROM & SERVER_BITS;
            if id & MADE_BY_SERVER == 0 {
                made.by_odp += 1;
            } else if server.id.is_some_and(|id| id & SERVER_BITS != number) {
                made.by_other_servers += 1;
            } else {
                made.by_this_server += 1;
            }
        }
        made
    }
}

/// The bit of an id that says that a server has made it; and its bits for that server's number.
const MADE_BY_SERVER: u64 = 1 << 31;
const SERVER_BITS_FROM: u32 = 18;
const SERVER_BITS: u64 = 0xfff;

/// The servers' own lists, and the view right after them.
#[derive(Debug, Default)]
struct Sightings {
    lists: HashSet<SessionKey>,
    view: HashSet<SessionKey>,
    /// The servers that have answered, as the view names them.
    answered: HashSet<(IpAddr, u16)>,
}

impl Sightings {
    fn new(reports: &[NodeReport], view: HashSet<SessionKey>) -> Self {
        let mut sightings = Self {
            view,
            ..Self::default()
        };
        for report in reports.iter().filter(|report| report.through.is_none()) {
            if let (Ok(sessions), Some(port)) = (&report.answer, report.server.rpc_port) {
                sightings.add(report.server.addr.ip(), port, sessions);
            }
        }
        sightings
    }

    fn add(&mut self, ip: IpAddr, rpc_port: u16, sessions: &NodeSessions) {
        self.answered.insert((ip, rpc_port));
        let ids = sessions.iter().filter_map(|session| session.id());
        self.lists
            .extend(ids.map(|id| SessionKey { ip, rpc_port, id }));
    }

    /// What stands in one of the two only, in this sighting and a `later` one (or in this one alone, given
    /// twice). They were made in the order lists, view, lists, view: what stands in both lists but not in the
    /// view between them is missing from the view, and what stands in both views but not in the lists
    /// between them is missing from the lists.
    fn difference(&self, later: &Self) -> Difference {
        let answered = |key: &&SessionKey| {
            let server = (key.ip, key.rpc_port);
            self.answered.contains(&server) && later.answered.contains(&server)
        };
        let lasting = self.lists.intersection(&later.lists).filter(answered);
        let mut only_in_lists: Vec<_> = lasting
            .filter(|key| !self.view.contains(key))
            .copied()
            .collect();
        let lasting = self.view.intersection(&later.view).filter(answered);
        let mut only_in_view: Vec<_> = lasting
            .filter(|key| !later.lists.contains(key))
            .copied()
            .collect();
        only_in_lists.sort_unstable();
        only_in_view.sort_unstable();
        Difference {
            in_both: later.view.iter().filter(answered).count() - only_in_view.len(),
            of_silent_servers: later.view.iter().filter(|key| !answered(key)).count(),
            only_in_lists,
            only_in_view,
        }
    }
}

/// The sessions that an answer names; rows that name no server are none.
fn keys(answer: &Answer) -> HashSet<SessionKey> {
    let columns = ["svr_ip", "svr_port", "id"].map(|name| answer.column(name));
    let [Some(ip), Some(port), Some(id)] = columns else {
        return HashSet::new();
    };
    let key = |row: Row<'_>| {
        let text = |column| std::str::from_utf8(row.text(column)?).ok();
        Some(SessionKey {
            ip: text(ip)?.parse().ok()?,
            rpc_port: text(port)?.parse().ok()?,
            id: text(id)?.parse().ok()?,
        })
    };
    answer.rows.iter().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(server: u8, id: u64) -> SessionKey {
        SessionKey {
            ip: [10, 0, 0, server].into(),
            rpc_port: 2882,
            id,
        }
    }

    /// Servers 1 and 2 have answered.
    fn sightings(lists: &[SessionKey], view: &[SessionKey]) -> Sightings {
        Sightings {
            lists: lists.iter().copied().collect(),
            view: view.iter().copied().collect(),
            answered: [1, 2].map(|server| (key(server, 0).ip, 2882)).into(),
        }
    }

    #[test]
    fn a_session_that_comes_or_goes_between_the_looks_is_no_difference() {
        let (stays, comes, goes) = (key(1, 1), key(1, 2), key(2, 3));
        let first = sightings(&[stays, goes], &[stays, comes]);
        let later = sightings(&[stays, comes], &[stays, comes]);
        let difference = first.difference(&later);
        assert_eq!(
            (difference.only_in_lists, difference.only_in_view),
            (vec![], vec![])
        );
        assert_eq!(difference.in_both, 2);
    }

    #[test]
    fn what_stands_in_one_of_the_two_at_both_looks_is_a_difference() {
        let (listed, viewed) = (key(1, 1), key(2, 2));
        let both = sightings(&[listed], &[viewed]);
        let difference = both.difference(&both);
        assert_eq!(difference.only_in_lists, [listed]);
        assert_eq!(difference.only_in_view, [viewed]);
        assert_eq!(difference.in_both, 0);
    }

    #[test]
    fn sessions_of_a_server_that_has_not_answered_are_no_difference() {
        let seen = sightings(&[key(1, 1)], &[key(1, 1), key(9, 1), key(9, 2)]);
        let expected = Difference {
            in_both: 1,
            of_silent_servers: 2,
            ..Difference::default()
        };
        assert_eq!(seen.difference(&seen), expected);
    }

    #[test]
    fn an_id_tells_who_has_made_it() {
        let server = Server {
            id: Some(2),
            ..Server::alone("10.0.0.2:2881".parse().unwrap())
        };
        let ids = [3_221_487_617, 3_221_749_761, 3_221_749_762, 262];
        let made = Ids {
            by_this_server: 2,
            by_other_servers: 1,
            by_odp: 1,
        };
        assert_eq!(Ids::of(&server, ids.into_iter()), made);
    }

    #[test]
    fn rows_that_name_no_server_are_left_out() {
        let answer = Answer::of(
            &["SVR_IP", "svr_port", "ID"],
            &[
                &[Some("10.0.0.1"), Some("2882"), Some("7")],
                &[None, Some("2882"), Some("8")],
            ],
        );
        assert_eq!(keys(&answer), HashSet::from([key(1, 7)]));
        assert_eq!(keys(&Answer::of(&["id"], &[&[Some("7")]])), HashSet::new());
    }
}
