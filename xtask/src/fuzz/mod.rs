//! `cargo xtask fuzz`: arbitrary input to each parser of what peers send, for a given time.
//!
//! The targets are in `fuzz/`, a crate as cargo-fuzz makes it. They are built without a sanitizer, as nothing of
//! obwarden's own is unsafe: thus a stable compiler does, and more inputs are tried in the same time.

mod seeds;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::progress;
use crate::test::cargo;

/// The version of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";

/// What the targets are built for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The longest input, in bytes: routing one takes the square of its length.
const INPUT_BYTES_MAX: usize = 4096;
/// One input may take so long, in seconds.
const INPUT_SECONDS_MAX: usize = 10;
/// A target may take so much memory, in MiB.
const MEMORY_MIB_MAX: usize = 2048;
/// How long a target may take to end when its time is over.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// The targets of `fuzz/Cargo.toml`.
const TARGETS: [&str; 6] = [
    "keywords",
    "login",
    "mask",
    "parameters",
    "replies",
    "statement",
];

#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// How long each target runs, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many targets run at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The targets to run; all if none is named
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
}

/// How one target's run has ended.
struct Ran {
    target: String,
    /// As libFuzzer counts them.
    executions: Option<u64>,
    clean: bool,
    log: PathBuf,
}

/// Builds the targets, runs them, and tells of each how many inputs it has taken and whether all went well.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let Options {
        seconds,
        jobs,
        mut targets,
    } = options;
    if targets.is_empty() {
        targets = TARGETS.map(str::to_owned).to_vec();
    }
    install()?;
    println!("==> cargo fuzz build");
    let built = cargo()
        .args(["fuzz", "build", "--sanitizer", "none", "--fuzz-dir"])
        .arg(fuzz_dir())
        .args(["--target", PLATFORM, "--target-dir"])
        .arg(target_dir())
        .status()
        .context("cannot run cargo fuzz build")?;
    if !built.success() {
        bail!("the targets cannot be built: {built}");
    }
    let places = Semaphore::new(jobs.max(1));
    let places = &places;
    let running = targets.into_iter().map(async |target| {
        let _place = places.acquire().await?;
        run_one(target, seconds).await
    });
    let what = format!("{seconds} s of each target");
    let ran = progress::show(&what, futures_util::future::try_join_all(running)).await?;
    let mut clean = true;
    for Ran {
        target,
        executions,
        clean: is_clean,
        log,
    } in ran
    {
        clean &= is_clean;
        let executions = executions.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let outcome = match is_clean {
            true => "clean".to_owned(),
            false => format!("FAILED, see {}", log.display()),
        };
        println!("{target:<12} {executions:>12} executions  {outcome}");
    }
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Installs cargo-fuzz if it is not there.
fn install() -> Result<()> {
    let there = cargo()
        .args(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if there.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    println!("==> cargo install cargo-fuzz --version {CARGO_FUZZ}");
    let installed = cargo()
        .args(["install", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ])
        .status()
        .context("cannot run cargo install")?;
    if !installed.success() {
        bail!("cargo-fuzz cannot be installed: {installed}");
    }
    Ok(())
}

/// Runs a target from its seeds on, and from what earlier runs have found.
async fn run_one(target: String, seconds: u64) -> Result<Ran> {
    seeds::plant(&target, &corpus_dir(&target))?;
    let found = fuzz_dir().join("artifacts").join(&target);
    std::fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let log = found.join("log");
    let file = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
    // As it was built: `cargo fuzz run` would first look whether anything has changed since.
    let program = target_dir().join(PLATFORM).join("release").join(&target);
    let mut command = Command::new(program);
    command
        .arg(corpus_dir(&target))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg("-print_final_stats=1");
    if seeds::has_words(&target) {
        let dictionary = fuzz_dir().join("dictionary.txt");
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let running = command.kill_on_drop(true).status();
    let patience = Duration::from_secs(seconds) + END_TIMEOUT;
    let ended = tokio::time::timeout(patience, running).await;
    let ended = ended.with_context(|| format!("{target} does not end"))??;
    let said = std::fs::read(&log)?;
    Ok(Ran {
        target,
        executions: executions(&String::from_utf8_lossy(&said)),
        clean: ended.success(),
        log,
    })
}

/// `stat::number_of_executed_units: 12345`
fn executions(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

fn corpus_dir(target: &str) -> PathBuf {
    fuzz_dir().join("corpus").join(target)
}

fn target_dir() -> PathBuf {
    fuzz_dir().join("target")
}

fn fuzz_dir() -> PathBuf {
    repository().join("fuzz")
}

fn repository() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_of_the_crate_is_run() {
        let manifest = std::fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
        let named = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
        let named: Vec<_> = named
            .filter_map(|name| name.strip_suffix(".rs\""))
            .collect();
        assert_eq!(named, TARGETS);
    }

    #[test]
    fn executions_are_read_from_the_last_lines() {
        let said = "#1 INITED\nDone 12 runs in 1 second(s)\nstat::number_of_executed_units: 12\n";
        assert_eq!(executions(said), Some(12));
        assert_eq!(executions("panicked"), None);
    }
}
