//! What a session runs, told apart from what it runs next. No I/O: rows and times in.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::sessions::Session;

/// How far two looks at one statement may put its begin apart: servers report whole seconds, and answers take
/// their time on the way.
const BEGIN_SLACK: Duration = Duration::from_secs(2);

/// A statement that a session was seen to run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    /// Of each statement another, where the server reports one.
    trace_id: Option<Vec<u8>>,
    text: Option<Vec<u8>>,
    elapsed: Option<Duration>,
    seen_at: Instant,
}

impl Running {
    /// What `session` was running when it was seen at `seen_at`; none if it was idle.
    pub(super) fn of(session: Session<'_>, seen_at: Instant) -> Option<Self> {
        if session.is_asleep() {
            return None;
        }
        // The one that does not begin anew when the server tries a statement again.
        let elapsed = session.named("total_time").or(session.named("time"));
        let trace_id = session.named("trace_id");
        Some(Self::new(trace_id, session.info(), elapsed, seen_at))
    }

    /// A statement with this trace and text that was seen at `seen_at`, when it had run for so many seconds.
    pub(super) fn new(
        trace_id: Option<&[u8]>,
        text: Option<&[u8]>,
        elapsed: Option<&[u8]>,
        seen_at: Instant,
    ) -> Self {
        let owned = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
        Self {
            trace_id: owned(trace_id).filter(|id| !id.is_empty()),
            text: owned(text),
            elapsed: elapsed.and_then(seconds),
            seen_at,
        }
    }

    /// Whether a later look shows the same statement.
    pub(super) fn is(&self, later: &Self) -> bool {
        if let (Some(one), Some(other)) = (&self.trace_id, &later.trace_id) {
            return one == other;
        }
        let as_old = match (self.elapsed, later.elapsed) {
            (Some(before), Some(now)) => {
                let between = later.seen_at.saturating_duration_since(self.seen_at);
                now >= before && now + BEGIN_SLACK >= before + between
            }
            _ => true,
        };
        // Not its Command: MariaDB shows another one as soon as a statement is to end.
        as_old && self.text == later.text
    }
}

/// `0.0078` or `7`.
fn seconds(text: &[u8]) -> Option<Duration> {
    let seconds: f64 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::budget::Share;
    use crate::cluster::rows::Answer;
    use crate::cluster::sessions::NodeSessions;

    const COLUMNS: [&str; 5] = ["ID", "COMMAND", "INFO", "TOTAL_TIME", "TRACE_ID"];

    fn seen(seen_at: Instant, values: [Option<&str>; 4]) -> Option<Running> {
        let [command, info, time, trace] = values;
        let answer = Answer::of(&COLUMNS, &[&[Some("7"), command, info, time, trace]]);
        let node = NodeSessions::new(answer, "10.0.0.1:2881".parse().unwrap(), Share::unlimited());
        Running::of(node.find(7).unwrap(), seen_at)
    }

    /// A statement's look, and one at another `later` on.
    fn same(first: [Option<&str>; 4], later: Duration, second: [Option<&str>; 4]) -> bool {
        let now = Instant::now();
        let (first, second) = (
            seen(now, first).unwrap(),
            seen(now + later, second).unwrap(),
        );
        first.is(&second)
    }

    const SOON: Duration = Duration::from_millis(10);

    #[test]
    fn an_idle_session_runs_nothing_whatever_it_shows_beside() {
        let idle = [Some("Sleep"), None, Some("5"), Some("")];
        assert_eq!(seen(Instant::now(), idle), None);
        let starting = [Some("Query"), None, Some("0"), None];
        assert!(seen(Instant::now(), starting).is_some());
    }

    #[test]
    fn a_trace_tells_two_statements_of_one_text_apart_and_outlives_a_retry() {
        let with = |elapsed, trace| [Some("Query"), Some("SELECT 1"), Some(elapsed), Some(trace)];
        assert!(!same(with("0.1", "Y1"), SOON, with("0.2", "Y2")));
        assert!(same(with("7.5", "Y1"), SOON, with("0.1", "Y1")));
    }

    #[test]
    fn without_a_trace_it_is_the_text_and_when_it_began() {
        let with = |text, elapsed| [Some("Query"), Some(text), Some(elapsed), None];
        let minute = Duration::from_secs(60);
        for (first, later, second, is_same) in [
            (with("SELECT 1", "7"), SOON, with("SELECT 1", "7"), true),
            (with("SELECT 1", "7"), SOON, with("SELECT 1", "8"), true),
            (with("SELECT 1", "7"), minute, with("SELECT 1", "66"), true),
            (with("SELECT 1", "7"), SOON, with("SELECT 2", "7"), false),
            (with("SELECT 1", "7"), SOON, with("SELECT 1", "0"), false),
            (with("SELECT 1", "0"), minute, with("SELECT 1", "30"), false),
        ] {
            assert_eq!(same(first, later, second), is_same, "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_statement_that_is_ending_is_still_the_same() {
        let with = |command| [Some(command), Some("SELECT 1"), Some("7"), None];
        assert!(same(with("Query"), SOON, with("Killed")));
    }

    #[test]
    fn a_time_that_cannot_be_read_does_not_hide_another_text() {
        let with = |text| [Some("Query"), Some(text), Some("soon"), Some("")];
        assert!(same(with("SELECT 1"), SOON, with("SELECT 1")));
        assert!(!same(with("SELECT 1"), SOON, with("SELECT 2")));
    }
}
