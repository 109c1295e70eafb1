//! The program under test, run as a process of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::paths::RunDir;
use crate::process::{Ending, Process, Program, Signal};

/// How to run obwarden. On a free port and with an empty password, unless something else is said.
#[derive(Debug)]
pub struct WardenBuilder {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    listen: Option<String>,
    config: Option<String>,
}

impl WardenBuilder {
    /// Adds `--server` for each, as `Cluster::seeds` gives them.
    pub fn servers<S: AsRef<str>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        for server in servers {
            self = self.args(["--server", server.as_ref()]);
        }
        self
    }

    /// The service account: `root@sys`.
    pub fn user(self, user: &str) -> Self {
        self.args(["--user", user])
    }

    /// The service account's password.
    pub fn password(self, password: &str) -> Self {
        self.env("OBWARDEN_PASSWORD", password)
    }

    /// Where clients connect; `127.0.0.1:0` if not called.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// The text of a configuration file. `--listen` is not passed then, unless `listen` is called.
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config = Some(toml.into());
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable; the last word counts.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it and waits until it accepts clients. When it ends or stays silent instead, the
    /// error has the last of its log.
    pub async fn start(self) -> Result<Warden> {
        let dir = RunDir::create()?;
        let mut program = Program::new(&self.program, dir.path().join("obwarden.log"))
            .args(&self.args)
            .env("OBWARDEN_PASSWORD", "")
            .env("NO_COLOR", "1")
            .envs(self.env)
            .current_dir(dir.path())
            .ending(Ending::Terminate(DRAIN_TIMEOUT));
        let default_listen = self.config.is_none().then(|| "127.0.0.1:0".to_owned());
        if let Some(toml) = &self.config {
            let path = dir.path().join("obwarden.toml");
            fs::write(&path, toml).with_context(|| format!("cannot write {}", path.display()))?;
            program = program.args([OsStr::new("--config"), path.as_os_str()]);
        }
        if let Some(listen) = self.listen.or(default_listen) {
            program = program.args(["--listen", &listen]);
        }
        let process = program.start()?;
        let addr = process
            .ready(START_TIMEOUT, || async {
                ready_address(&process.log()).context("it has not said that it is ready to accept")
            })
            .await?;
        Ok(Warden {
            addr,
            process,
            _dir: dir,
        })
    }
}

/// A running obwarden, ended on drop: SIGTERM first, SIGKILL when it takes too long.
#[derive(Debug)]
pub struct Warden {
    addr: SocketAddr,
    process: Process,
    _dir: RunDir, // after the process, which runs in it
}

impl Warden {
    /// `program` is `env!("CARGO_BIN_EXE_obwarden")` in a test of obwarden.
    pub fn builder(program: impl AsRef<Path>) -> WardenBuilder {
        WardenBuilder {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            listen: None,
            config: None,
        }
    }

    /// Where it listens for clients.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its process, to suspend or kill it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Waits until it has ended by itself. Cancel-safe.
    pub async fn exited(&self) -> Result<ExitStatus> {
        self.process.exited().await
    }

    /// The memory it has resident, in bytes.
    pub fn rss_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .with_context(|| format!("no VmRSS in {path}"))?;
        Ok(kib
            .trim()
            .parse::<u64>()
            .with_context(|| format!("VmRSS {kib}"))?
            * 1024)
    }

    /// How many descriptors it has open.
    pub fn open_descriptors(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.pid());
        Ok(fs::read_dir(&path)
            .with_context(|| format!("cannot read {path}"))?
            .count())
    }
}

const START_TIMEOUT: Duration = Duration::from_secs(30);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The address in the line that says `ready to accept`: `address=127.0.0.1:2889`, or the same as a
/// field of a JSON line.
fn ready_address(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("ready to accept"))?;
    let (_, value) = line.split_once("address")?;
    let value = value.trim_start_matches(['=', ':', '"', ' ']);
    let end = value.find(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '}'));
    value[..end.unwrap_or(value.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "127.0.0.1:2889";

    #[test]
    fn the_ready_line_has_the_address() {
        for line in [
            "2026-01-01T00:00:00Z  INFO obwarden: ready to accept address=127.0.0.1:2889 x=1",
            "INFO ready to accept address=\"127.0.0.1:2889\"",
            r#"{"level":"INFO","message":"ready to accept","address":"127.0.0.1:2889"}"#,
        ] {
            let log = format!("starting address=127.0.0.9:1\n{line}\n");
            assert_eq!(
                ready_address(&log),
                Some(ADDRESS.parse().unwrap()),
                "{line}"
            );
        }
        assert_eq!(ready_address("nothing yet address=127.0.0.1:1\n"), None);
    }

    #[tokio::test]
    async fn what_it_needs_arrives_and_what_it_does_can_be_seen() {
        let dir = tempfile::tempdir().unwrap();
        let fake = dir.path().join("fake.sh");
        fs::write(
            &fake,
            "echo \"$* <$OBWARDEN_PASSWORD>\" >&2\n\
             echo 'INFO ready to accept address=127.0.0.1:2889' >&2\n\
             exec sleep 600\n",
        )
        .unwrap();
        let warden = Warden::builder("sh")
            .args([&fake])
            .servers(["127.0.0.1:1", "127.0.0.2:2"])
            .user("root@sys")
            .password("secret")
            .start()
            .await
            .unwrap();
        assert_eq!(warden.addr().to_string(), ADDRESS);
        assert!(
            warden.log().contains(
                "--server 127.0.0.1:1 --server 127.0.0.2:2 --user root@sys \
                 --listen 127.0.0.1:0 <secret>"
            ),
            "{}",
            warden.log()
        );
        assert!(warden.rss_bytes().unwrap() > 0);
        assert!(warden.open_descriptors().unwrap() >= 3);
        warden.signal(Signal::TERM).unwrap();
        assert!(!warden.exited().await.unwrap().success());
    }

    #[tokio::test]
    async fn one_that_does_not_start_says_why() {
        let error = Warden::builder("sh")
            .args(["-c", "echo bad key >&2; exit 1"])
            .start()
            .await;
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("bad key"), "{error}");
    }
}
