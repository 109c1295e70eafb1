//! The proxy's own statements among a server's: answered in their place, and never half-run.

use std::ops::Deref;

use testkit::cluster::Cluster;

use super::House;
use super::client::{Client, Profile};
use super::command::{Command, LAST_PREPARED, Named};
use super::play::ask;
use super::reply::Reply;
use super::statements::{DATABASE, Kind};

/// Ids of statements that live in the proxy begin here.
const FIRST_ID: u32 = 0x4000_0000;
const FIRST: Named = Named::Id(FIRST_ID);

const MIXED: u16 = 1235;
/// MariaDB's, OceanBase's for ids that were never given, and the proxy's own.
const UNKNOWN_STATEMENT: [u16; 2] = [1243, 4201];
const NOT_UTF8: u16 = 1300;
const NO_CURSOR: u16 = 1421;

#[tokio::test]
async fn mariadb_and_the_proxy_answer_in_the_order_of_the_commands_wherever_they_are_cut() {
    let house = super::mariadb().await;
    answers_come_in_order(house, &Profile::ordinary(DATABASE)).await;
    let deprecate_eof = Profile::ordinary(DATABASE).with_deprecate_eof();
    answers_come_in_order(house, &deprecate_eof).await;
}

#[tokio::test]
async fn seekdb_and_the_proxy_answer_in_the_order_of_the_commands_wherever_they_are_cut() {
    answers_come_in_order(super::seekdb().await, &Profile::ordinary(DATABASE)).await;
}

async fn answers_come_in_order<C: Deref<Target = Cluster>>(house: &House<C>, profile: &Profile) {
    let select = |text: &str| Command::query(format!("SELECT '{text}'"));
    let commands = |id: u32| {
        [
            select("one"),
            Command::query("SHOW SERVER SESSIONS"),
            select("two"),
            Command::prepare("SHOW SERVER SESSIONS"),
            Command::execute(Named::Id(LAST_PREPARED), false, b""),
            Command::execute(Named::Id(id), false, b""),
            Command::query("SHOW WARNINGS"),
            Command::close(Named::Id(id)),
            Command::ping(),
            select("three"),
        ]
    };
    let mut length = Vec::new();
    for command in commands(0) {
        command.put(&mut length, command.names.map(|_| 0));
    }
    let mut client = house.client_with("root", profile).await;
    for cut in 0..=length.len() {
        let id = FIRST_ID + cut as u32;
        let replies = ask(&mut client, &commands(id), &[cut]).await;
        for (at, text) in [(0, "one"), (2, "two"), (9, "three")] {
            assert_eq!(texts(&replies[at]), [text], "cut at {cut}");
        }
        for at in [1, 4, 5] {
            assert!(lists_root(&replies[at]), "cut at {cut}: {:?}", replies[at]);
        }
        assert_eq!(replies[3].statement_id(), Some(id), "cut at {cut}");
        assert_eq!(replies[6].error_code(), None, "cut at {cut}");
        assert_eq!(replies[8].last_payload()[0], 0, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_virtual_statement_among_others_in_one_packet_is_refused_wherever_the_packet_is_cut() {
    let house = super::mariadb().await;
    for text in [
        "SHOW SERVER SESSIONS; SELECT 1",
        "SELECT 1; SHOW SERVER SESSIONS",
        "SHOW WARNINGS; SHOW SERVER SESSIONS",
        "SELECT @@warning_count; SHOW SERVER SESSIONS",
        "DO 1 /* ; */; -- ;\n kill server session 127.0.0.1 1",
    ] {
        let commands = [Command::query(text), Command::ping()];
        let mut client = house.client().await;
        for cut in 0..text.len() + 5 {
            // A server's statement before, so that diagnostics are the server's.
            ask(&mut client, &[Command::query("DO 1")], &[]).await;
            let replies = ask_in_pieces(&mut client, &commands, cut).await;
            assert_eq!(replies[0].error_code(), Some(MIXED), "{text}, cut at {cut}");
        }
    }
}

/// Sends the bytes up to `cut`, has the proxy see them, and sends the rest.
async fn ask_in_pieces(client: &mut Client, commands: &[Command], cut: usize) -> Vec<Reply> {
    let mut bytes = Vec::new();
    commands[0].put(&mut bytes, None);
    super::client::write_all(&client.stream, &bytes[..cut])
        .await
        .unwrap();
    // Nothing answers half a packet, so there is nothing to wait for.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    super::client::write_all(&client.stream, &bytes[cut..])
        .await
        .unwrap();
    let mut replies = Vec::new();
    let reply = Reply::read(&commands[0], &mut client.reader, &client.stream).await;
    replies.push(reply.unwrap());
    replies.extend(ask(client, &commands[1..], &[]).await);
    replies
}

#[tokio::test]
async fn a_virtual_statement_that_is_not_utf8_is_refused() {
    let mut client = super::mariadb().await.client().await;
    let commands = [
        Command::query(b"SHOW SERVER SESSIONS /* \xff */"),
        Command::prepare(b"KILL SERVER SESSION \xe9 1"),
        Command::query("SELECT 'after'"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert_eq!(replies[0].error_code(), Some(NOT_UTF8));
    assert_eq!(replies[1].error_code(), Some(NOT_UTF8));
    assert_eq!(texts(&replies[2]), ["after"]);
}

#[tokio::test]
async fn mariadb_sees_nothing_of_what_is_done_with_a_virtual_prepared_statement() {
    prepared_statements_live_in_the_session(super::mariadb().await).await;
}

#[tokio::test]
async fn seekdb_sees_nothing_of_what_is_done_with_a_virtual_prepared_statement() {
    prepared_statements_live_in_the_session(super::seekdb().await).await;
}

async fn prepared_statements_live_in_the_session<C: Deref<Target = Cluster>>(house: &House<C>) {
    let mut client = house.client().await;
    let second = Named::Id(FIRST_ID + 1);
    let commands = [
        Command::prepare("SHOW SERVER SESSIONS"),
        Command::prepare("SHOW FULL SERVER SESSIONS"),
        Command::fetch(FIRST, 5),
        Command::long_data(FIRST, 0, b"nobody wants this"),
        Command::reset(FIRST),
        Command::close(FIRST),
        Command::execute(FIRST, false, b""),
        Command::execute(second, false, b""),
        Command::reset_connection(),
        Command::execute(second, false, b""),
        Command::query("SELECT 'after'"),
        Command::prepare("SHOW SERVER SESSIONS"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert_eq!(replies[0].statement_id(), Some(FIRST_ID));
    assert_eq!(replies[1].statement_id(), Some(FIRST_ID + 1));
    assert_eq!(replies[2].error_code(), Some(NO_CURSOR));
    assert_eq!(replies[4].last_payload()[0], 0);
    assert!(is_unknown(&replies[6]), "{:?}", replies[6]);
    assert!(lists_root(&replies[7]));
    assert_eq!(replies[8].last_payload()[0], 0);
    assert!(is_unknown(&replies[9]), "{:?}", replies[9]);
    assert_eq!(texts(&replies[10]), ["after"]);
    assert_eq!(replies[11].statement_id(), Some(FIRST_ID));
}

/// Clients of MariaDB send PREPARE and EXECUTE of the last statement in one write.
#[tokio::test]
async fn the_last_prepared_statement_is_never_an_older_one() {
    let house = super::mariadb().await;
    assert_eq!(house.kind, Kind::Mariadb);
    let last = Named::Id(LAST_PREPARED);
    let mut client = house.client().await;
    let commands = [
        Command::prepare("SELECT 'the older one'"),
        Command::prepare("SHOW SERVER SESSION"),
        Command::execute(last, false, b""),
        Command::prepare("SHOW SERVER SESSIONS"),
        Command::prepare("SELECT 'the newer one'"),
        Command::execute(last, false, b""),
        Command::prepare("DO 1; SHOW SERVER SESSIONS"),
        Command::execute(last, false, b""),
        Command::prepare("SHOW SERVER SESSIONS"),
        Command::close(last),
        Command::execute(last, false, b""),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert!(replies[1].error_code().is_some());
    assert!(is_unknown(&replies[2]), "{:?}", replies[2]);
    assert!(replies[5].rows()[0].ends_with(b"the newer one"));
    assert_eq!(replies[6].error_code(), Some(MIXED));
    assert!(is_unknown(&replies[7]), "{:?}", replies[7]);
    assert!(is_unknown(&replies[10]), "{:?}", replies[10]);
}

#[tokio::test]
async fn a_change_of_user_that_fails_gives_nobody_the_rights_of_that_user() {
    let house = super::mariadb().await;
    let setup = "CREATE OR REPLACE USER onlooker; GRANT SELECT ON differential.* TO onlooker; \
                 CREATE OR REPLACE USER chief IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO chief";
    house.node().execute(setup).await.unwrap();
    let profile = Profile::ordinary(DATABASE);
    let mut other = house.client().await;
    ask(&mut other, &[Command::ping()], &[]).await;
    let mut client = house.client_with("onlooker", &profile).await;
    let wrong = b"01234567890123456789";
    let commands = [
        Command::query("SHOW SERVER SESSIONS"),
        Command::change_user("chief", DATABASE, wrong, profile.attributes()),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert!(!lists_root(&replies[0]));
    assert_eq!(replies[1].error_code(), Some(1045));
    let commands = [
        Command::reset_connection(),
        Command::query("SELECT CURRENT_USER()"),
        Command::query("SHOW SERVER SESSIONS"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert_eq!(texts(&replies[1]), ["onlooker@%"]);
    assert!(!lists_root(&replies[2]), "the rights of chief");
}

fn is_unknown(reply: &Reply) -> bool {
    reply
        .error_code()
        .is_some_and(|code| UNKNOWN_STATEMENT.contains(&code))
}

/// The values of the first column, shorter than 251 bytes each, in the text protocol.
fn texts(reply: &Reply) -> Vec<String> {
    let rows = reply.rows().into_iter();
    rows.map(|row| String::from_utf8_lossy(&row[1..=usize::from(row[0])]).into_owned())
        .collect()
}

/// Whether the reply's rows tell of a session of root's.
fn lists_root(reply: &Reply) -> bool {
    let is_root = |row: &&[u8]| row.windows(5).any(|bytes| bytes == b"\x04root");
    assert_eq!(reply.error_code(), None, "{reply:?}");
    reply.rows().iter().any(is_root)
}
