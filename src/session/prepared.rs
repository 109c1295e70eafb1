//! The commands of prepared statements that live in the session.

use std::io;

use super::console_statements::{Execution, STATEMENTS_MAX};
use super::cursor::Cursor;
use super::requests::pass_on;
use super::{Gate, Session};
use crate::console::{self, Outcome};
use crate::wire::answer::{OkAnswer, STATUS_LASTING, SqlError};

impl Session {
    pub(super) async fn prepare(&mut self, text: String, gate: &Gate) -> io::Result<()> {
        let Some(id) = self.relay.router.statements.next_id() else {
            let text =
                format!("Can't prepare more than {STATEMENTS_MAX} virtual statements in a session");
            return self.say_error(SqlError::new(1461, text)).await;
        };
        let command = console::Command::Prepare {
            id,
            text: text.clone(),
        };
        if let Some(done) = self.ask_console(command, gate).await? {
            let statements = &mut self.relay.router.statements;
            statements.keep(id, text, done.parameters);
        }
        Ok(())
    }

    /// Executes a statement: with a cursor its rows wait, where it has rows.
    pub(super) async fn execute(&mut self, id: u32, payload: &[u8], gate: &Gate) -> io::Result<()> {
        let execution = match self.relay.router.statements.execute(id, payload) {
            Ok(execution) => execution,
            Err(error) => return self.say_error(error).await,
        };
        let Execution {
            text,
            parameters,
            wants_cursor,
        } = execution;
        let command = console::Command::Execute {
            id,
            text: text.clone(),
            parameters,
            cursor: wants_cursor,
        };
        if !wants_cursor {
            return self.ask_console(command, gate).await.map(drop);
        }
        let token = self.registration.open_cursor();
        let request = self.console_request(command, token.clone());
        let cursor = Cursor::new(gate.console.open(request), text, token);
        self.pass_on_from(id, Box::new(cursor)).await
    }

    pub(super) async fn fetch(&mut self, id: u32, rows: u32) -> io::Result<()> {
        match self.relay.router.statements.take_cursor(id) {
            Ok(mut cursor) => {
                cursor.exchange.fetch(rows);
                self.pass_on_from(id, cursor).await
            }
            Err(error) => self.say_error(error).await,
        }
    }

    /// Passes on what a cursor's console has for the client now, and keeps the cursor if there may be more.
    async fn pass_on_from(&mut self, id: u32, mut cursor: Box<Cursor>) -> io::Result<()> {
        let running = self.registration.run(&cursor.text);
        let passed = pass_on(&mut self.relay, &mut cursor.exchange).await?;
        drop(running);
        if passed.is_err() || !cursor.exchange.is_open() {
            return self.conclude(passed, &cursor.exchange).await.map(drop);
        }
        match cursor.exchange.outcome() {
            // A question about the statement before leaves that one's messages.
            Some(Outcome { messages: None, .. }) => {}
            _ => self.leave_behind(Vec::new()),
        }
        self.relay.router.statements.keep_cursor(id, cursor);
        Ok(())
    }

    pub(super) async fn reset_statement(&mut self, id: u32) -> io::Result<()> {
        if let Err(error) = self.relay.router.statements.reset(id) {
            return self.say_error(error).await;
        }
        let ok = OkAnswer {
            status: self.relay.tracker.status() & STATUS_LASTING,
            ..OkAnswer::default()
        };
        self.say(&ok.ok_payload()).await
    }
}
