//! `cargo xtask demo`: three real nodes with sessions in them, and obwarden in front.
//!
//! Everything started here belongs to one future. Ctrl-C and SIGTERM drop it, and with it go the
//! clients, obwarden, the nodes and their files.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Node;
use testkit::paths::target_dir;
use testkit::seekdb::{self, SeekdbCluster};
use testkit::warden::Warden;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::progress;
use crate::test::cargo;

#[derive(Args)]
pub(crate) struct Options {
    /// The port on 127.0.0.1 that obwarden listens on
    #[arg(long, default_value_t = 2889)]
    port: u16,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    tokio::select! {
        outcome = demo(&options) => outcome?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    println!("\nended, with all that the demo started");
    Ok(ExitCode::SUCCESS)
}

/// Returns only when something fails.
async fn demo(options: &Options) -> Result<()> {
    let port = options.port;
    println!("{}", announcement(port));
    check_port(port)?;

    progress::show("building obwarden", build()).await?;
    progress::show("fetching seekdb", seekdb::fetch()).await?;
    let cluster = progress::show("starting three nodes", SeekdbCluster::start(NODES)).await?;
    let cluster = Arc::new(cluster);
    let mut sessions = Sessions::default();
    let opened = sessions.open_all(cluster.nodes());
    let victim = progress::show("opening sessions", opened).await?;
    let warden = Warden::builder(target_dir().join("debug/obwarden"))
        .servers(cluster.seeds())
        .user("root@sys")
        .password("")
        .listen(format!("127.0.0.1:{port}"))
        .start();
    let warden = progress::show("starting obwarden", warden).await?;

    println!(
        "\n{}",
        instructions(port, &victim, mysql_client().is_some())
    );
    println!(
        "obwarden's log: {}\n",
        warden.process().log_path().display()
    );
    loop {
        tokio::select! {
            status = warden.exited() => bail!("obwarden ended ({}):\n{}", status?, warden.log()),
            Some(ended) = sessions.running.join_next() => {
                println!("{}", ended.context("a session's task failed")?);
            }
        }
    }
}

const NODES: u8 = 3;

fn announcement(port: u16) -> String {
    format!(
        "This demo will\n\
         - build obwarden\n\
         - fetch seekdb, OceanBase's kernel, from PyPI (54 MB, once, into target/testkit)\n\
         - start three nodes of it (1 GB of memory and 0.5 GB of disk until the end)\n\
         - open {} sessions in them, idle and running\n\
         - start obwarden on 127.0.0.1:{port}\n\
         Ctrl-C ends all of it.\n",
        CAST.len()
    )
}

fn check_port(port: u16) -> Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .with_context(|| {
            format!("127.0.0.1:{port} is taken; try another port: cargo xtask demo --port 12889")
        })
}

async fn build() -> Result<()> {
    let output = tokio::process::Command::from(cargo())
        .args([
            "build",
            "--quiet",
            "--package",
            "obwarden",
            "--bin",
            "obwarden",
        ])
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run cargo build")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cargo build: {}\n{stderr}",
        output.status
    );
    Ok(())
}

/// One client of the demo.
struct Actor {
    /// Counted from 0.
    node: usize,
    user: &'static str,
    /// What it has done before.
    first: &'static str,
    /// What it goes on doing; idle without.
    runs: Option<&'static str>,
}

const SLEEPER: &str = "SELECT SLEEP(600) FROM orders WHERE id = 1";

#[rustfmt::skip]
const CAST: [Actor; 7] = [
    Actor { node: 0, user: "app", first: "SELECT * FROM orders", runs: None },
    Actor { node: 0, user: "report", first: "SELECT 1", runs: Some(SLEEPER) },
    Actor { node: 1, user: "app", first: "BEGIN; UPDATE orders SET state = 'paid' WHERE id = 1", runs: None },
    VICTIM,
    Actor { node: 1, user: "report", first: "SELECT COUNT(*) FROM orders", runs: None },
    Actor { node: 2, user: "app", first: "SELECT 1", runs: None },
    Actor { node: 2, user: "batch", first: "BEGIN; DELETE FROM orders WHERE id = 2", runs: Some(SLEEPER) },
];

/// The one that the instructions propose to kill. It runs something, so it notices.
const VICTIM: Actor = Actor {
    node: 1,
    user: "batch",
    first: "SELECT 1",
    runs: Some(SLEEPER),
};

const SCHEMA: &str = "
    CREATE DATABASE shop;
    CREATE TABLE shop.orders (id INT PRIMARY KEY, state VARCHAR(10));
    INSERT INTO shop.orders VALUES (1, 'new'), (2, 'new');
    CREATE USER app, report, batch;
    GRANT ALL ON shop.* TO app, report, batch";

/// Sessions last for hours here; seekdb gives a statement 10 s and a transaction 100 s.
const PATIENCE: &str = "SET ob_query_timeout = 86400000000, ob_trx_timeout = 86400000000, \
                        ob_trx_idle_timeout = 86400000000";

#[derive(Default)]
struct Sessions {
    idle: Vec<Conn>,
    /// Each says how it ended.
    running: JoinSet<String>,
}

/// A session to kill, as `KILL SERVER SESSION` names it.
struct Victim {
    ip: String,
    id: u32,
}

impl Sessions {
    async fn open_all(&mut self, nodes: &[Node]) -> Result<Victim> {
        for node in nodes {
            node.execute(SCHEMA).await?;
        }
        let mut victim = None;
        for actor in &CAST {
            let node = &nodes[actor.node];
            let id = self.open(actor, node).await?;
            if (actor.node, actor.user) == (VICTIM.node, VICTIM.user) {
                victim = Some(Victim {
                    ip: node.ip().to_string(),
                    id,
                });
            }
        }
        victim.context("nobody to kill")
    }

    /// Returns the session's id.
    async fn open(&mut self, actor: &Actor, node: &Node) -> Result<u32> {
        let opts = node.opts().user(Some(actor.user)).db_name(Some("shop"));
        let mut conn = Conn::new(opts)
            .await
            .with_context(|| format!("login as {}", actor.user))?;
        for sql in [PATIENCE, actor.first] {
            conn.query_drop(sql)
                .await
                .with_context(|| format!("{}: {sql}", actor.user))?;
        }
        let id = conn.id();
        match actor.runs {
            None => self.idle.push(conn),
            Some(sql) => {
                let who = format!("session {id} of {} on {}", actor.user, node.ip());
                self.running.spawn(async move {
                    loop {
                        if let Err(error) = conn.query_drop(sql).await {
                            let why = match error {
                                mysql_async::Error::Io(_) => "its connection was closed".into(),
                                error => error.to_string(),
                            };
                            return format!("{who} has ended: {why}");
                        }
                    }
                });
            }
        }
        Ok(id)
    }
}

fn instructions(port: u16, victim: &Victim, has_client: bool) -> String {
    let Victim { ip, id } = victim;
    let no_client = if has_client {
        ""
    } else {
        "  (there is no mysql client here; on Debian: apt-get install mariadb-client)\n"
    };
    format!(
        "Connect with any MySQL client, root has no password:\n\n  \
           mysql -h127.0.0.1 -P{port} -uroot\n{no_client}\n\
         See every session of the three nodes in one table, idle ones and running ones:\n\n  \
           SHOW SERVER SESSIONS;\n\n\
         End one that runs on the second node (user batch, SELECT SLEEP):\n\n  \
           KILL SERVER SESSION {ip} {id};\n\n\
         It answers Query OK, this terminal says that session {id} has ended, and the next\n\
         SHOW SERVER SESSIONS does not have it. Everything else you type goes to the first node.\n\
         Ctrl-C here ends the demo."
    )
}

fn mysql_client() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let candidates = |dir: PathBuf| ["mysql", "mariadb"].map(|name| dir.join(name));
    std::env::split_paths(&path)
        .flat_map(candidates)
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_name_a_real_session() {
        let victim = Victim {
            ip: "127.0.0.2".into(),
            id: 4711,
        };
        let text = instructions(2889, &victim, true);
        assert!(text.contains("mysql -h127.0.0.1 -P2889 -uroot"), "{text}");
        assert!(
            text.contains("KILL SERVER SESSION 127.0.0.2 4711;"),
            "{text}"
        );
        assert!(!text.contains("apt-get"), "{text}");
        assert!(instructions(2889, &victim, false).contains("apt-get"));
    }

    #[test]
    fn a_taken_port_is_said_plainly() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = format!("{:#}", check_port(port).unwrap_err());
        assert!(
            error.contains(&format!("127.0.0.1:{port} is taken")),
            "{error}"
        );
        assert!(error.contains("--port"), "{error}");
    }
}
