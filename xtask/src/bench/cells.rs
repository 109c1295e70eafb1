//! The loads that are measured.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::proc_stat::cpu_time;
use super::raw_client::RawClient;
use super::statistics::quantile;
use super::sysbench::{self, Done, Script};
use super::targets::{Target, Targets};

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Sysbench {
        script: Script,
        threads: u32,
        prepared: bool,
    },
    MillionRows,
}

/// A million rows of some 40 bytes, which a server makes faster than it reads them from a table.
const MILLION_ROWS: &str =
    "SELECT seq, CONCAT('row number ', seq), 17 * seq FROM mysql.seq_1_to_1000000";

/// What a round has of one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    pub(super) p95_ms: f64,
    /// Of the proxy's process; none for a direct connection.
    pub(super) cpu_us: Option<f64>,
}

impl Cell {
    pub(super) fn all() -> Vec<Self> {
        let sysbench = |script, threads, prepared| Self::Sysbench {
            script,
            threads,
            prepared,
        };
        let mut cells = Vec::new();
        for prepared in [false, true] {
            for threads in [1, 8, 64, 256] {
                cells.push(sysbench(Script::PointSelect, threads, prepared));
            }
        }
        cells.push(sysbench(Script::ReadOnly, 16, true));
        cells.push(Self::MillionRows);
        cells.push(sysbench(Script::ShortConnections, 8, false));
        cells
    }

    /// What `per_second` counts.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Sysbench {
                script: Script::ShortConnections,
                ..
            } => "connections",
            Self::Sysbench { .. } => "queries",
            Self::MillionRows => "results",
        }
    }

    /// Loads one target for so long.
    pub(super) async fn measure(
        self,
        target: Target,
        targets: &Targets,
        time: Duration,
    ) -> Result<Sample> {
        let pid = targets.pid(target);
        let before = pid.map(cpu_time).transpose()?;
        let done = self.load(targets, target, time).await?;
        let after = pid.map(cpu_time).transpose()?;
        let cpu = after.zip(before).map(|(after, before)| after - before);
        Ok(Sample {
            per_second: done.per_second,
            p95_ms: done.p95_ms,
            cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / done.operations as f64),
        })
    }

    async fn load(self, targets: &Targets, target: Target, time: Duration) -> Result<Done> {
        let (addr, dir): (_, &Path) = (targets.addr(target), targets.dir.path());
        match self {
            Self::Sysbench {
                script,
                threads,
                prepared,
            } => sysbench::run(script, threads, prepared, time, addr, dir).await,
            Self::MillionRows => million_rows(&mut RawClient::connect(addr).await?, time).await,
        }
    }
}

/// Fetches the result again and again.
async fn million_rows(client: &mut RawClient, time: Duration) -> Result<Done> {
    let (mut buffer, mut seconds) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < time {
        let start = Instant::now();
        client.fetch(MILLION_ROWS, &mut buffer).await?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let p95 = quantile(&seconds, 0.95).context("no result")?;
    Ok(Done {
        operations: seconds.len() as u64,
        per_second: seconds.len() as f64 / seconds.iter().sum::<f64>(),
        p95_ms: p95 * 1e3,
    })
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Sysbench {
            script,
            threads,
            prepared,
        } = *self
        else {
            return f.write_str("million rows");
        };
        let mode = if prepared { "prepared" } else { "text" };
        let s = if threads == 1 { "" } else { "s" };
        match script {
            Script::PointSelect => write!(f, "point select, {mode}, {threads} thread{s}"),
            Script::ReadOnly => write!(f, "read only, {mode}, {threads} thread{s}"),
            Script::ShortConnections => write!(f, "short connections, {threads} thread{s}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_cells_have_one_name() {
        let mut names: Vec<String> = Cell::all().iter().map(Cell::to_string).collect();
        assert!(names.contains(&"point select, text, 1 thread".to_owned()));
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
