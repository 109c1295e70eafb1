//! What a DBA does without obwarden: a shell loop that runs the `mysql` client on each node; and the same client,
//! once, with obwarden.

use std::fmt::Write;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::paths::RunDir;

/// How the nodes are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    Sequential,
    /// With `xargs -P16`.
    Parallel,
}

pub(super) const PARALLEL_CLIENTS: usize = 16;

impl Loop {
    pub(super) fn clients(self) -> usize {
        match self {
            Self::Sequential => 1,
            Self::Parallel => PARALLEL_CLIENTS,
        }
    }

    /// `$1` is the file with an address and a port in each line.
    fn script(self) -> String {
        match self {
            Self::Sequential => format!(
                "while read -r ip port; do {MYSQL} -h \"$ip\" -P \"$port\" -e '{LIST}' </dev/null || exit; \
                 done <\"$1\""
            ),
            Self::Parallel => format!(
                "exec xargs -P{PARALLEL_CLIENTS} -n2 \
                 sh -c 'exec {MYSQL} -h \"$0\" -P \"$1\" -e \"{}\"' <\"$1\"",
                LIST.replace('$', "\\$")
            ),
        }
    }
}

const MYSQL: &str = "mysql --no-defaults -uroot -N -B";
/// What each node is asked.
pub(super) const LIST: &str = "SELECT * FROM oceanbase.V$OB_PROCESSLIST";

/// Where the scripts find the nodes and leave the rows.
pub(super) struct Shell {
    dir: RunDir,
}

impl Shell {
    pub(super) fn new(nodes: &[SocketAddr]) -> Result<Self> {
        let dir = RunDir::create()?;
        let mut lines = String::new();
        for node in nodes {
            _ = writeln!(lines, "{} {}", node.ip(), node.port());
        }
        let shell = Self { dir };
        fs::write(shell.nodes(), lines).context("cannot write the list of nodes")?;
        Ok(shell)
    }

    /// Asks all nodes for their sessions, of which there are so many at least; returns how long it took.
    pub(super) async fn run(&self, how: Loop, rows: u64) -> Result<Duration> {
        self.time(&how.script(), &self.nodes(), rows).await
    }

    /// Asks obwarden for a list of so many sessions at least; returns how long it took.
    pub(super) async fn run_once(
        &self,
        obwarden: SocketAddr,
        sql: &str,
        rows: u64,
    ) -> Result<Duration> {
        let (ip, port) = (obwarden.ip(), obwarden.port());
        let script = format!("exec {MYSQL} -h {ip} -P {port} -e '{sql}'");
        self.time(&script, &self.nodes(), rows).await
    }

    async fn time(&self, script: &str, arg: &Path, rows: u64) -> Result<Duration> {
        let path = self.dir.path().join("rows");
        let output = File::create(&path).context("cannot write the rows")?;
        let start = Instant::now();
        let status = tokio::process::Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(arg)
            .stdin(Stdio::null())
            .stdout(output)
            .kill_on_drop(true)
            .status()
            .await
            .context("cannot run sh")?;
        let took = start.elapsed();
        ensure!(status.success(), "{script}: {status}");
        let lines = fs::read(&path).context("cannot read the rows")?;
        let lines = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        ensure!(lines >= rows, "{script}: {lines} rows of {rows}");
        Ok(took)
    }

    fn nodes(&self) -> PathBuf {
        self.dir.path().join("nodes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_that_reads_the_script_leaves_the_views_name_as_it_is() {
        assert!(
            Loop::Sequential
                .script()
                .contains("-e 'SELECT * FROM oceanbase.V$OB_PROCESSLIST'")
        );
        let nested = r#"-e "SELECT * FROM oceanbase.V\$OB_PROCESSLIST"'"#;
        assert!(Loop::Parallel.script().contains(nested));
    }
}
