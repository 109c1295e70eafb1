//! MariaDB dressed as OceanBase: for the parts of the protocol that seekdb lacks (stored
//! procedures, several results, TLS, DEPRECATE_EOF).
//!
//! Its `oceanbase` database holds `__all_server` and a view `V$OB_PROCESSLIST` with the columns of
//! OceanBase 4.2, filled with what a MariaDB server knows. Root comes from any address and has no
//! password, as on a fresh OceanBase.

use std::ffi::OsString;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cluster::{Cluster, Kernel, Place};
use crate::paths::cached;
use crate::process::Program;
use crate::topology::ServerRow;

/// MariaDB servers that list one another in `__all_server`.
#[derive(Debug)]
pub struct MariadbCluster(Cluster);

impl MariadbCluster {
    /// Starts so many nodes, all at once.
    pub async fn start(nodes: u8) -> Result<Self> {
        Self::start_with(nodes, [] as [&str; 0]).await
    }

    /// The same with more arguments for each mariadbd.
    pub async fn start_with<A: Into<OsString>>(
        nodes: u8,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        let template = tokio::task::spawn_blocking(template)
            .await
            .context("template")??;
        let args = args.into_iter().map(Into::into).collect();
        Cluster::start(nodes, &Mariadb { template, args })
            .await
            .map(Self)
    }
}

impl Deref for MariadbCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

struct Mariadb {
    /// An initialised data directory, to be copied.
    template: PathBuf,
    args: Vec<OsString>,
}

impl Kernel for Mariadb {
    fn program(&self, place: &Place) -> Result<Program> {
        let data = place.dir.join("data");
        copy_dir(&self.template, &data)?;
        let Place { ip, port, dir } = place;
        Ok(Program::new(MARIADBD, dir.join("output.log"))
            .args([
                "--no-defaults",
                "--skip-name-resolve",
                "--performance-schema=OFF",
            ])
            .args(["--max-connections=500", "--local-infile=1"])
            .args(["--innodb-buffer-pool-size=16M", LOG_FILE_SIZE])
            .args([format!("--bind-address={ip}"), format!("--port={port}")])
            .args(["--socket=mysqld.sock", "--pid-file=mysqld.pid"]) // in the data directory
            .args([
                option("--datadir=", &data),
                option("--tmpdir=", &tmp_dir(dir)?),
            ])
            .args(user_option())
            .args(&self.args))
    }

    fn prepare(&self, server: &ServerRow) -> Option<String> {
        let ServerRow {
            svr_ip,
            svr_port,
            inner_port,
            ..
        } = server;
        Some(format!(
            "CREATE DATABASE IF NOT EXISTS oceanbase;
             CREATE SQL SECURITY INVOKER VIEW oceanbase.`V$OB_PROCESSLIST` AS
             SELECT '{svr_ip}' AS SVR_IP, {svr_port} AS SVR_PORT, {inner_port} AS SQL_PORT, ID, USER,
               HOST, COALESCE(DB, 'NULL') AS DB, 'sys' AS TENANT, COMMAND,
               CAST(TIME AS SIGNED) AS TIME, CAST(TIME AS SIGNED) AS TOTAL_TIME,
               IF(COMMAND = 'Sleep', 'SLEEP', 'ACTIVE') AS STATE, INFO, NULL AS PROXY_SESSID,
               NULL AS MASTER_SESSID, SUBSTRING_INDEX(HOST, ':', 1) AS USER_CLIENT_IP,
               '%' AS USER_HOST, 0 AS RETRY_CNT, 0 AS RETRY_INFO, '' AS SQL_ID, 0 AS TRANS_ID,
               TID AS THREAD_ID, NULL AS SSL_CIPHER, NULL AS TRACE_ID, NULL AS TRANS_STATE,
               '' AS ACTION, '' AS MODULE, '' AS CLIENT_INFO, 1 AS LEVEL,
               10 AS SAMPLE_PERCENTAGE, 'SAMPLE_AND_SLOW_QUERY' AS RECORD_POLICY
             FROM information_schema.PROCESSLIST"
        ))
    }
}

/// Not always in an ordinary user's PATH.
const MARIADBD: &str = "/usr/sbin/mariadbd";
/// The same when the template is made and when it is used: it would be written anew otherwise.
const LOG_FILE_SIZE: &str = "--innodb-log-file-size=8M";

/// One account that may log on over TCP, in place of those that mariadb-install-db makes.
const ACCOUNTS: &str = r#"
DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';
DELETE FROM mysql.proxies_priv;
INSERT INTO mysql.global_priv VALUES ('%', 'root',
  '{"access":18446744073709551615,"plugin":"mysql_native_password","authentication_string":""}');
"#;

/// A data directory that is made once and copied for each node.
fn template() -> Result<PathBuf> {
    cached("mariadb-template", |dir| {
        let tmp = tempfile::tempdir().context("cannot make a temporary directory")?;
        let accounts = tmp.path().join("accounts.sql");
        fs::write(&accounts, ACCOUNTS)
            .with_context(|| format!("cannot write {}", accounts.display()))?;
        let output = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--skip-name-resolve", LOG_FILE_SIZE])
            .args([
                option("--datadir=", dir),
                option("--extra-file=", &accounts),
            ])
            .args(user_option())
            .output()
            .context("cannot run mariadb-install-db (on Debian: apt-get install mariadb-server)")?;
        if !output.status.success() {
            let log = [output.stdout, output.stderr].concat();
            bail!(
                "mariadb-install-db: {}",
                String::from_utf8_lossy(&log).trim()
            );
        }
        Ok(())
    })
}

/// A node's own: a mariadbd that starts removes all temporary tables from its directory, those of
/// its neighbours too.
fn tmp_dir(dir: &Path) -> Result<PathBuf> {
    let tmp = dir.join("tmp");
    fs::create_dir_all(&tmp).with_context(|| format!("cannot make {}", tmp.display()))?;
    Ok(tmp)
}

/// Root has to say that it means it.
fn user_option() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp")
        .args(["-r", "--reflink=auto", "--"])
        .args([from, to])
        .status()
        .context("cannot run cp")?;
    if !status.success() {
        bail!("cannot copy {} to {}", from.display(), to.display());
    }
    Ok(())
}
