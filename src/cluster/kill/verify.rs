//! After a KILL: is what it was to end gone?

use std::time::Duration;

use tokio::time::Instant;

use super::running::Running;
use crate::cluster::Cluster;
use crate::cluster::node::Checkout;
use crate::cluster::servers::Server;
use crate::cluster::sessions::NodeSessions;
use crate::deadline::Deadline;
use crate::statement::SessionId;
use crate::statement::diagnostics::Message;

/// The first pause between two looks for what was killed; each is twice as long as the one before.
const VERIFY_PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest such pause.
const VERIFY_PAUSE_MAX: Duration = Duration::from_millis(250);

/// Code of the warning that what was killed is still there.
const STILL_THERE: u16 = 1105;

/// What a KILL was sent for.
#[derive(Debug)]
pub(super) enum Prey {
    /// The session.
    Session,
    /// This statement, and not the next one.
    Statement(Running),
}

impl Prey {
    /// Whether these sessions, which a server has just told, have it no more.
    fn is_gone(&self, id: SessionId, sessions: &NodeSessions) -> bool {
        let Some(session) = sessions.find(id.get()) else {
            return true;
        };
        match self {
            Self::Session => false,
            Self::Statement(statement) => {
                let running = Running::of(session, Instant::now());
                running.is_none_or(|running| !statement.is(&running))
            }
        }
    }

    /// What is to be said when it is still there.
    fn is_still_there(&self, id: SessionId, after: Duration) -> String {
        let seconds = after.as_secs_f64();
        match self {
            Self::Session => {
                format!("{id} is still there {seconds:.1} s after its KILL: still rolling back")
            }
            Self::Statement(_) => {
                format!("the statement of {id} still runs {seconds:.1} s after its KILL QUERY")
            }
        }
    }
}

impl Cluster {
    /// Looks for what was killed until it is gone. The warning says that it was not, or that nobody knows.
    pub(super) async fn verify_gone(
        &self,
        server: &Server,
        id: SessionId,
        prey: &Prey,
        mut checkout: Checkout,
    ) -> Option<Message> {
        let patience = self.settings.kill_verify_timeout;
        let deadline = Deadline::after(patience);
        let mut pause = VERIFY_PAUSE_MIN;
        loop {
            let sessions = match self.see_again(server, checkout, deadline).await {
                Ok((again, sessions)) => {
                    checkout = again;
                    sessions
                }
                Err(failure) => {
                    let text = format!(
                        "the server has accepted the KILL of {id}, but could not be asked whether it is gone: {failure}"
                    );
                    return Some(Message::incomplete(STILL_THERE, text));
                }
            };
            if prey.is_gone(id, &sessions) {
                checkout.give_back();
                return None;
            }
            if deadline.limit(tokio::time::sleep(pause)).await.is_err() {
                checkout.give_back();
                let text = prey.is_still_there(id, patience);
                return Some(Message::incomplete(STILL_THERE, text));
            }
            pause = (pause * 2).min(VERIFY_PAUSE_MAX);
        }
    }
}
