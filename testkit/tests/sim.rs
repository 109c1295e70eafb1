//! Each behaviour of a simulated node, as a client sees it.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Row, Value};
use testkit::sim::{
    Behaviour, Build, DbGrant, Garbage, KillBehaviour, Linger, Reach, ServerError, SimAccount,
    SimCluster, SimNode, SimSession, Topology,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIST: &str = "SELECT * FROM oceanbase.V$OB_PROCESSLIST";
const SERVERS: &str = "SELECT * FROM oceanbase.__all_server";
/// What must happen happens long before.
const SOON: Duration = Duration::from_secs(10);
/// So long nothing happens where nothing may happen.
const A_WHILE: Duration = Duration::from_millis(150);

fn opts(node: &SimNode) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(node.ip().to_string())
        .tcp_port(node.sql_port())
        .user(Some("root@sys"))
        .pass(Some("any"))
        .prefer_socket(false)
        .into()
}

async fn try_connect(node: &SimNode) -> Result<Conn, Error> {
    timeout(SOON, Conn::new(opts(node)))
        .await
        .expect("connecting ends")
}

async fn connect(node: &SimNode) -> Conn {
    try_connect(node).await.expect("connecting succeeds")
}

async fn rows(conn: &mut Conn, text: &str) -> Result<Vec<Row>, Error> {
    timeout(SOON, conn.query(text))
        .await
        .expect("the query ends")
}

async fn hangs<T>(future: impl Future<Output = T>) -> bool {
    timeout(A_WHILE, future).await.is_err()
}

fn server_error(result: Result<impl Sized, Error>) -> (u16, String, String) {
    match result {
        Err(Error::Server(error)) => (error.code, error.state, error.message),
        Err(other) => panic!("not the server's error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

fn code(result: Result<impl Sized, Error>) -> u16 {
    server_error(result).0
}

fn is_connection_lost(result: Result<impl Sized, Error>) -> bool {
    matches!(result, Err(Error::Io(_) | Error::Driver(_)))
}

async fn one() -> SimCluster {
    SimCluster::start(1).await.unwrap()
}

async fn id_of(conn: &mut Conn) -> u32 {
    conn.query_first("SELECT CONNECTION_ID()")
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_healthy_cluster_lists_its_nodes_and_each_its_own_sessions() {
    let cluster = SimCluster::start(3).await.unwrap();
    let mut conn = connect(cluster.node(1)).await;
    let servers = rows(&mut conn, SERVERS).await.unwrap();
    let seeds: Vec<String> = servers
        .iter()
        .map(|row| {
            let (ip, port): (String, u16) =
                (row.get("svr_ip").unwrap(), row.get("inner_port").unwrap());
            format!("{ip}:{port}")
        })
        .collect();
    assert_eq!(seeds, cluster.seeds());
    assert_eq!(servers[0].columns_ref().len(), 16);

    let sessions = rows(&mut conn, LIST).await.unwrap();
    assert_eq!(sessions.len(), 1);
    let own = &sessions[0];
    assert_eq!(own.get::<u32, _>("ID"), Some(conn.id()));
    assert_eq!(id_of(&mut conn).await, conn.id());
    assert_eq!(conn.id(), 3_221_749_761);
    assert_eq!(own.get::<String, _>("USER").as_deref(), Some("root"));
    assert_eq!(own.get::<String, _>("INFO").as_deref(), Some(LIST));
    assert_eq!(
        own.get::<String, _>("SVR_IP"),
        Some(cluster.node(1).ip().to_string())
    );
    assert_eq!(cluster.node(1).logins(), ["root@sys"]);
    assert_eq!(cluster.node(1).connections_open(), 1);
    conn.disconnect().await.unwrap();
    timeout(
        SOON,
        cluster.node(1).until(|node| node.connections_open() == 0),
    )
    .await
    .unwrap();
    assert_eq!(cluster.node(1).connections_peak(), 1);
    assert!(cluster.node(0).statements().is_empty());
}

#[tokio::test]
async fn builds_differ_in_version_view_and_columns() {
    let cluster = SimCluster::builder()
        .nodes(4)
        .node_build(0, Build::V4_0)
        .node_build(2, Build::V3)
        .node_build(3, Build::Mysql)
        .start()
        .await
        .unwrap();
    let mut columns = Vec::new();
    for node in &cluster.nodes()[..2] {
        let sessions = rows(&mut connect(node).await, LIST).await.unwrap();
        columns.push(sessions[0].columns_ref().len());
    }
    assert_eq!(columns, [28, 36]);
    let mut v3 = connect(cluster.node(2)).await;
    assert_eq!(v3.server_version(), (5, 7, 25));
    assert_eq!(code(rows(&mut v3, LIST).await), 1146);
    let table = "SELECT * FROM oceanbase.__all_virtual_processlist \
                 WHERE svr_ip = host_ip() AND svr_port = rpc_port()";
    assert_eq!(rows(&mut v3, table).await.unwrap().len(), 1);
    let mut mysql = connect(cluster.node(3)).await;
    assert_eq!(code(rows(&mut mysql, LIST).await), 1049);
    assert_eq!(
        rows(&mut mysql, "SHOW FULL PROCESSLIST").await.unwrap()[0]
            .columns_ref()
            .len(),
        8
    );
}

#[tokio::test]
async fn a_node_becomes_another_build_and_its_row_follows_when_it_is_listed_anew() {
    let cluster = SimCluster::builder()
        .nodes(2)
        .build(Build::V4_0)
        .start()
        .await
        .unwrap();
    let node = cluster.node(1);
    let mut open = connect(node).await;
    let builds = || cluster.servers().into_iter().map(|row| row.build_version);
    let before: Vec<_> = builds().collect();
    node.set_build(Build::V4_2);
    let columns = |rows: &[Row]| rows[0].columns_ref().len();
    assert_eq!(columns(&rows(&mut open, LIST).await.unwrap()), 36);
    assert!(builds().eq(before));
    cluster.list_server(1);
    assert!(builds().eq([Build::V4_0, Build::V4_2].map(|build| build.version().to_owned())));
}

#[tokio::test]
async fn a_node_moves_to_another_port_and_its_row_follows_when_it_is_listed_anew() {
    let cluster = SimCluster::start(2).await.unwrap();
    let node = cluster.node(1);
    let mut open = connect(node).await;
    let before = node.addr();
    node.move_to_another_port().unwrap();
    assert_ne!(node.addr(), before);
    assert!(is_connection_lost(rows(&mut open, LIST).await));
    assert!(TcpStream::connect(before).await.is_err());
    assert_eq!(rows(&mut connect(node).await, LIST).await.unwrap().len(), 1);
    assert_eq!(cluster.servers()[1].inner_port, before.port());
    cluster.list_server(1);
    assert_eq!(cluster.servers()[1].inner_port, node.sql_port());
    assert_eq!(cluster.servers().len(), 2);
}

#[tokio::test]
async fn a_node_answers_for_another_as_the_cluster_reaches_it() {
    let cluster = SimCluster::builder()
        .nodes(2)
        .build(Build::V4_0)
        .start()
        .await
        .unwrap();
    let node = cluster.node(1);
    let held = node.hold_sessions(3);
    let mut conn = connect(cluster.node(0)).await;
    let of_it = format!(
        "SELECT ID FROM oceanbase.GV$OB_PROCESSLIST WHERE svr_ip = '{}' AND svr_port = {}",
        node.ip(),
        node.rpc_port()
    );
    let count = async |conn: &mut Conn| rows(conn, &of_it).await.map(|rows| rows.len());
    let all = "SELECT COUNT(*) FROM oceanbase.GV$OB_PROCESSLIST";
    assert_eq!(count(&mut conn).await.unwrap(), held.len());
    assert_eq!(conn.query_first(all).await.unwrap(), Some(held.len() + 1));

    // Clients cannot reach it, and the cluster can.
    node.set_behaviour(Behaviour::HangInLogin);
    assert_eq!(count(&mut conn).await.unwrap(), held.len());
    node.set_behaviour(Behaviour::Refuse);
    node.set_reach(Some(Reach::Answers));
    assert_eq!(count(&mut conn).await.unwrap(), held.len());
    // Nobody can.
    node.set_reach(None);
    assert_eq!(count(&mut conn).await.unwrap(), 0);
    assert_eq!(conn.query_first(all).await.unwrap(), Some(1));
    node.set_behaviour(Behaviour::AcceptNoGreeting);
    assert!(hangs(count(&mut conn)).await);
}

#[tokio::test]
async fn a_refusing_node_is_gone_and_comes_back_on_its_port() {
    let cluster = one().await;
    let node = cluster.node(0);
    let mut warm = connect(node).await;
    node.set_behaviour(Behaviour::Refuse);
    for _ in 0..3 {
        let refused = TcpStream::connect(node.addr()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    assert!(is_connection_lost(rows(&mut warm, "SELECT 1").await));
    timeout(SOON, node.until(|node| node.connections_open() == 0))
        .await
        .unwrap();
    node.set_behaviour(Behaviour::Healthy);
    assert_eq!(rows(&mut connect(node).await, LIST).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_may_refuse_from_the_beginning() {
    let cluster = SimCluster::builder()
        .node_behaviour(0, Behaviour::Refuse)
        .start()
        .await
        .unwrap();
    assert!(TcpStream::connect(cluster.node(0).addr()).await.is_err());
    cluster.node(0).set_behaviour(Behaviour::Healthy);
    connect(cluster.node(0)).await;
}

#[tokio::test]
async fn a_frozen_node_accepts_and_sends_no_byte_until_it_is_thawed() {
    let cluster = one().await;
    let node = cluster.node(0);
    let (mut warm, mut pinging) = (connect(node).await, connect(node).await);
    node.set_behaviour(Behaviour::AcceptNoGreeting);
    assert!(hangs(pinging.ping()).await);
    let mut socket = TcpStream::connect(node.addr()).await.unwrap();
    let mut greeting = [0; 64];
    assert!(hangs(socket.read(&mut greeting)).await);
    let pending = warm.query::<u8, _>("SELECT 1");
    tokio::pin!(pending);
    assert!(hangs(&mut pending).await);
    node.set_behaviour(Behaviour::Healthy);
    assert_eq!(timeout(SOON, pending).await.unwrap().unwrap(), [1]);
    assert!(
        timeout(SOON, socket.read(&mut greeting))
            .await
            .unwrap()
            .unwrap()
            > 4
    );
}

#[tokio::test]
async fn a_login_can_hang_after_the_greeting() {
    let cluster = one().await;
    let node = cluster.node(0);
    node.set_behaviour(Behaviour::HangInLogin);
    assert!(hangs(Conn::new(opts(node))).await);
    timeout(SOON, node.until(|node| node.connections_open() == 0))
        .await
        .expect("a client that gives up is noticed");
    assert_eq!(node.logins().len(), 1);
}

#[tokio::test]
async fn a_hung_session_list_hangs_on_old_connections_too_and_nothing_else_does() {
    let cluster = one().await;
    let node = cluster.node(0);
    let mut old = connect(node).await;
    node.set_behaviour(Behaviour::HangInQuery);
    let mut new = connect(node).await;
    assert_eq!(rows(&mut new, SERVERS).await.unwrap().len(), 1);
    assert!(hangs(new.query_drop(LIST)).await);
    let list = old.query::<Row, _>(LIST);
    tokio::pin!(list);
    assert!(hangs(&mut list).await);
    node.set_behaviour(Behaviour::Healthy);
    assert!(!timeout(SOON, list).await.unwrap().unwrap().is_empty());
    assert_eq!(node.session_lists_received(), 2);
}

#[tokio::test]
async fn a_slow_node_answers_after_its_delay() {
    let cluster = one().await;
    let mut conn = connect(cluster.node(0)).await;
    cluster.node(0).set_behaviour(Behaviour::Slow(A_WHILE));
    let begun = Instant::now();
    rows(&mut conn, "SELECT 1").await.unwrap();
    assert!(begun.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn a_session_list_can_fail_with_any_code_and_state() {
    let cluster = one().await;
    let node = cluster.node(0);
    let mut conn = connect(node).await;
    node.set_behaviour(Behaviour::FailQuery(ServerError::with_sqlstate(
        4012, "70100", "Timeout",
    )));
    let expected = (4012, "70100".to_owned(), "Timeout".to_owned());
    assert_eq!(server_error(rows(&mut conn, LIST).await), expected);
    node.set_behaviour(Behaviour::Healthy);
    assert_eq!(rows(&mut conn, LIST).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_denied_login_gets_1045() {
    let cluster = one().await;
    cluster.node(0).set_behaviour(Behaviour::LoginDenied);
    let (code, _, text) = server_error(try_connect(cluster.node(0)).await);
    assert_eq!(code, 1045);
    assert!(
        text.starts_with("Access denied for user 'root@sys'"),
        "{text}"
    );
}

#[tokio::test]
async fn a_result_can_be_cut_after_some_rows() {
    let cluster = one().await;
    let node = cluster.node(0);
    node.hold_sessions(100);
    node.set_behaviour(Behaviour::BreakOffMidResult { after_rows: 5 });
    let mut conn = connect(node).await;
    let mut result = conn.query_iter(LIST).await.unwrap();
    let mut seen = 0;
    let end = loop {
        match timeout(SOON, result.next()).await.unwrap() {
            Ok(Some(_)) => seen += 1,
            end => break end,
        }
    };
    assert!(is_connection_lost(end));
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn a_result_can_hang_after_some_rows_and_go_on_later() {
    let cluster = one().await;
    let node = cluster.node(0);
    node.hold_sessions(9);
    node.set_behaviour(Behaviour::HangMidResult { after_rows: 5 });
    let mut conn = connect(node).await;
    let mut result = conn.query_iter(LIST).await.unwrap();
    for _ in 0..5 {
        assert!(
            timeout(SOON, result.next())
                .await
                .unwrap()
                .unwrap()
                .is_some()
        );
    }
    assert!(hangs(result.next()).await);
    node.set_behaviour(Behaviour::Healthy);
    let rest: Vec<Row> = timeout(SOON, result.collect()).await.unwrap().unwrap();
    assert_eq!(rest.len(), 5);
}

#[tokio::test]
async fn garbage_instead_of_a_greeting_or_in_a_result_is_no_packet() {
    let cluster = one().await;
    let node = cluster.node(0);
    node.hold_sessions(9);
    let mut conn = connect(node).await;
    for after_rows in [None, Some(3)] {
        node.set_behaviour(Behaviour::GarbageInResult {
            after_rows,
            garbage: Garbage::ShortPacket,
        });
        assert!(is_connection_lost(rows(&mut conn, LIST).await));
        conn = connect(node).await;
    }
    node.set_behaviour(Behaviour::Garbage(Garbage::ShortPacket));
    assert!(is_connection_lost(try_connect(node).await));
    node.set_behaviour(Behaviour::Garbage(Garbage::Http));
    let mut socket = TcpStream::connect(node.addr()).await.unwrap();
    let mut bytes = [0; 4];
    timeout(SOON, socket.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&bytes, b"HTTP");
}

#[tokio::test]
async fn topology_can_be_missing_empty_failing_or_hung() {
    let cluster = one().await;
    let mut conn = connect(cluster.node(0)).await;
    cluster.set_topology(Topology::Missing);
    assert_eq!(code(rows(&mut conn, SERVERS).await), 1146);
    cluster.set_topology(Topology::Empty);
    assert!(rows(&mut conn, SERVERS).await.unwrap().is_empty());
    cluster.set_topology(Topology::Fails(ServerError::new(4012, "Timeout")));
    assert_eq!(code(rows(&mut conn, SERVERS).await), 4012);
    cluster.set_topology(Topology::Hangs);
    let servers = conn.query::<Row, _>(SERVERS);
    tokio::pin!(servers);
    assert!(hangs(&mut servers).await);
    cluster.set_topology(Topology::Listed);
    assert_eq!(timeout(SOON, servers).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn servers_come_and_go() {
    let cluster = SimCluster::start(2).await.unwrap();
    let mut conn = connect(cluster.node(0)).await;
    let mut gone = cluster.servers().remove(1);
    cluster.unlist_server(1);
    let text = "SELECT svr_ip, inner_port, zone FROM oceanbase.__all_server";
    let seen: Vec<(String, u16, String)> = conn.query(text).await.unwrap();
    assert_eq!(
        seen,
        [(
            cluster.node(0).ip().to_string(),
            cluster.node(0).sql_port(),
            "z1".into()
        )]
    );
    gone.status = "INACTIVE".into();
    cluster.add_server(gone);
    let states: Vec<String> = conn
        .query("select status from oceanbase.__all_server")
        .await
        .unwrap();
    assert_eq!(states, ["ACTIVE", "INACTIVE"]);
}

#[tokio::test]
async fn kill_closes_an_idle_connection_without_a_word() {
    let cluster = one().await;
    let node = cluster.node(0);
    let (mut killer, mut victim) = (connect(node).await, connect(node).await);
    let kill = format!("KILL {} /* for root */", victim.id());
    killer.query_drop(&kill).await.unwrap();
    assert!(is_connection_lost(rows(&mut victim, "SELECT 1").await));
    timeout(SOON, node.until(|node| node.connections_open() == 1))
        .await
        .unwrap();
    assert_eq!(code(rows(&mut killer, &kill).await), 1094);
    assert_eq!(node.kills_received(), [kill.clone(), kill]);
}

#[tokio::test]
async fn added_sessions_change_right_after_a_list_of_them() {
    let cluster = SimCluster::start(1).await.unwrap();
    let node = cluster.node(0);
    let mut conn = connect(node).await;
    let ids = |id| {
        vec![SimSession {
            id,
            ..SimSession::default()
        }]
    };
    node.set_sessions(ids(7));
    node.set_sessions_after_list(ids(8));
    node.set_sessions_after_list(Vec::new());
    for present in [vec![7], vec![8], vec![]] {
        let listed: Vec<u32> = conn
            .query("SELECT id FROM oceanbase.V$OB_PROCESSLIST WHERE user = 'app'")
            .await
            .unwrap();
        assert_eq!(listed, present);
    }
}

#[tokio::test]
async fn kill_of_a_busy_connection_says_5066_and_kill_query_1317() {
    let cluster = one().await;
    let node = cluster.node(0);
    let mut killer = connect(node).await;
    let mut victim = connect(node).await;
    let id = victim.id();
    for (verb, expected) in [("KILL QUERY", 1317), ("KILL CONNECTION", 5066)] {
        node.forget_records();
        let sleeping = tokio::spawn(async move {
            let ended = rows(&mut victim, "SELECT SLEEP(30)").await;
            (victim, ended)
        });
        timeout(
            SOON,
            node.until(|node| node.statements() == ["SELECT SLEEP(30)"]),
        )
        .await
        .unwrap();
        let list = format!("SELECT state, info FROM oceanbase.V$OB_PROCESSLIST WHERE id = {id}");
        let seen: Vec<(String, String)> = killer.query(list).await.unwrap();
        assert_eq!(seen, [("ACTIVE".to_owned(), "SELECT SLEEP(30)".to_owned())]);
        killer.query_drop(format!("{verb} '{id}'")).await.unwrap();
        let ended = timeout(SOON, sleeping).await.unwrap().unwrap();
        victim = ended.0;
        assert_eq!(code(ended.1), expected);
    }
    assert!(is_connection_lost(rows(&mut victim, "SELECT 1").await));
    assert!(is_connection_lost(
        timeout(SOON, killer.query_drop(format!("KILL {}", killer.id())))
            .await
            .unwrap()
    ));
}

#[tokio::test]
async fn kill_takes_added_and_held_sessions_away() {
    let cluster = one().await;
    let node = cluster.node(0);
    let added = node.add_session(SimSession::running(
        "update t set a = 1",
        Duration::from_secs(9),
    ));
    let held = node.hold_sessions(1000);
    let mut conn = connect(node).await;
    assert_eq!(rows(&mut conn, LIST).await.unwrap().len(), 1002);
    conn.query_drop(format!("KILL QUERY {added}"))
        .await
        .unwrap();
    let info = format!("SELECT info FROM oceanbase.V$OB_PROCESSLIST WHERE id = {added}");
    assert_eq!(
        rows(&mut conn, &info).await.unwrap()[0].as_ref(0),
        Some(&Value::NULL)
    );
    for id in [added, held.start + 500] {
        conn.query_drop(format!("KILL {id}")).await.unwrap();
        assert!(!node.has_session(id));
    }
    assert_eq!(rows(&mut conn, LIST).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn held_sessions_are_the_same_again_in_both_protocols_and_after_a_kill() {
    let cluster = one().await;
    let node = cluster.node(0);
    // More rows than there are sequence ids, and than fit a buffer.
    let held = node.hold_sessions(5000);
    let mut conn = connect(node).await;
    let ids = "SELECT id, info FROM oceanbase.V$OB_PROCESSLIST";
    let first: Vec<(u32, Option<String>)> = conn.query(ids).await.unwrap();
    assert!(first[1..].iter().map(|(id, _)| *id).eq(held.clone()));
    let others: Vec<(u32,)> = conn
        .query("SELECT id FROM oceanbase.V$OB_PROCESSLIST")
        .await
        .unwrap();
    assert_eq!(others.len(), 5001);
    let again: Vec<(u32, Option<String>)> = conn.query(ids).await.unwrap();
    let prepared: Vec<(u32, Option<String>)> = conn.exec(ids, ()).await.unwrap();
    assert_eq!(again[1..], first[1..]);
    assert_eq!(prepared[1..], first[1..]);
    conn.query_drop(format!("KILL {}", held.start + 7))
        .await
        .unwrap();
    let left: Vec<(u32, Option<String>)> = conn.query(ids).await.unwrap();
    assert_eq!(left.len(), 5000);
    assert!(left.iter().all(|(id, _)| *id != held.start + 7));
}

#[tokio::test]
async fn a_kill_can_fail_hang_or_cut_the_connection() {
    let cluster = one().await;
    let node = cluster.node(0);
    let id = node.add_session(SimSession::default());
    let kill = format!("KILL {id}");
    let mut conn = connect(node).await;
    node.set_kill_behaviour(KillBehaviour::Fail(ServerError::new(
        1095,
        "You are not owner of thread",
    )));
    assert_eq!(code(rows(&mut conn, &kill).await), 1095);
    node.set_kill_behaviour(KillBehaviour::CutConnection { obeyed: false });
    assert!(is_connection_lost(rows(&mut conn, &kill).await));
    assert!(node.has_session(id));
    let mut conn = connect(node).await;
    node.set_kill_behaviour(KillBehaviour::NeverAnswer);
    assert!(hangs(conn.query_drop(&kill)).await);
    assert!(node.has_session(id));
    node.set_kill_behaviour(KillBehaviour::CutConnection { obeyed: true });
    assert!(is_connection_lost(
        rows(&mut connect(node).await, &kill).await
    ));
    assert!(!node.has_session(id));
    assert_eq!(node.kills_received().len(), 4);
}

#[tokio::test]
async fn a_session_can_outlive_its_kill() {
    let cluster = one().await;
    let node = cluster.node(0);
    let mut conn = connect(node).await;
    let mut victim = connect(node).await;
    let kill = format!("KILL {}", victim.id());
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::Forever));
    conn.query_drop(&kill).await.unwrap();
    rows(&mut victim, "SELECT 1").await.unwrap();
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::For(A_WHILE)));
    conn.query_drop(&kill).await.unwrap();
    rows(&mut victim, "SELECT 1").await.unwrap();
    timeout(SOON, node.until(|node| node.connections_open() == 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn rights_and_the_clusters_name_are_configurable() {
    let cluster = SimCluster::builder()
        .nodes(1)
        .name("prod1")
        .accounts(vec![SimAccount::root(), SimAccount::new("app")])
        .db_grants(vec![DbGrant::select("app", "oceanbase")])
        .start()
        .await
        .unwrap();
    let mut conn = connect(cluster.node(0)).await;
    let user = "SELECT user, host, super_priv, process_priv FROM mysql.user WHERE user = 'app'";
    let app: Vec<(String, String, String, String)> = conn.query(user).await.unwrap();
    assert_eq!(app, [("app".into(), "%".into(), "N".into(), "N".into())]);
    let db = "SELECT * FROM mysql.db WHERE user = X'617070' AND db = 'oceanbase'";
    assert_eq!(rows(&mut conn, db).await.unwrap().len(), 1);
    let parameter = rows(&mut conn, "SHOW PARAMETERS LIKE 'cluster'")
        .await
        .unwrap();
    assert_eq!(
        parameter[0].get::<String, _>("value").as_deref(),
        Some("prod1")
    );
}

#[tokio::test]
async fn a_prepared_session_list_gives_typed_values() {
    let cluster = one().await;
    let mut conn = connect(cluster.node(0)).await;
    let sessions: Vec<Row> = conn.exec(LIST, ()).await.unwrap();
    assert_eq!(sessions[0].as_ref(3), Some(&Value::Int(conn.id().into())));
}

#[tokio::test]
async fn nodes_may_share_one_address() {
    let cluster = SimCluster::builder()
        .one_address([127, 0, 0, 1].into())
        .start()
        .await
        .unwrap();
    let mut conn = connect(cluster.node(2)).await;
    let text =
        "SELECT DISTINCT_IP.svr_ip, svr_port, inner_port FROM oceanbase.__all_server DISTINCT_IP";
    let seen: Vec<(String, u16, u16)> = conn.query(text).await.unwrap();
    assert!(seen.iter().all(|(ip, ..)| ip == "127.0.0.1"));
    assert_eq!(
        seen.iter().map(|(_, rpc, _)| *rpc).collect::<Vec<_>>(),
        [2882, 2883, 2884]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_nodes_start_answer_and_go() {
    let begun = Instant::now();
    let cluster = SimCluster::builder()
        .nodes(500)
        .port(2881)
        .start()
        .await
        .unwrap();
    let started = begun.elapsed();
    let mut asking = tokio::task::JoinSet::new();
    for node in cluster.nodes() {
        node.hold_sessions(20);
        let opts = opts(node);
        asking.spawn(async move {
            let mut conn = Conn::new(opts).await.unwrap();
            let sessions: Vec<Row> = conn.query(LIST).await.unwrap();
            conn.disconnect().await.unwrap();
            sessions.len()
        });
    }
    let counts = timeout(SOON, asking.join_all()).await.unwrap();
    println!(
        "500 nodes: started in {started:?}, answered in {:?}",
        begun.elapsed() - started
    );
    assert_eq!(counts, [21; 500]);
    let seeds = cluster.seeds();
    drop(cluster);
    for seed in &seeds {
        timeout(SOON, async {
            while TcpStream::connect(seed).await.is_ok() {}
        })
        .await
        .expect("a dropped cluster's listeners are closed");
    }
}
