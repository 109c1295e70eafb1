//! Statements and sessions that are ended, by KILL and by obwarden's own statements.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Error, Row};

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

    /// Through the proxy only.
    pub(super) async fn virtual_statements(&mut self) {
        let victim = self.target.victim.clone().expect("a session to end");
        let (ip, id) = victim.split_once(' ').expect("an address and an id");
        let id: u32 = id.parse().expect("an id");
        let list = |rows: Vec<Row>, own: u32| {
            let names = rows[0].columns_ref().iter().map(|column| column.name_str());
            let names: Vec<_> = names.map(|name| name.into_owned()).collect();
            let count = |ip: &str, id: u32| {
                let is =
                    |row: &&Row| row.get("Ip") == Some(ip.to_owned()) && row.get("Id") == Some(id);
                rows.iter().filter(is).count()
            };
            let (own, victim) = (count("127.0.0.1", own), count(ip, id));
            format!("{}; own {own}, victim {victim}", names.join(","))
        };
        self.step("sessions/text", async |conn| {
            let rows = conn.query("SHOW SERVER SESSIONS").await?;
            Ok(list(rows, conn.id()))
        })
        .await;
        self.step("sessions/prepared", async |conn| {
            let statement = conn.prep("SHOW SERVER SESSIONS").await?;
            conn.exec_drop(&statement, ()).await?;
            let rows = conn.exec(&statement, ()).await?;
            Ok(list(rows, conn.id()))
        })
        .await;
        self.step("sessions/full", async |conn| {
            let rows: Vec<Row> = conn.query("SHOW FULL SERVER SESSIONS").await?;
            let own = |row: &&Row| {
                row.get("Ip") == Some("127.0.0.1".to_owned()) && row.get("Id") == Some(conn.id())
            };
            let warden: Option<String> = rows.iter().find(own).and_then(|row| row.get("Warden"));
            Ok(format!("Warden is {}", warden.unwrap_or_default()))
        })
        .await;
        for (name, session) in [
            ("kill/no such server!", "10.99.99.99 5"),
            ("kill/victim", &victim),
            ("kill/again!", &victim),
        ] {
            self.step(name, async |conn| {
                let killed = conn.query_drop(format!("KILL SERVER SESSION {session}"));
                match killed.await {
                    Ok(()) => Ok(conn.affected_rows().to_string()),
                    Err(error) => {
                        let seen: Vec<(String, u16, String)> = conn.query("SHOW WARNINGS").await?;
                        let codes: Vec<_> =
                            seen.iter().map(|(_, code, _)| code.to_string()).collect();
                        Err(refused(&error, &codes.join(",")))
                    }
                }
            })
            .await;
        }
    }
}

/// The same error, told shortly.
fn refused(error: &Error, warnings: &str) -> Error {
    match error {
        Error::Server(error) => Error::Other(format!("{}, warnings {warnings}", error.code).into()),
        error => Error::Other(error.to_string().into()),
    }
}
