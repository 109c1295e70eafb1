//! What OceanBase's own clients say of themselves, byte for byte as captured, and what of it arrives: nothing
//! by which a server would go over to OB 2.0 or to compressed packets, and all the rest.

#[path = "../support/mod.rs"]
mod support;

mod login;
mod recorder;

use login::{Attributes, Login};
use recorder::Recorder;
use support::{RawClient, builder};
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;

/// obclient 2.2.13 and OceanBase Connector/J 2.4.14, logging on as root without a password: the packet, and
/// what becomes of the flags by which they ask for OB 2.0.
const CLIENTS: [(&str, &str, &str); 2] = [
    (
        include_str!("../../src/wire/login/captures/obclient-2.2.13.hex"),
        "1360128",
        "1048576",
    ),
    (
        include_str!("../../src/wire/login/captures/oceanbase-connector-j-2.4.14.hex"),
        "1480",
        "0",
    ),
];

/// `COMPRESS`, `SSL`, `ZSTD_COMPRESSION_ALGORITHM`, and the other bits with several meanings.
const NEVER: u32 = 1 << 5 | 1 << 11 | 0x3e00_0000;
/// In `__proxy_capability_flag`: the OB 2.0 protocol.
const OB_2_0: u64 = 1 << 8;

/// MariaDB lists no more of an attribute's name.
const LISTED_NAME_CHARS: usize = 32;

/// The attributes that are to arrive.
fn through_proxy(sent: &Attributes, flags: &str, kept: &str) -> Attributes {
    let mut arriving = sent.clone();
    let flag = arriving
        .iter_mut()
        .find(|(name, _)| name == "__proxy_capability_flag")
        .expect("they ask for OB 2.0");
    assert_eq!(flag.1, flags);
    assert!(flags.parse::<u64>().unwrap() & OB_2_0 != 0);
    flag.1 = kept.to_owned();
    arriving
}

#[tokio::test]
async fn captured_logins_arrive_at_oceanbases_kernel_with_all_but_the_wish_for_ob_2_0() {
    let cluster = SeekdbCluster::start(1).await.unwrap();
    for (capture, flags, kept) in CLIENTS {
        let recorder = Recorder::before(cluster.node(0).addr()).await;
        let seeds = [recorder.addr().to_string()];
        let warden = builder().servers(seeds).start().await.unwrap();
        let packet = login::bytes(capture);
        let sent = Login::read(&packet[4..]);
        let mut client = RawClient::greeted(warden.addr()).await;
        client.send_bytes(&packet).await;
        let ok = client.read().await.unwrap();
        assert_eq!(ok[0], 0, "{}", ok.escape_ascii());
        client.send_query("SELECT 'plain packets'").await;
        for _ in 0..3 {
            client.read().await.unwrap();
        }
        assert_eq!(client.read().await.unwrap(), b"\x0dplain packets");
        client.read().await.unwrap();

        let name = sent.value("__ob_client_name");
        let arrived = recorder.with(name.as_bytes());
        let login = Login::read(&arrived[4..]);
        assert_eq!(arrived[3], 1, "sequence id");
        assert_eq!(login.capabilities & NEVER, 0, "{:x}", login.capabilities);
        assert_eq!(
            login.attributes,
            through_proxy(&sent.attributes, flags, kept)
        );
        assert_eq!(
            (login.user, login.character_set),
            (sent.user.clone(), sent.character_set)
        );

        // A change of user carries them anew.
        client.send(0, &sent.change_user()).await;
        while client.read().await.unwrap()[0] != 0 {
            client.send(2, b"").await;
        }
        let arrived = recorder.with(name.as_bytes());
        let at = login::find(&arrived, b"plain packets").unwrap();
        let change = login::change_user_attributes(&arrived[at..]);
        assert_eq!(change, through_proxy(&sent.attributes, flags, kept));
    }
}

#[tokio::test]
async fn a_server_lists_the_attributes_that_the_client_sent_and_none_of_odps() {
    const SELECT: &str = "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs \
        WHERE PROCESSLIST_ID = CONNECTION_ID() ORDER BY ORDINAL_POSITION";
    let args = [
        "--performance-schema=ON",
        "--performance-schema-session-connect-attrs-size=4096",
    ];
    let cluster = MariadbCluster::start_with(1, args).await.unwrap();
    let warden = builder().servers(cluster.seeds()).start().await.unwrap();
    for (capture, flags, kept) in CLIENTS {
        let mut sent = Login::read(&login::bytes(capture)[4..]);
        let arriving = through_proxy(&sent.attributes, flags, kept);
        for (name, value) in [
            ("__cluster_id", "1"),
            ("__connection_id", "7"),
            ("__proxy_connection_id", "7"),
            ("__client_session_id", "7"),
            ("__proxy_scramble", "x"),
        ] {
            sent.attributes
                .insert(1, (name.to_owned(), value.to_owned()));
        }
        for (addr, expected) in [
            (cluster.node(0).addr(), &sent.attributes),
            (warden.addr(), &arriving),
        ] {
            let mut client = RawClient::greeted(addr).await;
            client.send(1, &sent.payload()).await;
            let ok = client.read().await.unwrap();
            assert_eq!(ok[0], 0, "{}", ok.escape_ascii());
            client.send_query(SELECT).await;
            assert_eq!(client.read().await.unwrap(), [2]);
            for _ in 0..3 {
                client.read().await.unwrap();
            }
            let mut listed = Attributes::new();
            loop {
                let row = client.read().await.unwrap();
                if row[0] == 0xfe {
                    break;
                }
                listed.extend(login::pairs(&row));
            }
            let mut expected = expected.clone();
            for (name, _) in &mut expected {
                name.truncate(LISTED_NAME_CHARS);
            }
            assert_eq!(listed, expected);
        }
    }
}

#[tokio::test]
async fn an_attribute_may_name_the_cluster_that_is_meant() {
    let cluster = MariadbCluster::start(1).await.unwrap();
    let warden = builder()
        .servers(cluster.seeds())
        .args(["--cluster", "prod1"])
        .start()
        .await
        .unwrap();
    for (meant, is_right) in [("prod1", true), ("prod2", false)] {
        let mut sent = Login::read(&login::bytes(CLIENTS[0].0)[4..]);
        let name = ("__cluster_name".to_owned(), meant.to_owned());
        sent.attributes.push(name);
        let mut client = RawClient::greeted(warden.addr()).await;
        client.send(1, &sent.payload()).await;
        if is_right {
            assert_eq!(client.read().await.unwrap()[0], 0);
            // Nor may a change of user mean another one.
            sent.attributes.last_mut().unwrap().1 = "prod2".to_owned();
            client.send(0, &sent.change_user()).await;
        }
        let (code, text) = client.read_error().await;
        assert!(
            code == 4666 && text.contains("prod1") && text.contains("prod2"),
            "{code} {text}"
        );
    }
}
