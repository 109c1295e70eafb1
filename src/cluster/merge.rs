//! Makes one list out of what the servers answered. No I/O: reports, rights and clients in, rows out.

use std::net::SocketAddr;
use std::sync::Arc;

use super::failure::NodeFailure;
use super::fan_out::{NodeReport, Stale};
use super::own_sessions::OwnSessions;
use super::rights::Rights;
use super::servers::Server;
use super::sessions::{NodeSessions, Session, SessionsHeader};
use crate::clients::Clients;
use crate::statement::diagnostics::Message;
use crate::table::{Cell, Column, Row};

/// Characters of Info in a plain list.
const INFO_CHARS: usize = 100;

/// Code of the messages that sessions are hidden: "Access denied; you need … privilege".
const HIDDEN: u16 = 1227;
/// Code of the warning that the topology is old, or not all of it usable.
const TOPOLOGY: u16 = 1105;

/// The columns that every list shows, in their order.
const PLAIN: [&str; 13] = [
    "Ip", "Port", "Zone", "Id", "Tenant", "User", "Host", "Client", "db", "Command", "Time",
    "State", "Info",
];

/// What FULL does not show again: it stands in the plain columns already.
const IN_PLAIN: [&str; 13] = [
    "svr_ip", "sql_port", "ip", "port", "id", "tenant", "user", "host", "db", "command", "time",
    "state", "info",
];

/// The column that marks this proxy's own sessions in a full list.
const WARDEN: &str = "Warden";

/// Who looks, and what is known about the sessions of this proxy.
pub(super) struct Viewer<'a> {
    pub(super) user: &'a str,
    pub(super) rights: Rights,
    pub(super) own: &'a OwnSessions,
    pub(super) clients: &'a Clients,
}

impl Viewer<'_> {
    /// Whether the session may be seen.
    pub(super) fn sees(&self, session: Session<'_>) -> bool {
        self.rights.see_others || session.belongs_to(self.user)
    }
}

/// A list in the making.
pub(super) struct Merge<'a> {
    full: bool,
    viewer: &'a Viewer<'a>,
    columns: Vec<Column>,
    /// The columns that only a full list has, in lower case.
    further: Vec<String>,
    /// Where they stand in the rows of the server in hand.
    positions: Vec<Option<usize>>,
    hidden: bool,
    /// Servers that hide others' sessions from the service account, and what would change that.
    hiding: Vec<(String, String)>,
}

impl<'a> Merge<'a> {
    /// A list with all columns of `headers`: what the servers' builds have reported, now or before.
    pub(super) fn new(full: bool, headers: &[Arc<SessionsHeader>], viewer: &'a Viewer<'a>) -> Self {
        let further = if full {
            further_columns(headers)
        } else {
            Vec::new()
        };
        let columns = columns(full, &further);
        Self {
            full,
            viewer,
            columns,
            further,
            positions: Vec::new(),
            hidden: false,
            hiding: Vec::new(),
        }
    }

    /// The list's columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What comes next are rows of this server.
    pub(super) fn begin_server(&mut self, server: &Server, sessions: &NodeSessions) {
        if let Some(grant) = &sessions.needs_grant {
            self.hiding.push((server.describe(), grant.clone()));
        }
        let header = sessions.header();
        let position = |name: &String| {
            header
                .names
                .iter()
                .position(|n| n.eq_ignore_ascii_case(name))
        };
        self.positions = self.further.iter().map(position).collect();
    }

    /// A session's row; none where it may not be seen, or is the proxy's own and the list a plain one.
    pub(super) fn row(&mut self, server: &Server, session: Session<'_>) -> Option<Row> {
        if !self.viewer.sees(session) {
            self.hidden = true;
            return None;
        }
        row(server, session, self.full, &self.positions, self.viewer)
    }

    /// The rows of servers that have failed, and the messages.
    pub(super) fn end(
        self,
        failed: &[NodeReport],
        unusable: &[String],
        stale: Option<&Stale>,
    ) -> (Vec<Row>, Vec<Message>) {
        let mut rows = Vec::new();
        let mut messages = Vec::new();
        for NodeReport { server, answer } in failed {
            if let Err(failure) = answer {
                rows.push(failed_row(server, failure, self.columns.len()));
                messages.push(Message::warning(
                    failure.code(),
                    not_in_list(server, failure),
                ));
            }
        }
        messages.extend(self.hiding.iter().map(|(server, grant)| {
            let text = format!(
                "{server} shows the service account its own sessions only; others' are NOT in this list; \
                 the service account needs: {grant}"
            );
            Message::warning(HIDDEN, text)
        }));
        messages.extend(unusable.iter().map(|row| {
            let text = format!(
                "__all_server names no address in '{row}'; its sessions are NOT in this list"
            );
            Message::warning(TOPOLOGY, text)
        }));
        messages.extend(stale.map(|stale| {
            let text = format!("the topology is {} s old: {}", stale.age_seconds, stale.why);
            Message::warning(TOPOLOGY, text)
        }));
        if self.hidden {
            let text = "sessions of other users are not shown (needs PROCESS)";
            messages.push(Message::note(HIDDEN, text));
        }
        (rows, messages)
    }
}

fn plain_columns(full: bool) -> Vec<Column> {
    let column = |&name: &&str| match name {
        "Port" | "Id" | "Time" => Column::number(name),
        "Info" if full => Column::long_text(name),
        _ => Column::text(name),
    };
    PLAIN.iter().map(column).collect()
}

/// The names of all further columns in `headers`, in the order in which they come.
fn further_columns(headers: &[Arc<SessionsHeader>]) -> Vec<String> {
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

/// The columns of a list, as far as the builds that have answered so far tell.
pub(super) fn known_columns(full: bool, headers: &[Arc<SessionsHeader>]) -> Vec<Column> {
    columns(full, &further_columns(headers))
}

fn columns(full: bool, further: &[String]) -> Vec<Column> {
    let mut columns = plain_columns(full);
    if full {
        columns.extend(further.iter().map(|name| Column::text(&capitalized(name))));
        columns.push(Column::text(WARDEN));
    }
    columns
}

/// A session's row, or none where it is the proxy's own and the list a plain one.
fn row(
    server: &Server,
    session: Session<'_>,
    full: bool,
    further: &[Option<usize>],
    viewer: &Viewer<'_>,
) -> Option<Row> {
    let id = session.id()?;
    let own = viewer.own.contains(server.addr, id);
    if own && !full {
        return None;
    }
    let client = viewer.clients.address(server.addr, id);
    let mut row = server_cells(server);
    row.push(Cell::Number(id));
    row.extend([session.tenant(), session.user(), session.host()].map(bytes));
    row.push(Cell::text_or_null(
        client
            .map(|addr| addr.to_string())
            .or_else(|| session.client()),
    ));
    row.extend([session.db(), session.command()].map(bytes));
    row.push(session.time_seconds().map_or(Cell::Null, Cell::Number));
    row.push(bytes(session.state()));
    if full {
        row.push(bytes(session.info()));
        row.extend(
            further
                .iter()
                .map(|&at| bytes(at.and_then(|at| session.value(at)))),
        );
        row.push(match (own, client) {
            (true, _) => Cell::text("service"),
            (false, Some(_)) => Cell::text("client"),
            (false, None) => Cell::Null,
        });
    } else {
        row.push(
            session
                .info()
                .map_or(Cell::Null, |info| Cell::text(shortened(info))),
        );
    }
    Some(row)
}

/// The row of a server that has not answered.
fn failed_row(server: &Server, failure: &NodeFailure, columns: usize) -> Row {
    let mut row = server_cells(server);
    row.resize(columns.max(PLAIN.len()), Cell::Null);
    let mut set = |name: &str, cell: Cell| {
        if let Some(at) = PLAIN.iter().position(|column| *column == name) {
            row[at] = cell;
        }
    };
    set("Command", Cell::text("ERROR"));
    set("State", Cell::text(failure.kind.to_string()));
    set(
        "Info",
        Cell::text(format!("{failure}; its sessions are NOT in this list")),
    );
    row
}

/// The warning about a server that has not answered.
fn not_in_list(server: &Server, failure: &NodeFailure) -> String {
    format!(
        "{}: {}: {failure}; its sessions are NOT in this list",
        server.describe(),
        failure.kind
    )
}

fn server_cells(server: &Server) -> Row {
    let addr: SocketAddr = server.addr;
    vec![
        Cell::text(addr.ip().to_string()),
        Cell::Number(addr.port().into()),
        Cell::text_or_null(server.zone.clone()),
    ]
}

fn bytes(value: Option<&[u8]>) -> Cell {
    value.map_or(Cell::Null, |value| Cell::Text(value.to_vec()))
}

/// The first characters of a statement, each run of white space as one blank.
fn shortened(info: &[u8]) -> String {
    let text = String::from_utf8_lossy(info);
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    folded.chars().take(INFO_CHARS).collect()
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

#[cfg(test)]
mod tests;
