//! TLS toward clients and toward servers, each alone and both together, with MariaDB and clients that
//! share no code with obwarden.

mod clients;
mod methods;
mod servers;
#[path = "../support/mod.rs"]
mod support;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Output, Stdio};

use testkit::certificates::{Certificates, Issued};
use testkit::mariadb::MariadbCluster;
use testkit::warden::{Warden, WardenBuilder};
use tokio::process::Command;
use tokio::sync::OnceCell;

use support::{SOON, builder};

/// Two MariaDB servers with TLS, and what it takes to check them.
struct House {
    certificates: Certificates,
    /// Made out to the address on which obwarden listens.
    own: Issued,
    cluster: MariadbCluster,
}

async fn house() -> &'static House {
    static HOUSE: OnceCell<House> = OnceCell::const_new();
    HOUSE
        .get_or_init(async || {
            let certificates = Certificates::make().unwrap();
            let own = certificates
                .issue("obwarden", &["127.0.0.1", "localhost"])
                .unwrap();
            let servers = certificates
                .issue("servers", &["127.0.0.1", "127.0.0.2"])
                .unwrap();
            let pam = [OsString::from("--plugin-load-add=auth_pam")];
            let args = tls_args(&servers).into_iter().chain(pam);
            let cluster = MariadbCluster::start_with(2, args).await.unwrap();
            House {
                certificates,
                own,
                cluster,
            }
        })
        .await
}

/// mariadbd's arguments to take clients with TLS as well.
fn tls_args(issued: &Issued) -> [OsString; 2] {
    [
        option("--ssl-cert=", &issued.certificate),
        option("--ssl-key=", &issued.key),
    ]
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

impl House {
    fn warden(&self) -> WardenBuilder {
        builder().servers(self.cluster.seeds())
    }

    /// With TLS toward clients.
    fn with_client_tls(&self, warden: WardenBuilder, how: &str) -> WardenBuilder {
        warden
            .args(["--tls", how, "--tls-certificate"])
            .args([&self.own.certificate])
            .args(["--tls-key"])
            .args([&self.own.key])
    }

    /// With TLS toward servers.
    fn with_server_tls(&self, warden: WardenBuilder, how: &str) -> WardenBuilder {
        let warden = warden.args(["--server-tls", how]);
        match how {
            "off" | "required" => warden,
            _ => warden
                .args(["--server-tls-ca"])
                .args([self.certificates.ca()]),
        }
    }

    /// The mysql client's options to demand TLS and check the certificate and its name.
    fn verify(&self) -> Vec<OsString> {
        vec![
            option("--ssl-ca=", &self.certificates.ca()),
            "--ssl-verify-server-cert".into(),
        ]
    }
}

/// What the mysql client says, and whether it succeeds.
async fn mysql(warden: &Warden, options: &[OsString], sql: &str) -> Result<String, String> {
    let mut command = Command::new("mysql");
    command
        .args(["--no-defaults", "-h127.0.0.1", "-uroot"])
        .arg(format!("-P{}", warden.addr().port()))
        .args(options)
        .args(["--table", "--show-warnings", "-e", sql])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output: Output = tokio::time::timeout(SOON, command.output())
        .await
        .expect("mysql ends")
        .expect("the mysql client: `cargo xtask test` installs it");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

fn no_tls() -> Vec<OsString> {
    vec!["--skip-ssl".into()]
}
