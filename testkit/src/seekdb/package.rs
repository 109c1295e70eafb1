//! The package that seekdb comes in: a Python wheel, of which only the plain executable is used.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::paths::cached;

/// The version that all this was tried with.
pub const REQUIREMENT: &str = "pylibseekdb==1.4.0.post1";
pub const SHA256: &str = "7c1c1e13148189af1332f69b896a818b674db3a4615c7caf1c9db05055738ad6";

const CACHE: &str = "seekdb-1.4.0.post1";

/// The folder of the unpacked package, fetched on first use.
pub(super) fn fetch() -> Result<PathBuf> {
    cached(CACHE, |dir| {
        let wheel = download(dir)?;
        check(&wheel)?;
        unpack(&wheel, dir)?;
        fs::remove_file(&wheel).with_context(|| format!("cannot remove {}", wheel.display()))?;
        ensure!(
            dir.join("pylibseekdb/seekdb").is_file(),
            "no seekdb in {REQUIREMENT}"
        );
        Ok(())
    })
}

fn download(dir: &Path) -> Result<PathBuf> {
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            "3.11",
        ])
        .args(["--platform", "manylinux_2_28_x86_64", REQUIREMENT, "--dest"])
        .arg(dir)
        .output()
        .context("cannot run python3 (on Debian: apt-get install python3-pip)")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("pip cannot download {REQUIREMENT}: {}", stderr.trim());
    }
    fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .context("pip downloaded no wheel")
}

fn check(wheel: &Path) -> Result<()> {
    let bytes = fs::read(wheel).with_context(|| format!("cannot read {}", wheel.display()))?;
    let found: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ensure!(
        found == SHA256,
        "{REQUIREMENT} has SHA-256 {found}, not {SHA256}"
    );
    Ok(())
}

fn unpack(wheel: &Path, dir: &Path) -> Result<()> {
    let file = File::open(wheel).with_context(|| format!("cannot open {}", wheel.display()))?;
    ZipArchive::new(file)
        .and_then(|mut archive| archive.extract(dir))
        .with_context(|| format!("cannot unpack {}", wheel.display()))
}
