//! Where testkit keeps its files: under cargo's target directory, so that `cargo clean` removes
//! them all, in two kinds.
//!
//! ```text
//! target/testkit/
//!   seekdb-1.4.0.post1/   caches: made once, kept            (see `cached`)
//!   python/               packages that tests import         (see `python_dir`)
//!   node/                 the same for Node.js               (see `node_dir`)
//!   run/abc123/           one cluster's files, gone with it  (see `RunDir`)
//! ```
//!
//! A static cluster is never dropped, so its directory outlives its process. Each run directory is
//! therefore locked by its owner, and whoever makes the next one removes those that nobody holds.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Cargo's target directory of this workspace.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace_dir().join(dir),
        None => workspace_dir().join("target"),
    }
}

/// The top of the repository.
pub fn workspace_dir() -> PathBuf {
    let testkit = Path::new(env!("CARGO_MANIFEST_DIR"));
    testkit.parent().unwrap_or(testkit).to_path_buf()
}

/// `target/testkit`, made if it is missing.
pub fn testkit_dir() -> Result<PathBuf> {
    let dir = target_dir().join("testkit");
    make_dir(&dir)?;
    Ok(dir)
}

/// Where the Python packages are that tests import (`PYTHONPATH`); `cargo xtask test` fills it.
pub fn python_dir() -> PathBuf {
    target_dir().join("testkit").join("python")
}

/// Where npm has put the packages that tests require (in `node_modules`); `cargo xtask test` fills it.
pub fn node_dir() -> PathBuf {
    target_dir().join("testkit").join("node")
}

/// The directory `target/testkit/<name>`, filled by `fill` when it is not there yet. `fill` gets an
/// empty directory, which takes its final name only once it is complete; one process at a time.
pub(crate) fn cached(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let home = testkit_dir()?;
    let dir = home.join(name);
    if dir.is_dir() {
        return Ok(dir);
    }
    let _one_at_a_time = lock(&home.join(format!("{name}.lock")))?;
    if dir.is_dir() {
        return Ok(dir);
    }
    let unfinished = TempDir::with_prefix_in(format!("{name}."), &home)
        .with_context(|| format!("cannot make a directory in {}", home.display()))?;
    fill(unfinished.path())?;
    let unfinished = unfinished.keep();
    fs::rename(&unfinished, &dir).with_context(|| {
        format!(
            "cannot rename {} to {}",
            unfinished.display(),
            dir.display()
        )
    })?;
    Ok(dir)
}

/// A directory for one run, removed on drop or, at the latest, by the next run.
#[derive(Debug)]
pub struct RunDir {
    dir: TempDir,
    _alive: File,
}

impl RunDir {
    pub fn create() -> Result<Self> {
        let runs = testkit_dir()?.join("run");
        make_dir(&runs)?;
        // Between its making and its locking a directory looks abandoned: nobody may look then.
        let _nobody_sweeps = lock(&runs.with_extension("lock"))?;
        remove_abandoned(&runs)?;
        let dir = TempDir::new_in(&runs)
            .with_context(|| format!("cannot make a directory in {}", runs.display()))?;
        let alive = File::open(dir.path())
            .and_then(|file| file.lock().map(|()| file))
            .with_context(|| format!("cannot lock {}", dir.path().display()))?;
        Ok(Self { dir, _alive: alive })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A new directory in this one.
    pub(crate) fn subdir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.path().join(name);
        make_dir(&dir)?;
        Ok(dir)
    }
}

/// Removes the directories in `runs` whose owner is gone. Best effort: a process that is just
/// dying may still write into one, and then the next run removes it.
fn remove_abandoned(runs: &Path) -> Result<()> {
    let entries = fs::read_dir(runs).with_context(|| format!("cannot read {}", runs.display()))?;
    for dir in entries.flatten().map(|entry| entry.path()) {
        let Ok(file) = File::open(&dir) else { continue };
        match file.try_lock() {
            Ok(()) => _ = fs::remove_dir_all(&dir),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
    Ok(())
}

/// Holds an exclusive lock for as long as the file that it returns.
fn lock(path: &Path) -> Result<File> {
    File::create(path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("cannot lock {}", path.display()))
}

fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make directory {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_dir_goes_with_its_owner_and_an_abandoned_one_with_the_next() {
        let mine = RunDir::create().unwrap();
        let gone = RunDir::create().unwrap().path().to_path_buf();
        assert!(!gone.exists());

        let abandoned = mine.path().with_extension("abandoned");
        make_dir(&abandoned).unwrap();
        let _next = RunDir::create().unwrap();
        assert!(!abandoned.exists());
        assert!(mine.path().exists());
    }
}
