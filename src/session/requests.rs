//! The commands that do not just go to the backend: each is answered by the console, or by a word of the
//! session's own.

use std::io;
use std::sync::Arc;

use super::console_statements::STATEMENTS_MAX;
use super::relay::Ended;
use super::router::Request;
use super::{Gate, Session};
use crate::console;
use crate::statement::keywords::KillById;
use crate::wire::answer::{OkAnswer, STATUS_LASTING, SqlError};

impl Session {
    /// Answers a command that does not go to the backend.
    pub(super) async fn answer(&mut self, request: Request, gate: &Gate) -> Result<(), Ended> {
        let said = match request {
            Request::Query(text) => match String::from_utf8(text) {
                Ok(text) => self.ask_console(console::Command::Query(text), gate).await,
                Err(_) => self.say_error(not_utf8()).await,
            },
            Request::Prepare(text) => match (
                String::from_utf8(text),
                self.relay.router.statements.next_id(),
            ) {
                (Ok(text), Some(id)) => {
                    self.ask_console(console::Command::Prepare { id, text }, gate)
                        .await
                }
                (Ok(_), None) => {
                    let text = format!(
                        "Can't prepare more than {STATEMENTS_MAX} virtual statements in a session"
                    );
                    self.say_error(SqlError::new(1461, text)).await
                }
                (Err(_), _) => self.say_error(not_utf8()).await,
            },
            Request::Execute { id } => {
                match self.relay.router.statements.text(id).map(str::to_owned) {
                    Some(text) => {
                        self.ask_console(console::Command::Execute { id, text }, gate)
                            .await
                    }
                    None => {
                        self.say_error(SqlError::new(
                            1243,
                            format!("Unknown prepared statement {id}"),
                        ))
                        .await
                    }
                }
            }
            Request::Fetch { id } => {
                let text = format!("The statement ({id}) has no open cursor.");
                self.say_error(SqlError::new(1421, text)).await
            }
            Request::Reset => {
                let status = self.relay.tracker.status() & STATUS_LASTING;
                let ok = OkAnswer {
                    status,
                    ..OkAnswer::default()
                };
                self.say(&ok.ok_payload(self.capabilities)).await
            }
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
        self.ask_console(console::Command::Query(text), gate).await
    }

    /// Runs a virtual statement and passes its reply on as it comes. The client's leaving ends it.
    async fn ask_console(&mut self, command: console::Command, gate: &Gate) -> io::Result<()> {
        let running = self.registration.run(command.text());
        let (backend, thread_id) = self.registration.key();
        let mut exchange = gate.console.open(console::Request {
            command: command.clone(),
            caller: self.caller.clone(),
            backend,
            thread_id,
            capabilities: self.capabilities,
            extended: self.extended,
            status: self.relay.tracker.status(),
            messages: Arc::clone(&self.messages),
            cancel: running.token().clone(),
        });
        let mut reply = Vec::new();
        let mut replied = false;
        loop {
            reply.clear();
            let more = tokio::select! {
                more = exchange.next(&mut reply) => more,
                () = self.relay.client_left() => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            match more {
                Ok(true) => self.relay.send_to_client(&reply).await?,
                Ok(false) => break,
                Err(error) if replied => return Err(error),
                Err(error) => {
                    drop(running);
                    tracing::error!(%error, "a virtual statement has broken off");
                    let text = format!("obwarden: the statement has broken off: {error}");
                    return self.say_error(SqlError::new(1105, text)).await;
                }
            }
            replied = true;
        }
        let Some(outcome) = exchange.outcome() else {
            return Ok(());
        };
        drop(running);
        if let (console::Command::Prepare { id, text }, Ok(())) = (command, &outcome.result) {
            self.relay.router.statements.keep(id, text);
        }
        if let Some(messages) = outcome.messages {
            self.leave_behind(messages);
        }
        Ok(())
    }
}

fn not_utf8() -> SqlError {
    SqlError::new(
        1300,
        "Invalid utf8mb4 character string: a statement of obwarden's must be UTF-8",
    )
}
