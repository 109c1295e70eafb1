//! Developer commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench` and `cargo xtask fuzz`.

mod bench;
mod demo;
mod fuzz;
mod install;
mod progress;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// Developer commands of obwarden
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Start three real nodes with sessions in them, and obwarden in front, until Ctrl-C
    Demo(demo::Options),
    /// Install what the tests need, then check formatting, lint and run all tests
    Test,
    /// Measure, and write the tables of BENCHMARKS.md
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Give the parsers arbitrary input
    Fuzz(fuzz::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Demo(options) => demo::run(options).await,
        Command::Test => test::run().await,
        Command::Bench(bench) => bench::run(bench).await,
        Command::Fuzz(options) => fuzz::run(options).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
