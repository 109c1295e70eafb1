//! The file of records. It is written by a thread of its own: a disk that hangs must hold up nobody else.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::{FILE_TIMEOUT, NotRecorded};
use crate::deadline::Deadline;

/// Records that may wait for the disk.
const RECORDS_WAITING_MAX: usize = 64;

/// Its own user may read it, and write it.
const MODE: u32 = 0o600;

/// The file, as those see it who have something to record.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    queue: mpsc::Sender<Job>,
}

struct Job {
    line: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

impl AuditFile {
    /// Starts the thread, which ends with this.
    pub(super) fn start(path: PathBuf) -> Self {
        let (queue, mut jobs) = mpsc::channel::<Job>(RECORDS_WAITING_MAX);
        let mut log = Log::new(path.clone());
        let write = move || {
            while let Some(Job { line, done }) = jobs.blocking_recv() {
                // Whether anybody still waits for it: a record is a record.
                let _ = done.send(log.append(&line));
            }
        };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        if let Err(error) = thread.spawn(write) {
            // Each record will say that nobody writes it.
            tracing::warn!(%error, "no thread for the audit file");
        }
        Self { path, queue }
    }

    /// Has a line written and flushed to the disk; an empty one only has the file opened.
    ///
    /// # Errors
    /// When it is not, or nobody knows after [`FILE_TIMEOUT`].
    pub(super) async fn append(&self, line: Vec<u8>) -> Result<(), NotRecorded> {
        let (done, written) = oneshot::channel();
        let write = async {
            let gone = || io::Error::other("nobody writes it");
            let queued = self.queue.send(Job { line, done }).await;
            queued.map_err(|_| gone())?;
            written.await.map_err(|_| gone())?
        };
        let late = || io::Error::new(ErrorKind::TimedOut, "no answer from the disk in time");
        let written = Deadline::after(FILE_TIMEOUT).limit(write).await;
        let written = written.unwrap_or_else(|_| Err(late()));
        written.map_err(|error| self.not_recorded(&error))
    }

    pub(super) fn not_recorded(&self, why: &io::Error) -> NotRecorded {
        NotRecorded {
            file: self.path.clone(),
            why: why.to_string(),
        }
    }
}

/// The file, as its thread sees it.
struct Log {
    path: PathBuf,
    open: Option<File>,
}

impl Log {
    fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let still_there = self.open.take().filter(|file| is_at(file, &self.path));
        let mut file = still_there.map_or_else(|| open(&self.path), Ok)?;
        if !line.is_empty() {
            // One that is not written whole is closed, so that the next one begins a line of its own.
            file.write_all(line)?;
            flushed(file.sync_data())?;
        }
        self.open = Some(file);
        Ok(())
    }
}

/// Whether `path` still leads to this file: it has been rotated otherwise.
fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |there: Metadata, open: Metadata| (there.dev(), there.ino()) == (open.dev(), open.ino());
    match (std::fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(open)) => same(there, open),
        _ => false,
    }
}

/// Opens the file to append to it; makes it if it is not there.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(MODE);
    let mut file = match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // A file that is in no directory on the disk is lost with all that is in it.
            flushed(File::open(directory(path))?.sync_all())?;
            file
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path)?,
        Err(error) => return Err(error),
    };
    if ends_within_a_line(&file)? {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn directory(path: &Path) -> &Path {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    }
}

/// Whether the last record was not written whole.
fn ends_within_a_line(file: &File) -> io::Result<bool> {
    let bytes = file.metadata()?.len();
    let mut last = [b'\n'];
    if bytes > 0 {
        file.read_exact_at(&mut last, bytes - 1)?;
    }
    Ok(last != [b'\n'])
}

/// What has no disk behind it, such as a pipe, cannot be flushed to it.
fn flushed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use testkit::paths::RunDir;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[tokio::test]
    async fn records_are_appended_to_a_file_that_others_cannot_read() {
        let dir = RunDir::create().unwrap();
        let path = dir.path().join("audit");
        let file = AuditFile::start(path.clone());
        file.append(b"one\n".into()).await.unwrap();
        file.append(b"two\n".into()).await.unwrap();
        drop(file);
        let again = AuditFile::start(path.clone());
        again.append(Vec::new()).await.unwrap();
        again.append(b"three\n".into()).await.unwrap();
        assert_eq!(text(&path), "one\ntwo\nthree\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
    }

    #[tokio::test]
    async fn a_file_that_was_rotated_is_made_anew() {
        let dir = RunDir::create().unwrap();
        let [path, old] = ["audit", "audit.1"].map(|name| dir.path().join(name));
        let file = AuditFile::start(path.clone());
        file.append(b"one\n".into()).await.unwrap();
        fs::rename(&path, &old).unwrap();
        file.append(b"two\n".into()).await.unwrap();
        assert_eq!((text(&old), text(&path)), ("one\n".into(), "two\n".into()));
        // Another one in its place, as by a rotation that makes it.
        fs::rename(&path, &old).unwrap();
        fs::write(&path, "made\n").unwrap();
        file.append(b"three\n".into()).await.unwrap();
        assert_eq!(text(&path), "made\nthree\n");
        // Emptied in its place.
        fs::write(&path, "").unwrap();
        file.append(b"four\n".into()).await.unwrap();
        assert_eq!(text(&path), "four\n");
    }

    #[tokio::test]
    async fn a_record_that_was_cut_off_does_not_spoil_the_next() {
        let dir = RunDir::create().unwrap();
        let path = dir.path().join("audit");
        fs::write(&path, "one\ntw").unwrap();
        let file = AuditFile::start(path.clone());
        file.append(b"three\n".into()).await.unwrap();
        assert_eq!(text(&path), "one\ntw\nthree\n");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error_that_names_the_file_until_it_can_be() {
        let full = AuditFile::start("/dev/full".into());
        let error = full.append(b"one\n".into()).await.unwrap_err().to_string();
        assert!(
            error.contains("/dev/full") && error.contains("No space"),
            "{error}"
        );

        let dir = RunDir::create().unwrap();
        let path = dir.path().join("not yet").join("audit");
        let file = AuditFile::start(path.clone());
        let error = file.append(b"one\n".into()).await.unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        fs::create_dir(path.parent().unwrap()).unwrap();
        file.append(b"two\n".into()).await.unwrap();
        assert_eq!(text(&path), "two\n");
    }
}
