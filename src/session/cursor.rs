//! A cursor over a virtual statement: its console, which waits for the client to fetch.
//!
//! The console is read no further than the client fetches, so that its list waits in turn. Dropping the cursor
//! ends the list.

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::console::Exchange;

/// An open cursor.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) exchange: Exchange,
    /// The statement, for those who look at what a session runs.
    pub(super) text: String,
    _ends: DropGuard,
}

impl Cursor {
    /// A cursor over what `exchange` gives, which ends with `token`.
    pub(super) fn new(exchange: Exchange, text: String, token: CancellationToken) -> Self {
        Self {
            exchange,
            text,
            _ends: token.drop_guard(),
        }
    }
}
