//! The service account: what it needs, and that each thing it lacks is named as a statement to paste.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::warden::{Warden, WardenBuilder};

use super::{PASSWORD, create, session_of, warnings};
use crate::execute::execute;
use crate::support::real::{Stage, find, kill, list, lives, on_both, through};
use crate::support::{server_error, sql_error};

on_both!(
    the_documented_rights_are_enough,
    without_the_views_it_does_not_start_and_says_what_is_missing,
    views_that_are_taken_away_are_named_in_list_and_kill,
    without_the_accounts_nothing_is_shown_or_killed_and_the_right_is_named,
    with_the_servers_own_rights_the_accounts_are_not_needed,
    without_super_a_kill_is_refused_and_the_right_is_named,
);

const VIEWS: &str = "SELECT ON oceanbase.*";
const ACCOUNTS: &str = "SELECT ON mysql.*";
const OTHERS: &str = "PROCESS, SUPER ON *.*";

/// What the README tells to grant.
fn documented(stage: &Stage) -> &'static [&'static str] {
    match stage.is_oceanbase() {
        true => &[VIEWS, ACCOUNTS],
        false => &[VIEWS, ACCOUNTS, OTHERS],
    }
}

fn warden_as(cluster: &Cluster, account: &str) -> WardenBuilder {
    Warden::builder(env!("CARGO_BIN_EXE_obwarden"))
        .servers(cluster.seeds())
        .user(account)
        .password(PASSWORD)
}

async fn started(stage: &Stage, account: &str, rights: &[&str]) -> (Warden, Conn) {
    create(stage.cluster, account, rights).await;
    let warden = warden_as(stage.cluster, account).start().await.unwrap();
    let root = Conn::new(through(&warden)).await.unwrap();
    (warden, root)
}

async fn the_documented_rights_are_enough(stage: &Stage) {
    create(stage.cluster, "s_victim", &[]).await;
    let (_warden, mut root) = started(stage, "s_least", documented(stage)).await;
    for node in 0..3 {
        let mut victim = session_of(stage.cluster, node, "s_victim").await;
        let rows = list(&mut root, "SHOW FULL SERVER SESSIONS").await;
        assert_eq!(warnings(&mut root).await, []);
        let node = stage.cluster.node(node);
        assert!(find(&rows, node, victim.id()).is_some());
        root.query_drop(kill(node, victim.id())).await.unwrap();
        assert_eq!(warnings(&mut root).await, []);
        assert!(!lives(&mut victim).await);
    }
}

async fn without_the_views_it_does_not_start_and_says_what_is_missing(stage: &Stage) {
    create(stage.cluster, "s_it's new", &[ACCOUNTS]).await;
    let started = warden_as(stage.cluster, "s_it's new").start().await;
    let error = format!("{:#}", started.unwrap_err());
    let grant = "GRANT SELECT ON oceanbase.* TO 's_it''s new'";
    assert!(error.contains(grant), "{error}");
    // It is what helps.
    stage.cluster.execute(grant).await.unwrap();
    let started = warden_as(stage.cluster, "s_it's new").start().await;
    started.unwrap();
}

async fn views_that_are_taken_away_are_named_in_list_and_kill(stage: &Stage) {
    let (_warden, mut root) = started(stage, "s_views", documented(stage)).await;
    let mut victim = stage.session_on(1).await;
    let revoke = "REVOKE SELECT ON oceanbase.* FROM s_views";
    stage.cluster.execute(revoke).await.unwrap();
    let grant = "GRANT SELECT ON oceanbase.* TO 's_views'";

    let (_, text) = server_error(root.query_drop("SHOW SERVER SESSIONS").await);
    assert!(text.contains(grant), "{text}");
    let kill = kill(stage.cluster.node(1), victim.id());
    let (code, text) = server_error(root.query_drop(kill).await);
    assert_eq!(code, 1142, "{text}");
    assert!(
        text.contains(grant) && text.contains("nothing was killed"),
        "{text}"
    );
    assert!(lives(&mut victim).await);

    // On one node only: the others are listed, and its row and its warning name the right.
    for node in [0, 2] {
        stage.cluster.node(node).execute(grant).await.unwrap();
    }
    let rows: Vec<mysql_async::Row> = root.query("SHOW SERVER SESSIONS").await.unwrap();
    let texts = rows
        .iter()
        .filter_map(|row| row.get::<Option<String>, _>("Info").flatten());
    let named = texts.filter(|info| info.contains(grant)).count();
    assert_eq!(named, 1, "{rows:?}");
    let [(level, 1142, text)] = &warnings(&mut root).await[..] else {
        panic!("one node, one warning");
    };
    assert!(level == "Warning" && text.contains(grant), "{text}");
}

async fn without_the_accounts_nothing_is_shown_or_killed_and_the_right_is_named(stage: &Stage) {
    let rights: &[&str] = if stage.is_oceanbase() {
        &[VIEWS]
    } else {
        &[VIEWS, OTHERS]
    };
    let (_warden, mut root) = started(stage, "s_accounts", rights).await;
    let mut victim = stage.session_on(1).await;
    let grant = "GRANT SELECT ON mysql.* TO 's_accounts'";
    let kill = kill(stage.cluster.node(1), victim.id());
    for statement in ["SHOW SERVER SESSIONS", &kill] {
        let (_, text) = server_error(root.query_drop(statement).await);
        assert!(text.contains(grant), "{statement}: {text}");
    }
    assert!(lives(&mut victim).await);
    stage.cluster.execute(grant).await.unwrap();
    root.query_drop(&kill).await.unwrap();
    assert!(!lives(&mut victim).await);
}

async fn with_the_servers_own_rights_the_accounts_are_not_needed(stage: &Stage) {
    let rights: &[&str] = if stage.is_oceanbase() {
        &[VIEWS]
    } else {
        &[VIEWS, OTHERS]
    };
    create(stage.cluster, "s_mirror", rights).await;
    let warden = warden_as(stage.cluster, "s_mirror").args(["--rights", "server"]);
    let warden = warden.start().await.unwrap();
    let mut root = Conn::new(through(&warden)).await.unwrap();
    let mut victim = stage.session_on(1).await;
    let kill = kill(stage.cluster.node(1), victim.id());
    root.query_drop(kill).await.unwrap();
    assert!(!lives(&mut victim).await);
}

async fn without_super_a_kill_is_refused_and_the_right_is_named(stage: &Stage) {
    let rights = &[VIEWS, ACCOUNTS, "PROCESS ON *.*"];
    let (_warden, mut root) = started(stage, "s_killer", rights).await;
    let mut victim = stage.session_on(1).await;
    let kill = kill(stage.cluster.node(1), victim.id());
    let killed = root.query_drop(&kill).await;
    if stage.is_oceanbase() {
        // There the sys tenant's accounts may end each other's sessions.
        killed.unwrap();
        return;
    }
    let error = sql_error(killed);
    assert_eq!(error.code, 1095, "{error}");
    let grant = "GRANT SUPER ON *.* TO 's_killer'";
    assert!(error.message.contains(grant), "{error}");
    assert!(lives(&mut victim).await);
    stage.cluster.execute(grant).await.unwrap();
    // Its rights were read when it logged on: a new connection has them.
    let warden = warden_as(stage.cluster, "s_killer").start().await.unwrap();
    let mut root = Conn::new(through(&warden)).await.unwrap();
    root.query_drop(&kill).await.unwrap();
    assert!(!lives(&mut victim).await);
}

/// MySQL's process list does not say that it shows the asker's own sessions only.
#[tokio::test]
async fn a_process_list_without_process_is_not_taken_for_a_whole_one() {
    let cluster = MariadbCluster::start(2).await.unwrap();
    let no_view = "DROP VIEW oceanbase.`V$OB_PROCESSLIST`";
    cluster.execute(no_view).await.unwrap();
    create(&cluster, "s_blind", &[VIEWS, ACCOUNTS, "SUPER ON *.*"]).await;
    let warden = warden_as(&cluster, "s_blind").start().await.unwrap();
    let mut root = Conn::new(through(&warden)).await.unwrap();
    let mut victim = cluster.node(1).connect().await.unwrap();
    let grant = "GRANT PROCESS ON *.* TO 's_blind'";

    root.query_drop("SHOW SERVER SESSIONS").await.unwrap();
    let warned = warnings(&mut root).await;
    assert_eq!(warned.len(), 2, "one for each server: {warned:?}");
    for (node, (level, code, text)) in cluster.nodes().iter().zip(&warned) {
        assert_eq!((level.as_str(), *code), ("Warning", 1227), "{text}");
        assert!(text.contains(&node.addr().to_string()), "{text}");
        assert!(
            text.contains(grant) && text.contains("NOT in this list"),
            "{text}"
        );
    }
    let once = execute(&cluster, ("s_blind", PASSWORD), "SHOW SERVER SESSIONS").await;
    assert_eq!(once.status.code(), Some(3), "{once:?}");
    let kill = kill(cluster.node(1), victim.id());
    let (code, text) = server_error(root.query_drop(&kill).await);
    assert!(code == 1094 && text.contains(grant), "{code} {text}");
    assert!(lives(&mut victim).await);

    cluster.execute(grant).await.unwrap();
    let warden = warden_as(&cluster, "s_blind").start().await.unwrap();
    let mut root = Conn::new(through(&warden)).await.unwrap();
    let rows: Vec<mysql_async::Row> = root.query("SHOW SERVER SESSIONS").await.unwrap();
    assert!(
        rows.iter().any(|row| row.get("Id") == Some(victim.id())),
        "{rows:?}"
    );
    assert_eq!(warnings(&mut root).await, []);
    root.query_drop(&kill).await.unwrap();
    assert!(!lives(&mut victim).await);
}
