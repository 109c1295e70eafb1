//! `obwarden --execute`: one virtual statement, without a daemon.
//!
//! ```text
//!   text ─► OneStatement (read, or refused) ─► the console's answer ─► Printer (table, tsv, json) ─► Output: stdout
//!                                                               └────► messages ─► stderr
//! ```
//!
//! Whoever runs it has the service account's password, and could do by hand all that this does: it is asked for
//! no other rights.

mod json;
mod output;
mod table;
mod tsv;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tokio_util::sync::CancellationToken;

use crate::audit::{Caller, Origin};
use crate::cluster::{Cluster, ListPart, ListParts, TopologyError};
use crate::console::{self, Answer, Request};
use crate::deadline::Deadline;
use crate::sql::names;
use crate::statement::diagnostics::{Level, Message};
use crate::statement::keywords::{Route, route};
use crate::statement::{Select, Statement, parse};
use crate::table::{Column, Rows};
use crate::wire::answer::{OkAnswer, SqlError};
pub use output::Output;

/// How long the cluster may take to tell its servers, before the statement begins.
const TOPOLOGY_TIMEOUT: Duration = Duration::from_secs(5);

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// As the mysql client shows them on a terminal.
    #[default]
    Table,
    /// As `mysql --batch` writes them.
    Tsv,
    /// One array of objects.
    Json,
}

/// How a statement has ended that has not failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With all that was asked for.
    Whole,
    /// Something is missing, or was not done, as warnings say.
    Incomplete,
}

/// A statement has failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// It is none of the proxy's, or cannot be read, or was not answered.
    #[error("ERROR {0}")]
    Statement(SqlError),
    /// Nobody tells which servers there are.
    #[error("{0}")]
    Topology(#[from] TopologyError),
    /// Its result cannot be written.
    #[error("the result cannot be written: {0}")]
    Output(io::Error),
    /// Nobody reads its result any more, as `head` does when it has enough.
    #[error("nobody reads the result")]
    NobodyReads,
}

impl From<io::Error> for ExecuteError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Output(error),
        }
    }
}

/// A virtual statement that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneStatement {
    text: String,
    kills: bool,
}

impl OneStatement {
    /// Reads a statement.
    ///
    /// # Errors
    /// When it is none of the proxy's own, or has not the right form.
    pub fn read(text: String) -> Result<Self, ExecuteError> {
        let read = match route(text.as_bytes(), true) {
            Ok(Route::Console) => match parse(&text) {
                Ok(statement) if asks_the_daemon(&statement) => Err(no_daemon()),
                read => read.map_err(|error| error.to_sql()),
            },
            Ok(Route::Mixed) => Err(console::not_alone()),
            _ => Err(not_ours()),
        };
        let kills = read.map_err(ExecuteError::Statement)?.kills();
        Ok(Self { text, kills })
    }

    /// Whether it ends something, so that it must be recorded.
    pub fn kills(&self) -> bool {
        self.kills
    }

    /// Runs it until its end, or until `cancel`. What it gives goes to `output`, and messages about it to `told`.
    ///
    /// # Errors
    /// When it has failed, or was cancelled; some of its rows may have been written then.
    pub async fn execute(
        self,
        cluster: &Arc<Cluster>,
        format: Format,
        cancel: &CancellationToken,
        mut output: Output,
        told: &mut impl Write,
    ) -> Result<Ended, ExecuteError> {
        let finding = cluster.find_topology(Deadline::after(TOPOLOGY_TIMEOUT));
        let topology = until(cancel, async { Ok(finding.await?) }).await?;
        let caller = Caller {
            connection: 0,
            user: cluster.settings().account().to_owned(),
            client: Origin::Local,
        };
        // It has no connection to any server: the one that has told the topology stands for it.
        let request = Request::local(self.text.clone(), caller, topology.told_by, cancel.clone());
        let mut printer = printer(format);
        let answered = console::answer(&self.text, &request, cluster).await;
        let messages = match answered.map_err(ExecuteError::Statement)? {
            Answer::Done {
                completion,
                messages,
            } => {
                let ok = OkAnswer {
                    affected_rows: completion.affected_rows,
                    info: completion.info,
                    warnings: u16::try_from(messages.len()).unwrap_or(u16::MAX),
                    ..OkAnswer::default()
                };
                let printed = printer.done(&ok);
                until(cancel, async { Ok(output.write(printed).await?) }).await?;
                messages
            }
            Answer::List(parts) => {
                let printing = print_list(parts, printer.as_mut(), &mut output);
                until(cancel, printing).await?
            }
            Answer::Diagnostics { columns, rows } => {
                let mut printed = printer.columns(columns);
                printed.extend(printer.rows(rows));
                printed.extend(printer.end(0));
                until(cancel, async { Ok(output.write(printed).await?) }).await?;
                Vec::new()
            }
        };
        until(cancel, async { Ok(output.end().await?) }).await?;
        tell(&messages, told);
        let incomplete = |message: &Message| message.level == Level::Incomplete;
        Ok(if messages.iter().any(incomplete) {
            Ended::Incomplete
        } else {
            Ended::Whole
        })
    }
}

/// Whether a statement is about what only a daemon has: here there would be nothing, which is true and misleads.
fn asks_the_daemon(statement: &Statement) -> bool {
    match statement {
        Statement::ShowWarden(_) => true,
        Statement::Select(Select { query }) => {
            let named = names(query).tables;
            named.iter().any(|table| Cluster::is_table_of_proxy(table))
        }
        _ => false,
    }
}

fn no_daemon() -> SqlError {
    let text = "clients, status and the log of kills are a running obwarden's: ask it, there are none with --execute";
    SqlError::new(1235, text)
}

fn not_ours() -> SqlError {
    let text = "this is no statement of obwarden's own, and --execute runs no other; they begin with \
        SHOW SERVER SESSIONS, SHOW SERVERS, KILL SERVER, and so on";
    SqlError::new(1235, text)
}

/// Does something until it is done or the statement is to end.
async fn until<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, ExecuteError>>,
) -> Result<T, ExecuteError> {
    tokio::select! {
        done = work => done,
        () = cancel.cancelled() => Err(ExecuteError::Statement(console::interrupted())),
    }
}

/// Writes a list, part by part.
async fn print_list(
    mut parts: ListParts,
    printer: &mut dyn Printer,
    output: &mut Output,
) -> Result<Vec<Message>, ExecuteError> {
    loop {
        let Some(part) = parts.recv().await else {
            return Err(ExecuteError::Statement(console::broken_off()));
        };
        match part.map_err(|error| ExecuteError::Statement(error.to_sql()))? {
            ListPart::Columns(columns) => output.write(printer.columns(columns)).await?,
            ListPart::Rows(rows) => output.write(printer.rows(rows)).await?,
            ListPart::End(messages) => {
                output.write(printer.end(messages.len())).await?;
                return Ok(messages);
            }
        }
    }
}

/// Writes messages, one a line. Where nobody reads them, that is no error.
fn tell(messages: &[Message], told: &mut impl Write) {
    for Message { level, code, text } in messages {
        let _ = writeln!(told, "{level} ({code}): {}", on_one_line(text));
    }
}

/// Makes the bytes of a result, part by part. No I/O.
trait Printer: Send {
    /// The columns come first.
    fn columns(&mut self, columns: Vec<Column>) -> Vec<u8>;

    /// Some rows.
    fn rows(&mut self, rows: Rows) -> Vec<u8>;

    /// The end of the rows, with the number of messages about them.
    fn end(&mut self, messages: usize) -> Vec<u8>;

    /// A statement without rows has ended.
    fn done(&mut self, ok: &OkAnswer) -> Vec<u8>;
}

fn printer(format: Format) -> Box<dyn Printer> {
    match format {
        Format::Table => Box::<table::Table>::default(),
        Format::Tsv => Box::<tsv::Tsv>::default(),
        Format::Json => Box::<json::Json>::default(),
    }
}

/// What a terminal can show: clients choose what stands in a statement, and control characters in it would move
/// the cursor of whoever reads it. Lines are kept.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The same, with lines as blanks.
fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (u16, String) {
        match OneStatement::read(text.to_owned()) {
            Err(ExecuteError::Statement(error)) => (error.code, error.text),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_statement_of_a_servers_own_is_refused() {
        for text in [
            "",
            ";",
            "SELECT 1",
            "SHOW PROCESSLIST",
            "SHOW SERVER STATUS",
            "KILL 7",
            "SHOW WARNINGS",
            "SELECT @@warning_count",
            "/*! SHOW SERVERS */",
        ] {
            let (code, why) = refused(text);
            assert_eq!(code, 1235, "{text}");
            assert!(why.contains("no statement of obwarden's"), "{text}: {why}");
        }
        for text in [
            "SHOW WARDEN CLIENTS",
            "show warden status like 'x'",
            "SELECT c.user FROM obwarden.servers s, `obwarden`.CLIENTS c",
            "WITH k AS (SELECT * FROM obwarden.kill_log) SELECT * FROM k",
        ] {
            let (code, why) = refused(text);
            assert_eq!(code, 1235, "{text}");
            assert!(why.contains("a running obwarden's"), "{text}: {why}");
        }
        let (code, why) = refused("SHOW SERVERS; SELECT 1");
        assert_eq!(code, 1235);
        assert!(why.contains("must stand alone"), "{why}");
        let (code, why) = refused("SHOW SERVER SESSION");
        assert_eq!(code, 1064);
        assert!(why.contains("SERVER SESSIONS"), "{why}");
    }

    #[test]
    fn only_a_kill_needs_a_record() {
        let kills = |text: &str| OneStatement::read(text.to_owned()).unwrap().kills();
        assert!(!kills("SHOW SERVER SESSIONS;"));
        assert!(!kills("SHOW SERVERS"));
        assert!(!kills("EXPLAIN KILL SERVER SESSION 10.0.0.1 5"));
        assert!(kills("KILL SERVER SESSION 10.0.0.1 5"));
        assert!(kills("KILL SERVER SESSIONS WHERE User = 'app'"));
    }

    #[test]
    fn what_clients_write_cannot_move_the_cursor() {
        assert_eq!(
            visible("a\tb\x1b[2J\nc\r\u{9b}é"),
            "a\\tb\\u{1b}[2J\nc\\r\\u{9b}é"
        );
        let mut told = Vec::new();
        let messages = [
            Message::incomplete(4012, "10.0.0.1: no\nanswer\x07"),
            Message::note(1227, "hidden"),
        ];
        tell(&messages, &mut told);
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "Warning (4012): 10.0.0.1: no answer\\u{7}\nNote (1227): hidden\n"
        );
    }
}
