//! What servers' certificates must show.

use std::path::PathBuf;

use testkit::certificates::Certificates;
use testkit::mariadb::MariadbCluster;

use crate::support::builder;
use crate::{House, house, mysql, no_tls, tls_args};

/// Why obwarden does not start with these authorities.
async fn refusal(house: &House, how: &str, ca: PathBuf) -> String {
    let warden = house.warden().args(["--server-tls", how]);
    let warden = warden.args(["--server-tls-ca"]).args([ca]);
    format!("{:#}", warden.start().await.unwrap_err())
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_and_the_error_says_so() {
    let house = house().await;
    for how in ["verify-ca", "verify-full"] {
        let said = refusal(house, how, house.certificates.other_ca()).await;
        assert!(
            said.contains("no TLS with it: invalid peer certificate"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_will_do_for_verify_ca_and_not_for_verify_full() {
    let certificates = Certificates::make().unwrap();
    let issued = certificates
        .issue("elsewhere", &["elsewhere.example"])
        .unwrap();
    let cluster = MariadbCluster::start_with(1, tls_args(&issued))
        .await
        .unwrap();
    let warden = |how| {
        let warden = builder()
            .servers(cluster.seeds())
            .args(["--server-tls", how]);
        warden.args(["--server-tls-ca"]).args([certificates.ca()])
    };
    let lenient = warden("verify-ca").start().await.unwrap();
    let said = mysql(&lenient, &no_tls(), "SHOW SERVER SESSIONS")
        .await
        .unwrap();
    assert!(said.contains("root") && !said.contains("ERROR"), "{said}");
    let said = format!("{:#}", warden("verify-full").start().await.unwrap_err());
    assert!(said.contains("not valid for name"), "{said}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_when_tls_is_demanded() {
    let args = ["--skip-ssl"];
    let cluster = MariadbCluster::start_with(1, args).await.unwrap();
    let warden = builder().servers(cluster.seeds());
    let said = warden.args(["--server-tls", "required"]).start().await;
    let said = format!("{:#}", said.unwrap_err());
    assert!(
        said.contains("no TLS with it: the server offers none"),
        "{said}"
    );
}
