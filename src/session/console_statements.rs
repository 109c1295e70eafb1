//! The prepared statements that live in the session: those for the console.

use std::collections::BTreeMap;

/// Ids are handed out from here on. Bit 31 and 0xFFFFFFFF mean other things to OceanBase and MariaDB.
const FIRST_ID: u32 = 0x4000_0000;

/// In MariaDB's protocol: the statement that was prepared last.
const LAST_PREPARED: u32 = u32::MAX;

/// Statements that one session may keep prepared for the console.
pub(super) const STATEMENTS_MAX: usize = 1024;

/// One session's prepared statements for the console.
#[derive(Debug, Default)]
pub(super) struct ConsoleStatements {
    texts: BTreeMap<u32, String>,
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

impl ConsoleStatements {
    /// An id for a statement that is about to be prepared; none when there are too many.
    pub(super) fn next_id(&self) -> Option<u32> {
        (self.texts.len() < STATEMENTS_MAX).then(|| FIRST_ID + self.handed_out)
    }

    /// Keeps a statement under the id that [`Self::next_id`] has given.
    pub(super) fn keep(&mut self, id: u32, text: String) {
        self.handed_out = (self.handed_out + 1) % FIRST_ID;
        self.texts.insert(id, text);
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
            _ => self.texts.contains_key(&id).then_some(id),
        }
    }

    /// The statement's text.
    pub(super) fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(&id).map(String::as_str)
    }

    /// Forgets one.
    pub(super) fn close(&mut self, id: u32) {
        self.texts.remove(&id);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_means_the_statement_prepared_last_and_only_if_it_is_the_consoles() {
        let mut statements = ConsoleStatements::default();
        assert_eq!(statements.resolve(LAST_PREPARED), None);
        let id = statements.next_id().unwrap();
        statements.keep(id, "SHOW SERVER SESSIONS".into());
        assert_eq!(statements.resolve(LAST_PREPARED), Some(id));
        statements.prepared_on_backend();
        assert_eq!(statements.resolve(LAST_PREPARED), None);
        assert_eq!(statements.resolve(id), Some(id));
    }

    /// A client that sends PREPARE and EXECUTE of the last statement in one write means no older one.
    #[test]
    fn minus_one_is_not_the_backends_when_the_console_could_not_prepare_or_has_closed_the_last_one()
    {
        let mut statements = ConsoleStatements::default();
        statements.prepared_on_backend();
        statements.prepare_on_console();
        let meant = statements.resolve(LAST_PREPARED).unwrap();
        assert_eq!(statements.text(meant), None);
        let id = statements.next_id().unwrap();
        statements.keep(id, String::new());
        statements.close(id);
        assert_eq!(statements.resolve(LAST_PREPARED), Some(id));
        assert_eq!(statements.text(id), None);
    }

    #[test]
    fn a_closed_statement_is_the_backends_to_refuse() {
        let mut statements = ConsoleStatements::default();
        let id = statements.next_id().unwrap();
        statements.keep(id, String::new());
        statements.close(id);
        assert_eq!(statements.resolve(id), None);
        assert_ne!(statements.next_id(), Some(id));
    }

    #[test]
    fn a_session_cannot_keep_statements_without_end() {
        let mut statements = ConsoleStatements::default();
        while let Some(id) = statements.next_id() {
            statements.keep(id, String::new());
        }
        assert_eq!(statements.texts.len(), STATEMENTS_MAX);
    }
}
