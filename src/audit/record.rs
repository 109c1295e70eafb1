//! What is recorded of a kill, as fields of the log and as a line of JSON. No I/O.

use std::net::SocketAddr;
use std::time::SystemTime;

use serde::Serialize;

use super::Caller;
use crate::mask::written_down;
use crate::statement::{Kill, KillKind, Reason};

/// How much of a statement is recorded, in characters.
const STATEMENT_CHARS_MAX: usize = 16 * 1024;

/// A session as it was seen before it was to be killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Victim {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) db: Option<String>,
    /// What it ran.
    pub(super) info: Option<String>,
}

impl Victim {
    /// From what its server has told.
    pub fn new(
        user: Option<&[u8]>,
        host: Option<&[u8]>,
        db: Option<&[u8]>,
        info: Option<&[u8]>,
    ) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            user: text(user.unwrap_or_default()),
            host: text(host.unwrap_or_default()),
            db: db.map(text),
            info: info.map(|info| recorded(&String::from_utf8_lossy(info))),
        }
    }
}

/// All that is known of a kill but its outcome.
#[derive(Debug, Serialize)]
pub(super) struct Order<'a> {
    pub(super) id: String,
    pub(super) connection: u64,
    pub(super) client: String,
    pub(super) account: &'a str,
    pub(super) statement: String,
    pub(super) kind: &'static str,
    /// As it was named, until its address is known.
    pub(super) server: Option<String>,
    /// Its address.
    #[serde(skip)]
    pub(super) at: Option<SocketAddr>,
    pub(super) session: u32,
    pub(super) victim: Option<Victim>,
    pub(super) reason: Option<String>,
}

impl<'a> Order<'a> {
    pub(super) fn new(id: String, caller: &'a Caller, kill: &'a Kill, statement: &str) -> Self {
        let reason = kill.reason.as_ref().map(Reason::as_str);
        Self {
            id,
            connection: caller.connection,
            client: caller.client.to_string(),
            account: &caller.user,
            statement: recorded(statement),
            kind: match kill.kind {
                KillKind::Session => "session",
                KillKind::Query => "query",
            },
            server: kill.server.as_ref().map(ToString::to_string),
            at: None,
            session: kill.id.get(),
            victim: None,
            reason: reason.map(recorded),
        }
    }

    /// It is known which server is meant.
    pub(super) fn is_at(&mut self, server: SocketAddr) {
        self.server = Some(server.to_string());
        self.at = Some(server);
    }
}

/// What became of a kill.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Of the error that the client was sent; 0: OK.
    pub(super) code: u16,
    pub(super) outcome: String,
}

impl Outcome {
    pub(super) fn new(code: u16, text: &str) -> Self {
        Self {
            code,
            outcome: recorded(text),
        }
    }
}

/// One record.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    event: &'static str,
    /// RFC 3339, UTC.
    time: String,
    #[serde(flatten)]
    order: &'a Order<'a>,
    #[serde(flatten)]
    outcome: Option<&'a Outcome>,
}

impl<'a> Event<'a> {
    /// A KILL is about to be sent.
    pub(super) fn intent(order: &'a Order<'a>) -> Self {
        Self::now("intent", order, None)
    }

    /// It is over.
    pub(super) fn outcome(order: &'a Order<'a>, outcome: &'a Outcome) -> Self {
        Self::now("outcome", order, Some(outcome))
    }

    fn now(event: &'static str, order: &'a Order<'a>, outcome: Option<&'a Outcome>) -> Self {
        Self {
            event,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            order,
            outcome,
        }
    }

    /// A line of JSON.
    pub(super) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Writes it to the log.
    pub(super) fn log(&self) {
        let order = self.order;
        let victim = order.victim.as_ref();
        tracing::info!(
            target: "obwarden::audit",
            record = order.id,
            connection = order.connection,
            client = %order.client,
            account = order.account,
            statement = order.statement,
            kind = order.kind,
            victim_user = victim.map(|victim| victim.user.as_str()),
            victim_host = victim.map(|victim| victim.host.as_str()),
            victim_db = victim.and_then(|victim| victim.db.as_deref()),
            victim_info = victim.and_then(|victim| victim.info.as_deref()),
            reason = order.reason,
            server = order.server.as_ref().map(tracing::field::display),
            id = order.session,
            outcome = self.outcome.map(|outcome| outcome.outcome.as_str()),
            code = self.outcome.map(|outcome| outcome.code),
            "kill: {}", if self.outcome.is_some() { "done" } else { "sending" }
        );
    }
}

/// A text as it is recorded.
fn recorded(text: &str) -> String {
    written_down(text, STATEMENT_CHARS_MAX)
}

/// Writes to the log that a statement was to kill many, and has killed nobody.
pub(super) fn log_refused(caller: &Caller, statement: &str, code: u16, why: &str) {
    tracing::info!(
        target: "obwarden::audit",
        connection = caller.connection,
        client = %caller.client,
        account = caller.user,
        statement = recorded(statement),
        outcome = recorded(why),
        code,
        "kill: nobody"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Origin;

    #[test]
    fn a_record_is_one_line_of_json_with_all_that_is_known() {
        let caller = Caller {
            connection: 7,
            user: "dba".into(),
            client: Origin::Client("10.0.0.1:5".parse().unwrap()),
        };
        let statement = "KILL SERVER QUERY 10.0.0.2 9 COMMENT 'two\nlines, IDENTIFIED BY \"pw\"'";
        let kill = Kill::parsed(statement);
        let mut order = Order::new("a-1".into(), &caller, &kill, statement);
        assert_eq!(order.server.as_deref(), Some("10.0.0.2"));
        order.is_at("10.0.0.2:2881".parse().unwrap());
        order.victim = Some(Victim::new(
            Some(b"app\xff"),
            Some(b"10.1.1.1:6"),
            None,
            Some(b"SET PASSWORD = 'pw"),
        ));
        let outcome = Outcome::new(1095, "You are not owner");
        let line = Event::outcome(&order, &outcome).line().unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(!String::from_utf8_lossy(&line).contains("pw"));
        let mut record: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let time = record["time"].take();
        let time = time.as_str().unwrap();
        assert!(
            humantime::parse_rfc3339(time).is_ok() && time.ends_with('Z'),
            "{time}"
        );
        assert_eq!(
            record,
            serde_json::json!({
                "event": "outcome", "time": null, "id": "a-1", "connection": 7,
                "client": "10.0.0.1:5", "account": "dba",
                "statement": "KILL SERVER QUERY 10.0.0.2 9 COMMENT '***'",
                "kind": "query", "server": "10.0.0.2:2881", "session": 9,
                "victim": {
                    "user": "app\u{fffd}", "host": "10.1.1.1:6", "db": null,
                    "info": "SET PASSWORD = '***'",
                },
                "reason": "two\nlines, IDENTIFIED BY '***'",
                "code": 1095, "outcome": "You are not owner",
            })
        );
        let intent = Event::intent(&order).line().unwrap();
        let intent: serde_json::Value = serde_json::from_slice(&intent).unwrap();
        assert_eq!(
            (&intent["event"], &intent["id"]),
            (&"intent".into(), &"a-1".into())
        );
        assert!(intent.get("outcome").is_none() && intent.get("code").is_none());
    }
}
