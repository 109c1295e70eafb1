//! Where a measurement is made, and of what.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::paths::workspace_dir;

use super::release::OBWARDEN;

/// Takes as many file descriptors as the system lets us have; children inherit that.
pub(super) fn raise_descriptor_limit() -> Result<Option<u64>> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of descriptors")?;
    Ok(maximum)
}

/// A list for the report. `programs` are named in it, each with the flag by which it tells its version.
pub(super) fn describe(programs: &[(&str, &str)]) -> Result<String> {
    let cpu = read("/proc/cpuinfo")?;
    let memory = read("/proc/meminfo")?;
    let kib: u64 = field(&memory, "MemTotal")
        .and_then(|value| value.trim_end_matches(" kB").parse().ok())
        .context("no MemTotal")?;
    let cores = std::thread::available_parallelism()?;
    let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let commit = first_line(
        Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .current_dir(workspace_dir()),
    )?;
    let programs = programs
        .iter()
        .map(|(program, flag)| version(program, flag));
    let programs = programs.collect::<Result<Vec<_>>>()?.join("; ");
    Ok(format!(
        "- {}, with `{}`\n\
         - {}, {cores} cores, {:.1} GiB of memory, Linux {}\n\
         - {} ({commit}), {}\n\
         - {programs}\n",
        today.split('T').next().unwrap_or_default(),
        command(std::env::args().skip(1)),
        field(&cpu, "model name").unwrap_or("unknown CPU"),
        kib as f64 / f64::from(1 << 20),
        read("/proc/sys/kernel/osrelease")?.trim(),
        version(OBWARDEN.path(), "--version")?,
        version("rustc", "--version")?,
    ))
}

fn command(args: impl Iterator<Item = String>) -> String {
    ["cargo xtask".to_owned()]
        .into_iter()
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The value of the first `key : value`.
fn field<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn version(program: impl AsRef<Path>, arg: &str) -> Result<String> {
    first_line(Command::new(program.as_ref()).arg(arg))
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // HAProxy's and sysbench's go on with an address or the library.
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" - http").next().unwrap_or_default();
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_files() {
        assert_eq!(
            field("a\t: 1\nmodel name\t: A CPU\n", "model name"),
            Some("A CPU")
        );
        assert_eq!(field("MemTotal:  24 kB\n", "MemTotal"), Some("24 kB"));
        assert_eq!(field("MemTotal:  24 kB\n", "MemFree"), None);
    }

    #[test]
    fn the_command_can_be_run_again() {
        let args = ["bench", "relay", "--rounds", "3"].map(str::to_owned);
        assert_eq!(
            command(args.into_iter()),
            "cargo xtask bench relay --rounds 3"
        );
    }
}
