//! Developer commands: `cargo xtask demo` and `cargo xtask test`.

mod demo;
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
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Demo(options) => demo::run(options).await,
        Command::Test => test::run().await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
