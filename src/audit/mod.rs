//! A record of every kill, tried or done: who, from where, whom, and what became of it.
//!
//! ```text
//!   begin ─► at, saw ─► intend ─► (KILL) ─► end
//!                          │                 │
//!                          └──► log, file ◄──┤    two lines, one id
//!                                            └──► kill log     the last ones, in memory
//! ```
//!
//! The intent is on the disk before the KILL is sent: whatever happens then, who has sent it is known. A file
//! that cannot be written holds up no kill, unless it is required; a file that hangs holds it up for
//! [`FILE_TIMEOUT`]. Passwords in statements are masked.

mod caller;
mod file;
mod kill_log;
mod record;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::statement::Kill;
use crate::statement::diagnostics::Message;
pub use caller::{Caller, Origin};
use file::AuditFile;
pub use kill_log::{KILL_LOG_MAX, KillCounts, KillLog};
pub use record::Victim;
use record::{Event, Order, Outcome};

/// How long the file may take for one record.
const FILE_TIMEOUT: Duration = Duration::from_secs(1);

/// "Error writing file": the code of the warning, or of the error, that there is no record.
pub(crate) const ER_ERROR_ON_WRITE: u16 = 1026;

/// Where records go, beside the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// A file of JSON lines.
    pub file: Option<PathBuf>,
    /// Whether nothing is killed that has no record there.
    pub required: bool,
}

/// Takes records of kills.
#[derive(Debug)]
pub struct Audit {
    file: Option<AuditFile>,
    required: bool,
    /// What this run's ids begin with, so that they are no other run's.
    run: String,
    begun: AtomicU64,
    kill_log: KillLog,
}

/// A record is not in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit file {} cannot be written: {why}", file.display())]
pub struct NotRecorded {
    /// The file.
    file: PathBuf,
    /// What is wrong with it.
    why: String,
}

impl Audit {
    /// Begins to take records.
    ///
    /// # Errors
    /// When the file is required and cannot be written.
    pub async fn start(settings: &AuditSettings) -> Result<Self, NotRecorded> {
        let file = settings.file.clone().map(AuditFile::start);
        if let Some(file) = &file
            && let Err(why) = file.append(Vec::new()).await
        {
            if settings.required {
                return Err(why);
            }
            tracing::warn!(error = %why, "kills will have no record there until it can be");
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(Self {
            file,
            required: settings.required,
            run: format!("{:x}", since_epoch.unwrap_or_default().as_micros()),
            begun: AtomicU64::new(0),
            kill_log: KillLog::default(),
        })
    }

    /// A kill begins: by whom, and by which statement.
    pub fn begin<'a>(&'a self, caller: &'a Caller, kill: &'a Kill, statement: &str) -> Attempt<'a> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("{}-{number}", self.run);
        Attempt {
            audit: self,
            order: Order::new(id, caller, kill, statement),
            missing: None,
        }
    }

    /// A statement that was to kill many kills nobody, for this reason. There is no victim that a record would be
    /// of, so that only the log tells of it.
    pub fn note_refused(&self, caller: &Caller, statement: &str, code: u16, why: &str) {
        record::log_refused(caller, statement, code, why);
    }

    /// The last kills.
    pub fn kill_log(&self) -> &KillLog {
        &self.kill_log
    }

    async fn record(&self, event: &Event<'_>) -> Result<(), NotRecorded> {
        event.log();
        let Some(file) = &self.file else {
            return Ok(());
        };
        let recorded = match event.line() {
            Ok(line) => file.append(line).await,
            Err(error) => Err(file.not_recorded(&io::Error::from(error))),
        };
        recorded.inspect_err(|error| tracing::warn!(%error, "a kill has no record there"))
    }
}

/// A kill that is being tried.
#[derive(Debug)]
pub struct Attempt<'a> {
    audit: &'a Audit,
    order: Order<'a>,
    /// Why a part of it is not in the file.
    missing: Option<NotRecorded>,
}

impl Attempt<'_> {
    /// It is known which server is meant.
    pub fn at(&mut self, server: SocketAddr) {
        self.order.is_at(server);
    }

    /// The session was seen.
    pub fn saw(&mut self, victim: Victim) {
        self.order.victim = Some(victim);
    }

    /// A KILL is about to be sent. It must not be before this has returned.
    ///
    /// # Errors
    /// When the record is required and cannot be written: nothing may be killed.
    pub async fn intend(&mut self) -> Result<(), NotRecorded> {
        let recorded = self.audit.record(&Event::intent(&self.order)).await;
        let Err(why) = recorded else {
            return Ok(());
        };
        if self.audit.required {
            return Err(why);
        }
        self.missing = Some(why);
        Ok(())
    }

    /// It is over, with this code (0: OK) and this to be said. The message says if there is no record.
    pub async fn end(mut self, code: u16, text: &str) -> Option<Message> {
        let outcome = Outcome::new(code, text);
        self.audit.kill_log.note(&self.order, &outcome);
        let recorded = self
            .audit
            .record(&Event::outcome(&self.order, &outcome))
            .await;
        let why = self.missing.take().or(recorded.err())?;
        Some(Message::warning(ER_ERROR_ON_WRITE, why.to_string()))
    }
}
