//! What the kernel knows of a process: its CPU time and its memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The CPU time, user's and system's, of all threads that the process has. In nanoseconds, where
/// `/proc/PID/stat` counts in hundredths of a second; without that of threads that have ended, of which a
/// proxy's work is none.
pub(super) fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/task");
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(&path).with_context(|| format!("cannot read {path}"))? {
        let path = thread?.path().join("schedstat");
        // One that ends just now.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        total += on_cpu(&text).with_context(|| format!("{}: {text}", path.display()))?;
    }
    Ok(total)
}

/// The bytes of memory that a process has for itself: its proportional set size.
pub(super) fn memory_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    kib_field(&text, "Pss:").with_context(|| format!("no Pss in {path}"))
}

/// The most bytes of memory that a process has had in RAM at once since it began, its program's own among them.
pub(super) fn peak_memory_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    kib_field(&text, "VmHWM:").with_context(|| format!("no VmHWM in {path}"))
}

/// The first of the three numbers of a `schedstat`: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The bytes that a line of this name tells.
fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(
            on_cpu("1130012 90985 2\n"),
            Some(Duration::from_nanos(1_130_012))
        );
        let smaps = "55d0-7ffc ---p 0 00:00 0  [rollup]\nRss:   2560 kB\nPss:   1234 kB\n";
        assert_eq!(kib_field(smaps, "Pss:"), Some(1234 * 1024));
        assert_eq!(kib_field("Rss: 1 kB", "Pss:"), None);
        let status = "VmPeak:\t    3020 kB\nVmHWM:\t    1676 kB\n";
        assert_eq!(kib_field(status, "VmHWM:"), Some(1676 * 1024));
    }

    #[test]
    fn this_process_has_all_of_it() {
        let pid = std::process::id();
        assert!(cpu_time(pid).unwrap() > Duration::ZERO);
        assert!(memory_bytes(pid).unwrap() > 0);
        assert!(peak_memory_bytes(pid).unwrap() > 0);
    }
}
