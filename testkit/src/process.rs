//! A child process that cannot outlive us.
//!
//! Three nets, one behind the other: `Drop` ends and reaps it, also when a test panics; a process
//! that is killed itself drops nothing, and neither does a static, so the kernel is asked to end
//! the child with its parent (`setpriv --pdeathsig KILL`, from util-linux). The kernel means the
//! parent *thread*, hence one thread, which never ends, starts all children.
//!
//! A child is signalled only while it has not been reaped, so a process id is never somebody
//! else's. It gets a process group of its own: Ctrl-C in a terminal reaches us alone, and we end
//! our children in our own time.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

pub use rustix::process::Signal;

/// How `Drop` ends a process.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// At once: a database whose files nobody will read again.
    Kill,
    /// SIGTERM, and SIGKILL when it is still there after so long.
    Terminate(Duration),
}

/// What to run.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
    log: PathBuf,
    ending: Ending,
}

impl Program {
    /// `program` with both its outputs in the file `log`, which is also where errors look.
    pub fn new(program: impl AsRef<OsStr>, log: impl Into<PathBuf>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.process_group(0).stdin(Stdio::null());
        let name = Path::new(program).file_name().unwrap_or(program);
        Self {
            name: name.to_string_lossy().into_owned(),
            command,
            log: log.into(),
            ending: Ending::Kill,
        }
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn envs(mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.command.envs(vars);
        self
    }

    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    pub fn start(mut self) -> Result<Process> {
        let log = File::create(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let same_log = log.try_clone().context("cannot share the log file")?;
        self.command.stdout(log).stderr(same_log);
        let mut child = spawn(self.command)
            .with_context(|| format!("cannot start {} (through setpriv)", self.name))?;
        let exit = match watch(&child) {
            Ok(exit) => exit,
            Err(error) => {
                _ = child.kill();
                _ = child.wait();
                return Err(error);
            }
        };
        Ok(Process {
            name: self.name,
            id: child.id(),
            child: Mutex::new(child),
            exit,
            log: self.log,
            ending: self.ending,
        })
    }
}

/// A running child, ended on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    id: u32,
    child: Mutex<Child>,
    /// Readable once the child has ended.
    exit: OwnedFd,
    log: PathBuf,
    ending: Ending,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.id
    }

    pub fn is_running(&self) -> bool {
        matches!(self.exit_status(), Ok(None))
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> io::Result<Option<ExitStatus>> {
        self.child().try_wait()
    }

    /// Sends a signal; does nothing when the process has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child();
        if child
            .try_wait()
            .context("cannot look after the child")?
            .is_none()
        {
            rustix::process::kill_process(pid_of(self.id)?, signal)
                .with_context(|| format!("cannot send {signal:?} to {}", self.name))?;
        }
        Ok(())
    }

    /// Stops it from running (SIGSTOP): its sockets stay open and nothing answers. The signal is
    /// only the beginning; this returns when the last of its threads stands still.
    pub fn suspend(&self) -> Result<()> {
        let mut child = self.child(); // held, so that nobody reaps it meanwhile
        if child
            .try_wait()
            .context("cannot look after the child")?
            .is_some()
        {
            return Ok(());
        }
        let pid = pid_of(self.id)?;
        rustix::process::kill_process(pid, Signal::STOP)
            .with_context(|| format!("cannot stop {}", self.name))?;
        let look_only = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), look_only)
            .with_context(|| format!("cannot wait for {} to stop", self.name))?;
        Ok(())
    }

    /// Lets it run again (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it at once (SIGKILL) and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child();
        child
            .kill()
            .with_context(|| format!("cannot kill {}", self.name))?;
        child
            .wait()
            .with_context(|| format!("cannot reap {}", self.name))?;
        Ok(())
    }

    /// Waits until it has ended by itself. Cancel-safe.
    pub async fn exited(&self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.exit_status().context("cannot look after the child")? {
                return Ok(status);
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// The file that it prints to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All that it has printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_else(|error| format!("cannot read {}: {error}", self.log.display()))
    }

    /// Asks `probe` until it gives a value. Fails, with the last of the log, when the process ends
    /// first or `deadline` has passed.
    pub async fn ready<T, F: Future<Output = Result<T>>>(
        &self,
        deadline: Duration,
        mut probe: impl FnMut() -> F,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let error = match probe().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if let Some(status) = self.exit_status().context("cannot look after the child")? {
                bail!(
                    "{} ended before it was ready ({status}){}",
                    self.name,
                    self.log_tail()
                );
            }
            if start.elapsed() > deadline {
                let log = self.log_tail();
                return Err(error.context(format!("{} not ready in {deadline:?}{log}", self.name)));
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("; the last it printed:\n{}", tail.join("\n"))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn terminate(&self, grace: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        self.resume()?; // a suspended one has to wake up to see it
        let timeout = Timespec::try_from(grace).context("grace")?;
        poll(
            &mut [PollFd::new(&self.exit, PollFlags::IN)],
            Some(&timeout),
        )
        .context("poll")?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = match self.ending {
            Ending::Kill => Ok(()),
            Ending::Terminate(grace) => self.terminate(grace),
        };
        if let Err(error) = ended.and_then(|()| self.kill()) {
            eprintln!(
                "{} (pid {}) may be left over: {error:#}",
                self.name, self.id
            );
        }
    }
}

const PROBE_INTERVAL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 20;

fn pid_of(id: u32) -> Result<Pid> {
    i32::try_from(id)
        .ok()
        .and_then(Pid::from_raw)
        .context("process id out of range")
}

/// A descriptor that becomes readable when the child has ended.
fn watch(child: &Child) -> Result<OwnedFd> {
    pidfd_open(pid_of(child.id())?, PidfdFlags::empty()).context("cannot watch the child")
}

/// Spawns from the one thread that never ends.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();

    let gone = || io::Error::other("the spawner thread is gone");
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = mpsc::channel();
    let orders = spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    orders.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> (tempfile::TempDir, Process) {
        sh_ending(script, Ending::Kill)
    }

    fn sh_ending(script: &str, ending: Ending) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::new("sh", dir.path().join("log")).args(["-c", script]);
        (dir, program.ending(ending).start().unwrap())
    }

    fn exists(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[tokio::test]
    async fn it_is_gone_after_drop_even_when_suspended() {
        for ending in [Ending::Kill, Ending::Terminate(Duration::from_secs(5))] {
            let (_dir, process) = sh_ending("exec sleep 600", ending);
            let pid = process.pid();
            process.suspend().unwrap();
            assert!(process.is_running());
            drop(process);
            assert!(!exists(pid), "{ending:?}");
        }
    }

    #[tokio::test]
    async fn suspending_twice_and_after_its_end_returns() {
        let (_dir, process) = sh("exec sleep 600");
        for _ in 0..3 {
            process.suspend().unwrap();
            process.suspend().unwrap();
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
            assert!(stat.contains(") T "), "{stat}");
            process.resume().unwrap();
        }
        process.kill().unwrap();
        process.suspend().unwrap();
    }

    #[tokio::test]
    async fn one_that_ignores_sigterm_is_killed() {
        let (_dir, process) = sh_ending(
            "trap '' TERM; echo up; while :; do sleep 1; done",
            Ending::Terminate(Duration::from_millis(50)),
        );
        process
            .ready(Duration::from_secs(5), || async {
                process.log().contains("up").then_some(()).context("not up")
            })
            .await
            .unwrap();
        let pid = process.pid();
        drop(process);
        assert!(!exists(pid));
    }

    #[tokio::test]
    async fn one_that_dies_early_shows_what_it_printed() {
        let (_dir, process) = sh("echo no such luck >&2; exit 3");
        let error = process
            .ready(Duration::from_secs(5), async || -> Result<()> {
                bail!("never")
            })
            .await
            .unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("exit status: 3") && error.contains("no such luck"),
            "{error}"
        );
        assert!(!process.is_running());
        process.kill().unwrap();
        process.signal(Signal::TERM).unwrap();
        assert_eq!(process.exited().await.unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn its_end_can_be_waited_for() {
        let (_dir, process) = sh("read x; exit 7");
        assert_eq!(process.exited().await.unwrap().code(), Some(7));
    }
}
