//! Simulated nodes as a program: prints where they are, and on SIGUSR1 how many connections they had. It runs
//! until it is ended.

use anyhow::{Context, Result};
use clap::Parser;
use testkit::sim_process::{SimNodes, connections_peak, started};
use tokio::signal::unix::{SignalKind, signal};

/// Simulated OceanBase nodes on loopback addresses
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    nodes: SimNodes,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut asked = signal(SignalKind::user_defined1()).context("cannot watch for SIGUSR1")?;
    let cluster = options
        .nodes
        .start()
        .await
        .context("the nodes do not start")?;
    println!("{}", started(&cluster));
    while asked.recv().await.is_some() {
        println!("{}", connections_peak(&cluster));
    }
    Ok(())
}
