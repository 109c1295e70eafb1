//! A question that any server can answer: asked of one, and of the next when the first is slow.
//!
//! A hung server must not cost more than [`STAGGER`], and a healthy cluster must not be asked N times.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{future, pin_mut};

use super::failure::NodeFailure;
use super::node::Node;
use super::rows::Answer;
use crate::deadline::Deadline;

/// How long one server may think before the next is asked, too.
const STAGGER: Duration = Duration::from_millis(150);

/// Asks `nodes` in their order and gives the first answer, with the server that gave it.
///
/// # Errors
/// The failure of each server, when none answered.
pub(super) async fn ask_any(
    nodes: impl IntoIterator<Item = (SocketAddr, Arc<Node>)>,
    sql: &str,
    deadline: Deadline,
) -> Result<(SocketAddr, Answer), Vec<(SocketAddr, NodeFailure)>> {
    first_success(nodes, |(addr, node)| async move {
        match node.ask(sql, deadline).await {
            Ok(rows) => Ok((addr, rows)),
            Err(failure) => Err((addr, failure)),
        }
    })
    .await
}

/// Runs `attempt` for each of `candidates`, the next one when those before have failed or are slow, until
/// one succeeds. The others are dropped then.
///
/// # Errors
/// All errors, in the order in which they came.
pub(super) async fn first_success<C, T, E, F: Future<Output = Result<T, E>>>(
    candidates: impl IntoIterator<Item = C>,
    attempt: impl Fn(C) -> F,
) -> Result<T, Vec<E>> {
    let mut candidates = candidates.into_iter();
    let mut running = FuturesUnordered::new();
    let mut errors = Vec::new();
    loop {
        let next = candidates.next();
        let exhausted = next.is_none();
        running.extend(next.map(&attempt));
        let patience = async {
            if exhausted {
                future::pending::<()>().await;
            }
            tokio::time::sleep(STAGGER).await;
        };
        pin_mut!(patience);
        match future::select(running.next(), patience).await {
            Either::Left((Some(Ok(answer)), _)) => return Ok(answer),
            Either::Left((Some(Err(error)), _)) => errors.push(error),
            Either::Left((None, _)) => return Err(errors),
            Either::Right(((), _)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(millis: u64, answer: Result<u8, u8>) -> Result<u8, u8> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_hung_candidate_costs_no_more_than_the_stagger() {
        let began = tokio::time::Instant::now();
        let answer = first_success([(60_000, Ok(1)), (10, Ok(2))], |(ms, answer)| {
            after(ms, answer)
        })
        .await;
        assert_eq!(answer, Ok(2));
        assert!(
            began.elapsed() <= STAGGER + Duration::from_millis(20),
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_candidate_is_still_heard_when_the_others_fail() {
        let answer = first_success([(500, Ok(1)), (10, Err(2))], |(ms, answer)| {
            after(ms, answer)
        })
        .await;
        assert_eq!(answer, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn all_errors_are_told_when_none_succeeds() {
        let answer = first_success([(10, Err(1)), (10, Err(2))], |(ms, answer)| {
            after(ms, answer)
        })
        .await;
        assert_eq!(answer, Err(vec![1, 2]));
        let none: [(u64, Result<u8, u8>); 0] = [];
        assert_eq!(
            first_success(none, |(ms, answer)| after(ms, answer)).await,
            Err(vec![])
        );
    }
}
