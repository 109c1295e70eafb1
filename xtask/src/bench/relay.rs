//! `cargo xtask bench relay`: what obwarden costs beside a direct connection and beside HAProxy.
//!
//! In each round each load runs against all three, one right after the other and another one first each
//! time. A ratio is that of two neighbours, so that a machine which slows down slows both.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::cells::{Cell, Sample};
use super::idle::{self, Idle};
use super::machine::{self, raise_descriptor_limit};
use super::markdown::write_section;
use super::release::OBWARDEN;
use super::report::{self, Measured};
use super::targets::{HAPROXY, Target, Targets};
use crate::install;
use crate::progress;

#[derive(Args)]
pub(crate) struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// How long each load runs, in seconds
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Only loads with this in their names; BENCHMARKS.md is left as it is then
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

const PACKAGES: [(&str, &str); 3] = [
    ("mariadb-server", "mariadbd, the server behind the proxies"),
    ("haproxy", "the TCP proxy to compare with"),
    ("sysbench", "makes the load"),
];

/// What is named in the report, and how it tells its version.
const PROGRAMS: [(&str, &str); 3] = [
    ("mariadbd", "--version"),
    (HAPROXY, "-v"),
    ("sysbench", "--version"),
];

/// Idle connections are counted, not timed: their memory varies little.
const IDLE_ROUNDS_MAX: usize = 3;
const IDLE: &str = "idle connections";

pub(super) async fn run(options: &Options) -> Result<()> {
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    };
    let cells = Cell::all()
        .into_iter()
        .filter(|cell| wanted(&cell.to_string()));
    let mut measured: Vec<Measured> = cells.map(Measured::new).collect();
    if options.rounds == 0 || (measured.is_empty() && !wanted(IDLE)) {
        bail!("nothing to measure");
    }
    install::debian_packages(&PACKAGES)?;
    let descriptors = raise_descriptor_limit()?;
    progress::show("building obwarden in release mode", OBWARDEN.build()).await?;
    let targets =
        progress::show("starting MariaDB, HAProxy and obwarden", Targets::start()).await?;

    let mut idle = Vec::new();
    if wanted(IDLE) {
        let steps = idle::steps(descriptors);
        for _ in 0..options.rounds.min(IDLE_ROUNDS_MAX) {
            let measuring = idle::measure(&targets.mariadb, &steps);
            idle.push(progress::show(IDLE, measuring).await?);
        }
        println!("{}", report::idle_table(&idle));
    }
    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        for measured in &mut measured {
            let samples = measure(measured.cell, round, options, &targets).await?;
            println!("{}", report::progress_line(measured.cell, &samples));
            measured.rounds.push(samples);
        }
    }
    finish(options, &measured, &idle)
}

/// One load against all three; the samples are in the order of `Target::ALL`.
async fn measure(
    cell: Cell,
    round: usize,
    options: &Options,
    targets: &Targets,
) -> Result<[Sample; 3]> {
    let mut samples = [None; 3];
    for target in Target::in_turn(round) {
        let sample = cell
            .measure(target, targets, Duration::from_secs(options.seconds))
            .await
            .with_context(|| format!("{cell}: {target:?}"))?;
        samples[target as usize] = Some(sample);
    }
    let [Some(direct), Some(haproxy), Some(obwarden)] = samples else {
        bail!("not all three were measured");
    };
    Ok([direct, haproxy, obwarden])
}

fn finish(options: &Options, measured: &[Measured], idle: &[Vec<Idle>]) -> Result<()> {
    let setting = format!("{} rounds of {} s", options.rounds, options.seconds);
    let section = report::section(&machine::describe(&PROGRAMS)?, &setting, measured, idle);
    println!("\n{section}");
    if !options.only.is_empty() {
        return Ok(());
    }
    write_section("relay", &section)
}
