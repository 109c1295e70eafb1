//! A line for each thing that takes time: what it is, a dot a second, how long it took.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Shows that `work` is going on until it is done.
pub(crate) async fn show<T, E>(
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let start = Instant::now();
    say(&format!("{what} ."));
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(DOT_INTERVAL, &mut work).await {
            Err(_) => say("."),
            Ok(outcome) => {
                let end = if outcome.is_ok() { "done" } else { "failed" };
                say(&format!(
                    " {end} ({:.1} s)\n",
                    start.elapsed().as_secs_f32()
                ));
                return outcome;
            }
        }
    }
}

const DOT_INTERVAL: Duration = Duration::from_secs(1);

/// Progress is a courtesy: nobody reading it is no reason to stop.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
