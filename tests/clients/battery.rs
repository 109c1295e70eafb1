//! A battery played twice on one server: straight, and through obwarden.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use testkit::certificates::{Certificates, Issued};
use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::paths::RunDir;
use testkit::seekdb::SeekdbCluster;
use tokio::sync::OnceCell;

use crate::schema;
use crate::support::real::warden_for;
use crate::transcript::Transcript;
use crate::virtual_statements::{Expected, NamedVictims, Victims};

/// What every battery has steps about, unless the client says that it lacks it.
const TOPICS: [&str; 18] = [
    "login",
    "session",
    "charset",
    "types",
    "prepared",
    "streaming",
    "multi",
    "procedures",
    "errors",
    "warnings",
    "transactions",
    "infile",
    "blobs",
    "reset",
    "database",
    "results",
    "cancel",
    "pipelining",
];

/// Steps that are errors on seekdb, straight, too: it has no such character sets, and no procedures here.
const LACKING_ON_SEEKDB: [&str; 7] = [
    "charset/latin1",
    "charset/gbk",
    "reset/set charset",
    "procedures/several results",
    "procedures/callproc",
    "procedures/call",
    "procedures/with OUT",
];

/// A client and its battery.
pub(crate) struct Client {
    name: &'static str,
    run: Box<dyn Fn(Target) -> Run>,
    /// Topics that its interface does not reach.
    lacks: &'static [&'static str],
    /// Steps that come out on seekdb otherwise than their names say, straight, too.
    odd_on_seekdb: &'static [&'static str],
    /// Steps over the proxy's own statements.
    virtual_steps: Expected,
}

/// All that a battery printed, once it has ended.
pub(crate) type Run = Pin<Box<dyn Future<Output = String>>>;

impl Client {
    pub(crate) fn new<F>(name: &'static str, run: impl Fn(Target) -> F + 'static) -> Self
    where
        F: Future<Output = String> + 'static,
    {
        Self {
            name,
            run: Box::new(move |target| Box::pin(run(target))),
            lacks: &[],
            odd_on_seekdb: &[],
            virtual_steps: Expected::default(),
        }
    }

    pub(crate) fn lacks(self, lacks: &'static [&'static str]) -> Self {
        Self { lacks, ..self }
    }

    pub(crate) fn odd_on_seekdb(self, odd_on_seekdb: &'static [&'static str]) -> Self {
        Self {
            odd_on_seekdb,
            ..self
        }
    }

    /// Steps of its own over the proxy's own statements, before those of all, and their outcomes.
    pub(crate) fn says(mut self, own: &'static [(&'static str, &'static str)]) -> Self {
        self.virtual_steps.own = own;
        self
    }

    /// The same in place of those of all.
    pub(crate) fn says_only(mut self, own: &'static [(&'static str, &'static str)]) -> Self {
        self.virtual_steps.shared = false;
        self.says(own)
    }
}

/// Which server a battery is run on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Server {
    Mariadb,
    Seekdb,
}

/// What a battery is told.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) server: Server,
    /// Its own, and an account of the same name.
    pub(crate) database: String,
    /// Files for LOAD DATA; the same both times, as their names stand in errors.
    pub(crate) files: PathBuf,
    /// Where there is to be TLS: who has issued the server's certificate.
    pub(crate) ca: Option<PathBuf>,
    /// Through obwarden only: sessions to list and to end.
    pub(crate) victims: Option<NamedVictims>,
}

impl Target {
    /// The same as a program finds it in its environment.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let server = match self.server {
            Server::Mariadb => "mariadb",
            Server::Seekdb => "seekdb",
        };
        vec![
            ("BATTERY_HOST", self.addr.ip().to_string()),
            ("BATTERY_PORT", self.addr.port().to_string()),
            ("BATTERY_SERVER", server.to_owned()),
            ("BATTERY_DATABASE", self.database.clone()),
            ("BATTERY_FILES", self.files.display().to_string()),
            (
                "BATTERY_CA",
                self.ca
                    .as_ref()
                    .map(|ca| ca.display().to_string())
                    .unwrap_or_default(),
            ),
            (
                "BATTERY_VICTIMS",
                self.victims
                    .as_ref()
                    .map(NamedVictims::to_string)
                    .unwrap_or_default(),
            ),
        ]
    }
}

/// Where batteries are played.
pub(crate) mod on {
    use super::*;

    /// One cluster for all: it takes what all of them do at once.
    pub(crate) async fn mariadb(client: &Client) {
        static CLUSTER: OnceCell<MariadbCluster> = OnceCell::const_new();
        let cluster = CLUSTER.get_or_init(async || two_mariadbs([]).await).await;
        play(client, cluster, Server::Mariadb, None).await;
    }

    /// The same with TLS: client to server, or client to obwarden and obwarden to server.
    pub(crate) async fn mariadb_with_tls(client: &Client) {
        static CLUSTER: OnceCell<(MariadbCluster, Certificates, Issued)> = OnceCell::const_new();
        let start = async || {
            let certificates = Certificates::make().expect("authorities");
            // Node takes a socket for one to localhost where it knows no name.
            let issued = certificates.issue("all", &["127.0.0.1", "127.0.0.2", "localhost"]);
            let issued = issued.expect("a certificate");
            let option = |name: &str, file: &Path| format!("--ssl-{name}={}", file.display());
            let cluster = two_mariadbs([
                option("cert", &issued.certificate),
                option("key", &issued.key),
            ]);
            (cluster.await, certificates, issued)
        };
        let (cluster, certificates, own) = CLUSTER.get_or_init(start).await;
        let tls = Tls {
            ca: certificates.ca(),
            own,
        };
        play(client, cluster, Server::Mariadb, Some(tls)).await;
    }

    async fn two_mariadbs<const N: usize>(args: [String; N]) -> MariadbCluster {
        let all = [
            "--max-allowed-packet=64M",
            "--innodb-log-file-size=64M",
            "--innodb-flush-log-at-trx-commit=0", // nobody reads it again after a crash
        ];
        let args = all.map(str::to_owned).into_iter().chain(args);
        let cluster = MariadbCluster::start_with(2, args).await;
        cluster.expect("two mariadb nodes")
    }

    /// A cluster each: 1.4.0 does not stand prepared statements of several suites at once.
    pub(crate) async fn seekdb(client: &Client) {
        let cluster = SeekdbCluster::start(2).await.expect("two seekdb nodes");
        play(client, &cluster, Server::Seekdb, None).await;
    }
}

/// What obwarden takes for TLS on both sides.
struct Tls<'c> {
    ca: PathBuf,
    own: &'c Issued,
}

impl Tls<'_> {
    fn args(&self) -> [&OsStr; 10] {
        let option = OsStr::new;
        [
            option("--tls"),
            option("required"),
            option("--tls-certificate"),
            self.own.certificate.as_os_str(),
            option("--tls-key"),
            self.own.key.as_os_str(),
            option("--server-tls"),
            option("verify-full"),
            option("--server-tls-ca"),
            self.ca.as_os_str(),
        ]
    }
}

async fn play(client: &Client, cluster: &Cluster, server: Server, tls: Option<Tls<'_>>) {
    // Patient: on a busy machine a slow greeting is no reason to go to the second node.
    let patience = [
        ["--connect-timeout", "30s"],
        ["--handshake-timeout", "60s"],
        ["--node-timeout", "20s"],
        ["--sql-timeout", "60s"],
    ];
    let mut warden = warden_for(cluster).args(patience.concat());
    if let Some(tls) = &tls {
        warden = warden.args(tls.args());
    }
    let warden = warden.start().await.expect("obwarden");
    let files = RunDir::create().expect("a directory for files");
    schema::write_files(files.path());
    let direct = Target {
        addr: cluster.node(0).addr(),
        server,
        database: format!("battery_{}", client.name),
        files: files.path().to_owned(),
        ca: tls.map(|tls| tls.ca),
        victims: None,
    };
    let direct_steps = steps(client, cluster, direct.clone()).await;

    let victims = Victims::on(cluster.node(1)).await;
    let through = Target {
        addr: warden.addr(),
        victims: Some(victims.named.clone()),
        ..direct
    };
    let mut through_steps = steps(client, cluster, through).await;
    let virtual_steps = through_steps.take_virtual();

    let missing = direct_steps.missing(&TOPICS);
    assert_eq!(missing, client.lacks, "topics without a step");
    let excused = match server {
        Server::Mariadb => Vec::new(),
        Server::Seekdb => [&LACKING_ON_SEEKDB, client.odd_on_seekdb].concat(),
    };
    let wrong = direct_steps.not_as_named(&excused);
    assert!(wrong.is_empty(), "not as their names say:\n{wrong}");
    let differences = Transcript::differences(&direct_steps, &through_steps);
    assert!(
        differences.is_empty(),
        "{}: not as straight to the server:\n{differences}\n{}",
        client.name,
        warden.log()
    );
    let prepares = !client.lacks.contains(&"prepared");
    let expected = &client.virtual_steps;
    expected
        .check(client.name, prepares, &virtual_steps, victims)
        .await;
}

/// The battery on fresh tables.
async fn steps(client: &Client, cluster: &Cluster, target: Target) -> Transcript {
    schema::create(cluster.node(0), target.server, &target.database).await;
    let printed = (client.run)(target.clone()).await;
    if let Some(dir) = std::env::var_os("OBWARDEN_TRANSCRIPTS") {
        let way = if target.victims.is_some() {
            "through"
        } else {
            "direct"
        };
        let name = format!("{:?}-{}-{way}.txt", target.server, client.name);
        std::fs::write(Path::new(&dir).join(name), &printed).expect("transcript");
    }
    let read = Transcript::read(&printed);
    read.unwrap_or_else(|error| panic!("{} on {target:?}: {error}", client.name))
}
