//! Makes one list out of what the servers answered. No I/O: reports, rights and clients in, rows out.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use super::failure::NodeFailure;
use super::fan_out::{NodeReport, Stale, TOPOLOGY};
use super::own_sessions::OwnSessions;
use super::rights::Rights;
use super::servers::Server;
use super::sessions::{NodeSessions, Session, SessionsHeader};
use crate::clients::Clients;
use crate::statement::diagnostics::Message;
use crate::table::{Column, Rows, Value};

/// Characters of Info in a plain list.
const INFO_CHARS: usize = 100;

/// Code of the messages that sessions are hidden: "Access denied; you need … privilege".
pub(super) const HIDDEN: u16 = 1227;

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
    /// The addresses of this proxy's clients, by their backends and thread ids there.
    clients: HashMap<SocketAddr, HashMap<u32, SocketAddr>>,
    columns: Vec<Column>,
    /// The columns that only a full list has, in lower case.
    further: Vec<String>,
    hidden: bool,
    /// Servers that hide others' sessions from the service account, and what would change that.
    hiding: Vec<(String, String)>,
    /// Servers whose sessions were read through others.
    detours: Vec<Message>,
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
            clients: viewer.clients.addresses(),
            columns,
            further,
            hidden: false,
            hiding: Vec::new(),
            detours: Vec::new(),
        }
    }

    /// The list's columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows of a server that has answered are added next.
    pub(super) fn server<'s>(
        &'s mut self,
        report: &'s NodeReport,
        sessions: &NodeSessions,
    ) -> ServerRows<'s, 'a> {
        let NodeReport {
            server, through, ..
        } = report;
        if let Some(through) = through {
            self.detours.push(through.message(server, sessions.len()));
        }
        if let Some(grant) = &sessions.needs_grant {
            self.hiding.push((server.describe(), grant.clone()));
        }
        let names = &sessions.header().names;
        let position = |name: &String| names.iter().position(|n| n.eq_ignore_ascii_case(name));
        ServerRows {
            ip: server.addr.ip().to_string(),
            server,
            own: self.viewer.own.on(server.addr),
            positions: self.further.iter().map(position).collect(),
            scratch: String::new(),
            merge: self,
        }
    }

    /// The rows of servers that have failed, and the messages.
    pub(super) fn end(
        self,
        failed: &[NodeReport],
        unusable: &[String],
        stale: Option<&Stale>,
    ) -> (Rows, Vec<Message>) {
        let mut rows = Rows::new(self.columns.len());
        let mut messages = Vec::new();
        for NodeReport { server, answer, .. } in failed {
            if let Err(failure) = answer {
                push_failed(&mut rows, server, failure, self.columns.len());
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
        messages.extend(self.detours);
        messages.extend(unusable.iter().map(|row| {
            let text = format!(
                "__all_server names no address in '{row}'; its sessions are NOT in this list"
            );
            Message::warning(TOPOLOGY, text)
        }));
        messages.extend(stale.map(Stale::message));
        if self.hidden {
            messages.push(hidden_note("sessions"));
        }
        (rows, messages)
    }
}

/// The note that there is more than an account may see.
pub(super) fn hidden_note(what: &str) -> Message {
    let text = format!("{what} of other users are not shown (needs PROCESS)");
    Message::note(HIDDEN, text)
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

/// Makes one server's rows.
pub(super) struct ServerRows<'s, 'a> {
    merge: &'s mut Merge<'a>,
    server: &'s Server,
    ip: String,
    /// The ids of the proxy's own sessions there.
    own: Vec<u64>,
    /// Where the columns that only a full list has stand in the server's answer.
    positions: Vec<Option<usize>>,
    scratch: String,
}

impl ServerRows<'_, '_> {
    /// Adds a session's row; none where it may not be seen, or is the proxy's own and the list a plain one.
    pub(super) fn push(&mut self, rows: &mut Rows, session: Session<'_>) {
        if !self.merge.viewer.sees(session) {
            self.merge.hidden = true;
            return;
        }
        let Some(id) = session.id() else { return };
        let own = self.own.contains(&id);
        if own && !self.merge.full {
            return;
        }
        let clients = self.merge.clients.get(&self.server.addr);
        let client = u32::try_from(id)
            .ok()
            .and_then(|id| clients?.get(&id).copied());
        push_server(rows, &self.ip, self.server);
        rows.push(Value::Number(id));
        rows.push_row([session.tenant(), session.user(), session.host()].map(text));
        match client {
            Some(address) => {
                self.scratch.clear();
                let _ = write!(self.scratch, "{address}");
                rows.push((&*self.scratch).into());
            }
            None => rows.push(text(session.client().as_deref())),
        }
        rows.push_row([session.db(), session.command()].map(text));
        rows.push(Value::number_or_null(session.time_seconds()));
        rows.push(text(session.state()));
        if self.merge.full {
            rows.push(text(session.info()));
            let value = |at: &Option<usize>| at.map_or(Value::Null, |at| session.value(at));
            rows.push_row(self.positions.iter().map(value));
            rows.push(match (own, client) {
                (true, _) => "service".into(),
                (false, Some(_)) => "client".into(),
                (false, None) => Value::Null,
            });
        } else if let Some(info) = session.info() {
            shorten(info, &mut self.scratch);
            rows.push((&*self.scratch).into());
        } else {
            rows.push(Value::Null);
        }
    }
}

/// Adds the row of a server that has not answered.
fn push_failed(rows: &mut Rows, server: &Server, failure: &NodeFailure, columns: usize) {
    let state = failure.kind.to_string();
    let info = format!("{failure}; its sessions are NOT in this list");
    push_server(rows, &server.addr.ip().to_string(), server);
    let rest = PLAIN.iter().skip(SERVER_COLUMNS).map(|name| match *name {
        "Command" => "ERROR".into(),
        "State" => (&*state).into(),
        "Info" => (&*info).into(),
        _ => Value::Null,
    });
    rows.push_row(rest);
    rows.push_row((PLAIN.len()..columns).map(|_| Value::Null));
}

/// The warning about a server that has not answered.
fn not_in_list(server: &Server, failure: &NodeFailure) -> String {
    format!(
        "{}: {}: {failure}; its sessions are NOT in this list",
        server.describe(),
        failure.kind
    )
}

/// How many columns tell the server.
const SERVER_COLUMNS: usize = 3;

/// Adds the values of a server's columns.
fn push_server(rows: &mut Rows, ip: &str, server: &Server) {
    let values: [Value<'_>; SERVER_COLUMNS] = [
        ip.into(),
        Value::Number(server.addr.port().into()),
        Value::text_or_null(server.zone.as_deref()),
    ];
    rows.push_row(values);
}

fn text<'a>(value: Option<&'a (impl AsRef<[u8]> + ?Sized)>) -> Value<'a> {
    Value::text_or_null(value)
}

/// The first characters of a statement, each run of white space as one blank.
fn shorten(info: &[u8], short: &mut String) {
    short.clear();
    let text = String::from_utf8_lossy(info);
    let mut chars = 0;
    let mut blank = false;
    for c in text.trim_start().chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if blank {
            short.push(' ');
            chars += 1;
            blank = false;
        }
        if chars >= INFO_CHARS {
            break;
        }
        short.push(c);
        chars += 1;
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

#[cfg(test)]
mod tests;
