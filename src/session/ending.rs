//! Tells all sessions that they must end.
//!
//! A session asks each time it is woken, which is at every command and every reply: so that it looks at a
//! flag, and waits in line for a notice only once. A `CancellationToken` would take two locks instead that
//! all relay threads share.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::Notify;

/// Whether the proxy has begun to end.
#[derive(Debug, Default)]
pub(super) struct Ending {
    has_begun: AtomicBool,
    notice: Notify,
}

impl Ending {
    /// Ends all sessions, those to come included.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
        self.notice.notify_waiters();
    }

    /// Waits until it has begun. To be polled by one task only. Cancel-safe.
    pub(super) async fn begun(&self) {
        let mut notice = pin!(self.notice.notified());
        let mut is_in_line = false;
        poll_fn(|cx| {
            if !is_in_line {
                // A task's waker is good for all its life: being in line once is enough.
                is_in_line = true;
                if notice.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            if self.has_begun.load(Ordering::SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_in_line_and_those_to_come_are_told() {
        let ending = Arc::new(Ending::default());
        let waiting = tokio::spawn({
            let ending = Arc::clone(&ending);
            async move {
                // Woken for something else in between, as by a reply.
                let mut ticks = tokio::time::interval(Duration::from_millis(1));
                let mut begun = pin!(ending.begun());
                loop {
                    tokio::select! {
                        () = &mut begun => break,
                        _ = ticks.tick() => {}
                    }
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!waiting.is_finished());
        ending.begin();
        waiting.await.unwrap();
        ending.begun().await;
    }
}
