//! Debian packages.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Need, has_program, pypi, succeed};

/// Needed as packages.
const PACKAGES: [(&str, &str); 6] = [
    (
        "mariadb-server",
        "mariadbd, a second kind of server to test against",
    ),
    (
        "mariadb-client",
        "a client to test with: mysql, mysqldump and others",
    ),
    (
        "libmariadb-java",
        "a client to test with: MariaDB Connector/J",
    ),
    ("haproxy", "a load balancer to stand behind"),
    (
        "docker-compose",
        "checks docker-compose.yml; needs no Docker engine",
    ),
    (
        "util-linux",
        "setpriv, which ends test servers with their test; unshare and nsenter, for hosts of their own",
    ),
];

/// Needed as programs, wherever they come from: program, package, and what it is for.
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("ip", "iproute2", "connects hosts whose cable tests pull"),
    ("javac", "default-jdk-headless", "runs Connector/J"),
    ("node", "nodejs", "runs npm's clients"),
    ("npm", "npm", "fetches npm's clients"),
];

/// What builds the client that PyPI has as source only.
const BUILDERS: [(&str, &str); 3] = [
    ("libmariadb-dev", "builds mysqlclient"),
    ("gcc", "builds mysqlclient"),
    ("pkg-config", "builds mysqlclient"),
];

/// What the tests need of Debian; with `builds` also what builds a Python package.
pub(super) fn needs(builds: bool) -> Result<Vec<Need>> {
    let mut needs = packages(&PACKAGES)?;
    let mut add = |name: &str, purpose, missing| {
        needs.push(Need {
            name: name.to_owned(),
            purpose,
            missing,
        });
    };
    for (program, package, purpose) in PROGRAMS {
        add(package, purpose, !has_program(program));
    }
    add(
        "python3-pip",
        "fetches seekdb and PyPI's clients",
        !has_pip(),
    );
    if builds {
        for (package, purpose) in BUILDERS {
            add(package, purpose, !is_there(package)?);
        }
        // A Python from elsewhere brings its headers.
        add(
            "python3-dev",
            "builds mysqlclient",
            !pypi::has_python_headers(),
        );
    }
    Ok(needs)
}

/// These packages, each with what it is for.
pub(super) fn packages(packages: &[(&str, &'static str)]) -> Result<Vec<Need>> {
    let need = |(name, purpose): &(&str, &'static str)| {
        Ok(Need {
            name: (*name).to_owned(),
            purpose,
            missing: !is_there(name)?,
        })
    };
    packages.iter().map(need).collect()
}

fn is_there(package: &str) -> Result<bool> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package])
        .output()
        .with_context(|| format!("cannot run dpkg-query; this needs Debian with {package}"))?;
    Ok(output.status.success() && is_installed(&output.stdout))
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

pub(super) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "not root, so please run: sudo apt-get install {}",
            packages.join(" ")
        );
    }
    apt_get(&["update", "--quiet"])?;
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    apt_get(&[&install, packages].concat())
}

fn apt_get(args: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    succeed(apt.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
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
