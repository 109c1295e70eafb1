//! Python packages, in a directory of our own.

use std::process::Command;

use anyhow::Result;
use testkit::paths::python_dir;

use super::{Need, succeed};

struct Package {
    name: &'static str,
    version: &'static str,
    /// A module of it that does not load where the package was made for another Python.
    module: &'static str,
    purpose: &'static str,
}

/// Has no ready-made package for Linux.
pub(super) const BUILT: &str = "mysqlclient==2.3.1";

const PACKAGES: [Package; 5] = [
    Package {
        name: "PyMySQL",
        version: "1.2.4",
        module: "pymysql",
        purpose: "a client to test with",
    },
    Package {
        name: "mysql-connector-python",
        version: "26.10.0",
        module: "_mysql_connector",
        purpose: "a client to test with: Oracle's",
    },
    Package {
        name: "mysqlclient",
        version: "2.3.1",
        module: "MySQLdb._mysql",
        purpose: "a client to test with, on MariaDB's C library",
    },
    Package {
        name: "SQLAlchemy",
        version: "2.1.9",
        module: "sqlalchemy",
        purpose: "a client to test with",
    },
    Package {
        name: "typing_extensions",
        version: "4.16.0",
        module: "typing_extensions",
        purpose: "for SQLAlchemy",
    },
];

impl Package {
    fn requirement(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }

    fn is_there(&self) -> bool {
        let Self {
            name,
            version,
            module,
            ..
        } = self;
        python(&format!(
            "import {module}, importlib.metadata\n\
             assert importlib.metadata.version('{name}') == '{version}'"
        ))
    }
}

pub(super) fn needs() -> Vec<Need> {
    let need = |package: &Package| Need {
        name: package.requirement(),
        purpose: package.purpose,
        missing: !package.is_there(),
    };
    PACKAGES.iter().map(need).collect()
}

/// Whether the Python that runs can build packages.
pub(super) fn has_python_headers() -> bool {
    python(
        "import os, sysconfig\n\
         assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))",
    )
}

/// Whether a script ends without an error.
fn python(script: &str) -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", script]).env("PYTHONPATH", python_dir());
    python.output().is_ok_and(|output| output.status.success())
}

pub(super) fn install(requirements: &[&str]) -> Result<()> {
    let (built, ready): (Vec<&str>, Vec<&str>) = requirements.iter().partition(|it| **it == BUILT);
    for (requirements, how) in [
        (ready, "--only-binary=:all:"),
        (built, "--no-binary=mysqlclient"),
    ] {
        if requirements.is_empty() {
            continue;
        }
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]);
        pip.args(["--disable-pip-version-check", how, "--target"]);
        pip.arg(python_dir()).args(requirements);
        pip.env("PIP_ROOT_USER_ACTION", "ignore"); // no warning: the directory is our own
        succeed(&mut pip)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_built_is_one_of_the_packages() {
        assert!(PACKAGES.iter().any(|it| it.requirement() == BUILT));
    }
}
