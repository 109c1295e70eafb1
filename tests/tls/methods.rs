//! Authentication methods that send the password itself, with TLS on one of the two connections only.

use mysql_async::prelude::Queryable;
use testkit::warden::Warden;

use crate::support::RawClient;
use crate::{House, house, mysql, no_tls};

/// An account whose password is asked for by the method `dialog`. No PAM service lets it in.
async fn account_of_pam(house: &House) {
    let mut conn = house.cluster.node(0).connect().await.unwrap();
    let create = "CREATE USER IF NOT EXISTS pamela IDENTIFIED VIA pam USING 'no_such_service'";
    conn.query_drop(create).await.expect(create);
}

async fn log_in_by_dialog(warden: &Warden, tls: bool) -> String {
    let house = house().await;
    let mut options = if tls { house.verify() } else { no_tls() };
    options.extend(["--user=pamela".into(), "--password=secret".into()]);
    mysql(warden, &options, "SELECT 1").await.unwrap_err()
}

#[tokio::test]
async fn a_password_is_asked_for_only_where_both_connections_have_tls_or_none() {
    let house = house().await;
    account_of_pam(house).await;
    for (client_tls, server_tls, passes) in [
        (false, "off", true),
        (true, "off", false),
        (false, "required", false),
        (true, "required", true),
    ] {
        let warden = house.with_client_tls(house.warden(), "optional");
        let warden = house.with_server_tls(warden, server_tls);
        let warden = warden.start().await.unwrap();
        let said = log_in_by_dialog(&warden, client_tls).await;
        let legs = format!("client {client_tls}, server {server_tls}: {said}");
        if passes {
            assert!(said.contains("ERROR 1045 (28000)"), "{legs}");
        } else {
            assert!(said.contains("ERROR 1251 (08004)"), "{legs}");
            assert!(said.contains("method 'dialog' is refused"), "{legs}");
        }
    }
}

#[tokio::test]
async fn a_change_of_user_does_not_send_a_password_out_of_tls_or_into_it() {
    let house = house().await;
    account_of_pam(house).await;
    let warden = house.with_server_tls(house.warden(), "required");
    let warden = warden.start().await.unwrap();
    let no_answer = b"\0";
    // The server asks for it by `dialog`; then the client offers it of its own accord.
    for (user, method) in [
        ("pamela", "mysql_native_password"),
        ("root", "mysql_clear_password"),
    ] {
        let mut client = RawClient::greeted(warden.addr()).await;
        client.log_in("root", b"").await;
        let mut change = vec![0x11];
        change.extend(user.bytes().chain([0]));
        change.extend(no_answer);
        change.extend(b"\0\x2d\0");
        change.extend(method.bytes().chain([0]));
        client.send(0, &change).await;
        let (code, text) = client.read_error().await;
        assert_eq!(code, 1251, "{text}");
        client.read().await.expect_err("the session has ended");
    }
}
