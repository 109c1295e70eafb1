//! One server's sessions, and what each row means.
//!
//! Column sets differ by branch and even within a rolling upgrade, so rows are read by the names in the
//! answer's header.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::budget::Share;
use super::rows::Answer;
use crate::statement::SessionId;
use crate::table::{Place, Row, Rows, Value};

/// The sessions that one server holds, ordered by id.
#[derive(Debug)]
pub(super) struct NodeSessions {
    header: Arc<SessionsHeader>,
    rows: Rows,
    /// Where the rows stand that are sessions of this server, in their order.
    order: Vec<Place>,
    /// Others' sessions may be missing, since the server does not show them to the service account; this
    /// statement would change that.
    pub(super) needs_grant: Option<String>,
    /// What the rows hold of a list's budget.
    _share: Share,
}

/// Where the columns that every list shows stand in one server's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionsHeader {
    /// All column names, as the server gives them.
    pub(super) names: Vec<String>,
    id: Option<usize>,
    user: Option<usize>,
    tenant: Option<usize>,
    host: Option<usize>,
    db: Option<usize>,
    command: Option<usize>,
    time: Option<usize>,
    state: Option<usize>,
    info: Option<usize>,
    proxy_session: Option<usize>,
    client_ip: Option<usize>,
    client_port: Option<usize>,
}

impl SessionsHeader {
    fn new(answer: &Answer) -> Self {
        Self {
            id: answer.column("id"),
            user: answer.column("user"),
            tenant: answer.column("tenant"),
            host: answer.column("host"),
            db: answer.column("db"),
            command: answer.column("command"),
            time: answer.column("time"),
            state: answer.column("state"),
            info: answer.column("info"),
            proxy_session: answer.column("proxy_sessid"),
            client_ip: answer.column("user_client_ip"),
            client_port: answer.column("user_client_port"),
            names: answer.columns.clone(),
        }
    }

    /// Of the columns `wanted`, in lower case, those which this server reports.
    pub(super) fn those<'a>(
        &'a self,
        wanted: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a str> {
        let names = self.names.iter().map(String::as_str);
        names.filter(|name| wanted.contains(&name.to_ascii_lowercase()))
    }
}

/// One session, as its server reports it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session<'a> {
    header: &'a SessionsHeader,
    row: Row<'a>,
}

impl NodeSessions {
    pub(super) fn new(answer: Answer, server: SocketAddr, share: Share) -> Self {
        let header = Arc::new(SessionsHeader::new(&answer));
        // A process list of the sys tenant names the server of each row: keep this one's.
        let named = answer.column("ip").zip(answer.column("port"));
        let (ip, port) = (server.ip().to_string(), server.port().to_string());
        let is_own = |row: Row<'_>| {
            named.is_none_or(|(ip_at, port_at)| {
                row.text(ip_at) == Some(ip.as_bytes()) && row.text(port_at) == Some(port.as_bytes())
            })
        };
        let rows = answer.rows;
        let own = rows.iter().filter(|row| is_own(*row));
        let mut order: Vec<Place> = own.map(Row::place).collect();
        order.sort_by_cached_key(|place| {
            let session = Session {
                header: &header,
                row: rows.at(*place),
            };
            session.id()
        });
        Self {
            header,
            rows,
            order,
            needs_grant: None,
            _share: share,
        }
    }

    pub(super) fn header(&self) -> &Arc<SessionsHeader> {
        &self.header
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no sessions but those of one account.
    pub(super) fn are_all_of(&self, user: &str) -> bool {
        self.iter()
            .all(|session| session.user() == Some(user.as_bytes()))
    }

    /// All of them, ordered by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = Session<'_>> {
        self.order.iter().map(|place| Session {
            header: &self.header,
            row: self.rows.at(*place),
        })
    }

    /// The session with this id.
    pub(super) fn find(&self, id: u32) -> Option<Session<'_>> {
        let at = |place: &Place| Session {
            header: &self.header,
            row: self.rows.at(*place),
        };
        let found = self
            .order
            .binary_search_by_key(&Some(u64::from(id)), |place| at(place).id());
        found.ok().map(|found| at(&self.order[found]))
    }
}

impl<'a> Session<'a> {
    fn text(&self, column: Option<usize>) -> Option<&'a [u8]> {
        self.row.text(column?)
    }

    /// The value of the server's column number `column`.
    pub(super) fn value(&self, column: usize) -> Value<'a> {
        self.row.value(column)
    }

    /// The value of the server's column `name`, in any letter case.
    pub(super) fn named(&self, name: &str) -> Option<&'a [u8]> {
        let mut names = self.header.names.iter();
        self.text(names.position(|column| column.eq_ignore_ascii_case(name)))
    }

    pub(super) fn id(&self) -> Option<u64> {
        std::str::from_utf8(self.text(self.header.id)?)
            .ok()?
            .parse()
            .ok()
    }

    pub(super) fn user(&self) -> Option<&'a [u8]> {
        self.text(self.header.user)
    }

    pub(super) fn tenant(&self) -> Option<&'a [u8]> {
        self.text(self.header.tenant)
    }

    pub(super) fn host(&self) -> Option<&'a [u8]> {
        self.text(self.header.host)
    }

    /// OceanBase shows the text `NULL` where there is no database.
    pub(super) fn db(&self) -> Option<&'a [u8]> {
        self.text(self.header.db).filter(|db| *db != b"NULL")
    }

    pub(super) fn command(&self) -> Option<&'a [u8]> {
        self.text(self.header.command)
    }

    /// Whether it runs nothing.
    pub(super) fn is_asleep(&self) -> bool {
        self.command()
            .is_some_and(|command| command.eq_ignore_ascii_case(b"Sleep"))
    }

    /// Whole seconds: newer servers report `0.0078`, older ones `7`.
    pub(super) fn time_seconds(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.text(self.header.time)?).ok()?;
        let seconds: f64 = text.trim().parse().ok()?;
        seconds.is_finite().then_some(seconds.max(0.0) as u64)
    }

    pub(super) fn state(&self) -> Option<&'a [u8]> {
        self.text(self.header.state)
    }

    pub(super) fn info(&self) -> Option<&'a [u8]> {
        self.text(self.header.info)
    }

    /// The address of the client itself, also behind ODP, where the server knows it.
    pub(super) fn client(&self) -> Option<Cow<'a, [u8]>> {
        let host = self.host();
        let Some(ip) = self.text(self.header.client_ip).filter(|ip| !ip.is_empty()) else {
            return host.map(Cow::Borrowed);
        };
        let port = self.text(self.header.client_port);
        match port.filter(|port| *port != b"0") {
            Some(port) if ip.contains(&b':') => Some([b"[", ip, b"]:", port].concat().into()),
            Some(port) => Some([ip, b":", port].concat().into()),
            // Without a port of its own, the one in Host is right if the address is the same.
            None => Some(
                host.filter(|host| names_address(host, ip))
                    .unwrap_or(ip)
                    .into(),
            ),
        }
    }

    /// Whether it came through ODP.
    pub(super) fn is_proxied(&self) -> bool {
        self.text(self.header.proxy_session)
            .is_some_and(|id| !matches!(id, b"" | b"0" | b"NULL"))
    }

    /// Its id, if ODP has made it: then it may stand on several servers.
    pub(super) fn id_of_odp(&self) -> Option<SessionId> {
        let id = u32::try_from(self.id()?).ok().and_then(SessionId::new)?;
        (self.is_proxied() && id.maker().is_none()).then_some(id)
    }

    /// Whether it is a session of the sys tenant's account `user`.
    pub(super) fn belongs_to(&self, user: &str) -> bool {
        is_of_account(self.user(), self.tenant(), user)
    }
}

/// Whether a session of this user and tenant is one of the sys tenant's account `account`.
pub(super) fn is_of_account(user: Option<&[u8]>, tenant: Option<&[u8]>, account: &str) -> bool {
    let in_sys = tenant.is_none_or(|tenant| tenant == b"sys");
    in_sys && user == Some(account.as_bytes())
}

/// Whether a Host is the address `ip`, with a port.
fn names_address(host: &[u8], ip: &[u8]) -> bool {
    let Some(colon) = memchr::memrchr(b':', host) else {
        return false;
    };
    let address = &host[..colon];
    let bracketed = address
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    bracketed.unwrap_or(address) == ip
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(columns: &[&str], row: &[Option<&str>]) -> NodeSessions {
        NodeSessions::new(
            Answer::of(columns, &[row]),
            "10.0.0.1:2881".parse().unwrap(),
            Share::unlimited(),
        )
    }

    #[test]
    fn a_database_called_null_is_none() {
        let node = sessions(&["ID", "DB"], &[Some("7"), Some("NULL")]);
        assert_eq!(node.find(7).unwrap().db(), None);
    }

    #[test]
    fn time_is_read_in_both_forms() {
        for (text, seconds) in [
            ("7", Some(7)),
            ("0.0078", Some(0)),
            ("61.9", Some(61)),
            ("-1", Some(0)),
            ("", None),
            ("nan", None),
        ] {
            let node = sessions(&["ID", "TIME"], &[Some("7"), Some(text)]);
            assert_eq!(node.find(7).unwrap().time_seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn the_client_is_the_real_one_behind_odp() {
        let columns = ["ID", "HOST", "USER_CLIENT_IP", "USER_CLIENT_PORT"];
        for (row, client) in [
            (
                [
                    Some("1"),
                    Some("10.9.9.9:4000"),
                    Some("10.1.1.1"),
                    Some("5000"),
                ],
                "10.1.1.1:5000",
            ),
            (
                [Some("1"), Some("10.9.9.9:4000"), Some("10.1.1.1"), None],
                "10.1.1.1",
            ),
            (
                [Some("1"), Some("10.9.9.9:4000"), Some("10.9.9.9"), None],
                "10.9.9.9:4000",
            ),
            (
                [
                    Some("1"),
                    Some("[fe80::9]:4000"),
                    Some("fe80::1"),
                    Some("5000"),
                ],
                "[fe80::1]:5000",
            ),
            (
                [Some("1"), Some("10.9.9.9:4000"), None, None],
                "10.9.9.9:4000",
            ),
        ] {
            let node = sessions(&columns, &row);
            assert_eq!(
                node.find(1).unwrap().client().as_deref(),
                Some(client.as_bytes())
            );
        }
    }

    #[test]
    fn of_a_cluster_wide_process_list_only_this_servers_rows_are_kept() {
        let own = sessions(
            &["Id", "Ip", "Port"],
            &[Some("7"), Some("10.0.0.1"), Some("2881")],
        );
        assert_eq!(own.iter().count(), 1);
        let other = sessions(
            &["Id", "Ip", "Port"],
            &[Some("7"), Some("10.0.0.2"), Some("2881")],
        );
        assert_eq!(other.iter().count(), 0);
    }

    #[test]
    fn an_account_of_another_tenant_is_another_account() {
        let columns = ["ID", "USER", "TENANT"];
        let belongs = |tenant| {
            sessions(&columns, &[Some("1"), Some("app"), tenant])
                .find(1)
                .unwrap()
                .belongs_to("app")
        };
        assert!(belongs(Some("sys")) && belongs(None));
        assert!(!belongs(Some("shop")));
    }
}
