//! Runs sysbench and reads what it prints.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::process::Program;

/// The database that it works in.
pub(super) const DATABASE: &str = "bench";

const TABLE_ROWS: u32 = 100_000;

/// Connects, asks one question and leaves; sysbench's own scripts keep their connections.
const SHORT_CONNECTIONS: &str = r#"
function thread_init()
  driver = sysbench.sql.driver()
end
function event()
  local connection = driver:connect()
  connection:query("SELECT c FROM sbtest1 WHERE id = " .. sysbench.rand.uniform(1, 100000))
  connection:disconnect()
end
"#;

/// What a run of sysbench does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    PointSelect,
    /// Transactions of 16 statements.
    ReadOnly,
    ShortConnections,
}

/// What a load came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Done {
    /// Queries; of short connections, connections.
    pub(super) operations: u64,
    pub(super) per_second: f64,
    /// Of a whole event: with `ReadOnly` that is a transaction.
    pub(super) p95_ms: f64,
}

/// Fills the database.
pub(super) async fn prepare(server: SocketAddr, dir: &Path) -> Result<()> {
    let args = ["oltp_read_only".to_owned(), "prepare".to_owned()];
    sysbench(server, dir, args).await.map(drop)
}

/// Loads `server` for so long.
pub(super) async fn run(
    script: Script,
    threads: u32,
    prepared: bool,
    time: Duration,
    server: SocketAddr,
    dir: &Path,
) -> Result<Done> {
    let file = match script {
        Script::PointSelect => "oltp_point_select".to_owned(),
        Script::ReadOnly => "oltp_read_only".to_owned(),
        Script::ShortConnections => {
            let path = dir.join("short_connections.lua");
            std::fs::write(&path, SHORT_CONNECTIONS).context("cannot write a script")?;
            path.to_string_lossy().into_owned()
        }
    };
    let mode = if prepared { "auto" } else { "disable" };
    let args = [
        format!("--threads={threads}"),
        format!("--time={}", time.as_secs()),
        format!("--db-ps-mode={mode}"),
        "--rand-type=uniform".to_owned(),
        file,
        "run".to_owned(),
    ];
    let printed = sysbench(server, dir, args).await?;
    parse(&printed).with_context(|| format!("sysbench printed something else:\n{printed}"))
}

/// Returns what it printed.
async fn sysbench(
    server: SocketAddr,
    dir: &Path,
    args: impl IntoIterator<Item = String>,
) -> Result<String> {
    let process = Program::new("sysbench", dir.join("sysbench.log"))
        .args(["--db-driver=mysql", "--mysql-user=root", "--mysql-ssl=off"])
        .args([
            format!("--mysql-host={}", server.ip()),
            format!("--mysql-port={}", server.port()),
            format!("--mysql-db={DATABASE}"),
            format!("--table-size={TABLE_ROWS}"),
        ])
        .args(args)
        .start()?;
    let status = process.exited().await?;
    let printed = process.log();
    ensure!(status.success(), "sysbench: {status}\n{printed}");
    Ok(printed)
}

fn parse(printed: &str) -> Option<Done> {
    let value = |name: &str| {
        let line = printed
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(name))?;
        Some(line.trim())
    };
    // queries:                             181842   (60601.35 per sec.)
    let (operations, rate) = value("queries:")?.split_once('(')?;
    Some(Done {
        operations: operations.trim().parse().ok()?,
        per_second: rate.strip_suffix(" per sec.)")?.parse().ok()?,
        p95_ms: value("95th percentile:")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
SQL statistics:
    queries performed:
        read:                            181842
        total:                           181842
    transactions:                        181842 (60601.35 per sec.)
    queries:                             181842   (60602.35 per sec.)
    ignored errors:                      0      (0.00 per sec.)

Latency (ms):
         max:                                    4.17
         95th percentile:                        0.20
";

    #[test]
    fn what_sysbench_prints_is_read() {
        let done = Done {
            operations: 181_842,
            per_second: 60_602.35,
            p95_ms: 0.2,
        };
        assert_eq!(parse(PRINTED), Some(done));
        assert_eq!(parse("FATAL: error 2003"), None);
    }
}
