//! What each virtual statement answers: one arm a statement.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinError;

use super::{Completion, Request, schema};
use crate::cluster::{Cluster, ListParts, ListRequest, ManyRequest};
use crate::sql::Context;
use crate::statement::diagnostics::{Diagnostics, Form, Message};
use crate::statement::{
    ExplainKill, Grammar, KillMany, Select, ShowServers, ShowWarden, Statement, WardenMatter,
    filled, parse_prepared, parse_with,
};
use crate::status;
use crate::table::{Column, Rows, Value};
use crate::wire::answer::{SqlError, takes_backslashes_as_they_are};

/// The answer to a virtual statement.
pub(crate) enum Answer {
    /// It is done; there is nothing to show.
    Done {
        completion: Completion,
        messages: Vec<Message>,
    },
    /// A list, part by part.
    List(ListParts),
    /// What is known of the statement before.
    Diagnostics { columns: Vec<Column>, rows: Rows },
}

/// Runs a statement.
///
/// # Errors
/// As the client is to read them.
pub(crate) async fn answer(
    text: &str,
    request: &Request,
    cluster: &Arc<Cluster>,
) -> Result<Answer, SqlError> {
    let user = &request.caller.user;
    let deadline = cluster.statement_deadline();
    let parameters = request.parameters();
    let read = parse_with(text, grammar(request), parameters);
    match read.map_err(|error| error.to_sql())? {
        Statement::ShowServerSessions(show) => Ok(Answer::List(cluster.list(ListRequest {
            user: user.clone(),
            show,
            context: context(request),
        }))),
        Statement::ShowServers(ShowServers { pick }) => {
            let servers = cluster.list_servers(user, pick, context(request), deadline);
            Ok(Answer::List(servers))
        }
        Statement::ShowWarden(ShowWarden { what, pick }) => {
            let table = match what {
                WardenMatter::Clients => cluster.show_clients(user, deadline).await,
                WardenMatter::Status => status::table(cluster),
            };
            Ok(Answer::List(cluster.pick(table, pick, context(request))))
        }
        Statement::Select(Select { query }) => {
            let selected = cluster.select(user, query, context(request), deadline);
            Ok(Answer::List(selected))
        }
        Statement::Schema(schema) => {
            let (table, pick) = schema::describe(&schema, &cluster.tables())?;
            Ok(Answer::List(cluster.pick(table, pick, context(request))))
        }
        Statement::Kill(kill) => {
            let cluster = Arc::clone(cluster);
            let Request {
                caller,
                backend,
                cancel,
                ..
            } = request.clone();
            let text = filled(text, parameters.known());
            // In a task of its own: once KILL is sent it goes on to its outcome, whoever leaves.
            let task =
                tokio::spawn(
                    async move { cluster.kill(&caller, backend, &kill, &text, &cancel).await },
                );
            let killed = task.await.map_err(outcome_unknown)?;
            let killed = killed.map_err(|error| error.to_sql())?;
            Ok(Answer::Done {
                completion: Completion::default(),
                messages: killed.messages,
            })
        }
        Statement::KillMany(kill) => {
            let many = many(kill, request);
            let (cluster, cancel) = (Arc::clone(cluster), request.cancel.clone());
            let text = filled(text, parameters.known());
            // In a task of its own: what was sent goes on to its outcome, whoever leaves.
            let task = tokio::spawn(async move { cluster.kill_many(&many, &text, &cancel).await });
            let killed = task.await.map_err(outcome_unknown)?;
            let killed = killed.map_err(|error| error.to_sql())?;
            Ok(Answer::Done {
                completion: Completion {
                    affected_rows: killed.killed,
                    info: killed.info(),
                    ..Completion::default()
                },
                messages: killed.messages,
            })
        }
        Statement::ExplainKill(ExplainKill::One(kill)) => {
            let session = (request.backend, request.thread_id);
            Ok(Answer::List(cluster.explain_kill(user, session, kill)))
        }
        Statement::ExplainKill(ExplainKill::Many(kill)) => {
            let explained = cluster.explain_kill_many(many(*kill, request));
            Ok(Answer::List(explained))
        }
        Statement::Diagnostics(diagnostics) => Ok(Answer::Diagnostics {
            columns: diagnostics_columns(&diagnostics),
            rows: diagnostics_rows(&diagnostics, &request.messages),
        }),
    }
}

/// A KILL of many, and who asks for it.
fn many(kill: KillMany, request: &Request) -> ManyRequest {
    ManyRequest {
        caller: request.caller.clone(),
        session: (request.backend, request.thread_id),
        kill,
        context: context(request),
    }
}

/// The error that a KILL has broken off.
fn outcome_unknown(error: JoinError) -> SqlError {
    SqlError::new(1105, format!("outcome unknown: {error}"))
}

/// A statement's parameters, and the columns that it will show as far as they are known before it runs.
pub(super) struct Preparation {
    pub(super) parameters: u16,
    pub(super) columns: Vec<Column>,
}

/// Prepares a statement.
///
/// # Errors
/// When it cannot be read, or not be planned.
pub(super) async fn prepare(
    text: &str,
    request: &Request,
    cluster: &Arc<Cluster>,
) -> Result<Preparation, SqlError> {
    let prepared = parse_prepared(text, grammar(request));
    let prepared = prepared.map_err(|error| error.to_sql())?;
    Ok(Preparation {
        parameters: prepared.placeholders,
        columns: columns(prepared.statement, request, cluster).await?,
    })
}

async fn columns(
    statement: Statement,
    request: &Request,
    cluster: &Arc<Cluster>,
) -> Result<Vec<Column>, SqlError> {
    Ok(match statement {
        Statement::ShowServerSessions(show) => {
            let deadline = cluster.statement_deadline();
            cluster.list_columns(show.form, deadline).await
        }
        Statement::ShowServers(_) => Cluster::server_list_columns(),
        Statement::ShowWarden(show) => match show.what {
            WardenMatter::Clients => Cluster::client_table_columns(),
            WardenMatter::Status => status::columns(),
        },
        Statement::Select(Select { query }) => {
            let deadline = cluster.statement_deadline();
            let context = context(request);
            cluster.select_columns(query, &context, deadline).await?
        }
        Statement::Schema(schema) => schema::describe(&schema, &cluster.tables())?.0.columns,
        Statement::ExplainKill(_) => Cluster::explained_columns(),
        Statement::Kill(_) | Statement::KillMany(_) => Vec::new(),
        Statement::Diagnostics(diagnostics) => diagnostics_columns(&diagnostics),
    })
}

/// How the session's SQL mode has its statements read.
fn grammar(request: &Request) -> Grammar {
    Grammar {
        backslash_escapes: !takes_backslashes_as_they_are(request.status),
    }
}

/// What expressions may name of the session.
fn context(request: &Request) -> Context {
    let caller = &request.caller;
    Context {
        user: format!("{}@{}", caller.user, caller.client.host()),
        connection_id: request.thread_id,
        now: SystemTime::now(),
        backslash_escapes: grammar(request).backslash_escapes,
        select_limit: request.select_limit,
    }
}

/// The error that a list has no end.
pub(crate) fn broken_off() -> SqlError {
    SqlError::new(1105, "obwarden: the list has broken off")
}

/// The error that a statement was to end.
pub(crate) fn interrupted() -> SqlError {
    SqlError::new(1317, "Query execution was interrupted")
}

/// The error that a statement stands among others.
pub(crate) fn not_alone() -> SqlError {
    SqlError::new(
        1235,
        "A statement of obwarden's must stand alone: nothing of this packet was run",
    )
}

fn diagnostics_columns(diagnostics: &Diagnostics) -> Vec<Column> {
    match &diagnostics.form {
        Form::Messages { .. } => {
            vec![
                Column::text("Level"),
                Column::number("Code"),
                Column::long_text("Message"),
            ]
        }
        Form::Count { column } => vec![Column::number(column)],
    }
}

fn diagnostics_rows(diagnostics: &Diagnostics, messages: &[Message]) -> Rows {
    let selected = diagnostics.select(messages);
    match diagnostics.form {
        Form::Messages { .. } => {
            let mut rows = Rows::new(3);
            for message in selected {
                rows.push_row([
                    (&*message.level.to_string()).into(),
                    Value::Number(message.code.into()),
                    (&*message.text).into(),
                ]);
            }
            rows
        }
        Form::Count { .. } => {
            let mut rows = Rows::new(1);
            rows.push(Value::Number(selected.len() as u64));
            rows
        }
    }
}
