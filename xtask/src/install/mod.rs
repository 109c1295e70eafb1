//! What the tests need on this machine, and how it gets there: a registry a file.
//!
//! Everything is said before anything is done. What comes from elsewhere than Debian goes into
//! target/testkit, in versions that are named here.

mod debian;
mod npm;
mod pypi;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Something the tests need.
struct Need {
    name: String,
    purpose: &'static str,
    missing: bool,
}

/// Installs what is missing, having said what that is.
pub(crate) async fn run() -> Result<()> {
    let pypi = pypi::needs();
    let npm = npm::needs();
    let builds = pypi
        .iter()
        .any(|need| need.missing && need.name == pypi::BUILT);
    let debian = debian::needs(builds)?;
    println!("the tests need, and this will install where it is missing:");
    say("Debian", &debian);
    say("PyPI, into target/testkit", &pypi);
    say("npm, into target/testkit", &npm);
    println!(
        "  {:<31} {:<10} PyPI, into target/testkit: OceanBase's kernel",
        "seekdb", "if new"
    );

    debian::install(&missing(&debian))?;
    pypi::install(&missing(&pypi))?;
    npm::install(&missing(&npm))?;
    testkit::seekdb::fetch().await?;
    Ok(())
}

/// Installs those of Debian's packages that are missing, having said which and what for.
pub(crate) fn debian_packages(packages: &[(&str, &'static str)]) -> Result<()> {
    let needs = debian::packages(packages)?;
    if needs.iter().any(|need| need.missing) {
        say("Debian", &needs);
    }
    debian::install(&missing(&needs))
}

fn say(registry: &str, needs: &[Need]) {
    for Need {
        name,
        purpose,
        missing,
    } in needs
    {
        let state = if *missing { "to install" } else { "there" };
        println!("  {name:<31} {state:<10} {registry}: {purpose}");
    }
}

fn missing(needs: &[Need]) -> Vec<&str> {
    let missing = needs.iter().filter(|need| need.missing);
    missing.map(|need| need.name.as_str()).collect()
}

/// Whether a program is there to be run by its name.
fn has_program(name: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

fn make_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}
