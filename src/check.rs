//! `obwarden --check`: logs on to the cluster, and prints what it finds: of each server whether it answers, by
//! which statement and with which columns, who has made its sessions' ids; whether the servers' lists agree
//! with the cluster's own; and what the service account lacks.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use crate::cluster::{
    Cluster, ClusterView, Examination, Examined, ExaminedList, Lacking, SessionKey, TopologyError,
};

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Servers of the cluster.
    pub servers: usize,
    /// Of these, those that did not answer.
    pub failed: usize,
}

/// The cluster cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nobody tells which servers there are.
    #[error("{0}")]
    Topology(#[from] TopologyError),
    /// What was found cannot be printed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Prints what it finds to `out`.
///
/// # Errors
/// When no server tells which servers there are, or `out` cannot be written.
pub async fn check(cluster: &Arc<Cluster>, out: &mut impl Write) -> Result<Checked, CheckError> {
    let examination = cluster.examine().await?;
    out.write_all(report(&examination, &cluster.settings().user).as_bytes())?;
    let failed = examination.servers.iter().filter(|s| s.answer.is_err());
    Ok(Checked {
        servers: examination.servers.len(),
        failed: failed.count(),
    })
}

/// What was found, as it is printed.
fn report(examination: &Examination, account: &str) -> String {
    let Examination {
        servers,
        unusable,
        view,
        lacks,
    } = examination;
    let mut lines = Vec::new();
    // The columns of the first one are told; those of the others as far as they differ.
    let mut answered = servers.iter().filter_map(|s| s.answer.as_ref().ok());
    let first = answered.next();
    for server in servers {
        lines.push(verdict(server));
        // A failure says what is needed itself.
        if let Ok(list) = &server.answer {
            let compared_to = first.filter(|first| !std::ptr::eq(*first, list));
            let columns = columns(list, compared_to);
            lines.push(format!("    {}: {columns}", list.query));
            lines.push(format!("    {}", ids(list)));
            lines.extend(list.needs_grant.as_ref().map(|grant| {
                let what = "others' sessions are NOT in its list; the service account needs";
                format!("    {what}: {grant}")
            }));
        }
    }
    for row in unusable {
        lines.push(format!("__all_server names no address in '{row}'"));
    }
    let failed = servers.iter().filter(|server| server.answer.is_err());
    lines.push(format!(
        "{} servers, {} failed",
        servers.len(),
        failed.count()
    ));
    lines.extend(comparison(view));
    match lacks {
        Ok(lacks) => {
            lines.push(format!(
                "service account {account}: it may read what it needs"
            ));
            lines.extend(
                lacks
                    .iter()
                    .map(|Lacking { what, grant }| format!("    {what}: {grant}")),
            );
        }
        Err(error) => {
            let what = "it cannot read what accounts may do";
            lines.push(format!("service account {account}: {what}: {error}"));
        }
    }
    lines.join("\n") + "\n"
}

fn verdict(examined: &Examined) -> String {
    let server = &examined.server;
    let build = server.build.as_deref().unwrap_or("unknown");
    let mut line = format!("{}  build {build}  ", server.describe());
    // Writing into a text does not fail.
    let _ = match &examined.answer {
        Ok(list) => write!(line, "ok, {} sessions", list.sessions),
        Err(failure) => write!(line, "{}: {failure}", failure.kind),
    };
    if let Some((by, sessions)) = &examined.through {
        let _ = write!(
            line,
            "; its {sessions} sessions were read through {}",
            by.describe()
        );
    }
    line
}

/// The columns of a list; with another one, only what is different.
fn columns(list: &ExaminedList, compared_to: Option<&ExaminedList>) -> String {
    let count = list.columns.len();
    let Some(first) = compared_to else {
        return format!("{count} columns: {}", list.columns.join(", "));
    };
    let missing = those_without(&first.columns, &list.columns);
    let further = those_without(&list.columns, &first.columns);
    match (&missing[..], &further[..]) {
        ([], []) => format!("{count} columns, the same"),
        ([], further) => format!("{count} columns, also {}", further.join(", ")),
        (missing, []) => format!("{count} columns, without {}", missing.join(", ")),
        (missing, further) => format!(
            "{count} columns, without {}, also {}",
            missing.join(", "),
            further.join(", ")
        ),
    }
}

/// Those of `names` that `others` lack, in any letter case.
fn those_without<'n>(names: &'n [String], others: &[String]) -> Vec<&'n str> {
    let lacks = |name: &&String| !others.iter().any(|other| other.eq_ignore_ascii_case(name));
    names.iter().filter(lacks).map(String::as_str).collect()
}

/// Who has made the ids, as they say it: for information, as not every kernel makes them so.
fn ids(list: &ExaminedList) -> String {
    let ids = list.ids;
    format!(
        "ids made by this server: {}, by another: {}, by ODP or without a server in them: {}",
        ids.by_this_server, ids.by_other_servers, ids.by_odp
    )
}

fn comparison(view: &ClusterView) -> Vec<String> {
    let difference = match view {
        ClusterView::Missing => return vec![format!("{VIEW}: there is no such view here")],
        ClusterView::Failed(why) => return vec![format!("{VIEW}: it cannot be read: {why}")],
        ClusterView::Compared(difference) => difference,
    };
    let mut lines = Vec::new();
    for (sessions, where_only) in [
        (
            &difference.only_in_lists,
            "only in their servers' own lists",
        ),
        (&difference.only_in_view, "only in this view"),
    ] {
        if !sessions.is_empty() {
            let count = sessions.len();
            let some = some_of(sessions);
            lines.push(format!(
                "{VIEW}: {count} sessions stand {where_only}: {some}"
            ));
        }
    }
    if lines.is_empty() {
        let count = difference.in_both;
        lines.push(format!(
            "{VIEW}: it agrees with the servers' own lists ({count} sessions)"
        ));
    }
    if difference.of_silent_servers > 0 {
        let count = difference.of_silent_servers;
        lines.push(format!(
            "{VIEW}: {count} sessions are of servers that have not answered"
        ));
    }
    lines
}

const VIEW: &str = "GV$OB_PROCESSLIST";

/// The first few, as runbooks write them.
fn some_of(sessions: &[SessionKey]) -> String {
    let shown = sessions.iter().take(SESSIONS_SHOWN_MAX);
    let shown = shown.map(|key| {
        let server = std::net::SocketAddr::new(key.ip, key.rpc_port);
        format!("\"{server}\" {}", key.id)
    });
    let mut shown: Vec<String> = shown.collect();
    if sessions.len() > SESSIONS_SHOWN_MAX {
        shown.push("...".to_owned());
    }
    shown.join(", ")
}

/// How many sessions are named that stand in one place only.
const SESSIONS_SHOWN_MAX: usize = 5;

#[cfg(test)]
mod tests;
