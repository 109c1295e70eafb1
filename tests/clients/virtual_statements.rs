//! obwarden's own statements: what they are to give, which is the same with every client, and the sessions that
//! they are about.

use std::fmt;
use std::net::IpAddr;

use mysql_async::Conn;
use testkit::cluster::Node;

use crate::support::real::lives;
use crate::transcript::Step;

/// The columns of a list of sessions, as the README has them.
const COLUMNS: &str = "Ip,Port,Zone,Id,Tenant,User,Host,Client,db,Command,Time,State,Info";

/// A dashboard's question about the victims: the first one's id, their address, their ids, how many rows.
pub(crate) const GROUPED: &str = "SELECT user, COUNT(*) AS sessions, AVG(id = ?) AS share, MAX(info) AS info, \
     MIN(COALESCE(info, '-')) AS said FROM obwarden.server_sessions WHERE ip = ? AND id IN (?, ?, ?) \
     GROUP BY user ORDER BY sessions DESC LIMIT ?";

/// A statement that would take hours.
pub(crate) fn endless() -> String {
    let sessions = (0..30).map(|n| format!("obwarden.server_sessions AS s{n}"));
    let sessions: Vec<_> = sessions.collect();
    format!("SELECT COUNT(*) FROM {}", sessions.join(", "))
}

/// Which client runs [`endless`].
pub(crate) const WHO_RUNS_ENDLESS: &str = "SELECT id FROM obwarden.clients \
     WHERE statement LIKE 'SELECT COUNT(*) FROM obwarden.server_sessions %'";

/// Sessions to list and to end, on the server that does not serve the clients.
pub(crate) struct Victims {
    pub(crate) named: NamedVictims,
    sessions: [Conn; 3],
}

/// What a battery is told of them.
#[derive(Debug, Clone)]
pub(crate) struct NamedVictims {
    pub(crate) ip: IpAddr,
    /// In ascending order.
    pub(crate) ids: [u32; 3],
}

impl Victims {
    /// The one that a prepared statement ends. The first is ended by its id, the last by an expression.
    const PREPARED: usize = 1;

    pub(crate) async fn on(node: &Node) -> Self {
        let mut sessions = [
            connect(node).await,
            connect(node).await,
            connect(node).await,
        ];
        sessions.sort_by_key(Conn::id);
        let ids = sessions.each_ref().map(Conn::id);
        Self {
            named: NamedVictims { ip: node.ip(), ids },
            sessions,
        }
    }
}

async fn connect(node: &Node) -> Conn {
    node.connect().await.expect("a session to end")
}

/// As a program finds them in its environment.
impl fmt::Display for NamedVictims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ip, ids: [a, b, c] } = self;
        write!(f, "{ip} {a} {b} {c}")
    }
}

/// Which steps a client has, and what they are to give.
pub(crate) struct Expected {
    /// Steps that no other client has, which come first.
    pub(crate) own: &'static [(&'static str, &'static str)],
    /// Whether it has those of all, too.
    pub(crate) shared: bool,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            own: &[],
            shared: true,
        }
    }
}

impl Expected {
    /// Checks what `client` said, which `prepares` statements on the server or does not, and that its victims are
    /// gone.
    pub(crate) async fn check(
        &self,
        client: &str,
        prepares: bool,
        steps: &[Step],
        mut victims: Victims,
    ) {
        let own = self.own.iter();
        let own = own.map(|&(name, outcome)| (name, outcome.to_owned()));
        let is_reached = |name: &str| self.shared && (prepares || !name.ends_with("prepared"));
        let all = outcomes_of_all().into_iter();
        let all = all.filter(|(name, _)| is_reached(name));
        let expected: Vec<_> = own.chain(all).collect();
        let said: Vec<_> = steps
            .iter()
            .map(|step| (step.name.as_str(), step.outcome.clone()))
            .collect();
        assert_eq!(said, expected, "{client}");
        for (at, victim) in victims.sessions.iter_mut().enumerate() {
            let spared = self.shared && at == Victims::PREPARED && !prepares;
            assert_eq!(lives(victim).await, spared, "victim {at}");
        }
    }
}

/// Name and outcome of each step that all clients have.
fn outcomes_of_all() -> Vec<(&'static str, String)> {
    let lists = format!("ok {COLUMNS}; own 1, victim 1 | alive");
    // The two last of the victims.
    let picked = "ok 2, 1 | alive";
    let grouped = "ok user VARCHAR, sessions BIGINT, share DECIMAL, info TEXT, said TEXT: \
                   root, 3, 0.3333, NULL, - | alive";
    let outcomes = [
        ("sessions/text", &*lists),
        ("sessions/prepared", &lists),
        ("sessions/full", "ok Warden is client | alive"),
        ("sessions/picked", picked),
        ("sessions/picked, prepared", picked),
        ("select/grouped", grouped),
        ("select/grouped, prepared", grouped),
        ("select/interrupted!", "error 1317 | alive"),
        ("servers/picked", "ok z2, YES | alive"),
        ("warden/clients", "ok root, z1 | alive"),
        ("warden/status", "ok Node_connections_max, 2 | alive"),
        (
            "tables/names",
            "ok clients, kill_log, server_sessions, servers | alive",
        ),
        (
            "tables/columns",
            "ok ip, varchar(1024), id, bigint(20) unsigned | alive",
        ),
        (
            "tables/created",
            "ok CREATE TABLE `server_sessions` ( | alive",
        ),
        ("tables/used!", "error 1049 | alive"),
        ("kill/no such server!", "error 1210, warnings 1210 | alive"),
        ("kill/explained", "ok killable | alive"),
        ("kill/victim", "ok 0 | alive"),
        ("kill/again!", "error 1094, warnings 1094 | alive"),
        ("kill/prepared", "ok 0 | alive"),
        ("kill/where", "ok 1 | alive"),
    ];
    let owned = |(name, outcome): (&'static str, &str)| (name, outcome.to_owned());
    outcomes.map(owned).to_vec()
}
