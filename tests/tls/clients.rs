//! Clients with TLS and without.

use mysql_async::prelude::Queryable;
use testkit::warden::Warden;

use crate::support::{RawClient, connect, try_connect, until};
use crate::{House, house, mysql, no_tls};

/// The server's own word on whether it sees TLS.
const BACKEND_CIPHER: &str = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";

/// Every way to have TLS on one leg, on both or on none: what mysql does works, the server sees TLS
/// exactly where it should, and so does the client.
#[tokio::test]
async fn mysql_works_whichever_of_the_two_connections_have_tls() {
    let house = house().await;
    for client_tls in ["off", "optional", "required"] {
        for server_tls in ["off", "required", "verify-ca", "verify-full"] {
            let warden = house.with_client_tls(house.warden(), client_tls);
            let warden = house.with_server_tls(warden, server_tls);
            let warden = warden.start().await.unwrap();
            let mut ways = vec![];
            if client_tls != "off" {
                ways.push((house.verify(), true));
            }
            if client_tls != "required" {
                ways.push((no_tls(), false));
            }
            for (options, client_has_tls) in ways {
                let legs =
                    format!("tls {client_tls}, used {client_has_tls}; server_tls {server_tls}");
                let said = mysql(&warden, &options, &format!("status; {BACKEND_CIPHER}")).await;
                let said = said.unwrap_or_else(|said| panic!("{legs}: {said}"));
                assert_eq!(
                    said.contains("Cipher in use is"),
                    client_has_tls,
                    "{legs}: {said}"
                );
                let backend = said.lines().find(|line| line.contains("Ssl_cipher"));
                let backend_has_tls = backend.is_some_and(|line| line.contains("TLS"));
                assert_eq!(backend_has_tls, server_tls != "off", "{legs}: {said}");
                let listed = mysql(&warden, &options, "SHOW WARDEN CLIENTS").await;
                let listed = listed.unwrap_or_else(|said| panic!("{legs}: {said}"));
                let legs_with_tls = usize::from(client_has_tls) + usize::from(backend_has_tls);
                let told = listed.matches(" TLSv1.").count();
                assert_eq!(told, legs_with_tls, "{legs}: {listed}");
                virtual_statements_work(house, &warden, &options, &legs).await;
            }
        }
    }
}

async fn virtual_statements_work(
    house: &House,
    warden: &Warden,
    options: &[std::ffi::OsString],
    legs: &str,
) {
    let node = house.cluster.node(1);
    let mut victim = node.connect().await.unwrap();
    let kill = format!("KILL SERVER SESSION {} {}", node.ip(), victim.id());
    let said = mysql(warden, options, &format!("SHOW SERVER SESSIONS; {kill}")).await;
    let said = said.unwrap_or_else(|said| panic!("{legs}: {said}"));
    assert!(
        said.contains(&format!(" {} ", victim.id())),
        "{legs}: {said}"
    );
    assert!(!said.contains("Warning"), "{legs}: {said}");
    assert!(victim.ping().await.is_err(), "{legs}");
}

#[tokio::test]
async fn a_login_without_tls_is_refused_before_anything_of_it_is_sent_on() {
    let house = house().await;
    let warden = house.with_client_tls(house.warden(), "required");
    let warden = warden.start().await.unwrap();
    let said = mysql(&warden, &no_tls(), "SELECT 1").await.unwrap_err();
    assert!(said.contains("ERROR 3159 (HY000)"), "{said}");
    let mut node = house.cluster.node(0).connect().await.unwrap();
    let denied = "SHOW GLOBAL STATUS LIKE 'Access_denied_errors'";
    let before: (String, u64) = node.query_first(denied).await.unwrap().unwrap();
    let mut client = RawClient::greeted(warden.addr()).await;
    client.send_login("root", b"the wrong answer....").await;
    let (code, text) = client.read_error().await;
    assert_eq!(code, 3159, "{text}");
    let after: (String, u64) = node.query_first(denied).await.unwrap().unwrap();
    assert_eq!(before, after, "the server has seen the login");
}

#[tokio::test]
async fn a_client_that_demands_tls_where_there_is_none_says_so() {
    let house = house().await;
    let warden = house.with_server_tls(house.warden(), "required");
    let warden = warden.start().await.unwrap();
    let said = mysql(&warden, &house.verify(), "SELECT 1")
        .await
        .unwrap_err();
    assert!(said.contains("SSL is required"), "{said}");
}

#[tokio::test]
async fn a_client_that_breaks_off_in_the_middle_of_tls_frees_its_place() {
    let house = house().await;
    for hello in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let warden = house.with_client_tls(house.warden(), "optional");
        let warden = warden.args(["--max-connections", "1"]);
        let warden = warden.start().await.unwrap();
        let mut client = RawClient::greeted(warden.addr()).await;
        // A request for TLS: PROTOCOL_41, SSL, SECURE_CONNECTION; then 28 bytes more.
        let mut request = vec![0; 32];
        request[..4].copy_from_slice(&0x8a00_u32.to_le_bytes());
        client.send(1, &request).await;
        client.send_bytes(hello).await;
        drop(client);
        until("the place is free", crate::support::SOON, async || {
            try_connect(&warden, "root").await
        })
        .await;
    }
}

/// TLS keeps bytes of its own on both ways: a result and an upload of many records, and a client which
/// reads only after it has sent everything.
#[tokio::test]
async fn a_lot_passes_through_tls_on_both_sides() {
    let house = house().await;
    let inner = house.with_client_tls(house.warden(), "required");
    let inner = house
        .with_server_tls(inner, "verify-full")
        .start()
        .await
        .unwrap();
    // One obwarden is the other's server: a client without TLS reaches TLS on all connections behind it.
    let seeds = std::iter::once(inner.addr().to_string());
    let outer = crate::builder().servers(seeds.chain(house.cluster.seeds()));
    let outer = house
        .with_server_tls(outer, "verify-full")
        .start()
        .await
        .unwrap();
    let mut conn = connect(&outer).await;
    let bytes: Option<usize> = conn
        .query_first("SELECT LENGTH(REPEAT('x', 1000000))")
        .await
        .unwrap();
    assert_eq!(bytes, Some(1_000_000));
    let text = "long ".repeat(2_000_000);
    let echoed: Option<String> = conn.exec_first("SELECT ?", (&text,)).await.unwrap();
    assert!(echoed.as_deref() == Some(&text));
    let rows: Vec<u64> = conn
        .query("SELECT seq FROM mysql.seq_1_to_500000")
        .await
        .unwrap();
    assert!(rows.into_iter().eq(1..=500_000));
    conn.disconnect().await.unwrap();

    let mut client = RawClient::greeted(outer.addr()).await;
    client.log_in("root", b"").await;
    let statement = format!("SELECT REPEAT('y', 100000), '{}'", "z".repeat(10_000));
    for _ in 0..50 {
        client.send_query(&statement).await;
    }
    client.send_query("SELECT 'the last one'").await;
    loop {
        let packet = client.read().await.unwrap();
        assert_ne!(packet.first(), Some(&0xff));
        if packet.ends_with(b"the last one") && packet.first() == Some(&12) {
            break;
        }
    }
}
