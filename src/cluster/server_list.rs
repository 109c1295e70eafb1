//! The list of servers, each probed now: whether it answers, how soon, and how many sessions it has.
//!
//! Unlike a list of sessions it is one also when no server answers: then it says so of each.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

use super::Cluster;
use super::chosen::Chosen;
use super::evaluated::{SmallTable, TableName, send_picked};
use super::failure::NodeFailure;
use super::fan_out::{FanOut, NodeReport, Question, TOPOLOGY};
use super::list::{ListError, ListParts, in_parts};
use super::merge::HIDDEN;
use super::queries::Counted;
use super::servers::Server;
use crate::deadline::Deadline;
use crate::sql::{Context, Pick};
use crate::statement::diagnostics::Message;
use crate::table::{Column, Rows, Value};
use crate::utc::utc;

/// The question how many sessions a server has: the least that proves that it can be listed.
#[derive(Debug, Clone, Copy)]
struct AskCount;

impl Question for AskCount {
    type Answer = Counted;

    fn ask(
        &self,
        cluster: &Arc<Cluster>,
        server: &Server,
        deadline: Deadline,
    ) -> BoxFuture<'static, NodeReport<Counted>> {
        let (cluster, server) = (Arc::clone(cluster), server.clone());
        Box::pin(async move {
            NodeReport {
                answer: cluster.count_sessions(&server, deadline).await,
                server,
                through: None,
            }
        })
    }
}

impl Cluster {
    /// The servers that are picked, and whether each answers before `deadline`. The numbers of sessions are
    /// shown to an account that may see others' sessions.
    pub fn list_servers(
        self: &Arc<Self>,
        user: &str,
        pick: Pick,
        context: Context,
        deadline: Deadline,
    ) -> ListParts {
        let (cluster, user) = (Arc::clone(self), user.to_owned());
        in_parts(async move |sender| {
            let (rows, messages) = cluster.server_table(&user, deadline).await?;
            let table = SmallTable {
                name: TableName::Servers.name(),
                columns: columns(),
                rows,
                messages,
            };
            send_picked(table, &pick, &context, cluster.settings.sql, &sender).await
        })
    }

    async fn count_sessions(
        &self,
        server: &Server,
        deadline: Deadline,
    ) -> Result<Counted, NodeFailure> {
        let mut checkout = self.node(server.addr).connect(deadline).await?;
        let counted = self.queries.count(server, &mut checkout, deadline).await;
        checkout.settle(counted.as_ref().err());
        counted
    }

    /// The columns of that list.
    pub fn server_list_columns() -> Vec<Column> {
        columns()
    }
}

impl Cluster {
    /// The rows of that list, and what is to be said of it.
    pub(super) async fn server_table(
        self: &Arc<Self>,
        user: &str,
        deadline: Deadline,
    ) -> Result<(Rows, Vec<Message>), ListError> {
        let (rights, begun) = tokio::join!(
            self.rights(user, deadline),
            FanOut::asking(AskCount, self, deadline, Chosen::all())
        );
        let (fan_out, snapshot, stale) = begun?;
        let reports = fan_out.all().await;
        let shows_sessions = matches!(&rights, Ok(rights) if rights.see_others);
        let mut rows = Rows::new(NAMES.len());
        for report in &reports {
            let known = Known {
                shows_sessions,
                last_seen: self.health.last_seen(report.server.addr),
                topology_age: snapshot.age(),
            };
            push_row(&mut rows, report, &known);
        }
        let mut messages: Vec<Message> = reports.iter().filter_map(warning).collect();
        messages.extend(snapshot.unusable.iter().map(|row| {
            let text = format!("__all_server names no address in '{row}'; it is NOT in this list");
            Message::incomplete(TOPOLOGY, text)
        }));
        messages.extend(stale.map(|stale| stale.message()));
        match rights {
            Ok(rights) if rights.see_others => {}
            Ok(_) => messages.push(Message::note(
                HIDDEN,
                "the numbers of sessions are not shown (needs PROCESS)",
            )),
            // The warnings about the servers say it already.
            Err(_) if reports.iter().all(|report| report.answer.is_err()) => {}
            Err(error) => {
                let text = format!("the numbers of sessions are not shown: {error}");
                messages.push(Message::incomplete(RIGHTS, text));
            }
        }
        Ok((rows, messages))
    }
}

/// Code of the warning that the rights of an account cannot be read.
pub(super) const RIGHTS: u16 = 1105;

/// What a row says besides what the server has answered.
struct Known {
    shows_sessions: bool,
    last_seen: Option<SystemTime>,
    topology_age: Duration,
}

fn columns() -> Vec<Column> {
    let column = |&name: &&str| match name {
        "Port" | "Svr_port" | "Id" | "Sessions" | "Latency_ms" | "Topology_age_s" => {
            Column::number(name)
        }
        _ => Column::text(name),
    };
    NAMES.iter().map(column).collect()
}

const NAMES: [&str; 16] = [
    "Ip",
    "Port",
    "Svr_port",
    "Id",
    "Zone",
    "Status",
    "With_rootserver",
    "Start_service_time",
    "Stop_time",
    "Build",
    "Sessions",
    "Reachable",
    "Latency_ms",
    "Error",
    "Last_seen",
    "Topology_age_s",
];

fn push_row(rows: &mut Rows, report: &NodeReport<Counted>, known: &Known) {
    let NodeReport { server, answer, .. } = report;
    let counted = answer.as_ref().ok();
    let sessions = counted.filter(|all| known.shows_sessions && all.needs_grant.is_none());
    let time = |time: Option<SystemTime>| time.and_then(utc);
    let (started, stopped) = (time(server.start_service_time), time(server.stop_time));
    let (ip, last_seen) = (server.addr.ip().to_string(), time(known.last_seen));
    let error = answer.as_ref().err().map(what_happened);
    rows.push_row([
        Value::from(&*ip),
        Value::Number(server.addr.port().into()),
        Value::number_or_null(server.rpc_port.map(u64::from)),
        Value::number_or_null(server.id),
        Value::text_or_null(server.zone.as_ref()),
        Value::text_or_null(server.status.as_ref()),
        Value::text_or_null(server.with_rootserver.map(yes_or_no)),
        Value::text_or_null(started.as_ref()),
        Value::text_or_null(stopped.as_ref()),
        Value::text_or_null(server.build.as_ref()),
        Value::number_or_null(sessions.map(|counted| counted.sessions)),
        Value::from(yes_or_no(answer.is_ok())),
        Value::number_or_null(counted.map(|counted| milliseconds(counted.round_trip))),
        Value::text_or_null(error.as_ref()),
        Value::text_or_null(last_seen.as_ref()),
        Value::Number(known.topology_age.as_secs()),
    ]);
}

/// The warning about a server that has not answered, or not all.
fn warning(report: &NodeReport<Counted>) -> Option<Message> {
    let server = report.server.describe();
    match &report.answer {
        Err(failure) => {
            let text = format!("{server}: {}", what_happened(failure));
            Some(Message::incomplete(failure.code(), text))
        }
        Ok(counted) => {
            let grant = counted.needs_grant.as_ref()?;
            let text = format!(
                "{server}: its sessions cannot be counted; the service account needs: {grant}"
            );
            Some(Message::incomplete(HIDDEN, text))
        }
    }
}

/// In the words of a list of sessions.
fn what_happened(failure: &NodeFailure) -> String {
    format!("{}: {failure}", failure.kind)
}

/// As OceanBase's views print a truth.
fn yes_or_no(truth: bool) -> &'static str {
    if truth { "YES" } else { "NO" }
}

/// To the nearest one.
fn milliseconds(duration: Duration) -> u64 {
    (duration.as_secs_f64() * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::failure::Stage;

    fn report(answer: Result<Counted, NodeFailure>) -> NodeReport<Counted> {
        let micros = Duration::from_micros(1_721_671_299_000_000);
        NodeReport {
            server: Server {
                rpc_port: Some(2882),
                with_rootserver: Some(true),
                start_service_time: Some(SystemTime::UNIX_EPOCH + micros),
                ..Server::alone("10.0.0.1:2881".parse().unwrap())
            },
            answer,
            through: None,
        }
    }

    fn texts(report: &NodeReport<Counted>, shows_sessions: bool) -> Vec<String> {
        let known = Known {
            shows_sessions,
            last_seen: Some(SystemTime::UNIX_EPOCH),
            topology_age: Duration::from_secs(7),
        };
        let mut rows = Rows::new(NAMES.len());
        push_row(&mut rows, report, &known);
        assert_eq!(rows.len(), 1);
        rows.first()
            .values()
            .map(|value| value.to_string())
            .collect()
    }

    fn counted() -> Result<Counted, NodeFailure> {
        Ok(Counted {
            sessions: 12,
            round_trip: Duration::from_micros(1600),
            needs_grant: None,
        })
    }

    #[test]
    fn a_row_has_a_cell_for_each_column_and_times_as_now_writes_them() {
        let seen = texts(&report(counted()), true);
        assert_eq!(seen.len(), columns().len());
        assert_eq!(
            seen.join(" "),
            "10.0.0.1 2881 2882 NULL NULL NULL YES 2024-07-22 18:01:39 NULL NULL 12 YES 2 NULL \
             1970-01-01 00:00:00 7"
        );
    }

    #[test]
    fn who_may_not_see_others_sessions_is_not_told_how_many_there_are() {
        let seen = texts(&report(counted()), false);
        assert_eq!(&seen[10..13], ["NULL", "YES", "2"]);
    }

    #[test]
    fn a_count_of_the_service_accounts_own_sessions_is_none() {
        let grant = "GRANT PROCESS ON *.* TO 'warden'";
        let counted = counted().map(|counted| Counted {
            needs_grant: Some(grant.into()),
            ..counted
        });
        let report = report(counted);
        assert_eq!(&texts(&report, true)[10..13], ["NULL", "YES", "2"]);
        assert!(warning(&report).unwrap().text.ends_with(grant));
    }

    #[test]
    fn a_failed_server_is_told_in_row_and_warning_alike() {
        let failure = NodeFailure::no_answer(Stage::Query, Duration::from_secs(3));
        let report = report(Err(failure));
        let seen = texts(&report, true);
        let why = "NO ANSWER: no answer after 3.0 s in query";
        assert_eq!(&seen[10..14], ["NULL", "NO", "NULL", why]);
        let warned = Message::incomplete(4012, format!("10.0.0.1:2881: {why}"));
        assert_eq!(warning(&report), Some(warned));
    }
}
