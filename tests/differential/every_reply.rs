//! Each form that a reply can take, once and by name: prepared statements through their life, several
//! results, parameters that come back, errors in the middle.

use std::ops::Deref;

use testkit::cluster::Cluster;

use super::House;
use super::client::Profile;
use super::command::{Command, Named};
use super::play::same;
use super::reply::Reply;
use super::statements::DATABASE;

/// `SERVER_PS_OUT_PARAMS`: the row has a procedure's parameters.
const OUT_PARAMETERS: u16 = 0x1000;

fn profiles() -> [Profile; 2] {
    let ordinary = Profile::ordinary(DATABASE);
    [ordinary.clone(), ordinary.with_deprecate_eof()]
}

fn error_codes(replies: &[Reply]) -> Vec<Option<u16>> {
    replies.iter().map(Reply::error_code).collect()
}

#[tokio::test]
async fn a_prepared_statement_lives_its_life_on_mariadb() {
    prepared_life(super::mariadb().await, 4).await;
}

#[tokio::test]
async fn a_prepared_statement_lives_its_life_on_seekdb() {
    // It gives a statement that cannot be prepared no id.
    prepared_life(super::seekdb().await, 2).await;
}

async fn prepared_life<C: Deref<Target = Cluster>>(house: &House<C>, last_id: u32) {
    let (first, last) = (Named::Id(1), Named::Id(last_id));
    // One parameter: no NULL, types follow, a text of length 2.
    let text: &[u8] = &[0, 1, 0xfd, 0, 2, b'a', b'b'];
    // The same, but of its value was sent as long data.
    let long: &[u8] = &[0, 1, 0xfc, 0];
    let commands = [
        Command::prepare("SELECT n, ? FROM numbers ORDER BY n"),
        Command::execute(first, false, text),
        Command::long_data(first, 0, b"in "),
        Command::long_data(first, 0, b"pieces \xff\x00"),
        Command::execute(first, false, long),
        Command::execute(first, true, text),
        Command::fetch(first, 3),
        Command::fetch(first, 3),
        Command::reset(first),
        Command::execute(first, false, text),
        Command::prepare("SELEKT ?"),
        Command::prepare("SELECT ? FROM nowhere.nothing"),
        Command::prepare("SELECT UPPER(?)"),
        Command::execute(last, false, text),
        Command::close(first),
        Command::execute(first, false, text),
        Command::fetch(first, 1),
        Command::reset(first),
        Command::execute(last, false, text),
    ];
    for profile in profiles() {
        let replies = same(house, &profile, &commands).await;
        let rows: Vec<usize> = replies.iter().map(|reply| reply.rows().len()).collect();
        assert_eq!(
            rows,
            [0, 10, 0, 0, 10, 0, 3, 3, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        );
        assert!(replies[4].rows()[0].ends_with(b"in pieces \xff\x00"));
        let failed: Vec<usize> = (0..commands.len())
            .filter(|at| replies[*at].error_code().is_some())
            .collect();
        assert_eq!(failed, [10, 11, 15, 16, 17], "{:?}", error_codes(&replies));
    }
}

#[tokio::test]
async fn every_kind_of_parameter_arrives_at_mariadb() {
    every_parameter(super::mariadb().await).await;
}

#[tokio::test]
async fn every_kind_of_parameter_arrives_at_seekdb() {
    every_parameter(super::seekdb().await).await;
}

async fn every_parameter<C: Deref<Target = Cluster>>(house: &House<C>) {
    const UNSIGNED: u8 = 0x80;
    let parameters: &[(u8, u8, &[u8])] = &[
        (0x01, 0, &[0xff]),
        (0x01, UNSIGNED, &[0xff]),
        (0x02, 0, &[0, 0x80]),
        (0x03, 0, &[0, 0, 0, 0x80]),
        (0x08, UNSIGNED, &[0xff; 8]),
        (0x04, 0, &1.25f32.to_le_bytes()),
        (0x05, 0, &(-1.25f64).to_le_bytes()),
        (0x06, 0, &[]),
        // DATE, DATETIME with microseconds, TIME of a negative day and more.
        (0x0a, 0, &[4, 0xea, 0x07, 2, 28]),
        (0x0c, 0, &[11, 0xea, 0x07, 2, 28, 1, 2, 3, 4, 0, 0, 0]),
        (0x0b, 0, &[12, 1, 1, 0, 0, 0, 2, 3, 4, 5, 0, 0, 0]),
        (0xf6, 0, b"\x04-1.5"),
        (0xfd, 0, b"\x02\xc3\xbc"),
        (0xfc, 0, b"\x03\xff\x00\xfe"),
    ];
    let mut bytes = vec![0; parameters.len().div_ceil(8)];
    let null = parameters.iter().position(|(kind, ..)| *kind == 0x06);
    let null = null.expect("one is NULL");
    bytes[null / 8] |= 1 << (null % 8);
    bytes.push(1);
    bytes.extend(
        parameters
            .iter()
            .flat_map(|(kind, flags, _)| [*kind, *flags]),
    );
    bytes.extend(parameters.iter().flat_map(|(.., value)| value.iter()));
    let marks = vec!["?"; parameters.len()].join(", ");
    let commands = [
        Command::prepare(format!("SELECT {marks}")),
        Command::execute(Named::Id(1), false, &bytes),
    ];
    for profile in profiles() {
        let replies = same(house, &profile, &commands).await;
        assert_eq!(replies[1].rows().len(), 1, "{:?}", error_codes(&replies));
    }
}

#[tokio::test]
async fn several_results_and_an_error_among_them_come_as_they_are() {
    let house = super::mariadb().await;
    let commands = [
        Command::query(
            "SELECT 1; DO 1; SELECT n FROM numbers; UPDATE loaded SET a = 1 WHERE a < 0",
        ),
        Command::query("SELECT n FROM numbers; SELECT nope; SELECT 2"),
        Command::query("SELECT IF(n < 5, n, (SELECT n FROM numbers)) FROM numbers ORDER BY n"),
        Command::query("CALL two_results(); SELECT 3"),
        Command::query("CALL fails()"),
        Command::query("CALL out_parameter(@o); SELECT @o"),
        Command::query("SELECT 'still in step'"),
    ];
    for profile in profiles() {
        let replies = same(house, &profile, &commands).await;
        assert_eq!(
            error_codes(&replies),
            [None, Some(1054), Some(1242), None, Some(1146), None, None]
        );
        assert!(
            replies[2].rows().len() < 10,
            "rows first, and then the error"
        );
    }
}

#[tokio::test]
async fn a_prepared_call_gives_its_results_and_its_out_parameters() {
    let house = super::mariadb().await;
    let first = Named::Id(1);
    let number: &[u8] = &[0, 1, 0x03, 0, 1, 0, 0, 0];
    let commands = [
        Command::prepare("CALL out_parameter(?)"),
        Command::execute(first, false, number),
        Command::prepare("CALL two_results()"),
        Command::execute(Named::Id(2), false, &[]),
        Command::execute(Named::Id(2), true, &[]),
        Command::ping(),
    ];
    for profile in profiles() {
        let replies = same(house, &profile, &commands).await;
        assert_eq!(
            replies[1].rows().len(),
            2,
            "a result's row, and the parameter's"
        );
        let statuses = replies[1].packets.iter().map(|packet| &packet.payload);
        let marked = statuses.filter(|payload| {
            let at = if payload.len() > 5 {
                3
            } else {
                payload.len().saturating_sub(2)
            };
            payload[0] == 0xfe
                && u16::from_le_bytes([payload[at], payload[at + 1]]) & OUT_PARAMETERS != 0
        });
        assert!(marked.count() >= 1, "no result is marked as parameters");
    }
}

#[tokio::test]
async fn changes_of_the_session_are_tracked_as_without_a_proxy() {
    let house = super::mariadb().await;
    let commands = [
        Command::query("SET session_track_system_variables = '*'"),
        Command::query("SET session_track_state_change = ON"),
        Command::query("SET session_track_transaction_info = 'CHARACTERISTICS'"),
        Command::query("USE differential"),
        Command::query("SET NAMES latin1"),
        Command::query("SET autocommit = 0"),
        Command::query("START TRANSACTION READ ONLY"),
        Command::query("SELECT 1"),
        Command::query("COMMIT"),
        Command::query("SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
        Command::reset_connection(),
        Command::query("SELECT @@autocommit, @@sql_mode"),
    ];
    for profile in profiles() {
        let replies = same(house, &profile, &commands).await;
        assert!(error_codes(&replies).iter().all(Option::is_none));
        let tracked = replies[4].last_payload();
        let name = b"character_set_client";
        assert!(tracked.windows(name.len()).any(|part| part == name));
    }
}

/// In GBK the second byte of a character may be a backslash or a backquote. Such bytes are data here.
#[tokio::test]
async fn statements_in_gbk_and_other_bytes_that_are_no_utf8_arrive_as_they_were_typed() {
    let house = super::mariadb().await;
    let commands = [
        Command::query("SET NAMES gbk"),
        Command::query(b"SELECT '\xbf\x5c', '\xd6\xd0\xce\xc4', HEX('\xbf\x5c'), '\x81\x60'"),
        Command::query(b"SELECT '\xd6\xd0' AS `\xce\xc4`"),
        Command::query(b"SELECT 'a\xbf\x5c'; SELECT '\xbf\x5c' /* \xbf\x5c */"),
        Command::query(b"SELECT '\xbf\x5c', '; SHOW SERVER SESSIONS'"),
        Command::prepare(b"SELECT '\xbf\x5c', ?"),
        Command::execute(Named::Id(1), false, b"\x00\x01\xfd\x00\x02\xbf\x5c"),
        Command::query("SET NAMES latin1"),
        Command::query(b"SELECT 'caf\xe9', _binary '\xff\x00\xfe'"),
        Command::query("SET NAMES utf8mb4"),
        Command::query(b"SELECT '\xe2\x28\xa1'"),
    ];
    for profile in profiles() {
        let replies = same(house, &profile, &commands).await;
        assert!(replies[1].rows()[0].starts_with(b"\x02\xbf\x5c\x04\xd6\xd0\xce\xc4\x04BF5C"));
    }
}
