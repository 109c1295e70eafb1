//! The server's own KILL after a failover, on real servers: two clients of one proxy are on two nodes, and the
//! second one ends what the first one runs.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::{Cluster, Node};
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use testkit::warden::Warden;

use crate::support::real::{lives, through, until, warden_for};
use crate::support::{SOON, soon, sql_error};

#[tokio::test]
async fn a_client_on_another_seekdb_ends_the_first_ones_query_and_session() {
    let cluster = SeekdbCluster::start(2).await.expect("two seekdb nodes");
    killed_from_another_node(&cluster, "SET ob_query_timeout = 60000000").await;
}

#[tokio::test]
async fn a_client_on_another_mariadb_ends_the_first_ones_query_and_session() {
    let cluster = MariadbCluster::start(2).await.expect("two mariadb nodes");
    killed_from_another_node(&cluster, "DO 1").await;
}

async fn killed_from_another_node(cluster: &Cluster, patience: &str) {
    let warden = warden_for(cluster).start().await.expect("obwarden");
    let (first, second) = (cluster.node(0), cluster.node(1));
    let mut victim = beyond_the_ids_of(second, first, &warden).await;
    let id = victim.id();
    first.process().suspend().expect("SIGSTOP");
    let moved = Conn::new(through(&warden));
    let mut client = soon("a login elsewhere", moved).await.expect("a login");
    first.process().resume().expect("SIGCONT");
    assert!(
        has_session(second, client.id()).await,
        "it is on the second node"
    );

    victim.query_drop(patience).await.expect(patience);
    let sleeping = tokio::spawn(async move {
        let ended = victim.query_drop("SELECT SLEEP(30)").await;
        (ended, victim)
    });
    until("it runs", async || runs(first, id).await).await;
    let kill = format!("KILL QUERY {id}");
    soon(&kill, client.query_drop(&kill)).await.expect(&kill);
    assert_eq!(client.get_warnings(), 0);
    let ended = tokio::time::timeout(SOON, sleeping).await;
    let (ended, mut victim) = ended.expect("it still runs").expect("its task");
    assert_eq!(sql_error(ended).code, 1317);
    assert!(lives(&mut victim).await);

    let kill = format!("KILL {id}");
    soon(&kill, client.query_drop(&kill)).await.expect(&kill);
    assert!(!lives(&mut victim).await);
    assert!(lives(&mut client).await);
    let error = sql_error(client.query_drop(&kill).await);
    assert_eq!(error.code, 1094, "{error}");
}

/// A client on `first` whose id nobody has on `other`: servers count, and each has given few ids so far.
async fn beyond_the_ids_of(other: &Node, first: &Node, warden: &Warden) -> Conn {
    const IDS_AHEAD: u32 = 200;
    let newest = other.connect().await.expect("a login").id();
    while first.connect().await.expect("a login").id() <= newest + IDS_AHEAD {}
    let client = Conn::new(through(warden)).await.expect("a login");
    assert!(
        has_session(first, client.id()).await,
        "it is on the first node"
    );
    client
}

async fn has_session(node: &Node, id: u32) -> bool {
    shows(node, &format!("ID = {id}")).await
}

async fn runs(node: &Node, id: u32) -> bool {
    shows(node, &format!("ID = {id} AND COMMAND = 'Query'")).await
}

async fn shows(node: &Node, condition: &str) -> bool {
    let sql = format!("SELECT 1 FROM oceanbase.V$OB_PROCESSLIST WHERE {condition}");
    let mut conn = node.connect().await.expect("a login");
    let found: Option<u8> = conn.query_first(sql).await.expect("process list");
    found.is_some()
}
