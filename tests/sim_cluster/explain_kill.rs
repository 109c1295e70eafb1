//! EXPLAIN KILL SERVER: what a KILL would do with each session, and nothing is killed.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::sim::{Behaviour, Reach, SimCluster, SimNode, SimSession};
use testkit::warden::Warden;

use crate::kill::{QUICK, kills_of};
use crate::kill_many::{session, three_nodes};
use crate::support::{
    List, connect, connect_as, full_list, server_error, show_warnings, try_list, warden,
};

async fn setup(more: &[&str]) -> (SimCluster, Warden, Conn) {
    let cluster = three_nodes().await;
    let warden = warden(&cluster, &[QUICK, more].concat()).await;
    let conn = connect(&warden).await;
    (cluster, warden, conn)
}

async fn explain(conn: &mut Conn, what: &str) -> List {
    let statement = format!("EXPLAIN KILL SERVER {what}");
    let listed = try_list(conn, &statement).await;
    listed.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

/// Zone, id, user and verdict of each row.
fn verdicts(list: &List) -> Vec<String> {
    let row = |row: &Vec<Option<String>>| {
        let values = ["Zone", "Id", "User", "Verdict"];
        let values = values.map(|column| list.value(row, column).unwrap_or("NULL"));
        values.join(" ")
    };
    list.rows.iter().map(row).collect()
}

fn one(node: &SimNode, kind: &str, id: u32) -> String {
    format!("{kind} {} {id}", node.ip())
}

#[tokio::test]
async fn each_session_that_is_picked_has_a_verdict_and_lives() {
    let (cluster, _warden, mut conn) = setup(&["--protected-user", "web"]).await;
    let own = conn.id();
    let services = full_list(&mut conn)
        .await
        .service_ids(cluster.node(0).addr());
    let what = "SESSIONS WHERE Zone = 'z1' ORDER BY Id";
    let shown = explain(&mut conn, what).await;
    let plain = crate::support::list(&mut conn).await.columns;
    assert_eq!(
        shown.columns,
        [&plain[..], &["Verdict".to_owned()]].concat()
    );
    let verdicts = verdicts(&shown);
    assert_eq!(
        verdicts[..3],
        [
            "z1 101 app killable",
            "z1 102 batch killable",
            "z1 103 web protected"
        ]
    );
    assert!(
        verdicts.contains(&format!("z1 {own} root own session")),
        "{verdicts:?}"
    );
    for id in services {
        let service = format!("z1 {id} root service session");
        assert!(verdicts.contains(&service), "{verdicts:?}");
    }
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn a_limit_is_counted_as_the_kill_counts_it() {
    let (_cluster, _warden, mut conn) = setup(&["--protected-user", "batch"]).await;
    let shown = explain(
        &mut conn,
        "SESSIONS WHERE Time > 5 ORDER BY Time DESC LIMIT 2",
    )
    .await;
    assert_eq!(
        verdicts(&shown),
        [
            "z3 102 batch protected",
            "z2 102 batch protected",
            "z1 102 batch protected",
            "z3 101 app killable",
            "z2 101 app killable",
        ]
    );
}

#[tokio::test]
async fn idle_sessions_have_no_statement_to_end() {
    let (_cluster, _warden, mut conn) = setup(&[]).await;
    let shown = explain(
        &mut conn,
        "QUERIES WHERE User IN ('app', 'web') AND Zone = 'z3'",
    )
    .await;
    assert_eq!(
        verdicts(&shown),
        ["z3 101 app killable", "z3 103 web nothing running"]
    );
}

#[tokio::test]
async fn without_the_right_to_kill_one_is_told_what_would_be_denied() {
    let (cluster, warden, _root) = setup(&[]).await;
    let own = SimSession {
        tenant: "sys".to_owned(),
        ..session(104, "app", 60)
    };
    cluster.node(0).add_session(own);
    let mut app = connect_as(&warden, "app").await;
    let shown = explain(&mut app, "SESSIONS WHERE Id IN (102, 104) AND Zone = 'z1'").await;
    assert_eq!(
        verdicts(&shown),
        ["z1 102 batch denied", "z1 104 app killable"]
    );
    let node = cluster.node(0);
    let shown = explain(&mut app, &one(node, "SESSION", 102)).await;
    assert_eq!(verdicts(&shown), ["z1 102 batch denied"]);
}

#[tokio::test]
async fn more_than_the_kill_would_take_is_shown_up_to_there_with_a_warning() {
    let (_cluster, _warden, mut conn) = setup(&["--kill-victims-max", "2"]).await;
    let shown = explain(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(
        verdicts(&shown),
        ["z1 101 app killable", "z2 101 app killable"]
    );
    let said = show_warnings(&mut conn).await;
    let [(level, 1210, text)] = &said[..] else {
        panic!("{said:?}");
    };
    let begin = "the KILL would be refused: 3 sessions match; kill_victims_max is 2";
    assert!(level == "Warning" && text.starts_with(begin), "{text}");
}

#[tokio::test]
async fn a_failed_node_has_a_row_and_a_warning() {
    let (cluster, _warden, mut conn) = setup(&["--strict-listing"]).await;
    let failed = cluster.node(1);
    failed.set_behaviour(Behaviour::Refuse);
    let shown = explain(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(
        verdicts(&shown),
        [
            "z1 101 app killable",
            "z3 101 app killable",
            "z2 NULL NULL node unreachable",
        ]
    );
    assert_eq!(shown.failed(), [(failed.addr(), "REFUSED")]);
    assert!(shown.why(failed.addr()).contains("NOT in this list"));
    let said = show_warnings(&mut conn).await;
    let [(_, 1429, first), (_, 1210, second)] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(first.contains(&failed.seed()), "{first}");
    assert!(second.contains("strict_listing"), "{second}");
}

#[tokio::test]
async fn what_is_only_seen_through_another_node_would_not_be_killed() {
    let (cluster, _warden, mut conn) =
        setup(&["--strict-listing", "--connect-timeout", "200ms"]).await;
    crate::support::list(&mut conn).await;
    let far = cluster.node(1);
    far.set_behaviour(Behaviour::Refuse);
    far.set_reach(Some(Reach::Answers));
    let shown = explain(&mut conn, "SESSIONS WHERE User = 'app'").await;
    assert_eq!(
        verdicts(&shown),
        [
            "z1 101 app killable",
            "z2 101 app node unreachable",
            "z3 101 app killable",
        ]
    );
    let said = show_warnings(&mut conn).await;
    let [(_, 1429, first), (_, 1210, second)] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(first.contains("were read through"), "{first}");
    assert!(second.contains("strict_listing"), "{second}");
}

#[tokio::test]
async fn one_session_has_one_row() {
    let (cluster, _warden, mut conn) = setup(&[]).await;
    let node = cluster.node(1);
    for (kind, id, verdict) in [
        ("SESSION", 101, "z2 101 app killable"),
        ("QUERY", 101, "z2 101 app killable"),
        ("QUERY", 103, "z2 103 web nothing running"),
        ("SESSION", 999, "z2 999 NULL no such session"),
    ] {
        let shown = explain(&mut conn, &one(node, kind, id)).await;
        assert_eq!(
            (verdicts(&shown), shown.warnings),
            (vec![verdict.to_owned()], 0)
        );
    }
    let services = full_list(&mut conn).await.service_ids(node.addr());
    let shown = explain(&mut conn, &one(node, "SESSION", services[0])).await;
    assert!(verdicts(&shown)[0].ends_with("root service session"));

    let nowhere = try_list(&mut conn, "EXPLAIN KILL SERVER SESSION 192.0.2.7 101");
    assert_eq!(server_error(nowhere.await).0, 1210);

    node.set_behaviour(Behaviour::HangInQuery);
    let shown = explain(&mut conn, &one(node, "SESSION", 101)).await;
    assert_eq!(verdicts(&shown), ["z2 NULL NULL node unreachable"]);
    assert_eq!(shown.failed(), [(node.addr(), "NO ANSWER")]);
    assert_eq!(shown.warnings, 1);
    assert_eq!(kills_of(&cluster), [""; 0]);
}

#[tokio::test]
async fn it_can_be_prepared_and_its_columns_are_known_before_it_runs() {
    let (_cluster, _warden, mut conn) = setup(&[]).await;
    let text = "EXPLAIN KILL SERVER SESSIONS WHERE User = ? AND Zone = 'z2'";
    let statement = conn.prep(text).await.unwrap();
    let columns = statement.columns();
    let names: Vec<_> = columns
        .iter()
        .map(|column| column.name_str().into_owned())
        .collect();
    assert_eq!((names.len(), names[13].as_str()), (14, "Verdict"));
    let rows: Vec<mysql_async::Row> = conn.exec(&statement, ("app",)).await.unwrap();
    let verdict: Option<String> = rows[0].get("Verdict");
    assert_eq!((rows.len(), verdict.as_deref()), (1, Some("killable")));
}
