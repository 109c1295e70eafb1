//! The server's own KILL reaches a client of this proxy on another server, after a failover, and nobody else.

use mysql_async::{Conn, Error};
use testkit::sim::{Behaviour, Garbage, SimAccount, SimCluster, SimClusterBuilder, SimSession};
use testkit::warden::Warden;
use tokio::task::JoinHandle;

use crate::kill::kills_of;
use crate::support::{RawClient, connect_as, opts, run, server_error, show_warnings, soon, warden};

/// Any password will do for a simulated node.
const SCRAMBLED: &[u8] = &[1; 20];

/// One client on node 0; the others come to node 1.
struct Scene {
    cluster: SimCluster,
    warden: Warden,
    victim: Conn,
    /// On node 1.
    conn: Conn,
}

impl Scene {
    async fn new(args: &[&str]) -> Self {
        Self::on(SimCluster::builder(), "root", args).await
    }

    /// As on servers that just count: ids repeat from node to node.
    async fn counting(args: &[&str]) -> Self {
        Self::on(SimCluster::builder().first_session_id(1000), "root", args).await
    }

    /// The second client is `user`.
    async fn on(cluster: SimClusterBuilder, user: &str, args: &[&str]) -> Self {
        let cluster = cluster.start().await.unwrap();
        let warden = warden(&cluster, args).await;
        let first = cluster.node(0);
        // Beyond all ids that node 1 gives in a test.
        for _ in 0..100 {
            drop(Conn::new(opts(first.addr(), "root")).await.unwrap());
        }
        let victim = connect_as(&warden, "root").await;
        assert!(first.has_session(victim.id()));
        // New clients cannot come in; those that are there go on.
        first.set_behaviour(Behaviour::Garbage(Garbage::ShortPacket));
        let conn = connect_as(&warden, user).await;
        first.set_behaviour(Behaviour::Healthy);
        assert!(cluster.node(1).has_session(conn.id()));
        Self {
            cluster,
            warden,
            victim,
            conn,
        }
    }

    /// Has the victim run a statement, until somebody ends it.
    async fn run(self) -> Busy {
        let Self {
            cluster,
            warden,
            mut victim,
            conn,
        } = self;
        let id = victim.id();
        let statement = tokio::spawn(async move {
            let ended = run(&mut victim, "SELECT SLEEP(600)").await;
            (ended, victim)
        });
        let runs = cluster
            .node(0)
            .until(|node| node.statements().iter().any(|text| text.contains("SLEEP")));
        soon("it runs", runs).await;
        Busy {
            cluster,
            warden,
            id,
            statement,
            conn,
        }
    }
}

/// The same, when the first client runs something.
struct Busy {
    cluster: SimCluster,
    warden: Warden,
    id: u32,
    statement: JoinHandle<(Result<(), Error>, Conn)>,
    conn: Conn,
}

#[tokio::test]
async fn a_second_client_that_came_to_another_node_ends_the_first_ones_query() {
    let mut scene = Scene::new(&[]).await.run().await;
    let id = scene.id;
    run(&mut scene.conn, &format!("KILL QUERY {id}"))
        .await
        .unwrap();
    assert_eq!(scene.conn.get_warnings(), 0);
    let (ended, mut victim) = scene.statement.await.unwrap();
    assert_eq!(server_error(ended).0, 1317);
    run(&mut victim, "SELECT 1").await.unwrap();
    let kills = scene.cluster.node(0).kills_received();
    assert!(
        kills.len() == 1 && kills[0].starts_with(&format!("KILL QUERY {id} /* obwarden: ")),
        "{kills:?}"
    );
    assert_eq!(
        kills_of(&scene.cluster),
        kills,
        "no other node has heard of it"
    );
}

#[tokio::test]
async fn every_form_of_kill_ends_the_session_on_the_other_node() {
    for form in ["KILL ", "kill /* it */ connection ", "KILL CONNECTION '"] {
        let mut scene = Scene::new(&[]).await;
        let id = scene.victim.id();
        let quote = if form.ends_with('\'') { "'" } else { "" };
        run(&mut scene.conn, &format!("{form}{id}{quote};"))
            .await
            .unwrap();
        assert!(!scene.cluster.node(0).has_session(id), "{form}");
        assert!(run(&mut scene.victim, "SELECT 1").await.is_err(), "{form}");
    }
    let mut scene = Scene::new(&[]).await;
    let first = scene.cluster.node(0);
    first.set_behaviour(Behaviour::Garbage(Garbage::ShortPacket));
    let mut raw = RawClient::greeted(scene.warden.addr()).await;
    raw.log_in("root", SCRAMBLED).await;
    first.set_behaviour(Behaviour::Healthy);
    let id = scene.victim.id();
    raw.send(0, &[&[0x0c][..], &id.to_le_bytes()].concat())
        .await;
    assert_eq!(
        raw.read().await.unwrap()[0],
        0,
        "COM_PROCESS_KILL is answered with OK"
    );
    assert!(!first.has_session(id));
    assert!(run(&mut scene.victim, "SELECT 1").await.is_err());
}

#[tokio::test]
async fn it_takes_its_turn_among_pipelined_commands() {
    let scene = Scene::new(&[]).await.run().await;
    let first = scene.cluster.node(0);
    first.set_behaviour(Behaviour::Garbage(Garbage::ShortPacket));
    let mut raw = RawClient::greeted(scene.warden.addr()).await;
    raw.log_in("root", SCRAMBLED).await;
    first.set_behaviour(Behaviour::Healthy);
    raw.send_query("SET @before = 1").await;
    raw.send_query(&format!("KILL QUERY {}", scene.id)).await;
    raw.send_query("KILL QUERY 4294967295").await;
    raw.send(0, &[0x0e]).await;
    let (ok, error) = (0, 0xff);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(raw.read().await.unwrap()[0]);
    }
    assert_eq!(answers, [ok, ok, error, ok]);
    assert_eq!(server_error(scene.statement.await.unwrap().0).0, 1317);
    let other = scene.cluster.node(1).kills_received();
    assert_eq!(
        other,
        ["KILL QUERY 4294967295"],
        "nobody's id is the server's to judge"
    );
}

#[tokio::test]
async fn a_session_that_runs_nothing_is_left_alone_and_that_is_said() {
    let mut scene = Scene::new(&[]).await;
    let kill = format!("KILL QUERY {}", scene.victim.id());
    run(&mut scene.conn, &kill).await.unwrap();
    let shown = show_warnings(&mut scene.conn).await;
    assert!(
        shown.len() == 1 && shown[0].2.ends_with("runs no statement"),
        "{shown:?}"
    );
    run(&mut scene.victim, "SELECT 1").await.unwrap();
    assert_eq!(kills_of(&scene.cluster), [""; 0]);
}

#[tokio::test]
async fn a_virtual_statement_on_the_other_node_ends() {
    let mut scene = Scene::new(&["--node-timeout", "60s"]).await;
    let hung = scene.cluster.node(2);
    hung.set_behaviour(Behaviour::HangInQuery);
    let id = scene.victim.id();
    let mut victim = scene.victim;
    let listing = tokio::spawn(async move { run(&mut victim, "SHOW SERVER SESSIONS").await });
    let asked = hung.until(|node| node.session_lists_received() > 0);
    soon("the list waits", asked).await;
    run(&mut scene.conn, &format!("KILL QUERY {id}"))
        .await
        .unwrap();
    assert_eq!(server_error(listing.await.unwrap()).0, 1317);
}

#[tokio::test]
async fn an_id_that_stands_on_both_servers_is_not_guessed() {
    for kind in ["", "QUERY "] {
        let mut scene = Scene::counting(&[]).await.run().await;
        let (there, here) = (scene.cluster.node(0), scene.cluster.node(1));
        let id = here.add_session(SimSession {
            id: scene.id,
            ..SimSession::running("UPDATE accounts SET balance = 0", Default::default())
        });
        let (code, text) = server_error(run(&mut scene.conn, &format!("KILL {kind}{id}")).await);
        assert_eq!(code, 1210);
        let word = if kind.is_empty() { "SESSION" } else { "QUERY" };
        let form = format!("KILL SERVER {word} {} {id}", there.addr());
        assert!(
            text.contains(&here.seed()) && text.contains(&there.seed()) && text.ends_with(&form),
            "{text}"
        );
        assert!(here.has_session(id) && there.has_session(id));
        assert_eq!(kills_of(&scene.cluster), [""; 0]);
        // It is the way out, and hits the one that it names.
        run(&mut scene.conn, &form).await.unwrap();
        assert!(scene.statement.await.unwrap().0.is_err());
        assert_eq!(kills_of(&scene.cluster), there.kills_received());
    }
}

#[tokio::test]
async fn a_session_that_the_caller_may_not_see_is_not_what_it_means_and_is_not_told_of() {
    let accounts = vec![SimAccount::root(), SimAccount::new("app")];
    let cluster = SimCluster::builder()
        .accounts(accounts)
        .first_session_id(1000);
    let mut scene = Scene::on(cluster, "app", &[]).await;
    let (there, here) = (scene.cluster.node(0), scene.cluster.node(1));
    let roots = scene.victim.id();
    let session = |user: &str| SimSession {
        id: roots,
        user: user.to_owned(),
        tenant: "sys".to_owned(),
        ..SimSession::default()
    };
    let kill = format!("KILL {roots}");
    for sessions in [vec![], vec![session("batch")]] {
        here.set_sessions(sessions);
        let (code, text) = server_error(run(&mut scene.conn, &kill).await);
        assert!(
            code == 1094 && !text.contains(&there.seed()),
            "{code} {text}"
        );
    }
    assert_eq!(kills_of(&scene.cluster), [""; 0]);

    here.set_sessions(vec![session("app")]);
    run(&mut scene.conn, &kill).await.unwrap();
    assert_eq!(here.kills_received().len(), 1, "its own session is meant");
    assert_eq!(there.kills_received(), [""; 0]);
    assert!(there.has_session(roots));
}

#[tokio::test]
async fn the_right_to_see_is_no_right_to_kill_on_another_node() {
    let sees = SimAccount {
        process_priv: true,
        ..SimAccount::new("app")
    };
    let accounts = vec![SimAccount::root(), sees];
    let cluster = SimCluster::builder().accounts(accounts);
    let mut scene = Scene::on(cluster, "app", &[]).await;
    let kill = format!("KILL {}", scene.victim.id());
    assert_eq!(server_error(run(&mut scene.conn, &kill).await).0, 1095);
    assert_eq!(kills_of(&scene.cluster), [""; 0]);
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_whether_it_has_the_id_stops_only_what_is_not_certain() {
    let quick = ["--node-timeout", "1s"];
    let mut scene = Scene::new(&quick).await.run().await;
    scene.cluster.node(1).set_behaviour(Behaviour::HangInQuery);
    let kill = format!("KILL QUERY {}", scene.id);
    run(&mut scene.conn, &kill)
        .await
        .expect("OceanBase's ids tell their server");
    assert_eq!(server_error(scene.statement.await.unwrap().0).0, 1317);

    let mut scene = Scene::counting(&quick).await;
    let (there, here) = (scene.cluster.node(0), scene.cluster.node(1));
    here.set_behaviour(Behaviour::HangInQuery);
    let id = scene.victim.id();
    let (code, text) = server_error(run(&mut scene.conn, &format!("KILL {id}")).await);
    let form = format!("KILL SERVER SESSION {} {id}", there.addr());
    assert!(
        code == 4012 && text.contains("nothing was killed") && text.ends_with(&form),
        "{code} {text}"
    );
    assert_eq!(kills_of(&scene.cluster), [""; 0]);
    run(&mut scene.conn, &form).await.unwrap();
    assert!(!there.has_session(id));
}

#[tokio::test]
async fn among_other_statements_it_is_refused_and_nothing_runs() {
    let mut scene = Scene::new(&[]).await;
    let id = scene.victim.id();
    let packet = format!("KILL {id}; SET @after = 1");
    let (code, text) = server_error(run(&mut scene.conn, &packet).await);
    assert!(
        code == 1235 && text.contains("nothing of this packet"),
        "{code} {text}"
    );
    run(&mut scene.victim, "SELECT 1").await.unwrap();
    let other = scene.cluster.node(1).statements();
    assert!(
        !other.iter().any(|text| text.contains("@after")),
        "{other:?}"
    );
}

#[tokio::test]
async fn an_id_of_ones_own_server_goes_there_as_it_came() {
    let mut scene = Scene::counting(&[]).await;
    let here = scene.cluster.node(1);
    let own = scene.conn.id();
    let stranger = here.add_session(SimSession::default());
    for kill in [
        format!("KILL QUERY {own}"),
        format!("kill {stranger} /* me */"),
    ] {
        run(&mut scene.conn, &kill).await.unwrap();
        assert_eq!(here.kills_received().last(), Some(&kill));
    }
    assert!(!here.has_session(stranger));
    assert_eq!(scene.cluster.node(0).kills_received(), [""; 0]);
}
