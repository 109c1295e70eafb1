//! Each right alone and with others: what it shows, what it hides, what it ends.

use testkit::cluster::Cluster;
use testkit::warden::Warden;

use super::{create, kill_code, log_on, newcomer, session_of, sessions_are_hidden};
use crate::support::real::{Stage, find, list, lives, on_both, warden_for};

on_both!(
    root_sees_and_ends_all,
    an_account_without_rights_sees_and_ends_its_own,
    process_shows_all_and_ends_none,
    super_alone_ends_nothing_that_it_does_not_see,
    process_and_super_end_others,
    the_right_to_read_the_views_shows_all_and_ends_none,
    the_right_to_read_everything_shows_all_and_ends_none,
    the_right_to_read_another_database_shows_nothing,
    the_right_to_end_connections_counts_where_the_server_knows_it,
    with_the_servers_own_rights_everybody_sees_and_ends_all,
    rights_count_from_the_statement_after_they_were_given_or_taken,
);

/// What an account finds when it tries.
#[derive(Debug, PartialEq)]
struct Found {
    sees_others: bool,
    told_of_hidden: bool,
    /// The code of an attempt to end another account's session.
    kills_others: u16,
}

const NOTHING: Found = Found {
    sees_others: false,
    told_of_hidden: true,
    kills_others: 1094,
};
const SEES: Found = Found {
    sees_others: true,
    told_of_hidden: false,
    kills_others: 1095,
};
const ALL: Found = Found {
    sees_others: true,
    told_of_hidden: false,
    kills_others: 0,
};

/// Has `name`, who is logged on through obwarden, list sessions and end another's and one of its own.
async fn found_by(name: &str, client: &mut mysql_async::Conn, cluster: &Cluster) -> Found {
    let node = cluster.node(1);
    let mut others = node.connect().await.unwrap();
    let mut own = session_of(cluster, 1, name).await;

    let rows = list(client, "SHOW FULL SERVER SESSIONS").await;
    let sees_others = find(&rows, node, others.id()).is_some();
    let strangers = rows.iter().any(|row| row.user != name);
    assert_eq!(sees_others, strangers, "{name}: half a list: {rows:#?}");
    assert!(find(&rows, node, own.id()).is_some(), "{name}: {rows:#?}");
    let in_backend = find(&rows, cluster.node(0), client.id());
    assert!(in_backend.is_some(), "{name}: {rows:#?}");
    let told_of_hidden = sessions_are_hidden(client).await;

    let kills_others = kill_code(client, cluster, 1, others.id()).await;
    assert_eq!(lives(&mut others).await, kills_others != 0, "{name}");
    assert_eq!(kill_code(client, cluster, 1, own.id()).await, 0, "{name}");
    assert!(!lives(&mut own).await, "{name}");
    Found {
        sees_others,
        told_of_hidden,
        kills_others,
    }
}

async fn found_with(stage: &Stage, name: &str, rights: &[&str]) -> Found {
    let mut client = newcomer(stage, name, rights).await;
    found_by(name, &mut client, stage.cluster).await
}

async fn root_sees_and_ends_all(stage: &Stage) {
    let node = stage.cluster.node(1);
    create(stage.cluster, "m_other", &[]).await;
    let mut others = session_of(stage.cluster, 1, "m_other").await;
    let mut root = stage.client().await;
    let rows = list(&mut root, "SHOW SERVER SESSIONS").await;
    assert!(find(&rows, node, others.id()).is_some());
    assert!(!sessions_are_hidden(&mut root).await);
    assert_eq!(kill_code(&mut root, stage.cluster, 1, others.id()).await, 0);
    assert!(!lives(&mut others).await);
}

async fn an_account_without_rights_sees_and_ends_its_own(stage: &Stage) {
    assert_eq!(found_with(stage, "m_none", &[]).await, NOTHING);
}

async fn process_shows_all_and_ends_none(stage: &Stage) {
    let found = found_with(stage, "m_process", &["PROCESS ON *.*"]).await;
    assert_eq!(found, SEES);
}

async fn super_alone_ends_nothing_that_it_does_not_see(stage: &Stage) {
    let found = found_with(stage, "m_super", &["SUPER ON *.*"]).await;
    assert_eq!(found, NOTHING);
}

async fn process_and_super_end_others(stage: &Stage) {
    let found = found_with(stage, "m_both", &["PROCESS, SUPER ON *.*"]).await;
    assert_eq!(found, ALL);
}

async fn the_right_to_read_the_views_shows_all_and_ends_none(stage: &Stage) {
    let found = found_with(stage, "m_views", &["SELECT ON oceanbase.*"]).await;
    assert_eq!(found, SEES);
}

async fn the_right_to_read_everything_shows_all_and_ends_none(stage: &Stage) {
    let found = found_with(stage, "m_reader", &["SELECT ON *.*"]).await;
    assert_eq!(found, SEES);
}

async fn the_right_to_read_another_database_shows_nothing(stage: &Stage) {
    let found = found_with(stage, "m_shop", &["SELECT ON mysql.*"]).await;
    assert_eq!(found, NOTHING);
}

async fn the_right_to_end_connections_counts_where_the_server_knows_it(stage: &Stage) {
    if stage.is_oceanbase() {
        create(stage.cluster, "m_admin", &[]).await;
        let grant = "GRANT CONNECTION ADMIN ON *.* TO m_admin";
        stage.backend().execute(grant).await.unwrap_err();
        return;
    }
    let alone = found_with(stage, "m_admin", &["CONNECTION ADMIN ON *.*"]).await;
    assert_eq!(alone, NOTHING);
    let sees = &["PROCESS, CONNECTION ADMIN ON *.*"];
    assert_eq!(found_with(stage, "m_ad'min", sees).await, ALL);
}

async fn with_the_servers_own_rights_everybody_sees_and_ends_all(stage: &Stage) {
    let warden = warden_for(stage.cluster).args(["--rights", "server"]);
    let warden: Warden = warden.start().await.unwrap();
    create(stage.cluster, "m_anybody", &[]).await;
    let mut client = log_on(&warden, "m_anybody").await;
    assert_eq!(found_by("m_anybody", &mut client, stage.cluster).await, ALL);
}

async fn rights_count_from_the_statement_after_they_were_given_or_taken(stage: &Stage) {
    let mut client = newcomer(stage, "m_changing", &[]).await;
    for (change, found) in [
        ("", NOTHING),
        ("GRANT PROCESS ON *.* TO m_changing", SEES),
        ("GRANT SUPER ON *.* TO m_changing", ALL),
        ("REVOKE PROCESS ON *.* FROM m_changing", NOTHING),
        ("GRANT SELECT ON oceanbase.* TO m_changing", ALL),
        ("REVOKE SUPER ON *.* FROM m_changing", SEES),
        ("REVOKE SELECT ON oceanbase.* FROM m_changing", NOTHING),
    ] {
        if !change.is_empty() {
            stage.cluster.execute(change).await.unwrap();
        }
        let now = found_by("m_changing", &mut client, stage.cluster).await;
        assert_eq!(now, found, "after {change}");
    }
}
