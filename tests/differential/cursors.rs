//! Cursors and parameters of the proxy's own prepared statements: byte for byte what a server answers for its own.

use super::House;
use super::client::{Client, Profile};
use super::command::{Command, LAST_PREPARED, Named};
use super::play::ask;
use super::reply::Reply;
use super::statements::DATABASE;
use testkit::mariadb::MariadbCluster;

const NO_CURSOR: u16 = 1421;
const TOO_MANY: u16 = 1461;
const WRONG_ARGUMENTS: u16 = 1210;
const NOT_SUPPORTED: u16 = 1235;
const INTERRUPTED: u16 = 1317;
const NO_DATABASE: u16 = 1049;
const UNKNOWN_THREAD: u16 = 1094;

/// Parameters of a KILL: types anew, a text, a BIGINT and, if there is a third, a BLOB that has been sent before.
const KILL_PARAMETERS: [&[u8]; 2] = [
    b"\0\x01\xfd\0\x08\0\x09127.0.0.1\x3f\x42\x0f\0\0\0\0\0",
    b"\0\x01\xfd\0\x08\0\xfc\0\x09127.0.0.1\x3f\x42\x0f\0\0\0\0\0",
];

fn id(reply: &Reply) -> Named {
    Named::Id(reply.statement_id().expect("it is prepared"))
}

async fn prepare(client: &mut Client, text: &str) -> Named {
    id(&ask(client, &[Command::prepare(text)], &[]).await[0])
}

fn profiles() -> [Profile; 2] {
    let ordinary = Profile::ordinary(DATABASE);
    [ordinary.clone(), ordinary.with_deprecate_eof()]
}

async fn house() -> &'static House<MariadbCluster> {
    super::mariadb().await
}

/// One row each: the one server of this cluster, and a row of the server's.
#[tokio::test]
async fn a_cursor_over_a_virtual_statement_ends_its_replies_as_one_over_a_table_does() {
    for profile in profiles() {
        let mut client = house().await.client_with("root", &profile).await;
        let ours = prepare(&mut client, "SHOW SERVERS").await;
        let theirs = prepare(&mut client, "SELECT 1, 'a'").await;
        let commands = |statement| {
            [
                Command::execute(statement, true, b""),
                Command::fetch(statement, 0),
                Command::fetch(statement, 1),
                Command::ping(),
                Command::fetch(statement, 1),
                Command::fetch(statement, 1),
                Command::execute(statement, true, b""),
                Command::fetch(statement, 2),
                Command::execute(statement, true, b""),
                Command::execute(statement, true, b""),
                Command::fetch(statement, u32::MAX),
                Command::execute(statement, true, b""),
                Command::reset(statement),
                Command::fetch(statement, 1),
                Command::execute(statement, true, b""),
                Command::execute(statement, false, b""),
                Command::fetch(statement, 1),
            ]
        };
        let ours = ask(&mut client, &commands(ours), &[]).await;
        let theirs = ask(&mut client, &commands(theirs), &[]).await;
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours.rows().len(), theirs.rows().len(), "command {at}");
            assert_eq!(ours.error_code(), theirs.error_code(), "command {at}");
            if ours.error_code().is_none() {
                assert_eq!(ours.last_payload(), theirs.last_payload(), "command {at}");
            }
            let sequence = |reply: &Reply| reply.packets.iter().map(|p| p.bytes[3]).collect();
            let ours: Vec<u8> = sequence(ours);
            assert_eq!(ours, (1..=ours.len() as u8).collect::<Vec<_>>());
        }
        assert_eq!(theirs[13].error_code(), Some(NO_CURSOR));
    }
}

#[tokio::test]
async fn rows_come_in_the_order_and_number_in_which_they_are_fetched() {
    for profile in profiles() {
        let mut client = house().await.client_with("root", &profile).await;
        let _others = [house().await.client().await, house().await.client().await];
        let list = prepare(&mut client, "SHOW SERVER SESSIONS").await;
        let opened = ask(&mut client, &[Command::execute(list, true, b"")], &[]).await;
        assert!(opened[0].rows().is_empty() && opened[0].error_code().is_none());
        let mut rows = Vec::new();
        loop {
            let fetched = ask(&mut client, &[Command::fetch(list, 2)], &[]).await;
            assert_eq!(fetched[0].error_code(), None);
            let these: Vec<_> = fetched[0].rows().iter().map(|row| row.to_vec()).collect();
            let is_last = these.len() < 2;
            rows.extend(these);
            if is_last {
                break;
            }
        }
        assert!(rows.len() >= 3, "this session and the two others: {rows:?}");
        let mut distinct = rows.clone();
        distinct.dedup();
        assert_eq!(rows, distinct);
    }
}

#[tokio::test]
async fn a_statement_without_rows_opens_no_cursor() {
    let mut client = house().await.client().await;
    let kill = prepare(&mut client, "KILL SERVER SESSION ? ?").await;
    let commands = [
        Command::execute(kill, true, KILL_PARAMETERS[0]),
        Command::fetch(kill, 1),
        Command::query("SELECT 'after'"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert_eq!(replies[0].error_code(), Some(UNKNOWN_THREAD));
    assert_eq!(replies[1].error_code(), Some(NO_CURSOR));
    assert_eq!(replies[2].error_code(), None);
}

#[tokio::test]
async fn a_kill_of_the_query_closes_the_cursor_and_leaves_the_session() {
    let mut client = house().await.client().await;
    let list = prepare(&mut client, "SHOW SERVERS").await;
    let commands = [
        Command::execute(list, true, b""),
        Command::query("SELECT CONNECTION_ID()"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    let id = String::from_utf8(replies[1].rows()[0][1..].to_vec()).unwrap();
    let mut other = house().await.client().await;
    let killed = ask(
        &mut other,
        &[Command::query(format!("KILL QUERY {id}"))],
        &[],
    )
    .await;
    assert_eq!(killed[0].error_code(), None);
    let commands = [
        Command::fetch(list, 1),
        Command::fetch(list, 1),
        Command::execute(list, true, b""),
        Command::fetch(list, 1),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert_eq!(replies[0].error_code(), Some(INTERRUPTED));
    assert_eq!(replies[1].error_code(), Some(NO_CURSOR));
    assert_eq!(replies[3].rows().len(), 1);
}

#[tokio::test]
async fn cursors_have_a_limit_and_closing_makes_room() {
    const CURSORS_MAX: usize = 16;
    let mut client = house().await.client().await;
    let mut statements = Vec::new();
    for _ in 0..=CURSORS_MAX {
        statements.push(prepare(&mut client, "SHOW SERVERS").await);
    }
    let open = |statement| Command::execute(statement, true, b"");
    let commands: Vec<_> = statements
        .iter()
        .map(|statement| open(*statement))
        .collect();
    let replies = ask(&mut client, &commands, &[]).await;
    for reply in &replies[..CURSORS_MAX] {
        assert_eq!(reply.error_code(), None);
    }
    assert_eq!(replies[CURSORS_MAX].error_code(), Some(TOO_MANY));
    let last = statements[CURSORS_MAX];
    for makes_room in [
        Command::close(statements[0]),
        Command::reset(statements[1]),
        Command::fetch(statements[2], 2),
    ] {
        let commands = [makes_room, open(last), Command::reset(last)];
        let replies = ask(&mut client, &commands, &[]).await;
        assert_eq!(replies[1].error_code(), None);
    }
    let commands = [
        Command::reset_connection(),
        Command::prepare("SHOW SERVERS"),
        Command::execute(Named::Id(LAST_PREPARED), true, b""),
        Command::fetch(Named::Id(LAST_PREPARED), 1),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    assert_eq!(replies[3].rows().len(), 1);
}

/// Clients of MariaDB send PREPARE and EXECUTE of the last statement in one write.
#[tokio::test]
async fn parameters_and_long_data_come_together_wherever_they_are_cut() {
    let last = Named::Id(LAST_PREPARED);
    let commands = [
        Command::prepare("KILL SERVER SESSION ? ? COMMENT ?"),
        Command::long_data(last, 2, b"a reason"),
        Command::long_data(last, 2, b" in pieces"),
        Command::execute(last, false, KILL_PARAMETERS[1]),
        Command::query("SELECT 'after'"),
        Command::prepare("KILL SERVER SESSION ? ?"),
        Command::execute(last, false, KILL_PARAMETERS[0]),
    ];
    let mut length = Vec::new();
    for command in &commands {
        command.put(&mut length, command.names.map(|_| 0));
    }
    let mut client = house().await.client().await;
    for cut in (0..=length.len()).step_by(3) {
        let replies = ask(&mut client, &commands, &[cut]).await;
        let codes: Vec<_> = replies.iter().map(Reply::error_code).collect();
        let killed = Some(UNKNOWN_THREAD);
        assert_eq!(
            codes,
            [None, None, None, killed, None, None, killed],
            "cut at {cut}"
        );
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_taken_are_errors_and_the_session_goes_on() {
    let mut client = house().await.client().await;
    let kill = prepare(&mut client, "KILL SERVER SESSION ? ?").await;
    let commands = [
        Command::execute(kill, false, b""),
        Command::execute(kill, false, b"\0\0\x01a"),
        Command::execute(kill, false, &KILL_PARAMETERS[0][..10]),
        Command::execute(kill, false, &[KILL_PARAMETERS[0], b"x"].concat()),
        Command::execute(kill, false, b"\0\x01\xc8\0\xc8\0ab"),
        Command::execute(kill, false, KILL_PARAMETERS[0]),
        Command::bulk_execute(kill, &[1, 2]),
        Command::query("KILL SERVER SESSION ? 7"),
        Command::query("SELECT 'after'"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    let codes: Vec<_> = replies.iter().map(Reply::error_code).collect();
    let wrong = Some(WRONG_ARGUMENTS);
    assert_eq!(codes[..5], [wrong; 5]);
    assert_eq!(
        codes[5..],
        [Some(UNKNOWN_THREAD), Some(NOT_SUPPORTED), Some(1064), None]
    );
}

#[tokio::test]
async fn the_schema_of_the_proxys_own_tables_is_no_database() {
    let mut client = house().await.client().await;
    let commands = [
        Command::init_db(b"OBWarden"),
        Command::query("use obwarden"),
        Command::query("USE `obwarden`;"),
        Command::query("SELECT DATABASE()"),
        Command::init_db(DATABASE.as_bytes()),
        Command::init_db(b"obwarden2"),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    for reply in &replies[..3] {
        assert_eq!(reply.error_code(), Some(NO_DATABASE));
        let text = String::from_utf8_lossy(reply.last_payload()).into_owned();
        assert!(text.contains("obwarden.server_sessions"), "{text}");
    }
    assert!(replies[3].rows()[0].ends_with(DATABASE.as_bytes()));
    assert_eq!(replies[4].error_code(), None);
    assert_eq!(
        replies[5].error_code(),
        Some(NO_DATABASE),
        "the server's own"
    );
}

#[tokio::test]
async fn a_limit_of_rows_is_still_the_servers_business() {
    let mut client = house().await.client().await;
    let three = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";
    let commands = [
        Command::query("DO 1"),
        Command::query("SET SQL_SELECT_LIMIT=2"),
        Command::query(three),
        Command::query("SET SESSION SQL_SELECT_LIMIT=DEFAULT, @a = 1"),
        Command::query(three),
        Command::query("SET SQL_SELECT_LIMIT=nonsense()"),
        Command::query(three),
    ];
    let replies = ask(&mut client, &commands, &[]).await;
    let rows: Vec<_> = replies.iter().map(|reply| reply.rows().len()).collect();
    assert_eq!(rows, [0, 0, 2, 0, 3, 0, 3]);
    assert!(replies[5].error_code().is_some());
}
