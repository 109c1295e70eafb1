//! An anonymous account lets in anybody by any name, a DBA's too, with a password that all know.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::mariadb::MariadbCluster;

use super::{create, kill_code, sessions_are_hidden};
use crate::support::opts;
use crate::support::real::{Stage, list, lives, warden_for};

#[tokio::test]
async fn a_name_alone_gives_no_rights_where_there_is_an_anonymous_account() {
    let cluster = MariadbCluster::start(2).await.unwrap();
    let warden = warden_for(&cluster).start().await.unwrap();
    let elsewhere = "'boss'@'10.9.9.9'";
    let accounts = format!(
        "CREATE USER ''@'%' IDENTIFIED BY 'all know it'; \
         CREATE USER {elsewhere} IDENTIFIED BY 'x'; GRANT PROCESS, SUPER ON *.* TO {elsewhere}"
    );
    cluster.execute(&accounts).await.unwrap();
    create(&cluster, "other", &[]).await;
    let mut others = super::session_of(&cluster, 1, "other").await;

    for name in ["boss", "nobody", ""] {
        let login = opts(warden.addr(), name).pass(Some("all know it"));
        let mut client = Conn::new(login).await.unwrap();
        let user: Option<String> = client.query_first("SELECT CURRENT_USER()").await.unwrap();
        assert_eq!(
            user.as_deref(),
            Some("@%"),
            "the server has taken {name} for somebody"
        );
        let rows = list(&mut client, "SHOW SERVER SESSIONS").await;
        assert!(rows.iter().all(|row| row.user == name), "{name}: {rows:#?}");
        assert!(sessions_are_hidden(&mut client).await, "{name}");
        let code = kill_code(&mut client, &cluster, 1, others.id()).await;
        assert_eq!(code, 1094, "{name}");
        assert!(lives(&mut others).await, "{name}");
    }
}

#[tokio::test]
async fn oceanbase_has_no_anonymous_accounts() {
    let stage = Stage::of_seekdb().await;
    let account = "CREATE USER ''@'%' IDENTIFIED BY 'all know it'";
    stage.backend().execute(account).await.unwrap_err();
}
