//! Who is let in, and what those read who are not.

use std::time::Instant;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;

use crate::support::SOON;
use crate::support::real::{Stage, on_both, through, until, warden_for};
use crate::support::sql_error;

on_both!(
    the_sys_tenant_is_named_in_every_form,
    another_tenant_is_refused_with_the_reason,
    a_wrong_password_gets_the_servers_own_error,
    a_change_of_user_is_passed_through,
    a_change_of_user_that_is_denied_gets_the_servers_own_error,
);

async fn the_sys_tenant_is_named_in_every_form(stage: &Stage) {
    for name in [
        "root",
        "root@sys",
        "root@sys#anything",
        "root@sys#anything:1",
        "anything:sys:root",
    ] {
        let mut client = match Conn::new(stage.opts().user(Some(name))).await {
            Ok(client) => client,
            Err(error) => panic!("{name}: {error}"),
        };
        let user: Option<String> = client.query_first("SELECT CURRENT_USER()").await.unwrap();
        assert_eq!(user.as_deref(), Some("root@%"), "{name}");
    }
}

async fn another_tenant_is_refused_with_the_reason(stage: &Stage) {
    for name in [
        "root@shop",
        "root@SYS",
        "root@shop#anything",
        "anything:shop:root",
    ] {
        let error = refused(stage.opts().user(Some(name))).await;
        assert_eq!(
            (error.code, error.state.as_str()),
            (1045, "28000"),
            "{name}"
        );
        assert!(error.message.contains("sys tenant only"), "{name}: {error}");
    }
}

async fn a_wrong_password_gets_the_servers_own_error(stage: &Stage) {
    for (user, password) in [("root", "wrong"), ("nobody_at_all", "x")] {
        let with = |opts: OptsBuilder| opts.user(Some(user)).pass(Some(password));
        let expected = refused(with(stage.backend().opts())).await;
        let error = refused(with(stage.opts())).await;
        assert_eq!(error, expected, "{user}");
        assert_eq!(error.code, 1045);
    }
}

async fn a_change_of_user_is_passed_through(stage: &Stage) {
    stage
        .backend()
        .execute("CREATE USER changed IDENTIFIED BY 'pass'")
        .await
        .unwrap();
    let mut client = stage.client().await;
    let opts = || mysql_async::ChangeUserOpts::new().with_user(Some("changed@sys".into()));
    client
        .change_user(opts().with_pass(Some("pass".into())))
        .await
        .unwrap();
    let user: Option<String> = client.query_first("SELECT CURRENT_USER()").await.unwrap();
    assert_eq!(user.as_deref(), Some("changed@%"));
    client.query_drop("SHOW SERVER SESSIONS").await.unwrap();
    let clients: Vec<Row> = client.query("SHOW WARDEN CLIENTS").await.unwrap();
    let own = |row: &&Row| row.get::<u32, _>("Id") == Some(client.id());
    let user = clients.iter().find(own).map(|row| row.get("User"));
    assert_eq!(user, Some(Some("changed".to_owned())));
    stage.backend().execute("DROP USER changed").await.unwrap();
}

async fn a_change_of_user_that_is_denied_gets_the_servers_own_error(stage: &Stage) {
    let wrong = || {
        let opts = mysql_async::ChangeUserOpts::new().with_user(Some("root".into()));
        opts.with_pass(Some("wrong".into()))
    };
    let mut direct = stage.session_on(0).await;
    let expected = sql_error(direct.change_user(wrong()).await);
    let mut client = stage.client().await;
    let error = sql_error(client.change_user(wrong()).await);
    assert_eq!((error.code, &error), (1045, &expected));

    let other_tenant = mysql_async::ChangeUserOpts::new().with_user(Some("root@shop".into()));
    let mut client = stage.client().await;
    let error = sql_error(client.change_user(other_tenant).await);
    assert_eq!(error.code, 1045, "{error}");
    assert!(error.message.contains("sys tenant only"), "{error}");
}

async fn refused(opts: OptsBuilder) -> mysql_async::ServerError {
    let login = tokio::time::timeout(SOON, Conn::new(opts));
    sql_error(login.await.expect("no answer to a login"))
}

#[tokio::test]
async fn with_all_seekdb_nodes_down_the_addresses_tried_are_named() {
    all_down_is_said(&SeekdbCluster::start(2).await.unwrap()).await;
}

#[tokio::test]
async fn with_all_mariadb_nodes_down_the_addresses_tried_are_named() {
    all_down_is_said(&MariadbCluster::start(2).await.unwrap()).await;
}

async fn all_down_is_said(cluster: &Cluster) {
    let warden = warden_for(cluster).start().await.unwrap();
    let mut before = Conn::new(through(&warden)).await.unwrap();
    before.query_drop("SHOW SERVER SESSIONS").await.unwrap();
    for node in cluster.nodes() {
        node.process().kill().unwrap();
    }
    let start = Instant::now();
    let error = refused(through(&warden)).await;
    assert_eq!(error.code, 1429, "{error}");
    for node in cluster.nodes() {
        assert!(error.message.contains(&node.addr().to_string()), "{error}");
    }
    assert!(start.elapsed() < SOON / 2, "{:?}", start.elapsed());
    until("a session whose node is down has ended", async || {
        before.ping().await.is_err()
    })
    .await;
}
