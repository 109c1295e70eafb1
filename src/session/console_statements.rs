//! The prepared statements that live in the session: those for the console, with all that clients send for
//! them and what they have opened.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use crate::wire::answer::SqlError;
use crate::wire::execute::Execute;
use crate::wire::parameter::{Parameter, ParameterType};

/// Ids are handed out from here on. Bit 31 and 0xFFFFFFFF mean other things to OceanBase and MariaDB.
const FIRST_ID: u32 = 0x4000_0000;

/// In MariaDB's protocol: the statement that was prepared last.
const LAST_PREPARED: u32 = u32::MAX;

/// Statements that one session may keep prepared for the console.
pub(super) const STATEMENTS_MAX: usize = 1024;

/// Cursors that one session may have open over them. Each holds a list.
pub(super) const CURSORS_MAX: usize = 16;

/// What one session may send by COM_STMT_SEND_LONG_DATA for all of them before they are executed, in bytes.
pub(super) const LONG_DATA_BYTES_MAX: usize = 1024 * 1024;

/// What a piece of data takes of that besides its own bytes.
const LONG_DATA_ENTRY_BYTES: usize = 64;

/// One session's prepared statements for the console.
#[derive(Debug, Default)]
pub(super) struct ConsoleStatements {
    statements: BTreeMap<u32, Statement>,
    handed_out: u32,
    last_prepared: LastPrepared,
}

/// What [`LAST_PREPARED`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LastPrepared {
    /// Whatever it means to the backend.
    #[default]
    Backends,
    Console(u32),
    /// No statement: the console has not prepared it, or not yet. The backend would run an older one.
    Nothing,
}

#[derive(Debug)]
struct Statement {
    text: String,
    /// How many parameters it takes.
    parameters: u16,
    /// How they were sent the last time.
    types: Vec<ParameterType>,
    long_data: LongData,
    cursor: Option<Box<Cursor>>,
}

/// What COM_STMT_SEND_LONG_DATA has brought.
#[derive(Debug)]
enum LongData {
    Kept {
        /// By the parameters' positions.
        data: BTreeMap<u16, Vec<u8>>,
        /// What it takes.
        bytes: usize,
    },
    /// An error until the statement is reset: a client is answered nothing before it executes.
    Refused(SqlError),
}

/// A statement that is to be executed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Execution {
    pub(super) text: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) wants_cursor: bool,
}

impl ConsoleStatements {
    /// An id for a statement that is about to be prepared; none when there are too many.
    pub(super) fn next_id(&self) -> Option<u32> {
        (self.statements.len() < STATEMENTS_MAX).then(|| FIRST_ID + self.handed_out)
    }

    /// Keeps a statement with so many parameters under the id that [`Self::next_id`] has given.
    pub(super) fn keep(&mut self, id: u32, text: String, parameters: u16) {
        self.handed_out = (self.handed_out + 1) % FIRST_ID;
        let statement = Statement {
            text,
            parameters,
            types: Vec::new(),
            long_data: LongData::default(),
            cursor: None,
        };
        self.statements.insert(id, statement);
        self.last_prepared = LastPrepared::Console(id);
    }

    /// Notes that a prepare went to the backend.
    pub(super) fn prepared_on_backend(&mut self) {
        self.last_prepared = LastPrepared::Backends;
    }

    /// Notes that a prepare goes to the console.
    pub(super) fn prepare_on_console(&mut self) {
        self.last_prepared = LastPrepared::Nothing;
    }

    /// The id of one of these statements that a client means by `id`, if it means one of these; or an id
    /// without a statement, if it means the last one prepared and that is none any more.
    pub(super) fn resolve(&self, id: u32) -> Option<u32> {
        match self.last_prepared {
            LastPrepared::Console(last) if id == LAST_PREPARED => Some(last),
            LastPrepared::Nothing if id == LAST_PREPARED => Some(id),
            _ => self.statements.contains_key(&id).then_some(id),
        }
    }

    /// Adds to a parameter's value. What there is no room for is an error when the statement is executed.
    pub(super) fn add_long_data(&mut self, id: u32, parameter: u16, data: &[u8]) {
        let all = self.statements.values();
        let held: usize = all.map(|statement| statement.long_data.bytes()).sum();
        let Some(statement) = self.statements.get_mut(&id) else {
            return;
        };
        let LongData::Kept { data: kept, bytes } = &mut statement.long_data else {
            return;
        };
        if parameter >= statement.parameters {
            statement.long_data = LongData::Refused(SqlError::new(
                1210,
                "Incorrect arguments to COM_STMT_SEND_LONG_DATA: there is no such parameter",
            ));
        } else if held + data.len() + LONG_DATA_ENTRY_BYTES > LONG_DATA_BYTES_MAX {
            statement.long_data = LongData::Refused(SqlError::new(
                1105,
                format!(
                    "Parameters of obwarden's statements which are set through mysql_send_long_data() are longer \
                     than {LONG_DATA_BYTES_MAX} bytes"
                ),
            ));
        } else {
            *bytes += data.len() + LONG_DATA_ENTRY_BYTES;
            kept.entry(parameter).or_default().extend_from_slice(data);
        }
    }

    /// Reads a COM_STMT_EXECUTE of one of these. What has been sent for it before is used up, and its cursor
    /// is closed.
    ///
    /// # Errors
    /// As the client is to read them.
    pub(super) fn execute(&mut self, id: u32, payload: &[u8]) -> Result<Execution, SqlError> {
        let statement = self.statements.get_mut(&id).ok_or_else(|| unknown(id))?;
        statement.cursor = None;
        let long_data = match &statement.long_data {
            LongData::Kept { .. } => std::mem::take(&mut statement.long_data).kept(),
            LongData::Refused(error) => return Err(error.clone()),
        };
        let execute = Execute::read(
            payload,
            statement.parameters,
            &mut statement.types,
            &long_data,
        );
        let execute = execute.map_err(|error| error.to_sql())?;
        let execution = Execution {
            text: statement.text.clone(),
            parameters: execute.parameters,
            wants_cursor: execute.wants_cursor,
        };
        if execution.wants_cursor && self.cursors() >= CURSORS_MAX {
            let text =
                format!("Can't open more than {CURSORS_MAX} cursors over virtual statements");
            return Err(SqlError::new(1461, text));
        }
        Ok(execution)
    }

    /// Keeps the cursor that an execution has opened, or that is still open after a fetch.
    pub(super) fn keep_cursor(&mut self, id: u32, cursor: Box<Cursor>) {
        if let Some(statement) = self.statements.get_mut(&id) {
            statement.cursor = Some(cursor);
        }
    }

    /// The statement's cursor, to fetch from it.
    ///
    /// # Errors
    /// When it has none open.
    pub(super) fn take_cursor(&mut self, id: u32) -> Result<Box<Cursor>, SqlError> {
        let statement = self.statements.get_mut(&id);
        let cursor = statement.and_then(|statement| statement.cursor.take());
        cursor.ok_or_else(|| {
            let text = format!("The statement ({id}) has no open cursor.");
            SqlError::new(1421, text)
        })
    }

    /// How many cursors are open.
    fn cursors(&self) -> usize {
        let statements = self.statements.values();
        statements
            .filter(|statement| statement.cursor.is_some())
            .count()
    }

    /// Forgets what has been sent for a statement, and closes its cursor.
    ///
    /// # Errors
    /// When there is no such statement.
    pub(super) fn reset(&mut self, id: u32) -> Result<(), SqlError> {
        let statement = self.statements.get_mut(&id).ok_or_else(|| unknown(id))?;
        statement.long_data = LongData::default();
        statement.cursor = None;
        Ok(())
    }

    /// Forgets one.
    pub(super) fn close(&mut self, id: u32) {
        self.statements.remove(&id);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl LongData {
    fn kept(self) -> BTreeMap<u16, Vec<u8>> {
        match self {
            Self::Kept { data, .. } => data,
            Self::Refused(_) => BTreeMap::new(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Kept { bytes, .. } => *bytes,
            Self::Refused(_) => 0,
        }
    }
}

impl Default for LongData {
    fn default() -> Self {
        Self::Kept {
            data: BTreeMap::new(),
            bytes: 0,
        }
    }
}

fn unknown(id: u32) -> SqlError {
    SqlError::new(1243, format!("Unknown prepared statement {id}"))
}

#[cfg(test)]
mod tests;
