//! Logging in, and as somebody else on the same connection, where the server asks for another method.

use std::net::SocketAddr;

use mysql_async::prelude::Queryable;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::client::{Profile, Reader, login, write_all};
use super::command::{Command, put_packet};
use super::play::same;
use super::statements::DATABASE;

/// An account that is first asked for an ed25519 signature and then for an empty native password.
const SWITCHED: &[&str] = &[
    "INSTALL SONAME 'auth_ed25519'",
    "CREATE USER switched IDENTIFIED VIA ed25519 USING PASSWORD('secret') OR mysql_native_password USING ''",
    "GRANT SELECT ON differential.* TO switched",
];

async fn switched() {
    static THERE: OnceCell<()> = OnceCell::const_new();
    let create = async || {
        let mut control = super::mariadb().await.node().connect().await.unwrap();
        for sql in SWITCHED {
            control.query_drop(*sql).await.expect(sql);
        }
        control.disconnect().await.unwrap();
    };
    THERE.get_or_init(create).await;
}

#[tokio::test]
async fn a_change_of_user_may_switch_the_method_twice() {
    let house = super::mariadb().await;
    switched().await;
    let profile = Profile::ordinary(DATABASE);
    let to =
        |user, answer: &[u8]| Command::change_user(user, DATABASE, answer, profile.attributes());
    let who = Command::query("SELECT CURRENT_USER(), DATABASE()");
    for (answer, fails) in [(&b""[..], false), (&[1; 64][..], true)] {
        // A failed change ends the session on MariaDB: it comes last.
        let mut commands = vec![
            who.clone(),
            to("root", b""),
            who.clone(),
            Command::reset_connection(),
            to("switched", answer),
        ];
        if !fails {
            commands.extend([who.clone(), to("root", b""), who.clone()]);
        }
        let replies = same(house, &profile, &commands).await;
        let change = &replies[4];
        assert_eq!(change.error_code().is_some(), fails);
        let switches = change
            .packets
            .iter()
            .filter(|packet| packet.payload[0] == 0xfe);
        assert!(switches.count() >= 1, "{change:?}");
        if !fails {
            assert_eq!(replies[5].rows()[0], b"\x0aswitched@%\x0cdifferential");
            assert_eq!(replies[7].rows()[0], b"\x06root@%\x0cdifferential");
        }
    }
}

#[tokio::test]
async fn a_login_may_switch_the_method_twice() {
    let house = super::mariadb().await;
    switched().await;
    for answer in [&b""[..], &[1; 64]] {
        let direct = logged_in(house.node().addr(), "switched", answer).await;
        let proxied = logged_in(house.warden.addr(), "switched@sys", answer).await;
        assert_eq!(direct, proxied);
        let end = direct.last().unwrap();
        assert_eq!(end.1, if answer.is_empty() { 0x00 } else { 0xff });
        assert!(direct.iter().any(|packet| packet.1 == 0xfe), "{direct:?}");
    }
}

/// Logs in, answers what is asked, and gives what came: sequence id, first byte, and the text to the first
/// NUL (scrambles are behind it).
async fn logged_in(addr: SocketAddr, user: &str, answer: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let profile = Profile::ordinary(DATABASE);
    let stream = TcpStream::connect(addr).await.unwrap();
    let mut reader = Reader::default();
    let greeting = reader.packet(&stream).await.unwrap().unwrap();
    let mut next = login(
        user,
        &profile,
        &super::client::Greeting::read(&greeting.payload),
    );
    let mut sequence = 1;
    let mut seen = Vec::new();
    loop {
        let mut bytes = Vec::new();
        put_packet(&mut bytes, sequence, &next);
        write_all(&stream, &bytes).await.unwrap();
        let packet = reader.packet(&stream).await.unwrap().expect("an answer");
        let payload = &packet.payload;
        let named = payload[1..]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        let text = if payload[0] == 0 { &[][..] } else { named };
        seen.push((packet.bytes[3], payload[0], text.to_vec()));
        if matches!(payload[0], 0x00 | 0xff) {
            return seen;
        }
        sequence = packet.bytes[3].wrapping_add(1);
        next = answer.to_vec();
    }
}
