//! `cargo xtask test`: what CI runs, and what a developer runs before a commit.
//!
//! The tests come last and nothing is printed after them, so that the closing lines are the test
//! runner's own.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::install;

/// The fuzz targets are a workspace of their own, which shares what is built.
const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/Cargo.toml");
const TARGET_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");

/// Documentation tests have a run of their own before the others, which close the output.
const STEPS: [&[&str]; 6] = [
    &["fmt", "--all", "--check"],
    &["fmt", "--manifest-path", FUZZ, "--check"],
    &[
        "clippy",
        "--manifest-path",
        FUZZ,
        "--target-dir",
        TARGET_DIR,
        "--",
        "-D",
        "warnings",
    ],
    &[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ],
    &["test", "--workspace", "--doc"],
    &[
        "test",
        "--workspace",
        "--no-fail-fast",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
    ],
];

/// Ends with the exit code of the first step that fails.
pub(crate) async fn run() -> Result<ExitCode> {
    let mut start = Instant::now();
    println!("==> install");
    install::run().await?;
    for step in STEPS {
        println!(
            "    ({:.1} s)\n==> cargo {}",
            start.elapsed().as_secs_f32(),
            step.join(" ")
        );
        start = Instant::now();
        let status = cargo()
            .args(step)
            .status()
            .with_context(|| format!("cannot run cargo {}", step.join(" ")))?;
        if !status.success() {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The cargo that runs us, told no more than by a shell: what it has told us of our own package is a reason
/// for some crates to be built anew, and then once more when a developer calls cargo.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}
