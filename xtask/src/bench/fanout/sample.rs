//! One cluster, listed: every measurement of one round.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::sim_process::SimProcess;
use testkit::warden::Warden;

use super::cells::Cell;
use super::shell::{LIST, Loop, Shell};
use crate::bench::proc_stat::{cpu_time, peak_memory_bytes};
use crate::bench::raw_client::{Counted, RawClient};
use crate::bench::release::{OBWARDEN, SIM_CLUSTER};
use crate::bench::statistics::median;

/// What is asked of obwarden.
const SHOW: &str = "SHOW SERVER SESSIONS";

/// The same with something to compute for each row.
pub(super) const PICK: &str =
    "SHOW SERVER SESSIONS WHERE Time >= 0 AND Info IS NULL ORDER BY Time DESC, Id LIMIT 20";
/// The rows that it gives.
const PICKED_ROWS: u64 = 20;

/// Short lists are asked for again until this time has passed.
const LISTING_TIME: Duration = Duration::from_millis(300);

/// So often is picked at least.
const PICKS_MIN: usize = 3;

/// Nodes that obwarden is told of; it finds the others.
const SEEDS: usize = 3;

/// Where all nodes answer, none may be left out because this machine is slow: a list that lacks rows is a fast
/// one. Where one hangs, obwarden's own `node_timeout` counts.
pub(super) const PATIENCE: &str = "60s";

/// What a round has of one cluster. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sample {
    /// Of the first list after obwarden's start, which has to log on to each node.
    pub(super) first_list: f64,
    pub(super) first_row: f64,
    pub(super) last_row: f64,
    pub(super) rows: f64,
    /// Of obwarden's process.
    pub(super) cpu_us_a_row: f64,
    /// Of obwarden's process, since its start.
    pub(super) peak_bytes: f64,
    /// Connections to one node at most, the client's own session among them.
    pub(super) connections: f64,
    /// The last row of [`PICK`], where that is measured: by turns with whole lists.
    pub(super) picked: Option<f64>,
    /// One node asked without obwarden, the slowest that answers.
    pub(super) alone: f64,
    /// The `mysql` client with obwarden, and without it on each node: from its start to its end.
    pub(super) shell_obwarden: Option<f64>,
    pub(super) shell_parallel: Option<f64>,
    pub(super) shell_sequential: Option<f64>,
}

/// Which shell loops are to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loops {
    pub(super) parallel: bool,
    pub(super) sequential: bool,
}

/// Measures everything once, on nodes and an obwarden of its own.
pub(super) async fn measure(cell: Cell, loops: Loops) -> Result<Sample> {
    let nodes = SimProcess::start(SIM_CLUSTER.path(), &cell.sim_nodes()).await?;
    let mut warden = Warden::builder(OBWARDEN.path())
        .servers(nodes.nodes().iter().take(SEEDS).map(SocketAddr::to_string))
        .user("root@sys")
        .password("");
    if cell.hung == 0 {
        warden = warden.args(["--node-timeout", PATIENCE]);
    }
    let warden = warden.start().await?;
    nodes.connections_peak().await?;
    let mut sample = list(cell, &warden).await?;
    sample.connections = nodes.connections_peak().await? as f64;
    sample.alone = alone(cell, nodes.nodes()).await?;
    if loops.parallel || loops.sequential {
        let shell = Shell::new(nodes.nodes())?;
        let rows = cell.held_sessions();
        let obwarden = shell.run_once(warden.addr(), SHOW, rows).await?;
        sample.shell_obwarden = Some(ms(obwarden));
        if loops.parallel {
            sample.shell_parallel = Some(ms(shell.run(Loop::Parallel, rows).await?));
        }
        if loops.sequential {
            sample.shell_sequential = Some(ms(shell.run(Loop::Sequential, rows).await?));
        }
    }
    Ok(sample)
}

/// Lists: one that logs on everywhere, and then those that count.
async fn list(cell: Cell, warden: &Warden) -> Result<Sample> {
    let mut buffer = Vec::new();
    let mut client = RawClient::connect(warden.addr()).await?;
    let first = complete(cell, client.count(SHOW, &mut buffer).await?)?;
    let before = cpu_time(warden.pid())?;
    let start = Instant::now();
    let mut lists = Vec::new();
    while lists.is_empty() || start.elapsed() < LISTING_TIME {
        lists.push(complete(cell, client.count(SHOW, &mut buffer).await?)?);
    }
    let cpu = cpu_time(warden.pid())?.saturating_sub(before);
    let rows: u64 = lists.iter().map(|list| list.rows).sum();
    let rows_a_list = rows as f64 / lists.len() as f64;
    let peak_bytes = peak_memory_bytes(warden.pid())? as f64;
    let picked = if cell.is_picked_from() {
        Some(pick(cell, &mut client, &mut lists).await?)
    } else {
        None
    };
    let middle = |of: fn(&Counted) -> Duration| {
        median(lists.iter().map(|list| ms(of(list)))).context("no list")
    };
    Ok(Sample {
        first_list: ms(first.last_row),
        first_row: middle(|list| list.first_row)?,
        last_row: middle(|list| list.last_row)?,
        rows: rows_a_list,
        cpu_us_a_row: cpu.as_secs_f64() * 1e6 / rows as f64,
        peak_bytes,
        picked,
        ..Sample::default()
    })
}

/// Picks rows, by turns with `lists` of all.
async fn pick(cell: Cell, client: &mut RawClient, lists: &mut Vec<Counted>) -> Result<f64> {
    let mut buffer = Vec::new();
    let mut picks = Vec::new();
    let start = Instant::now();
    while picks.len() < PICKS_MIN || start.elapsed() < LISTING_TIME {
        let picked = client.count(PICK, &mut buffer).await?;
        let expected = PICKED_ROWS + cell.hung as u64;
        ensure!(picked.rows == expected, "{} rows are picked", picked.rows);
        picks.push(ms(picked.last_row));
        lists.push(complete(cell, client.count(SHOW, &mut buffer).await?)?);
    }
    median(picks).context("nothing was picked")
}

/// A list that lacks something would be a fast one.
fn complete(cell: Cell, list: Counted) -> Result<Counted> {
    let Counted { rows, warnings, .. } = list;
    ensure!(
        rows >= cell.held_sessions() && usize::from(warnings) == cell.hung,
        "{rows} rows of {}, {warnings} warnings",
        cell.held_sessions()
    );
    Ok(list)
}

/// All nodes that answer are as slow as each other: the first stands for the slowest.
async fn alone(cell: Cell, nodes: &[SocketAddr]) -> Result<f64> {
    let node = nodes.first().context("no node")?;
    let mut client = RawClient::connect(*node).await?;
    let mut buffer = Vec::new();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || start.elapsed() < LISTING_TIME {
        let list = client.count(LIST, &mut buffer).await?;
        ensure!(list.rows >= u64::from(cell.sessions), "{} rows", list.rows);
        times.push(ms(list.last_row));
    }
    median(times).context("no answer")
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
