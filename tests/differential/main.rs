//! What goes through obwarden comes out as it would without it: the same random commands, direct and
//! through the proxy, on real servers; and the proxy's own statements keep their place among them.
//!
//! `OBWARDEN_DIFFERENTIAL_SEED` says with which sequence to begin, and `OBWARDEN_DIFFERENTIAL_SEQUENCES`
//! how many to play: a difference names its seed, and that and 1 play it alone.

mod change_user;
mod client;
mod command;
mod composer;
mod cursors;
mod endings;
mod every_reply;
mod every_type;
mod files;
mod lost_server;
mod play;
mod random;
mod reply;
mod rng;
mod sequence;
mod statements;
mod virtual_statements;

use std::ops::Deref;

use client::{Client, Profile};
use mysql_async::prelude::Queryable;
use statements::{DATABASE, Kind, SETUP};
use testkit::certificates::Certificates;
use testkit::cluster::{Cluster, Node};
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use testkit::warden::{Warden, WardenBuilder};
use tokio::sync::OnceCell;

/// One server and an obwarden before it.
struct House<C> {
    kind: Kind,
    warden: Warden,
    cluster: C,
    /// Another obwarden, between the two.
    _inner: Option<(Warden, Certificates)>,
}

impl<C: Deref<Target = Cluster>> House<C> {
    async fn open(kind: Kind, cluster: C) -> Self {
        furnish(&cluster).await;
        let warden = builder(&cluster).start().await.unwrap();
        Self {
            kind,
            warden,
            cluster,
            _inner: None,
        }
    }

    /// The same with TLS: from an obwarden with plain clients to one with plain servers.
    async fn open_behind_tls(kind: Kind, cluster: C) -> Self {
        furnish(&cluster).await;
        let certificates = Certificates::make().unwrap();
        let own = certificates.issue("obwarden", &["127.0.0.1"]).unwrap();
        let inner = builder(&cluster)
            .args(["--tls", "required", "--tls-certificate"])
            .args([own.certificate])
            .args(["--tls-key"])
            .args([own.key]);
        let inner = inner.start().await.unwrap();
        let warden = Warden::builder(PROGRAM)
            .servers([inner.addr().to_string()])
            .args(["--server-tls", "verify-full", "--server-tls-ca"])
            .args([certificates.ca()]);
        Self {
            kind,
            warden: warden.start().await.unwrap(),
            cluster,
            _inner: Some((inner, certificates)),
        }
    }

    /// An ordinary client, through the proxy.
    async fn client(&self) -> Client {
        self.client_with("root", &Profile::ordinary(DATABASE)).await
    }

    async fn client_with(&self, user: &str, profile: &Profile) -> Client {
        Client::log_in(self.warden.addr(), user, profile)
            .await
            .unwrap()
    }

    fn node(&self) -> &Node {
        self.cluster.node(0)
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_obwarden");

fn builder(cluster: &Cluster) -> WardenBuilder {
    Warden::builder(PROGRAM).servers([cluster.node(0).addr().to_string()])
}

async fn furnish(cluster: &Cluster) {
    let mut conn = cluster.node(0).connect().await.unwrap();
    for sql in SETUP {
        conn.query_drop(*sql).await.expect(sql);
    }
    conn.disconnect().await.unwrap();
}

async fn mariadb() -> &'static House<MariadbCluster> {
    static HOUSE: OnceCell<House<MariadbCluster>> = OnceCell::const_new();
    HOUSE
        .get_or_init(async || House::open(Kind::Mariadb, one_mariadb().await).await)
        .await
}

async fn one_mariadb() -> MariadbCluster {
    // A cached thread goes on counting statement ids where another session left off.
    let args = ["--max-allowed-packet=64M", "--thread-cache-size=0"];
    MariadbCluster::start_with(1, args).await.unwrap()
}

async fn seekdb() -> &'static House<SeekdbCluster> {
    static HOUSE: OnceCell<House<SeekdbCluster>> = OnceCell::const_new();
    HOUSE
        .get_or_init(async || {
            let cluster = SeekdbCluster::start(1).await.unwrap();
            House::open(Kind::Seekdb, cluster).await
        })
        .await
}
