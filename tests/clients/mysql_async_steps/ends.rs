//! Statements and sessions that are ended.

use std::time::Duration;

use mysql_async::prelude::Queryable;

use super::{Battery, ask};

const SLEEP: &str = "SELECT SLEEP(20) FROM notes WHERE id = 1";

impl Battery {
    pub(super) async fn cancelled(&mut self) {
        for (name, kill) in [
            ("cancel/KILL QUERY!", "KILL QUERY"),
            ("cancel/KILL!", "KILL"),
        ] {
            let mut other = self.connect().await;
            self.step(name, async |conn| {
                let id = conn.id();
                let running = format!(
                    "SELECT 1 FROM oceanbase.V$OB_PROCESSLIST WHERE ID = {id} AND INFO LIKE 'SELECT SLEEP%'"
                );
                let killer = async {
                    while other.query_first::<u8, _>(&running).await?.is_none() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    other.query_drop(format!("{kill} {id}")).await
                };
                let (outcome, killed) = tokio::join!(ask(conn, SLEEP), killer);
                killed?;
                outcome
            })
            .await;
            _ = other.disconnect().await;
        }
        // Whether the server still says why is chance.
        let ended = self
            .printed
            .rfind("cancel/KILL!: error")
            .expect("the last step");
        if self.printed[ended..].contains("| lost") {
            self.printed
                .replace_range(ended.., "cancel/KILL!: error ended\n");
        }
    }
}
