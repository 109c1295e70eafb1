//! What the tests need on this machine, and how it gets there.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use testkit::paths::python_dir;

/// Debian packages, and what each is for.
const PACKAGES: [(&str, &str); 5] = [
    (
        "mariadb-server",
        "mariadbd, a second kind of server to test against",
    ),
    ("mariadb-client", "the plain mysql client"),
    ("haproxy", "a load balancer to stand behind"),
    (
        "docker-compose",
        "checks docker-compose.yml; needs no Docker engine",
    ),
    (
        "util-linux",
        "setpriv, which ends test servers with their test",
    ),
];
const PIP: (&str, &str) = ("python3-pip", "fetches seekdb and PyMySQL from PyPI");

/// A client that shares no code with ours.
const PYMYSQL: &str = "1.2.4";

/// Installs what is missing, having said what that is.
pub(crate) async fn run() -> Result<()> {
    let missing = missing_packages()?;
    let pymysql = pymysql_version().as_deref() != Some(PYMYSQL);
    println!("the tests need, and this will install where it is missing:");
    for (package, purpose) in PACKAGES.iter().chain([&PIP]) {
        let state = if missing.contains(package) {
            "to install"
        } else {
            "there"
        };
        println!("  {package:<15} {state:<10} Debian: {purpose}");
    }
    let state = if pymysql { "to install" } else { "there" };
    println!(
        "  {:<15} {state:<10} PyPI, into target/testkit: a third-party client",
        "PyMySQL"
    );
    println!(
        "  {:<15} {:<10} PyPI, into target/testkit: OceanBase's kernel",
        "seekdb", "if new"
    );

    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    if pymysql {
        install_pymysql()?;
    }
    testkit::seekdb::fetch().await?;
    Ok(())
}

/// Installs those of Debian's packages that are missing, having said which and what for.
pub(crate) fn debian_packages(packages: &[(&'static str, &str)]) -> Result<()> {
    let missing = missing_of(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    println!("this will install from Debian:");
    for (package, purpose) in packages.iter().filter(|(name, _)| missing.contains(name)) {
        println!("  {package:<15} {purpose}");
    }
    install_packages(&missing)
}

fn missing_packages() -> Result<Vec<&'static str>> {
    let mut missing = missing_of(&PACKAGES)?;
    if !has_pip() {
        missing.push(PIP.0);
    }
    Ok(missing)
}

fn missing_of(packages: &[(&'static str, &str)]) -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for (package, _) in packages {
        let output = Command::new("dpkg-query")
            .args(["-W", "-f=${db:Status-Status}", package])
            .output()
            .with_context(|| {
                let all: Vec<_> = packages.iter().map(|(package, _)| *package).collect();
                format!(
                    "cannot run dpkg-query; this needs Debian with {}",
                    all.join(" ")
                )
            })?;
        if !(output.status.success() && is_installed(&output.stdout)) {
            missing.push(*package);
        }
    }
    Ok(missing)
}

/// Whether dpkg's status word means that the package is there: a removed one has a word, too.
fn is_installed(status: &[u8]) -> bool {
    status.trim_ascii() == b"installed"
}

fn has_pip() -> bool {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    pip.status().is_ok_and(|status| status.success())
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "not root, so please run: sudo apt-get install {}",
            packages.join(" ")
        );
    }
    apt_get(&["update", "--quiet"])?;
    apt_get(
        &[
            &["install", "--quiet", "--yes", "--no-install-recommends"],
            packages,
        ]
        .concat(),
    )
}

fn apt_get(args: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    succeed(apt.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The version that is in our own directory of Python packages.
fn pymysql_version() -> Option<String> {
    let output = Command::new("python3")
        .args(["-c", "import pymysql; print(pymysql.__version__)"])
        .env("PYTHONPATH", python_dir())
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().to_owned())
}

fn install_pymysql() -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    pip.args(["--only-binary=:all:", "--upgrade", "--target"])
        .arg(python_dir());
    pip.env("PIP_ROOT_USER_ACTION", "ignore"); // no warning: the directory is our own
    succeed(pip.arg(format!("PyMySQL=={PYMYSQL}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_there_only_when_dpkg_says_installed() {
        assert!(is_installed(b"installed"));
        for status in ["", "not-installed", "config-files", "half-installed"] {
            assert!(!is_installed(status.as_bytes()), "{status}");
        }
    }
}
