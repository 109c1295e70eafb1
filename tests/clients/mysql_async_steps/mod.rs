//! The battery of mysql_async, a client in Rust.
//!
//! obwarden uses it, too, towards the servers; here it is a client.

mod ends;
mod statements;
mod values;
mod virtual_statements;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, Row, Value};

use crate::battery::Target;
use crate::support::opts;

type Outcome = Result<String, Error>;

/// Runs the battery.
pub(crate) async fn run(target: Target) -> String {
    let mut battery = Battery {
        target,
        printed: String::new(),
        count: 0,
    };
    battery.logins().await;
    battery.types().await;
    battery.prepared().await;
    battery.results().await;
    battery.errors().await;
    battery.sessions().await;
    battery.files_and_blobs().await;
    battery.cancelled().await;
    if let Some(victims) = battery.target.victims.clone() {
        battery.virtual_statements(&victims).await;
    }
    battery.printed + &format!("done: {}\n", battery.count)
}

struct Battery {
    target: Target,
    printed: String,
    count: usize,
}

impl Battery {
    fn opts(&self) -> OptsBuilder {
        opts(self.target.addr, "root").db_name(Some(&self.target.database))
    }

    async fn connect(&self) -> Conn {
        Conn::new(self.opts()).await.expect("a login")
    }

    async fn step(&mut self, name: &str, body: impl AsyncFnOnce(&mut Conn) -> Outcome) {
        self.step_with(name, self.opts(), body).await;
    }

    /// Runs `body` on a connection of its own, after which that is asked whether it lives.
    async fn step_with(
        &mut self,
        name: &str,
        opts: OptsBuilder,
        body: impl AsyncFnOnce(&mut Conn) -> Outcome,
    ) {
        let outcome = match Conn::new(opts).await {
            Err(error) => told(Err(error)),
            Ok(mut conn) => {
                let outcome = told(body(&mut conn).await);
                let state = match ask(&mut conn, "SELECT 'still', 'here'").await {
                    Ok(rows) if rows == "[still, here]" => "alive".to_owned(),
                    Ok(rows) => format!("mixed up: {rows}"),
                    Err(_) => "lost".to_owned(),
                };
                _ = conn.disconnect().await;
                format!("{outcome} | {state}")
            }
        };
        self.printed += &format!("{name}: {}\n", outcome.replace('\n', "\\n"));
        self.count += 1;
    }
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Ok(said) => format!("ok {said}"),
        Err(Error::Server(error)) => {
            format!("error {} {} {}", error.code, error.state, error.message)
        }
        Err(Error::Other(error)) => format!("error {error}"),
        Err(error) => format!("error {error}"),
    }
}

async fn ask(conn: &mut Conn, sql: &str) -> Outcome {
    conn.query(sql).await.map(shown)
}

fn shown(rows: Vec<Row>) -> String {
    let cell = |value: &Value| match value {
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{bytes:?}"),
        },
        value => format!("{value:?}"),
    };
    let row = |row: Row| {
        let cells: Vec<_> = row.unwrap().iter().map(cell).collect();
        format!("[{}]", cells.join(", "))
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(", ")
}
