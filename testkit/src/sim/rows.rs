//! The rows that simulated nodes show: sessions, servers, accounts, and their columns.

use std::time::Duration;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Number(u64),
    Text(String),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn optional(text: Option<&String>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// Whether it is the value that a condition names.
    pub(super) fn is(&self, value: &str) -> bool {
        match self {
            Self::Null => false,
            Self::Number(number) => number.to_string() == value,
            Self::Text(text) => text == value,
        }
    }
}

/// A row that can be asked for its values by the column's name, in lower case.
pub(super) trait Record: Send + 'static {
    fn cell(&self, column: &str) -> Cell;
}

/// A session as a script gives it. Anything that it lacks is shown as a server would show an idle one.
#[derive(Debug, Clone, PartialEq)]
pub struct SimSession {
    /// 0: the node gives it the next free id.
    pub id: u32,
    /// Without the tenant.
    pub user: String,
    /// The tenant.
    pub tenant: String,
    /// Address and port that the connection comes from: ODP's, for one through ODP.
    pub host: String,
    /// `None` is shown as OceanBase does: as the text `NULL`.
    pub db: Option<String>,
    /// `Sleep`, `Query`, …
    pub command: String,
    /// Since the statement (or its last retry) began.
    pub time: Duration,
    /// Since the statement first began.
    pub total_time: Duration,
    /// `SLEEP`, `ACTIVE`, …
    pub state: String,
    /// The running statement.
    pub info: Option<String>,
    /// The real client's address, behind ODP.
    pub user_client_ip: Option<String>,
    /// The running statement's trace.
    pub trace_id: Option<String>,
    /// The running statement's kind.
    pub sql_id: Option<String>,
    /// ODP's id of the session.
    pub proxy_sessid: Option<u64>,
    /// Values of other columns, by name; they also replace what the fields above say.
    pub more: Vec<(String, Option<String>)>,
}

impl Default for SimSession {
    fn default() -> Self {
        Self {
            id: 0,
            user: "app".to_owned(),
            tenant: "shop".to_owned(),
            host: "10.1.0.9:50000".to_owned(),
            db: Some("shop".to_owned()),
            command: "Sleep".to_owned(),
            time: Duration::ZERO,
            total_time: Duration::ZERO,
            state: "SLEEP".to_owned(),
            info: None,
            user_client_ip: None,
            trace_id: None,
            sql_id: None,
            proxy_sessid: None,
            more: Vec::new(),
        }
    }
}

impl SimSession {
    /// One that runs `statement` since `time`.
    pub fn running(statement: &str, time: Duration) -> Self {
        Self {
            command: "Query".to_owned(),
            state: "ACTIVE".to_owned(),
            info: Some(statement.to_owned()),
            time,
            total_time: time,
            ..Self::default()
        }
    }
}

/// One row of `oceanbase.__all_server`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerRow {
    /// Bare, also for IPv6.
    pub svr_ip: String,
    /// The RPC port.
    pub svr_port: u16,
    /// The server's number, from 1.
    pub id: u64,
    /// The zone.
    pub zone: String,
    /// The SQL port.
    pub inner_port: u16,
    /// `ACTIVE`, `INACTIVE`, `DELETING`, `TAKEOVER_BY_RS`.
    pub status: String,
    /// Whether the root service runs there.
    pub with_rootserver: bool,
    /// The build.
    pub build_version: String,
}

impl Record for ServerRow {
    fn cell(&self, column: &str) -> Cell {
        match column {
            "gmt_create" | "gmt_modified" => Cell::text("2024-01-01 00:00:00.000000"),
            "svr_ip" => Cell::text(&self.svr_ip),
            "svr_port" => Cell::Number(self.svr_port.into()),
            "id" => Cell::Number(self.id),
            "zone" => Cell::text(&self.zone),
            "inner_port" => Cell::Number(self.inner_port.into()),
            "with_rootserver" => Cell::Number(self.with_rootserver.into()),
            "status" => Cell::text(&self.status),
            "build_version" => Cell::text(&self.build_version),
            "start_service_time" => Cell::Number(1_700_000_000_000_000),
            _ => Cell::Number(0),
        }
    }
}

/// One row of `mysql.user`.
#[derive(Debug, Clone, PartialEq)]
pub struct SimAccount {
    /// The name.
    pub user: String,
    /// The host part.
    pub host: String,
    /// May kill.
    pub super_priv: bool,
    /// May see.
    pub process_priv: bool,
    /// May read everything.
    pub select_priv: bool,
}

impl SimAccount {
    /// An account at `%` without any right.
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            host: "%".to_owned(),
            super_priv: false,
            process_priv: false,
            select_priv: false,
        }
    }

    /// `root`, who may do everything.
    pub fn root() -> Self {
        Self {
            super_priv: true,
            process_priv: true,
            select_priv: true,
            ..Self::new("root")
        }
    }
}

impl Record for SimAccount {
    fn cell(&self, column: &str) -> Cell {
        match column {
            "user" => Cell::text(&self.user),
            "host" => Cell::text(&self.host),
            "super_priv" => yes_or_no(self.super_priv),
            "process_priv" => yes_or_no(self.process_priv),
            _ => yes_or_no(self.select_priv),
        }
    }
}

/// One row of `mysql.db`.
#[derive(Debug, Clone, PartialEq)]
pub struct DbGrant {
    /// Whose it is.
    pub user: String,
    /// The host part.
    pub host: String,
    /// The database.
    pub db: String,
    /// May read it.
    pub select_priv: bool,
}

impl DbGrant {
    /// SELECT on `db` for `user` at `%`.
    pub fn select(user: &str, db: &str) -> Self {
        Self {
            user: user.to_owned(),
            host: "%".to_owned(),
            db: db.to_owned(),
            select_priv: true,
        }
    }
}

impl Record for DbGrant {
    fn cell(&self, column: &str) -> Cell {
        match column {
            "user" => Cell::text(&self.user),
            "host" => Cell::text(&self.host),
            "db" => Cell::text(&self.db),
            _ => yes_or_no(self.select_priv),
        }
    }
}

fn yes_or_no(granted: bool) -> Cell {
    Cell::text(if granted { "Y" } else { "N" })
}
