//! Who may see and kill whose sessions, by the account that logged in.

use mysql_async::Conn;
use testkit::sim::{Behaviour, SimAccount, SimCluster, SimNode, SimSession};

use crate::support::{connect_as, list, run, server_error, show_warnings, warden};

struct Scene {
    cluster: SimCluster,
    /// Of `app`, on node 1.
    own: u32,
    /// Of `batch`, on node 1.
    other: u32,
    /// Of another tenant's `app`, on node 1.
    namesake: u32,
}

impl Scene {
    async fn new(account: SimAccount) -> Self {
        let accounts = vec![SimAccount::root(), account];
        let cluster = SimCluster::builder()
            .accounts(accounts)
            .start()
            .await
            .unwrap();
        let session = |user: &str, tenant: &str| {
            cluster.node(1).add_session(SimSession {
                user: user.to_owned(),
                tenant: tenant.to_owned(),
                ..SimSession::default()
            })
        };
        let (own, other) = (session("app", "sys"), session("batch", "sys"));
        let namesake = session("app", "shop");
        Self {
            cluster,
            own,
            other,
            namesake,
        }
    }

    fn node(&self) -> &SimNode {
        self.cluster.node(1)
    }

    async fn kill(&self, conn: &mut Conn, id: u32) -> u16 {
        let statement = format!("KILL SERVER SESSION {} {id}", self.node().ip());
        match run(conn, &statement).await {
            Ok(()) => 0,
            denied => server_error(denied).0,
        }
    }
}

fn app() -> SimAccount {
    SimAccount::new("app")
}

#[tokio::test]
async fn an_account_without_rights_sees_and_kills_its_own_sessions_alone() {
    let scene = Scene::new(app()).await;
    let warden = warden(&scene.cluster, &[]).await;
    let mut conn = connect_as(&warden, "app@sys").await;
    let seen = list(&mut conn).await;
    assert_eq!(seen.ids(scene.node().addr()), [scene.own]);
    assert_eq!(seen.ids(scene.cluster.node(0).addr()), [conn.id()]);
    assert_eq!(seen.warnings, 1);
    let hidden = "sessions of other users are not shown (needs PROCESS)";
    let note = ("Note".to_owned(), 1227, hidden.to_owned());
    assert_eq!(show_warnings(&mut conn).await, [note]);

    for id in [scene.other, scene.namesake] {
        assert_eq!(
            scene.kill(&mut conn, id).await,
            1094,
            "what is hidden is unknown"
        );
        assert!(scene.node().has_session(id));
    }
    assert_eq!(scene.kill(&mut conn, scene.own).await, 0);
    assert!(!scene.node().has_session(scene.own));
    assert_eq!(scene.node().kills_received().len(), 1);

    // A failed node's row is nobody's session.
    scene.node().set_behaviour(Behaviour::Refuse);
    let seen = list(&mut conn).await;
    assert_eq!((seen.failed().len(), seen.rows.len()), (1, 2));
}

#[tokio::test]
async fn what_was_hidden_on_another_node_is_not_given_away_by_kill() {
    let scene = Scene::new(app()).await;
    let warden = warden(&scene.cluster, &[]).await;
    let mut conn = connect_as(&warden, "app@sys").await;
    let statement = format!(
        "KILL SERVER SESSION {} {}",
        scene.cluster.node(2).ip(),
        scene.other
    );
    let (code, text) = server_error(run(&mut conn, &statement).await);
    assert!(code == 1094 && !text.contains("seen on"), "{code} {text}");
}

#[tokio::test]
async fn the_right_to_see_is_no_right_to_kill() {
    let may_see = [
        SimAccount {
            process_priv: true,
            ..app()
        },
        SimAccount {
            select_priv: true,
            ..app()
        },
    ];
    for account in may_see {
        let scene = Scene::new(account.clone()).await;
        let warden = warden(&scene.cluster, &[]).await;
        let mut conn = connect_as(&warden, "app").await;
        let seen = list(&mut conn).await;
        let all = [scene.own, scene.other, scene.namesake];
        assert_eq!(
            (seen.ids(scene.node().addr()), seen.warnings),
            (all.to_vec(), 0),
            "{account:?}"
        );
        for id in [scene.other, scene.namesake] {
            assert_eq!(scene.kill(&mut conn, id).await, 1095, "{account:?}");
            assert!(scene.node().has_session(id));
        }
        assert_eq!(scene.node().kills_received(), [""; 0]);
        assert_eq!(scene.kill(&mut conn, scene.own).await, 0);
    }
}

#[tokio::test]
async fn super_alone_kills_what_it_may_see() {
    let scene = Scene::new(SimAccount {
        super_priv: true,
        process_priv: true,
        ..app()
    })
    .await;
    let warden = warden(&scene.cluster, &[]).await;
    let mut conn = connect_as(&warden, "app").await;
    assert_eq!(scene.kill(&mut conn, scene.other).await, 0);
    assert!(!scene.node().has_session(scene.other));

    // Rights are read afresh at each statement.
    scene.cluster.set_accounts(vec![SimAccount::root(), app()]);
    assert_eq!(scene.kill(&mut conn, scene.namesake).await, 1094);
    assert_eq!(list(&mut conn).await.ids(scene.node().addr()), [scene.own]);
}

#[tokio::test]
async fn of_two_accounts_of_one_name_the_weakest_counts() {
    let scene = Scene::new(app()).await;
    let local = SimAccount {
        user: "app".to_owned(),
        host: "10.1.1.1".to_owned(),
        ..SimAccount::root()
    };
    scene
        .cluster
        .set_accounts(vec![SimAccount::root(), local, app()]);
    let warden = warden(&scene.cluster, &[]).await;
    let mut conn = connect_as(&warden, "app").await;
    assert_eq!(list(&mut conn).await.ids(scene.node().addr()), [scene.own]);
}

#[tokio::test]
async fn with_the_servers_own_rights_everybody_sees_and_kills_all() {
    let scene = Scene::new(app()).await;
    let warden = warden(&scene.cluster, &["--rights", "server"]).await;
    let mut conn = connect_as(&warden, "app").await;
    let seen = list(&mut conn).await;
    let all = [scene.own, scene.other, scene.namesake];
    assert_eq!(
        (seen.ids(scene.node().addr()), seen.warnings),
        (all.to_vec(), 0)
    );
    assert_eq!(scene.kill(&mut conn, scene.other).await, 0);
    assert!(!scene.node().has_session(scene.other));
}
