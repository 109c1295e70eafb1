//! Makes one list out of what the servers answered. No I/O: reports, rights and clients in, rows out.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;

use super::failure::NodeFailure;
use super::fan_out::{NodeReport, Stale, TOPOLOGY};
use super::own_sessions::OwnSessions;
use super::rights::Rights;
use super::servers::Server;
use super::session_columns::SessionColumn;
use super::sessions::{NodeSessions, Session};
use crate::clients::Clients;
use crate::statement::diagnostics::Message;
use crate::table::{Kind, Rows, Value};

/// Characters of Info in a plain list.
const INFO_CHARS: usize = 100;

/// Code of the messages that sessions are hidden: "Access denied; you need … privilege".
pub(super) const HIDDEN: u16 = 1227;

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

/// What servers are asked for their sessions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To show them.
    List,
    /// To show what a KILL would do with them.
    Explain,
    /// To end some of them.
    Kill,
}

impl Purpose {
    /// Whether the right to kill counts, beside the right to see.
    pub(super) fn weighs_kills(self) -> bool {
        self != Self::List
    }

    /// What it means that a server has not told its sessions.
    fn of_untold(self) -> &'static str {
        match self {
            Self::List | Self::Explain => "its sessions are NOT in this list",
            Self::Kill => "nothing was killed there",
        }
    }

    /// What it means that a server has not told others' sessions.
    fn of_untold_others(self) -> &'static str {
        match self {
            Self::List | Self::Explain => "others' are NOT in this list",
            Self::Kill => "nothing of others' was killed there",
        }
    }
}

/// Which sessions a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Included {
    /// Those that are asleep.
    pub(super) sleeping: bool,
    /// The proxy's own.
    pub(super) own: bool,
}

impl Included {
    /// All but the proxy's own.
    pub(super) const OTHERS: Self = Self {
        sleeping: true,
        own: false,
    };

    /// All sessions.
    pub(super) const ALL: Self = Self {
        sleeping: true,
        own: true,
    };
}

/// A list in the making.
pub(super) struct Merge<'a> {
    viewer: &'a Viewer<'a>,
    included: Included,
    purpose: Purpose,
    /// The addresses of this proxy's clients, by their backends and thread ids there.
    clients: HashMap<SocketAddr, HashMap<u32, SocketAddr>>,
    sources: Vec<SessionColumn>,
    hidden: bool,
    /// Servers that hide others' sessions from the service account, and what would change that.
    hiding: Vec<(String, String)>,
    /// Servers whose sessions were read through others.
    detours: Vec<Message>,
}

impl<'a> Merge<'a> {
    /// A list with these columns.
    pub(super) fn new(
        sources: Vec<SessionColumn>,
        included: Included,
        viewer: &'a Viewer<'a>,
    ) -> Self {
        Self {
            viewer,
            included,
            purpose: Purpose::List,
            clients: viewer.clients.addresses(),
            sources,
            hidden: false,
            hiding: Vec::new(),
            detours: Vec::new(),
        }
    }

    /// The same for another purpose.
    pub(super) fn for_purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// The list's columns.
    pub(super) fn columns(&self) -> &[SessionColumn] {
        &self.sources
    }

    /// The rows of a server that has answered are added next.
    /// `rank` is the server's number in the list's order.
    pub(super) fn server<'s>(
        &'s mut self,
        report: &'s NodeReport,
        sessions: &NodeSessions,
        rank: u64,
    ) -> ServerRows<'s, 'a> {
        let NodeReport {
            server, through, ..
        } = report;
        if let Some(through) = through {
            let message = through.message(server, sessions.len());
            self.detours.push(match self.purpose {
                Purpose::List | Purpose::Explain => message,
                Purpose::Kill => {
                    let text = format!("{}; {}", message.text, self.purpose.of_untold());
                    Message::incomplete(message.code, text)
                }
            });
        }
        if let Some(grant) = &sessions.needs_grant {
            self.hiding.push((server.describe(), grant.clone()));
        }
        let names = &sessions.header().names;
        let position = |source: &SessionColumn| match source {
            SessionColumn::Reported(name) => {
                names.iter().position(|n| n.eq_ignore_ascii_case(name))
            }
            _ => None,
        };
        ServerRows {
            ip: server.addr.ip().to_string(),
            server,
            rank,
            own: self.viewer.own.on(server.addr),
            positions: self.sources.iter().map(position).collect(),
            scratch: String::new(),
            merge: self,
        }
    }

    /// What is to be said of the list; of the servers that have failed first.
    pub(super) fn end(
        self,
        failed: &[NodeReport],
        unusable: &[String],
        stale: Option<&Stale>,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        for NodeReport { server, answer, .. } in failed {
            if let Err(failure) = answer {
                let text = format!(
                    "{}: {}: {failure}; {}",
                    server.describe(),
                    failure.kind,
                    self.purpose.of_untold()
                );
                messages.push(Message::incomplete(failure.code(), text));
            }
        }
        messages.extend(self.hiding.iter().map(|(server, grant)| {
            let text = format!(
                "{server} shows the service account its own sessions only; {}; the service account needs: {grant}",
                self.purpose.of_untold_others()
            );
            Message::incomplete(HIDDEN, text)
        }));
        messages.extend(self.detours);
        messages.extend(unusable.iter().map(|row| {
            let text = format!(
                "__all_server names no address in '{row}'; {}",
                self.purpose.of_untold()
            );
            Message::incomplete(TOPOLOGY, text)
        }));
        messages.extend(stale.map(Stale::message));
        if self.hidden {
            messages.push(hidden_note("sessions"));
        }
        messages
    }
}

/// The rows of servers that have failed, in a list with these columns.
pub(super) fn failed_rows(failed: &[NodeReport], sources: &[SessionColumn]) -> Rows {
    let mut rows = Rows::new(sources.len());
    for NodeReport { server, answer, .. } in failed {
        if let Err(failure) = answer {
            push_failed(&mut rows, server, failure, sources);
        }
    }
    rows
}

/// The note that there is more than an account may see.
pub(super) fn hidden_note(what: &str) -> Message {
    let text = format!("{what} of other users are not shown (needs PROCESS)");
    Message::note(HIDDEN, text)
}

/// Makes one server's rows.
pub(super) struct ServerRows<'s, 'a> {
    merge: &'s mut Merge<'a>,
    server: &'s Server,
    rank: u64,
    ip: String,
    /// The ids of the proxy's own sessions there.
    own: Vec<u64>,
    /// Where what only this server reports stands in its answer: for each of the list's columns.
    positions: Vec<Option<usize>>,
    scratch: String,
}

impl ServerRows<'_, '_> {
    /// Adds a session's row, if the list has this session; says whether it has.
    pub(super) fn push(&mut self, rows: &mut Rows, session: Session<'_>) -> bool {
        if !self.merge.viewer.sees(session) {
            self.merge.hidden = true;
            return false;
        }
        let Some(id) = session.id() else { return false };
        let own = self.own.contains(&id);
        let included = self.merge.included;
        if (own && !included.own) || (!included.sleeping && session.is_asleep()) {
            return false;
        }
        let clients = self.merge.clients.get(&self.server.addr);
        let client = u32::try_from(id)
            .ok()
            .and_then(|id| clients?.get(&id).copied());
        for (source, position) in self.merge.sources.iter().zip(&self.positions) {
            let value = match source {
                SessionColumn::Ip => (&*self.ip).into(),
                SessionColumn::Port => Value::Number(self.server.addr.port().into()),
                SessionColumn::Zone => text(self.server.zone.as_deref()),
                SessionColumn::Id => Value::Number(id),
                SessionColumn::Tenant => text(session.tenant()),
                SessionColumn::User => text(session.user()),
                SessionColumn::Host => text(session.host()),
                SessionColumn::Client => match client {
                    Some(address) => {
                        self.scratch.clear();
                        let _ = write!(self.scratch, "{address}");
                        (&*self.scratch).into()
                    }
                    None => {
                        rows.push(text(session.client().as_deref()));
                        continue;
                    }
                },
                SessionColumn::Db => text(session.db()),
                SessionColumn::Command => text(session.command()),
                SessionColumn::Time => Value::number_or_null(session.time_seconds()),
                SessionColumn::State => text(session.state()),
                SessionColumn::Info => text(session.info()),
                SessionColumn::InfoHead => match session.info() {
                    Some(info) => {
                        shorten(info, &mut self.scratch);
                        (&*self.scratch).into()
                    }
                    None => Value::Null,
                },
                SessionColumn::Reported(_) => {
                    let value = position.map_or(Value::Null, |at| session.value(at));
                    of_kind(value, source.kind())
                }
                SessionColumn::Warden => match (own, client) {
                    (true, _) => "service".into(),
                    (false, Some(_)) => "client".into(),
                    (false, None) => Value::Null,
                },
                SessionColumn::ServerRank => Value::Number(self.rank),
            };
            rows.push(value);
        }
        true
    }
}

/// What a server reports is text; a number that is none is NULL.
fn of_kind(value: Value<'_>, kind: Kind) -> Value<'_> {
    match (value, kind) {
        (Value::Text(digits), Kind::Number) => {
            let number = std::str::from_utf8(digits).ok();
            Value::number_or_null(number.and_then(|digits| digits.parse().ok()))
        }
        (Value::Text(digits), Kind::Decimal(_)) => {
            let number = std::str::from_utf8(digits).ok();
            let is_number = number.is_some_and(|digits| digits.parse::<f64>().is_ok());
            if is_number { value } else { Value::Null }
        }
        _ => value,
    }
}

/// Adds the row of a server that has not answered.
fn push_failed(rows: &mut Rows, server: &Server, failure: &NodeFailure, sources: &[SessionColumn]) {
    let (ip, state) = (server.addr.ip().to_string(), failure.kind.to_string());
    let info = format!("{failure}; {}", Purpose::List.of_untold());
    for source in sources {
        rows.push(match source {
            SessionColumn::Ip => (&*ip).into(),
            SessionColumn::Port => Value::Number(server.addr.port().into()),
            SessionColumn::Zone => text(server.zone.as_deref()),
            SessionColumn::Command => "ERROR".into(),
            SessionColumn::State => (&*state).into(),
            SessionColumn::Info | SessionColumn::InfoHead => (&*info).into(),
            _ => Value::Null,
        });
    }
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

#[cfg(test)]
mod tests;
