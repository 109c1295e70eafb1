//! The last kills, kept in memory for whoever asks the proxy itself: what their records say, shortened.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::record::{Order, Outcome};
use crate::mask::written_down;
use crate::table::{Column, Rows, Value};
use crate::utc::utc;

/// How many kills are kept.
pub const KILL_LOG_MAX: usize = 1000;

/// How much is kept of each text, in characters.
const TEXT_CHARS_MAX: usize = 1024;

const NAMES: [&str; 17] = [
    "Time",
    "Record",
    "Connection",
    "Client",
    "Account",
    "Kind",
    "Ip",
    "Port",
    "Id",
    "Victim_user",
    "Victim_host",
    "Victim_db",
    "Victim_info",
    "Reason",
    "Code",
    "Outcome",
    "Statement",
];

/// The last kills, done or refused, and how many there have been.
#[derive(Debug, Default)]
pub struct KillLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first; [`KILL_LOG_MAX`] at most.
    last: VecDeque<Entry>,
    counts: KillCounts,
}

/// How many kills there have been since the proxy began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KillCounts {
    /// Those that ended with OK.
    pub done: u64,
    /// Those that ended with an error.
    pub failed: u64,
}

/// A kill that is over.
#[derive(Debug)]
struct Entry {
    time: SystemTime,
    record: Box<str>,
    connection: u64,
    client: Box<str>,
    account: Box<str>,
    kind: &'static str,
    /// Its server's address, once that was known.
    at: Option<SocketAddr>,
    /// The server as it was named, until then.
    server: Option<Box<str>>,
    id: u32,
    victim: Option<Victim>,
    reason: Option<Box<str>>,
    code: u16,
    outcome: Box<str>,
    statement: Box<str>,
}

#[derive(Debug)]
struct Victim {
    user: Box<str>,
    host: Box<str>,
    db: Option<Box<str>>,
    info: Option<Box<str>>,
}

impl KillLog {
    /// A kill is over. The oldest one makes room for it.
    pub(super) fn note(&self, order: &Order<'_>, outcome: &Outcome) {
        let entry = Entry::new(order, outcome);
        let mut kept = self.lock();
        match outcome.code {
            0 => kept.counts.done += 1,
            _ => kept.counts.failed += 1,
        }
        if kept.last.len() >= KILL_LOG_MAX {
            kept.last.pop_front();
        }
        kept.last.push_back(entry);
    }

    /// How many there have been.
    pub fn counts(&self) -> KillCounts {
        self.lock().counts
    }

    /// The columns of the table that [`KillLog::rows`] fills.
    pub fn columns() -> Vec<Column> {
        let column = |&name: &&str| match name {
            "Connection" | "Port" | "Id" | "Code" => Column::number(name),
            "Victim_info" | "Reason" | "Outcome" | "Statement" => Column::long_text(name),
            _ => Column::text(name),
        };
        NAMES.iter().map(column).collect()
    }

    /// The kills by accounts that `is_shown` names, the oldest first, and whether there are others.
    pub fn rows(&self, is_shown: impl Fn(&str) -> bool) -> (Rows, bool) {
        let mut rows = Rows::new(NAMES.len());
        let mut hides = false;
        for entry in &self.lock().last {
            if is_shown(&entry.account) {
                entry.push(&mut rows);
            } else {
                hides = true;
            }
        }
        (rows, hides)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(order: &Order<'_>, outcome: &Outcome) -> Self {
        Self {
            time: SystemTime::now(),
            record: order.id.as_str().into(),
            connection: order.connection,
            client: order.client.as_str().into(),
            account: order.account.into(),
            kind: order.kind,
            at: order.at,
            server: order.server.as_deref().map(short),
            id: order.session,
            victim: order.victim.as_ref().map(|victim| Victim {
                user: short(&victim.user),
                host: short(&victim.host),
                db: victim.db.as_deref().map(short),
                info: victim.info.as_deref().map(short),
            }),
            reason: order.reason.as_deref().map(short),
            code: outcome.code,
            outcome: short(&outcome.outcome),
            statement: short(&order.statement),
        }
    }

    fn push(&self, rows: &mut Rows) {
        let time = utc(self.time);
        let kind = self.kind.to_ascii_uppercase();
        let ip = self.at.map(|at| at.ip().to_string());
        let ip = ip.as_deref().or(self.server.as_deref());
        let victim = self.victim.as_ref();
        rows.push_row([
            Value::text_or_null(time.as_deref()),
            Value::from(&*self.record),
            Value::Number(self.connection),
            Value::from(&*self.client),
            Value::from(&*self.account),
            Value::from(&*kind),
            Value::text_or_null(ip),
            Value::number_or_null(self.at.map(|at| at.port().into())),
            Value::Number(self.id.into()),
            Value::text_or_null(victim.map(|victim| &*victim.user)),
            Value::text_or_null(victim.map(|victim| &*victim.host)),
            Value::text_or_null(victim.and_then(|victim| victim.db.as_deref())),
            Value::text_or_null(victim.and_then(|victim| victim.info.as_deref())),
            Value::text_or_null(self.reason.as_deref()),
            Value::Number(self.code.into()),
            Value::from(&*self.outcome),
            Value::from(&*self.statement),
        ]);
    }
}

/// As much of a text as is kept.
fn short(text: &str) -> Box<str> {
    written_down(text, TEXT_CHARS_MAX).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audit::record::Victim as Seen;
    use crate::audit::{Caller, Origin};
    use crate::statement::Kill;

    fn caller(user: &str) -> Caller {
        Caller {
            connection: 7,
            user: user.into(),
            client: Origin::Client("10.1.1.1:5".parse().unwrap()),
        }
    }

    /// The log after one kill by `user`.
    fn note(log: &KillLog, user: &str, code: u16) {
        let (caller, text) = (caller(user), "KILL SERVER SESSION 10.0.0.2 9");
        let kill = Kill::parsed(text);
        let order = Order::new(format!("a-{code}"), &caller, &kill, text);
        log.note(&order, &Outcome::new(code, "done"));
    }

    fn shown(rows: &Rows) -> Vec<Vec<String>> {
        let texts = |row: crate::table::Row<'_>| row.values().map(|v| v.to_string()).collect();
        rows.iter().map(texts).collect()
    }

    #[test]
    fn a_kill_is_told_with_all_that_its_record_has_and_without_passwords() {
        let log = KillLog::default();
        let caller = caller("dba");
        let text = "KILL SERVER QUERY '10.0.0.2:2882' 9 COMMENT 'blocks, IDENTIFIED BY \"pw\"'";
        let kill = Kill::parsed(text);
        let mut order = Order::new("a-1".into(), &caller, &kill, text);
        let refused = Outcome::new(1210, "no server of this cluster");
        log.note(&order, &refused);
        order.is_at("10.0.0.2:2881".parse().unwrap());
        let info = format!("SET PASSWORD = 'pw', @a = '{}'", "x".repeat(2000));
        order.victim = Some(Seen::new(
            Some(b"app"),
            Some(b"10.1.1.2:6"),
            None,
            Some(info.as_bytes()),
        ));
        log.note(&order, &Outcome::new(0, "killed"));
        let (rows, hides) = log.rows(|account| account == "dba");
        assert!(!hides);
        let [refused, done] = &shown(&rows)[..] else {
            panic!("{rows:?}");
        };
        assert_eq!(done.len(), KillLog::columns().len());
        let now = SystemTime::now();
        let just_now = utc(now - Duration::from_secs(60))..=utc(now);
        assert!(just_now.contains(&Some(done[0].clone())), "{}", done[0]);
        assert_eq!(
            done[1..12].join(" "),
            "a-1 7 10.1.1.1:5 dba QUERY 10.0.0.2 2881 9 app 10.1.1.2:6 NULL"
        );
        assert!(done[12].starts_with("SET PASSWORD = '***', @a = 'xxx"));
        assert!(done[12].chars().count() < TEXT_CHARS_MAX + "'***'".len());
        assert_eq!(
            done[13..],
            [
                "blocks, IDENTIFIED BY '***'",
                "0",
                "killed",
                "KILL SERVER QUERY '10.0.0.2:2882' 9 COMMENT '***'",
            ]
        );
        assert_eq!(
            refused[6..12].join(" "),
            "10.0.0.2:2882 NULL 9 NULL NULL NULL"
        );
        assert_eq!(refused[14..16].join(" "), "1210 no server of this cluster");
    }

    #[test]
    fn the_last_thousand_are_kept_and_all_are_counted() {
        let log = KillLog::default();
        for code in 0..1003 {
            note(&log, "dba", code);
        }
        let (rows, _) = log.rows(|_| true);
        let codes: Vec<_> = rows.iter().map(|row| row.value(14)).collect();
        let last: Vec<_> = (3..1003).map(Value::Number).collect();
        assert_eq!(codes, last);
        let counts = KillCounts {
            done: 1,
            failed: 1002,
        };
        assert_eq!(log.counts(), counts);
    }

    #[test]
    fn kills_by_others_are_left_out_and_that_is_told() {
        let log = KillLog::default();
        note(&log, "dba", 0);
        note(&log, "boss", 1);
        let (rows, hides) = log.rows(|account| account == "dba");
        assert_eq!((rows.len(), hides), (1, true));
        assert_eq!(rows.first().text(4), Some(&b"dba"[..]));
    }
}
