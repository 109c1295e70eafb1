//! The forms in which users type their account, and the name by which it arrives at the server.

use mysql_async::Conn;
use testkit::sim::SimCluster;

use crate::support::{connect_as, opts, server_error, try_connect, warden};

#[tokio::test]
async fn every_form_of_the_sys_tenants_accounts_arrives_as_the_server_takes_it() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let node = cluster.node(0);
    for (typed, arrives) in [
        ("root", "root"),
        ("root@sys", "root"),
        ("root@sys#obcluster", "root"),
        ("root@sys#obcluster:1", "root"),
        ("root#obcluster", "root"),
        ("root#obcluster:1", "root"),
        ("obcluster:sys:root", "root"),
        ("root@diag", "root@diag"),
        ("root@sys@diag", "root@sys@diag"),
    ] {
        node.forget_records();
        connect_as(&warden, typed).await;
        assert_eq!(node.logins(), [arrives], "{typed}");
    }
}

#[tokio::test]
async fn no_login_for_another_tenant_or_cluster_reaches_the_server() {
    let cluster = SimCluster::start(1).await.unwrap();
    let warden = warden(&cluster, &[]).await;
    let node = cluster.node(0);
    for (typed, code, reason) in [
        ("root@shop", 1045, "serves the sys tenant only, not 'shop'"),
        ("root@SYS", 1045, "not 'SYS'"),
        ("root@shop#obcluster", 1045, "not 'shop'"),
        ("obcluster:shop:root", 1045, "not 'shop'"),
        ("root@shop@diag", 1045, "not 'shop@diag'"),
        (
            "root@sys#other",
            4666,
            "for cluster 'other', but this is cluster 'obcluster'",
        ),
        ("root@sys#other:1", 4666, "'other'"),
        ("root#other", 4666, "'other'"),
        ("other:sys:root", 4666, "'other'"),
    ] {
        node.forget_records();
        let (answered, text) = server_error(try_connect(&warden, typed).await);
        assert!(
            answered == code && text.contains(reason),
            "{typed}: {answered} {text}"
        );
        assert!(node.logins().is_empty(), "{typed}: {:?}", node.logins());
    }
    Conn::new(opts(warden.addr(), "root")).await.unwrap();
}
