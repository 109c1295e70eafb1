//! The columns of a list of sessions, and of the table that SQL sees: what each is called, which values it has,
//! and what of a server's answer it is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::evaluated::TableName;
use super::sessions::SessionsHeader;
use crate::sql::{Shown, Table, TableColumn};
use crate::table::{Column, Kind};

/// A column of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionColumn {
    Ip,
    Port,
    Zone,
    Id,
    Tenant,
    User,
    Host,
    Client,
    Db,
    Command,
    Time,
    State,
    /// The statement, whole.
    Info,
    /// Its beginning.
    InfoHead,
    /// What servers report beyond that: the name, in lower case.
    Reported(String),
    /// What the session is to this proxy.
    Warden,
    /// The number of its server in the list's order.
    ServerRank,
}

/// The columns that every list shows, in their order.
const PLAIN: [SessionColumn; 13] = [
    SessionColumn::Ip,
    SessionColumn::Port,
    SessionColumn::Zone,
    SessionColumn::Id,
    SessionColumn::Tenant,
    SessionColumn::User,
    SessionColumn::Host,
    SessionColumn::Client,
    SessionColumn::Db,
    SessionColumn::Command,
    SessionColumn::Time,
    SessionColumn::State,
    SessionColumn::InfoHead,
];

/// What is not shown again as reported: it stands in the columns of every list already.
const IN_PLAIN: [&str; 13] = [
    "svr_ip", "sql_port", "ip", "port", "id", "tenant", "user", "host", "db", "command", "time",
    "state", "info",
];

/// Of what servers report, what is a whole number.
const NUMBERS: [&str; 13] = [
    "svr_port",
    "proxy_sessid",
    "master_sessid",
    "user_client_port",
    "retry_cnt",
    "trans_id",
    "thread_id",
    "level",
    "sample_percentage",
    "lb_vport",
    "in_bytes",
    "out_bytes",
    "memory_usage",
];

/// Of what servers report, what has digits behind its point, and how many.
const DECIMALS: [(&str, u8); 4] = [
    ("total_time", 6),
    ("total_cpu_time", 6),
    ("time_ms", 3),
    ("progress", 3),
];

impl SessionColumn {
    /// Its name and which values it has.
    pub(super) fn column(&self) -> Column {
        let name = match self {
            Self::Ip => "Ip",
            Self::Port => "Port",
            Self::Zone => "Zone",
            Self::Id => "Id",
            Self::Tenant => "Tenant",
            Self::User => "User",
            Self::Host => "Host",
            Self::Client => "Client",
            Self::Db => "db",
            Self::Command => "Command",
            Self::Time => "Time",
            Self::State => "State",
            Self::Info | Self::InfoHead => "Info",
            Self::Reported(name) => &capitalized(name),
            Self::Warden => "Warden",
            Self::ServerRank => SERVER_RANK,
        };
        Column {
            name: name.to_owned(),
            kind: self.kind(),
        }
    }

    /// Which values it has.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Port | Self::Id | Self::Time | Self::ServerRank => Kind::Number,
            Self::Info => Kind::LongText,
            Self::Reported(name) => reported_kind(name),
            _ => Kind::Text,
        }
    }

    /// The server's columns that it is made of.
    fn made_of(&self) -> &[&str] {
        match self {
            Self::Tenant => &["tenant"],
            Self::User => &["user"],
            Self::Host => &["host"],
            Self::Client => &["host", "user_client_ip", "user_client_port"],
            Self::Db => &["db"],
            Self::Command => &["command"],
            Self::Time => &["time"],
            Self::State => &["state"],
            Self::Info | Self::InfoHead => &["info"],
            Self::Ip
            | Self::Port
            | Self::Zone
            | Self::Id
            | Self::Reported(_)
            | Self::Warden
            | Self::ServerRank => &[],
        }
    }
}

/// The columns of a list.
pub(super) fn listed(full: bool, headers: &[Arc<SessionsHeader>]) -> Vec<SessionColumn> {
    if !full {
        return PLAIN.to_vec();
    }
    let plain = PLAIN.iter().map(|column| match column {
        SessionColumn::InfoHead => SessionColumn::Info,
        column => column.clone(),
    });
    let further = further_names(headers).into_iter();
    plain
        .chain(further.map(SessionColumn::Reported))
        .chain([SessionColumn::Warden])
        .collect()
}

/// What a KILL must know of a session that no plain list shows: which server it is on, and what tells its
/// statement from the next one, as far as servers report that.
pub(super) fn facts_of_victims() -> [SessionColumn; 5] {
    [
        SessionColumn::ServerRank,
        SessionColumn::Info,
        SessionColumn::Reported("total_time".to_owned()),
        SessionColumn::Reported("trace_id".to_owned()),
        SessionColumn::Reported("proxy_sessid".to_owned()),
    ]
}

/// The table of sessions, and what its columns are. What a plain list shows otherwise stands behind what `*`
/// shows, and then other names of some columns.
pub(super) fn table(headers: &[Arc<SessionsHeader>]) -> (Table, Vec<SessionColumn>) {
    let mut sources = listed(true, headers);
    let mut columns: Vec<TableColumn> = sources
        .iter()
        .map(|source| TableColumn::of(source.column()))
        .collect();
    for (source, name) in [
        (SessionColumn::InfoHead, INFO_HEAD),
        (SessionColumn::ServerRank, SERVER_RANK),
    ] {
        columns.push(TableColumn {
            name: name.to_owned(),
            kind: source.column().kind,
            shown: Shown::No,
        });
        sources.push(source);
    }
    for (alias, source) in [
        ("svr_ip", SessionColumn::Ip),
        ("sql_port", SessionColumn::Port),
    ] {
        if let Some(at) = sources.iter().position(|column| *column == source) {
            columns.push(TableColumn {
                name: alias.to_owned(),
                kind: source.column().kind,
                shown: Shown::AliasOf(at),
            });
            sources.push(source);
        }
    }
    let table = Table {
        name: TableName::ServerSessions.name(),
        columns,
    };
    (table, sources)
}

/// Columns of the table that nobody can name by accident.
const INFO_HEAD: &str = "#info_head";
const SERVER_RANK: &str = "#server_rank";

/// The server's columns that these are made of, and what tells who may see a session.
pub(super) fn made_of<'a>(
    columns: impl IntoIterator<Item = &'a SessionColumn>,
) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["id", "user", "tenant"].map(str::to_owned).into();
    for column in columns {
        names.extend(column.made_of().iter().map(|&name| name.to_owned()));
        if let SessionColumn::Reported(name) = column {
            names.insert(name.clone());
        }
    }
    names
}

/// The names of all further columns in `headers`, in the order in which they come.
fn further_names(headers: &[Arc<SessionsHeader>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for header in headers {
        for name in &header.names {
            let name = name.to_ascii_lowercase();
            if !IN_PLAIN.contains(&name.as_str()) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn reported_kind(name: &str) -> Kind {
    let decimal = DECIMALS.iter().find(|(decimal, _)| *decimal == name);
    match decimal {
        Some((_, scale)) => Kind::Decimal(*scale),
        None if NUMBERS.contains(&name) => Kind::Number,
        None => Kind::Text,
    }
}

/// `TRANS_STATE` as `Trans_state`.
fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(chars.map(|rest| rest.to_ascii_lowercase()))
        .collect()
}
