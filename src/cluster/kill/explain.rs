//! What a KILL would do, as a list of sessions with a verdict each. Nothing is killed, and no right to kill is needed.

use std::sync::Arc;

use tokio::time::Instant;

use super::KillError;
use super::choose::{ManyRequest, Verdicts, viewer};
use super::many::untold;
use super::running::Running;
use super::verdict::{self, Suspect, Verdict};
use crate::clients::ClientKey;
use crate::cluster::Cluster;
use crate::cluster::evaluated::Evaluated;
use crate::cluster::fan_out::NodeReport;
use crate::cluster::list::{ListError, ListPart, ListParts, PartSender, in_parts};
use crate::cluster::merge::{Included, Merge, Purpose, Viewer, failed_rows};
use crate::cluster::servers::Server;
use crate::cluster::session_columns::{SessionColumn, listed};
use crate::statement::diagnostics::Message;
use crate::statement::{Kill, KillKind};
use crate::table::{Column, Row, Rows, Value};

/// Code of the warning that the KILL itself would be refused.
const REFUSED: u16 = 1210;

impl Cluster {
    /// What a KILL of many would do. The last part is an end or an error.
    pub fn explain_kill_many(self: &Arc<Self>, request: ManyRequest) -> ListParts {
        let cluster = Arc::clone(self);
        in_parts(async move |sender| explain_many(&cluster, &request, &sender).await)
    }

    /// What a KILL of one session would do, for the account `user`. The last part is an end or an error.
    pub fn explain_kill(self: &Arc<Self>, user: &str, session: ClientKey, kill: Kill) -> ListParts {
        let (cluster, user) = (Arc::clone(self), user.to_owned());
        in_parts(async move |sender| {
            let (row, messages) = explain_one(&cluster, &user, session, &kill)
                .await
                .map_err(|error| error.to_sql())?;
            send(&sender, ListPart::Columns(Self::explained_columns())).await;
            send(&sender, ListPart::Rows(row)).await;
            send(&sender, ListPart::End(messages)).await;
            Ok(())
        })
    }

    /// The columns of an explanation.
    pub fn explained_columns() -> Vec<Column> {
        let columns = listed(false, &[]).into_iter();
        let columns = columns.map(|source| source.column());
        columns.chain([Column::text("Verdict")]).collect()
    }
}

/// Sends a part. That the client has left shows in the channel's being closed.
async fn send(sender: &PartSender, part: ListPart) {
    let _ = sender.send(Ok(part)).await;
}

async fn explain_many(
    cluster: &Arc<Cluster>,
    request: &ManyRequest,
    sender: &PartSender,
) -> Result<(), ListError> {
    let Evaluated {
        sources,
        mut evaluation,
        failed,
        mut messages,
        told,
        ..
    } = cluster.pick_sessions(request, Purpose::Explain).await?;
    let told = told.ok_or_else(ListError::no_server)?;
    let viewer = viewer(cluster, &request.caller.user, &told);
    let judge = cluster.judge(request, &viewer);
    let mut verdicts = Verdicts::new(judge, request, &told, &sources);
    let settings = &cluster.settings;
    let shown_max = match request.limit() {
        Some(_) => u64::MAX,
        None => settings.kill_victims_max as u64,
    };
    let mut victims = 0;
    let mut next = evaluation.next().await?;
    send(sender, ListPart::Columns(Cluster::explained_columns())).await;
    let plain = listed(false, &[]);
    while let Some(rows) = next {
        let mut explained = Rows::new(plain.len() + 1);
        let goes_on = verdicts.on(&rows, |picked, verdict| {
            victims += u64::from(verdict.is_victim());
            if victims <= shown_max {
                push(&mut explained, picked.row, plain.len(), verdict);
            }
        });
        send(sender, ListPart::Rows(explained)).await;
        if !goes_on {
            break;
        }
        next = evaluation.next().await?;
    }
    let failed = failed_rows(&failed, &plain);
    let failed = with_verdict(&failed, Verdict::NodeUnreachable);
    send(sender, ListPart::Rows(failed)).await;
    let all_told = untold(&messages).is_none() && told.second_hand.is_empty();
    if settings.strict_listing && !all_told {
        let text = "the KILL would be refused: strict_listing is set, and not every server has told its sessions";
        messages.push(Message::warning(REFUSED, text));
    }
    messages.extend(verdicts.spared.messages());
    if verdicts.victims > shown_max {
        let error = KillError::TooMany {
            matched: verdicts.victims,
            victims_max: settings.kill_victims_max,
        };
        let text = format!("the KILL would be refused: {error}; the first {shown_max} are shown");
        messages.push(Message::incomplete(REFUSED, text));
    }
    send(sender, ListPart::End(messages)).await;
    Ok(())
}

/// The one row, and what is to be said.
async fn explain_one(
    cluster: &Arc<Cluster>,
    user: &str,
    session: ClientKey,
    kill: &Kill,
) -> Result<(Rows, Vec<Message>), KillError> {
    let deadline = cluster.statement_deadline();
    let (rights, named) = tokio::join!(
        cluster.rights_to_kill(user, deadline),
        cluster.find_named(kill, deadline)
    );
    let (named, rights) = (named?, rights?);
    let viewer = Viewer {
        user,
        rights,
        own: &cluster.own,
        clients: &cluster.clients,
    };
    let server = match named {
        Some(server) => server,
        None => {
            cluster
                .find_by_id(kill, session.0, &viewer, deadline)
                .await?
        }
    };
    let answer = cluster.see(&server, deadline).await;
    let answer = answer.map(|(checkout, sessions)| {
        checkout.give_back();
        sessions
    });
    let report = NodeReport {
        server,
        answer,
        through: None,
    };
    Ok(explain_report(&viewer, kill, report))
}

/// The one row, and what is to be said, by what a server has just told, or failed to tell.
fn explain_report(viewer: &Viewer<'_>, kill: &Kill, report: NodeReport) -> (Rows, Vec<Message>) {
    let plain = listed(false, &[]);
    let mut rows = Rows::new(plain.len());
    let mut merge = Merge::new(plain.clone(), Included::ALL, viewer).for_purpose(Purpose::Explain);
    let Ok(sessions) = &report.answer else {
        let failed = [report];
        let row = with_verdict(&failed_rows(&failed, &plain), Verdict::NodeUnreachable);
        return (row, merge.end(&failed, &[], None));
    };
    let mut server = merge.server(&report, sessions, 0);
    let found = sessions.find(kill.id.get());
    let verdict = match found.filter(|session| viewer.sees(*session)) {
        Some(session) => {
            server.push(&mut rows, session);
            let suspect = Suspect::new(report.server.addr, kill.id, session);
            let running = Running::of(session, Instant::now());
            let runs = verdict::runs(viewer, suspect, running.as_ref());
            match verdict::named(viewer, suspect) {
                Verdict::Killable if kill.kind == KillKind::Query && !runs => {
                    Verdict::NothingRunning
                }
                verdict => verdict,
            }
        }
        None => {
            push_unknown(&mut rows, &report.server, kill, &plain);
            Verdict::NoSuchSession
        }
    };
    (with_verdict(&rows, verdict), merge.end(&[], &[], None))
}

/// The row of a session that is not there.
fn push_unknown(rows: &mut Rows, server: &Server, kill: &Kill, plain: &[SessionColumn]) {
    let ip = server.addr.ip().to_string();
    rows.push_row(plain.iter().map(|source| match source {
        SessionColumn::Ip => Value::from(&*ip),
        SessionColumn::Port => Value::Number(server.addr.port().into()),
        SessionColumn::Zone => Value::text_or_null(server.zone.as_deref()),
        SessionColumn::Id => Value::Number(kill.id.get().into()),
        _ => Value::Null,
    }));
}

/// The same rows, each with this verdict.
fn with_verdict(rows: &Rows, verdict: Verdict) -> Rows {
    let shown = listed(false, &[]).len();
    let mut explained = Rows::new(shown + 1);
    for row in rows.iter() {
        push(&mut explained, row, shown, verdict);
    }
    explained
}

/// Adds the first values of a row, as many as a list shows, and a verdict.
fn push(explained: &mut Rows, row: Row<'_>, shown: usize, verdict: Verdict) {
    let verdict = verdict.to_string();
    let values = row.values().take(shown);
    explained.push_row(values.chain([Value::from(&*verdict)]));
}
