//! `cargo xtask bench`: measurements on this machine, written as tables into BENCHMARKS.md.
//!
//! Nothing here fails because it is slow. Everything that is started belongs to one future, which Ctrl-C and
//! SIGTERM drop.

mod cells;
mod fanout;
mod idle;
mod machine;
mod markdown;
mod proc_stat;
mod raw_client;
mod relay;
mod release;
mod report;
mod statistics;
mod sysbench;
mod targets;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Compare a direct connection, HAProxy and obwarden, one right after the other in each round
    Relay(relay::Options),
    /// Measure lists of simulated clusters, from three nodes to a thousand, and a loop of the shell beside them
    Fanout(fanout::Options),
}

pub(crate) async fn run(bench: Bench) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let benching = async {
        match bench {
            Bench::Relay(options) => relay::run(&options).await,
            Bench::Fanout(options) => fanout::run(&options).await,
        }
    };
    tokio::select! {
        outcome = benching => outcome.map(|()| ExitCode::SUCCESS),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
    }
}
