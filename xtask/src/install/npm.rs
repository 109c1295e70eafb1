//! Node.js packages, in a directory of our own.

use std::fs;
use std::process::Command;

use anyhow::Result;
use testkit::paths::node_dir;

use super::{Need, make_dir, succeed};

/// Package and version.
const PACKAGES: [(&str, &str); 2] = [("mysql2", "3.24.6"), ("mariadb", "3.4.5")];

pub(super) fn needs() -> Vec<Need> {
    let need = |(name, version): &(&str, &str)| Need {
        name: format!("{name}@{version}"),
        purpose: "a client to test with",
        missing: !is_there(name, version),
    };
    PACKAGES.iter().map(need).collect()
}

fn is_there(name: &str, version: &str) -> bool {
    let about = node_dir()
        .join("node_modules")
        .join(name)
        .join("package.json");
    fs::read_to_string(about)
        .is_ok_and(|about| about.contains(&format!("\"version\": \"{version}\"")))
}

pub(super) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    make_dir(&node_dir())?; // else npm would look for one further up
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
    npm.args(["--loglevel=error", "--prefix"]);
    npm.arg(node_dir()).args(packages);
    succeed(&mut npm)
}
