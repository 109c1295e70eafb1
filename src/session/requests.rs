//! The commands that do not just go to the backend: each is answered by the console, or by a word of the
//! session's own.

use std::io;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::relay::{Ended, Relay};
use super::router::Request;
use super::{Gate, Session};
use crate::console::{self, Completion, Exchange};
use crate::statement::Schema;
use crate::statement::keywords::KillById;
use crate::transport::Stream;
use crate::wire::answer::SqlError;

impl Session {
    /// Answers a command that does not go to the backend.
    pub(super) async fn answer(&mut self, request: Request, gate: &Gate) -> Result<(), Ended> {
        let said = match request {
            Request::Query(text) => match String::from_utf8(text) {
                Ok(text) => {
                    let command = console::Command::Query(text);
                    self.ask_console(command, gate).await.map(drop)
                }
                Err(_) => self.say_error(not_utf8()).await,
            },
            Request::Prepare(text) => match String::from_utf8(text) {
                Ok(text) => self.prepare(text, gate).await,
                Err(_) => self.say_error(not_utf8()).await,
            },
            Request::Execute { id, payload } => self.execute(id, &payload, gate).await,
            Request::BulkExecute => {
                let text = "obwarden does not support bulk execution of its own statements: execute them one by one";
                self.say_error(SqlError::new(1235, text)).await
            }
            Request::Fetch {
                id,
                rows: Some(rows),
            } => self.fetch(id, rows).await,
            Request::Fetch { rows: None, .. } => {
                let text = "Malformed communication packet: a fetch without its number of rows";
                self.say_error(SqlError::new(1835, text)).await
            }
            Request::Reset { id } => self.reset_statement(id).await,
            Request::UseSchema => self.say_error(Schema::no_database()).await,
            Request::Mixed => self.say_error(console::not_alone()).await,
            Request::Kill { kill, packet } => self.kill(kill, &packet, gate).await,
            Request::TooLong => {
                let text = format!(
                    "obwarden: a virtual statement of more than {} bytes (packet_bytes_max)",
                    gate.limits.packet_bytes_max
                );
                let said = self.say_error(SqlError::new(1153, text)).await;
                said.and(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a virtual statement that is too long",
                )))
            }
            Request::ChangeUser(payload) => return self.change_user(&payload, gate).await,
        };
        said.map_err(Ended::ClientLost)
    }

    /// Has a KILL answered by the server that holds the session. That is the backend, which finds it on any
    /// server of OceanBase; but a session that is one of this proxy's, and on another server, is the
    /// console's to find: it may be a server whose ids the backend does not know.
    async fn kill(&mut self, kill: KillById, packet: &[u8], gate: &Gate) -> io::Result<()> {
        let (backend, _) = self.registration.key();
        let (clients, id) = (self.registration.clients(), kill.id.get());
        if clients.contains((backend, id)) || clients.backends_of(id).is_empty() {
            clients.cancel((backend, id));
            self.relay.pass_on(packet);
            return Ok(());
        }
        if !kill.alone {
            return self.say_error(console::not_alone()).await;
        }
        let text = format!("{} {}", kill.kind.statement(), kill.id);
        let command = console::Command::Query(text);
        self.ask_console(command, gate).await.map(drop)
    }

    /// Runs a virtual statement and passes its reply on as it comes; gives what it has done, if it has not failed.
    pub(super) async fn ask_console(
        &mut self,
        command: console::Command,
        gate: &Gate,
    ) -> io::Result<Option<Completion>> {
        let running = self.registration.run(command.text());
        let request = self.console_request(command, running.token().clone());
        let mut exchange = gate.console.open(request);
        let passed = pass_on(&mut self.relay, &mut exchange).await?;
        drop(running);
        self.conclude(passed, &exchange).await
    }

    pub(super) fn console_request(
        &self,
        command: console::Command,
        cancel: CancellationToken,
    ) -> console::Request {
        let (backend, thread_id) = self.registration.key();
        console::Request {
            command,
            caller: self.caller.clone(),
            backend,
            thread_id,
            capabilities: self.capabilities,
            extended: self.extended,
            status: self.relay.tracker.status(),
            messages: Arc::clone(&self.messages),
            select_limit: self.relay.router.select_limit,
            cancel,
        }
    }

    /// What is left to do when a statement's reply has been passed on.
    pub(super) async fn conclude(
        &mut self,
        passed: Result<(), BrokenOff>,
        exchange: &Exchange,
    ) -> io::Result<Option<Completion>> {
        if let Err(BrokenOff(error)) = passed {
            tracing::error!(%error, "a virtual statement has broken off");
            let text = format!("obwarden: the statement has broken off: {error}");
            self.say_error(SqlError::new(1105, text)).await?;
            return Ok(None);
        }
        let Some(outcome) = exchange.outcome() else {
            return Ok(None);
        };
        if let Some(messages) = outcome.messages {
            self.leave_behind(messages);
        }
        Ok(outcome.result.ok())
    }
}

/// A console has ended before it said anything.
pub(super) struct BrokenOff(io::Error);

/// Passes a reply on as it comes. The client's leaving ends it.
///
/// # Errors
/// When the client has left, or has half a reply that cannot be completed.
pub(super) async fn pass_on(
    relay: &mut Relay<Stream, Stream>,
    exchange: &mut Exchange,
) -> io::Result<Result<(), BrokenOff>> {
    let mut reply = Vec::new();
    let mut replied = false;
    loop {
        reply.clear();
        let more = tokio::select! {
            more = exchange.next(&mut reply) => more,
            () = relay.client_left() => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        match more {
            Ok(true) => relay.send_to_client(&reply).await?,
            Ok(false) => return Ok(Ok(())),
            Err(error) if replied => return Err(error),
            Err(error) => return Ok(Err(BrokenOff(error))),
        }
        replied = true;
    }
}

fn not_utf8() -> SqlError {
    SqlError::new(
        1300,
        "Invalid utf8mb4 character string: a statement of obwarden's must be UTF-8",
    )
}
