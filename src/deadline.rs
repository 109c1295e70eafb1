//! A moment by which something must have ended.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// A moment by which something must have ended, and the moment at which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    began: Instant,
    ends: Instant,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed;

impl Deadline {
    /// `timeout` from now on.
    pub fn after(timeout: Duration) -> Self {
        let began = Instant::now();
        Self {
            began,
            ends: began + timeout,
        }
    }

    /// Since it began.
    pub fn elapsed(self) -> Duration {
        self.began.elapsed()
    }

    /// Until it is over; zero when it is.
    pub fn left(self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Whether it is over.
    pub fn has_passed(self) -> bool {
        Instant::now() >= self.ends
    }

    /// The same or an earlier deadline: at most `timeout` from now on.
    pub fn at_most(self, timeout: Duration) -> Self {
        Self {
            began: self.began,
            ends: self.ends.min(Instant::now() + timeout),
        }
    }

    /// The same deadline, `by` later: for time that does not count.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self {
            ends: self.ends + by,
            ..self
        }
    }

    /// Runs `work` until it ends or the deadline passes, whichever is first.
    ///
    /// # Errors
    /// [`Passed`] when `work` had not ended; it is dropped then.
    pub async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, Passed> {
        timeout_at(self.ends, work).await.map_err(|_| Passed)
    }
}
