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

const PACKAGES: [Package; 6] = [
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
        purpose: "for SQLAlchemy and mycli",
    },
    Package {
        name: "mycli",
        version: "2.30.1",
        module: "mycli.main",
        purpose: "a client to test with: a console; with 32 packages that it needs",
    },
];

/// What mycli needs besides the others: it is there where mycli loads.
const NEEDED_BY_MYCLI: [&str; 32] = [
    "backports.tarfile==1.2.0",
    "cffi==2.1.1",
    "cli_helpers==2.15.2",
    "click==8.5.1",
    "clickdc==0.1.1",
    "configobj==5.0.9",
    "cryptography==50.0.2",
    "importlib_metadata==10.2.0",
    "jaraco.classes==3.4.0",
    "jaraco.context==6.1.2",
    "jaraco.functools==4.6.0",
    "jeepney==0.9.0",
    "Jinja2==3.1.6",
    "keyring==25.7.0",
    "lazy-importer==0.1.0",
    "MarkupSafe==3.0.4",
    "more-itertools==11.2.1",
    "prompt_toolkit==3.0.53",
    "pycparser==3.12",
    "pycryptodomex==3.24.2",
    "Pygments==2.21.0",
    "pyperclip==1.11.0",
    "RapidFuzz==3.14.6",
    "SecretStorage==3.5.0",
    "sqlglot==30.23.0",
    "sqlglotc==30.23.0",
    "sqlparse==0.6.1",
    "tabulate==0.10.0",
    "termcolor==3.3.0",
    "wcwidth==0.9.4",
    "yaspin==3.5.1",
    "zipp==4.1.2",
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
    let (built, mut ready): (Vec<&str>, Vec<&str>) =
        requirements.iter().partition(|it| **it == BUILT);
    if ready.iter().any(|it| it.starts_with("mycli==")) {
        ready.extend(NEEDED_BY_MYCLI);
    }
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
