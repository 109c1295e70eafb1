//! After a KILL: is what it was to end gone?

use std::time::Duration;

use tokio::time::Instant;

use super::running::Running;
use crate::cluster::Cluster;
use crate::cluster::failure::NodeFailure;
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
pub(super) const STILL_THERE: u16 = 1105;

/// What a KILL was sent for.
#[derive(Debug, Clone)]
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
    /// Looks for what was killed on a server until it is gone: all of it by one list of sessions at a time. Each
    /// warning, at the place of its prey, says that it was not gone, or that nobody knows.
    pub(super) async fn verify_gone(
        &self,
        server: &Server,
        prey: &[(SessionId, Prey)],
        mut checkout: Checkout,
    ) -> Vec<Option<Message>> {
        let patience = self.settings.kill_verify_timeout;
        let deadline = Deadline::after(patience);
        let mut pause = VERIFY_PAUSE_MIN;
        let mut left: Vec<usize> = (0..prey.len()).collect();
        let mut warnings = vec![None; prey.len()];
        let mut warn = |left: &[usize], text: &dyn Fn(&(SessionId, Prey)) -> String| {
            for at in left {
                warnings[*at] = Some(Message::incomplete(STILL_THERE, text(&prey[*at])));
            }
        };
        loop {
            let sessions = match self.see_again(server, checkout, deadline).await {
                Ok((again, sessions)) => {
                    checkout = again;
                    sessions
                }
                Err(failure) => {
                    warn(&left, &|(id, _)| is_not_known(*id, &failure));
                    return warnings;
                }
            };
            left.retain(|at| {
                let (id, prey) = &prey[*at];
                !prey.is_gone(*id, &sessions)
            });
            let gone = left.is_empty();
            if gone || deadline.limit(tokio::time::sleep(pause)).await.is_err() {
                checkout.give_back();
                warn(&left, &|(id, prey)| prey.is_still_there(*id, patience));
                return warnings;
            }
            pause = (pause * 2).min(VERIFY_PAUSE_MAX);
        }
    }
}

/// What is to be said when nobody can say whether it is gone.
pub(super) fn is_not_known(id: SessionId, failure: &NodeFailure) -> String {
    format!(
        "the server has accepted the KILL of {id}, but could not be asked whether it is gone: {failure}"
    )
}
