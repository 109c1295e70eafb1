//! How many bytes of rows one list may keep in memory.
//!
//! A server's rows are kept until it has answered whole. When the budget is used up, servers in the middle
//! of an answer wait until rows of others have gone out to the client, and that wait counts against
//! none of them. One at a time may run ahead of the budget, so that there is always one which can end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What a share takes from the budget at once, in bytes, so that a row does not cost a lock each.
const TAKEN_AT_ONCE_BYTES: usize = 16 * 1024;

/// The budget of one list.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    ahead: Arc<Mutex<()>>,
    starved: Notify,
}

impl Budget {
    /// A budget of `bytes`.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            ahead: Arc::default(),
            starved: Notify::new(),
        })
    }

    /// Ends when a server waits for bytes: what is kept should go out. Cancel-safe.
    pub(super) async fn starved(&self) {
        self.starved.notified().await;
    }
}

/// What one server's rows hold of a budget. Dropping it gives all of it back.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// None: no limit.
    budget: Option<Arc<Budget>>,
    taken: Option<OwnedSemaphorePermit>,
    left: usize,
    ahead: Option<OwnedMutexGuard<()>>,
}

impl Share {
    /// A share of `budget`.
    pub(super) fn of(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Some(Arc::clone(budget)),
            ..Self::default()
        }
    }

    /// Without a limit: for answers that are short by their nature.
    pub(super) fn unlimited() -> Self {
        Self::default()
    }

    /// Takes `bytes` if that need not ask anybody.
    pub(super) fn take_now(&mut self, bytes: usize) -> bool {
        if self.budget.is_none() || self.ahead.is_some() {
            return true;
        }
        let enough = bytes <= self.left;
        if enough {
            self.left -= bytes;
        }
        enough
    }

    /// Takes `bytes`, and says how long that had to wait.
    pub(super) async fn take(&mut self, bytes: usize) -> Duration {
        if self.take_now(bytes) {
            return Duration::ZERO;
        }
        let Some(budget) = &self.budget else {
            return Duration::ZERO;
        };
        let more = (bytes - self.left).max(TAKEN_AT_ONCE_BYTES);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let semaphore = Arc::clone(&budget.bytes);
        let began = Instant::now();
        let taken = match Arc::clone(&semaphore).try_acquire_many_owned(more) {
            Ok(permit) => Ok(permit),
            Err(_) => {
                budget.starved.notify_one();
                tokio::select! {
                    biased;
                    Ok(permit) = semaphore.acquire_many_owned(more) => Ok(permit),
                    ahead = Arc::clone(&budget.ahead).lock_owned() => Err(ahead),
                }
            }
        };
        match taken {
            Ok(permit) => {
                self.left = (self.left + more as usize).saturating_sub(bytes);
                match &mut self.taken {
                    Some(taken) => taken.merge(permit),
                    None => self.taken = Some(permit),
                }
            }
            Err(ahead) => self.ahead = Some(ahead),
        }
        began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_runs_ahead_and_the_next_waits_until_bytes_are_given_back() {
        let budget = Budget::new(TAKEN_AT_ONCE_BYTES);
        let (mut first, mut second, mut third) =
            (Share::of(&budget), Share::of(&budget), Share::of(&budget));
        first.take(10).await;
        second.take(10).await;
        second.take(10 * TAKEN_AT_ONCE_BYTES).await;
        budget.starved().await;
        assert!(second.ahead.is_some());
        let mut third_takes = Box::pin(third.take(10));
        assert!(futures_util::poll!(&mut third_takes).is_pending());
        drop(first);
        third_takes.await;
        assert!(third.ahead.is_none());
    }

    #[tokio::test]
    async fn who_has_run_ahead_lets_the_next_one_do_so_when_its_rows_have_gone_out() {
        let budget = Budget::new(0);
        let (mut first, mut second) = (Share::of(&budget), Share::of(&budget));
        first.take(1).await;
        let mut second_takes = Box::pin(second.take(1));
        assert!(futures_util::poll!(&mut second_takes).is_pending());
        drop(first);
        second_takes.await;
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        assert_eq!(Share::unlimited().take(usize::MAX).await, Duration::ZERO);
    }
}
