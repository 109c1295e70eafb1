//! The sessions of one node, as each build shows them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::held_rows::Made;
use super::rows::{Cell, Record, SimSession};

/// Which server a node claims to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Build {
    /// OceanBase 3.x: no V$ views, `__all_virtual_processlist` instead.
    V3,
    /// OceanBase 4.0.
    V4_0,
    /// OceanBase 4.2.1.
    #[default]
    V4_2,
    /// No OceanBase: `SHOW FULL PROCESSLIST` only, and no database `oceanbase`.
    Mysql,
}

impl Build {
    /// As the greeting and `VERSION()` say it.
    pub fn version(self) -> &'static str {
        match self {
            Self::V3 => "5.7.25-OceanBase-v3.1.4",
            Self::V4_0 => "5.7.25-OceanBase-v4.0.0.0",
            Self::V4_2 => "5.7.25-OceanBase-v4.2.1.0",
            Self::Mysql => "8.0.36",
        }
    }

    pub(super) fn is_oceanbase(self) -> bool {
        self != Self::Mysql
    }

    /// TIME is a decimal text in newer versions, a number in older ones.
    pub(super) fn time_is_text(self) -> bool {
        self == Self::V4_2
    }

    /// The columns of `V$OB_PROCESSLIST`; none: there is no such view.
    pub(super) fn view_columns(self) -> Vec<&'static str> {
        match self {
            Self::V4_0 => COLUMNS_4_0.to_vec(),
            Self::V4_2 => [COLUMNS_4_0, COLUMNS_ADDED_BY_4_2_1].concat(),
            Self::V3 | Self::Mysql => Vec::new(),
        }
    }
}

#[rustfmt::skip]
const COLUMNS_4_0: &[&str] = &[
    "SVR_IP", "SVR_PORT", "SQL_PORT", "ID", "USER", "HOST", "DB", "TENANT", "COMMAND", "TIME",
    "TOTAL_TIME", "STATE", "INFO", "PROXY_SESSID", "MASTER_SESSID", "USER_CLIENT_IP", "USER_HOST",
    "RETRY_CNT", "RETRY_INFO", "SQL_ID", "TRANS_ID", "THREAD_ID", "SSL_CIPHER", "TRACE_ID",
    "TRANS_STATE", "ACTION", "MODULE", "CLIENT_INFO",
];
#[rustfmt::skip]
const COLUMNS_ADDED_BY_4_2_1: &[&str] = &[
    "LEVEL", "SAMPLE_PERCENTAGE", "RECORD_POLICY", "LB_VID", "LB_VIP", "LB_VPORT", "IN_BYTES",
    "OUT_BYTES",
];
/// Of `__all_virtual_processlist`.
#[rustfmt::skip]
pub(super) const COLUMNS_3: &[&str] = &[
    "id", "user", "tenant", "host", "db", "command", "sql_id", "time", "state", "info", "svr_ip",
    "svr_port", "sql_port", "proxy_sessid", "master_sessid", "user_client_ip", "user_host",
    "trans_id", "thread_id", "ssl_cipher", "trace_id",
];
pub(super) const SHOW_COLUMNS: &[&str] = &[
    "Id", "User", "Host", "db", "Command", "Time", "State", "Info",
];
#[rustfmt::skip]
pub(super) const SHOW_FULL_COLUMNS: &[&str] = &[
    "Id", "User", "Tenant", "Host", "db", "Command", "Time", "State", "Info", "Ip", "Port",
    "Proxy_sessid",
];

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ip: Ipv4Addr,
    pub(super) sql_port: u16,
    pub(super) rpc_port: u16,
}

/// A node's sessions at one moment. Those that a node merely holds are made as they are needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions {
    pub(super) listed: Vec<SimSession>,
    pub(super) held: Range<u32>,
    pub(super) killed: Arc<BTreeSet<u32>>,
    /// What was made of the held ones before.
    pub(super) made: Arc<Made>,
}

impl Sessions {
    /// Keeps only the one with this id.
    pub(super) fn narrow(&mut self, id: u32) {
        self.listed.retain(|session| session.id == id);
        self.held = match self.held.contains(&id) {
            true => id..id + 1,
            false => 0..0,
        };
    }

    /// Those that are listed, and those that are held.
    pub(super) fn split(self) -> (Self, Self) {
        let listed = Self {
            listed: self.listed,
            ..Self::default()
        };
        let held = Self {
            listed: Vec::new(),
            ..self
        };
        (listed, held)
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.listed.iter().any(|session| session.id == id)
            || self.held.contains(&id) && !self.killed.contains(&id)
    }

    pub(super) fn records(
        self,
        place: Place,
        build: Build,
    ) -> impl Iterator<Item = SessionRecord> + Send {
        let Self {
            listed,
            held,
            killed,
            ..
        } = self;
        let first = held.start;
        let held = held
            .filter(move |id| !killed.contains(id))
            .map(move |id| held_session(id, id - first));
        listed
            .into_iter()
            .chain(held)
            .map(move |session| SessionRecord {
                session,
                place,
                build,
            })
    }
}

/// One of many: every third runs a statement.
fn held_session(id: u32, number: u32) -> SimSession {
    let base = match number % 3 {
        0 => SimSession::running(
            "select * from orders where id = 1",
            Duration::from_millis(u64::from(number)),
        ),
        _ => SimSession::default(),
    };
    SimSession {
        id,
        host: format!(
            "10.1.{}.{}:{}",
            number / 250 % 250,
            number % 250 + 1,
            10_000 + number % 50_000
        ),
        ..base
    }
}

#[derive(Debug)]
pub(super) struct SessionRecord {
    session: SimSession,
    place: Place,
    build: Build,
}

impl SessionRecord {
    fn time(&self, time: Duration) -> Cell {
        match self.build.time_is_text() {
            true => Cell::Text(format!("{:.6}", time.as_secs_f64())),
            false => Cell::Number(time.as_secs()),
        }
    }
}

impl Record for SessionRecord {
    fn cell(&self, column: &str) -> Cell {
        let session = &self.session;
        let scripted = session
            .more
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(column));
        if let Some((_, value)) = scripted {
            return match value.as_ref().map(|value| value.parse()) {
                Some(Ok(number)) if is_number(column, self.build) => Cell::Number(number),
                _ => Cell::optional(value.as_ref()),
            };
        }
        match column {
            "svr_ip" | "ip" => Cell::text(self.place.ip.to_string()),
            "svr_port" => Cell::Number(self.place.rpc_port.into()),
            "sql_port" | "port" => Cell::Number(self.place.sql_port.into()),
            "id" => Cell::Number(session.id.into()),
            "user" => Cell::text(&session.user),
            "host" => Cell::text(&session.host),
            "db" if self.build.is_oceanbase() => {
                Cell::text(session.db.as_deref().unwrap_or("NULL"))
            }
            "db" => Cell::optional(session.db.as_ref()),
            "tenant" => Cell::text(&session.tenant),
            "command" => Cell::text(&session.command),
            "time" => self.time(session.time),
            "total_time" => self.time(session.total_time),
            "state" => Cell::text(&session.state),
            "info" => Cell::optional(session.info.as_ref()),
            "proxy_sessid" => session.proxy_sessid.map_or(Cell::Null, Cell::Number),
            "user_client_ip" => match &session.user_client_ip {
                Some(ip) => Cell::text(ip),
                None => Cell::text(session.host.rsplit_once(':').map_or("", |(ip, _)| ip)),
            },
            "user_host" => Cell::text("%"),
            "sql_id" => Cell::text(session.sql_id.as_deref().unwrap_or("")),
            "trace_id" => Cell::optional(session.trace_id.as_ref()),
            "thread_id" | "retry_cnt" | "trans_id" => Cell::Number(0),
            "retry_info" => Cell::Number(0),
            _ => Cell::Null,
        }
    }
}

/// Whether the column, in lower case, is one of numbers.
pub(super) fn is_number(column: &str, build: Build) -> bool {
    match column {
        "time" | "total_time" => !build.time_is_text(),
        _ => matches!(
            column,
            "svr_port"
                | "sql_port"
                | "port"
                | "id"
                | "proxy_sessid"
                | "master_sessid"
                | "retry_cnt"
                | "retry_info"
                | "trans_id"
                | "thread_id"
                | "level"
                | "sample_percentage"
                | "lb_vid"
                | "lb_vport"
                | "in_bytes"
                | "out_bytes"
        ),
    }
}
