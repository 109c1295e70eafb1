use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clients::Tls;
use crate::cluster::budget::Share;
use crate::cluster::failure::Stage;
use crate::cluster::fan_out::Stale;
use crate::cluster::rows::Answer;
use crate::cluster::session_columns::listed;
use crate::cluster::sessions::NodeSessions;
use crate::cluster::topology::TopologyError;
use crate::statement::diagnostics::Level;
use crate::table::Column;

const COLUMNS: [&str; 6] = ["ID", "USER", "HOST", "COMMAND", "TIME", "INFO"];

fn server(addr: &str, zone: &str) -> Server {
    Server {
        rpc_port: Some(2882),
        zone: Some(zone.into()),
        build: Some(format!("build of {addr}")),
        ..Server::alone(addr.parse().unwrap())
    }
}

fn answered(addr: &str, zone: &str, columns: &[&str], rows: &[&[&str]]) -> NodeReport {
    let server = server(addr, zone);
    let values: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.iter().map(|&v| (v != "NULL").then_some(v)).collect())
        .collect();
    let rows: Vec<&[_]> = values.iter().map(|row| &row[..]).collect();
    let answer = Answer::of(columns, &rows);
    NodeReport {
        answer: Ok(NodeSessions::new(answer, server.addr, Share::unlimited())),
        server,
        through: None,
    }
}

fn failed(addr: &str, zone: &str) -> NodeReport {
    NodeReport {
        server: server(addr, zone),
        answer: Err(NodeFailure::no_answer(Stage::Query, Duration::from_secs(3))),
        through: None,
    }
}

/// A list that is complete.
struct Listing {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
    messages: Vec<Message>,
}

fn merge(
    nodes: Vec<NodeReport>,
    full: bool,
    viewer: &Viewer<'_>,
    unusable: &[String],
    stale: Option<&Stale>,
) -> Listing {
    let (answered, failed): (Vec<_>, Vec<_>) =
        nodes.into_iter().partition(|node| node.answer.is_ok());
    let header = |node: &NodeReport| node.answer.as_ref().ok().map(|s| Arc::clone(s.header()));
    let headers: Vec<_> = answered.iter().filter_map(header).collect();
    let included = Included {
        sleeping: true,
        own: full,
    };
    let mut merge = Merge::new(listed(full, &headers), included, viewer);
    let sources = merge.columns().to_vec();
    let columns: Vec<Column> = sources.iter().map(SessionColumn::column).collect();
    let mut rows = Rows::new(columns.len());
    for node in &answered {
        let sessions = node.answer.as_ref().unwrap();
        let mut server = merge.server(node, sessions, 0);
        for session in sessions.iter() {
            server.push(&mut rows, session);
        }
    }
    let messages = merge.end(&failed, unusable, stale);
    let failed = failed_rows(&failed, &sources);
    let rows = rows.iter().chain(failed.iter());
    let rows = rows
        .map(|row| row.values().map(shown_value).collect())
        .collect();
    Listing {
        columns,
        rows,
        messages,
    }
}

fn shown_value(value: Value<'_>) -> Option<String> {
    (value != Value::Null).then(|| value.to_string())
}

/// What `user` sees of `nodes`.
fn list(
    nodes: Vec<NodeReport>,
    full: bool,
    user: &str,
    rights: Rights,
    own: &OwnSessions,
) -> Listing {
    let clients = Arc::new(Clients::default());
    let key = ("10.0.0.1:2881".parse().unwrap(), 7);
    let address = "192.0.2.9:5000".parse().unwrap();
    let _client = clients.register(key, address, "dba", Tls::default());
    let viewer = Viewer {
        user,
        rights,
        own,
        clients: &clients,
    };
    merge(nodes, full, &viewer, &[], None)
}

const ALL: Rights = Rights {
    see_others: true,
    kill_others: true,
};

fn shown(listing: &Listing, column: &str) -> Vec<String> {
    let at = listing
        .columns
        .iter()
        .position(|c| c.name == column)
        .unwrap();
    let text = |row: &Vec<Option<String>>| row[at].clone().unwrap_or_else(|| "NULL".into());
    listing.rows.iter().map(text).collect()
}

#[test]
fn rows_come_by_server_and_id_and_failed_servers_last() {
    let listing = list(
        vec![
            failed("10.0.0.3:2881", "z0"),
            answered(
                "10.0.0.1:2881",
                "z1",
                &COLUMNS,
                &[
                    &["10", "a", "h:1", "Sleep", "3", "NULL"],
                    &["9", "a", "h:2", "Query", "0.5", "select 1"],
                ],
            ),
            answered(
                "10.0.0.2:2881",
                "z2",
                &COLUMNS,
                &[&["1", "a", "h:3", "Sleep", "1", "NULL"]],
            ),
        ],
        false,
        "root",
        ALL,
        &OwnSessions::default(),
    );
    assert_eq!(shown(&listing, "Id"), ["9", "10", "1", "NULL"]);
    assert_eq!(
        shown(&listing, "Ip"),
        ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"]
    );
    assert_eq!(shown(&listing, "State")[3], "NO ANSWER");
    assert_eq!(shown(&listing, "Command")[3], "ERROR");
    assert_eq!(
        shown(&listing, "Info")[3],
        "no answer after 3.0 s in query; its sessions are NOT in this list"
    );
    assert_eq!(listing.messages.len(), 1);
    assert_eq!(listing.messages[0].code, 4012);
}

#[test]
fn a_plain_info_is_short_and_on_one_line_and_a_full_one_whole() {
    let info = format!("select\n\t1,   '{}'", "é".repeat(200));
    let node = || {
        answered(
            "10.0.0.1:2881",
            "z1",
            &COLUMNS,
            &[&["1", "a", "h", "Query", "1", &info]],
        )
    };
    let plain = list(vec![node()], false, "root", ALL, &OwnSessions::default());
    assert_eq!(shown(&plain, "Info")[0].chars().count(), INFO_CHARS);
    assert!(shown(&plain, "Info")[0].starts_with("select 1, 'éé"));
    let full = list(vec![node()], true, "root", ALL, &OwnSessions::default());
    assert_eq!(shown(&full, "Info")[0], info);
}

#[test]
fn two_builds_with_two_sets_of_columns_make_one_list() {
    let listing = list(
        vec![
            answered(
                "10.0.0.1:2881",
                "z1",
                &["ID", "SVR_IP", "TOTAL_TIME", "TRACE_ID"],
                &[&["1", "x", "5", "Y1"]],
            ),
            answered(
                "10.0.0.2:2881",
                "z2",
                &["id", "trace_id", "LEVEL"],
                &[&["2", "Y2", "7"]],
            ),
        ],
        true,
        "root",
        ALL,
        &OwnSessions::default(),
    );
    let names: Vec<&str> = listing.columns[listed(false, &[]).len()..]
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["Total_time", "Trace_id", "Level", "Warden"]);
    assert_eq!(shown(&listing, "Trace_id"), ["Y1", "Y2"]);
    assert_eq!(shown(&listing, "Level"), ["NULL", "7"]);
    assert!(
        listing
            .rows
            .iter()
            .all(|row| row.len() == listing.columns.len())
    );
}

#[test]
fn a_client_of_this_proxy_has_its_true_address_and_own_sessions_are_marked_or_left_out() {
    let own = OwnSessions::default();
    own.insert("10.0.0.1:2881".parse().unwrap(), 8);
    let rows: [&[&str]; 2] = [
        &["7", "a", "10.0.0.99:1", "Sleep", "1", "NULL"],
        &["8", "root", "10.0.0.99:2", "Sleep", "1", "NULL"],
    ];
    let node = |addr: &str| answered(addr, "z1", &COLUMNS, &rows);
    let plain = list(vec![node("10.0.0.1:2881")], false, "root", ALL, &own);
    assert_eq!(shown(&plain, "Client"), ["192.0.2.9:5000"]);
    let full = list(vec![node("10.0.0.1:2881")], true, "root", ALL, &own);
    assert_eq!(shown(&full, "Warden"), ["client", "service"]);
    let elsewhere = list(vec![node("10.0.0.2:2881")], true, "root", ALL, &own);
    assert_eq!(
        shown(&elsewhere, "Warden"),
        ["NULL", "NULL"],
        "the same ids on another server are others"
    );
}

#[test]
fn without_a_right_one_sees_ones_own_and_a_note_that_there_is_more() {
    let rows: [&[&str]; 2] = [
        &["1", "app", "h", "Sleep", "1", "NULL"],
        &["2", "root", "h", "Sleep", "1", "NULL"],
    ];
    let node = || answered("10.0.0.1:2881", "z1", &COLUMNS, &rows);
    let own = OwnSessions::default();
    let listing = list(vec![node()], false, "app", Rights::default(), &own);
    assert_eq!(shown(&listing, "Id"), ["1"]);
    assert_eq!(
        listing.messages,
        [Message::note(
            HIDDEN,
            "sessions of other users are not shown (needs PROCESS)"
        )]
    );
    let killer = Rights {
        see_others: false,
        kill_others: true,
    };
    assert_eq!(
        list(vec![node()], false, "app", killer, &own).rows.len(),
        1,
        "to kill is not to see"
    );
}

#[test]
fn an_old_topology_and_a_row_without_address_are_told() {
    let clients = Clients::default();
    let viewer = Viewer {
        user: "root",
        rights: ALL,
        own: &OwnSessions::default(),
        clients: &clients,
    };
    let nodes = vec![answered("10.0.0.1:2881", "z1", &COLUMNS, &[])];
    let stale = Stale {
        age_seconds: 40,
        why: TopologyError(vec![]),
    };
    let listing = merge(
        nodes,
        false,
        &viewer,
        &["host:2881".to_owned()],
        Some(&stale),
    );
    let mut levels = listing.messages.iter().map(|message| message.level);
    assert!(levels.all(|level| level == Level::Incomplete));
    let texts: Vec<String> = listing.messages.into_iter().map(|m| m.text).collect();
    assert!(texts[0].contains("'host:2881'"), "{texts:?}");
    assert!(
        texts[1].starts_with("the topology is 40 s old"),
        "{texts:?}"
    );
}

#[test]
fn a_server_that_hides_sessions_from_the_service_account_is_a_warning() {
    let mut hiding = answered(
        "10.0.0.1:2881",
        "z1",
        &COLUMNS,
        &[&["7", "app", "h", "Sleep", "1", "NULL"]],
    );
    if let Ok(sessions) = &mut hiding.answer {
        sessions.needs_grant = Some("GRANT PROCESS ON *.* TO 'warden'".to_owned());
    }
    let open = answered("10.0.0.2:2881", "z2", &COLUMNS, &[]);
    let all = Rights {
        see_others: true,
        kill_others: false,
    };
    let listing = list(
        vec![hiding, open],
        false,
        "root",
        all,
        &OwnSessions::default(),
    );
    let [message] = &listing.messages[..] else {
        panic!("one server, one warning: {:?}", listing.messages);
    };
    assert_eq!((message.level, message.code), (Level::Incomplete, 1227));
    for part in [
        "10.0.0.1:2881 (z1)",
        "NOT in this list",
        "GRANT PROCESS ON *.* TO 'warden'",
    ] {
        assert!(message.text.contains(part), "{}", message.text);
    }
}
