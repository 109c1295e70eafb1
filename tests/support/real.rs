//! What the tests against real servers share: for each kind of server one cluster for all tests of a
//! binary, and obwarden in front of it.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use testkit::cluster::{Cluster, Node};
use testkit::mariadb::MariadbCluster;
use testkit::seekdb::SeekdbCluster;
use testkit::warden::{Warden, WardenBuilder};
use tokio::sync::OnceCell;

use super::{SOON, builder, opts};

/// Runs each of the named bodies twice: on OceanBase's kernel and on MariaDB.
macro_rules! on_both {
    ($($body:ident),+ $(,)?) => {
        mod seekdb {
            $(#[tokio::test] async fn $body() {
                super::$body($crate::support::real::Stage::of_seekdb().await).await;
            })+
        }
        mod mariadb {
            $(#[tokio::test] async fn $body() {
                super::$body($crate::support::real::Stage::of_mariadb().await).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// Three nodes, and obwarden in front of them; the first node is everybody's backend.
pub(crate) struct Stage {
    pub(crate) cluster: &'static Cluster,
    pub(crate) warden: Warden,
    /// What a session says so that the server lets its statements run for a minute.
    patience: Option<&'static str>,
}

impl Stage {
    pub(crate) async fn of_seekdb() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        static CLUSTER: OnceCell<SeekdbCluster> = OnceCell::const_new();
        let stage = async || {
            let cluster = CLUSTER
                .get_or_init(async || SeekdbCluster::start(3).await.expect("three seekdb nodes"))
                .await;
            Self::on(cluster, Some("SET ob_query_timeout = 60000000")).await
        };
        STAGE.get_or_init(stage).await
    }

    pub(crate) async fn of_mariadb() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        static CLUSTER: OnceCell<MariadbCluster> = OnceCell::const_new();
        let stage = async || {
            let cluster = CLUSTER
                .get_or_init(async || MariadbCluster::start(3).await.expect("three mariadb nodes"))
                .await;
            Self::on(cluster, None).await
        };
        STAGE.get_or_init(stage).await
    }

    async fn on(cluster: &'static Cluster, patience: Option<&'static str>) -> Self {
        Self {
            cluster,
            warden: warden_for(cluster).start().await.expect("obwarden"),
            patience,
        }
    }

    /// Options for a connection through obwarden, as root.
    pub(crate) fn opts(&self) -> OptsBuilder {
        through(&self.warden)
    }

    /// Connects through obwarden, as root.
    pub(crate) async fn client(&self) -> Conn {
        Conn::new(self.opts())
            .await
            .expect("a login through obwarden")
    }

    /// Whether its servers are OceanBase's kernel.
    pub(crate) fn is_oceanbase(&self) -> bool {
        self.patience.is_some()
    }

    /// The node that serves obwarden's clients.
    pub(crate) fn backend(&self) -> &Node {
        self.cluster.node(0)
    }

    /// An idle session, straight on a node.
    pub(crate) async fn session_on(&self, node: usize) -> Conn {
        self.cluster.node(node).connect().await.expect("a login")
    }

    /// Starts `sql` on `conn` and waits until node number `node` lists it as running.
    pub(crate) async fn run(&self, node: usize, mut conn: Conn, sql: &str) -> Running {
        let id = conn.id();
        if let Some(patience) = self.patience {
            conn.query_drop(patience).await.expect("patience");
        }
        let statement = sql.to_owned();
        let task = tokio::spawn(async move { (conn.query_drop(statement).await, conn) });
        let mut watcher = self.session_on(node).await;
        until("the statement runs", async || {
            let running = format!(
                "SELECT 1 FROM oceanbase.V$OB_PROCESSLIST WHERE ID = {id} AND COMMAND = 'Query'"
            );
            let found: Option<u8> = watcher.query_first(running).await.expect("process list");
            found.is_some()
        })
        .await;
        Running { id, task }
    }

    /// What obwarden lists, through a connection of its own.
    pub(crate) async fn list(&self) -> Vec<Listed> {
        list(&mut self.client().await, "SHOW SERVER SESSIONS").await
    }
}

/// How to start obwarden for a cluster.
pub(crate) fn warden_for(cluster: &Cluster) -> WardenBuilder {
    builder().servers(cluster.seeds())
}

/// Options for a connection through obwarden, as root.
pub(crate) fn through(warden: &Warden) -> OptsBuilder {
    opts(warden.addr(), "root")
}

/// A statement on its way.
pub(crate) struct Running {
    pub(crate) id: u32,
    task: tokio::task::JoinHandle<(mysql_async::Result<()>, Conn)>,
}

impl Running {
    /// How it ended; it must do so within a few seconds.
    pub(crate) async fn outcome(self) -> mysql_async::Result<()> {
        self.ended().await.0
    }

    /// The same, and the session that ran it.
    pub(crate) async fn ended(self) -> (mysql_async::Result<()>, Conn) {
        let ended = tokio::time::timeout(SOON, self.task).await;
        ended.expect("the statement still runs").expect("its task")
    }
}

/// A row of a list of sessions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) zone: String,
    pub(crate) id: u32,
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) client: String,
    pub(crate) db: Option<String>,
    pub(crate) command: String,
    pub(crate) info: Option<String>,
    /// The column of FULL by which obwarden marks sessions of its own and of its clients.
    pub(crate) warden: Option<String>,
}

impl Listed {
    fn read(row: &Row) -> Self {
        let text = |name: &str| match row.get::<Value, _>(name) {
            Some(Value::NULL) | None => None,
            Some(Value::Bytes(bytes)) => Some(String::from_utf8(bytes).expect("UTF-8")),
            Some(value) => Some(value.as_sql(true)),
        };
        let needed = |name: &str| text(name).unwrap_or_else(|| panic!("{name} is NULL in {row:?}"));
        Self {
            ip: needed("Ip"),
            port: needed("Port").parse().expect("Port"),
            zone: needed("Zone"),
            id: needed("Id").parse().expect("Id"),
            user: needed("User"),
            host: needed("Host"),
            client: needed("Client"),
            db: text("db"),
            command: needed("Command"),
            info: text("Info"),
            warden: text("Warden"),
        }
    }
}

/// Runs a statement that lists sessions; every node must have answered.
pub(crate) async fn list(conn: &mut Conn, sql: &str) -> Vec<Listed> {
    let rows: Vec<Row> = conn.query(sql).await.expect(sql);
    rows.iter().map(Listed::read).collect()
}

/// The row of session `id` on a node.
pub(crate) fn find<'l>(list: &'l [Listed], node: &Node, id: u32) -> Option<&'l Listed> {
    list.iter()
        .find(|row| (row.ip.as_str(), row.id) == (&node.ip().to_string(), id))
}

/// The statement that ends session `id` on a node.
pub(crate) fn kill(node: &Node, id: u32) -> String {
    format!("KILL SERVER SESSION {} {id}", node.ip())
}

/// Whether a session still lives.
pub(crate) async fn lives(conn: &mut Conn) -> bool {
    tokio::time::timeout(SOON, conn.ping())
        .await
        .expect("no answer to a ping")
        .is_ok()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async || condition().await.then_some(()).ok_or("it does not hold");
    super::until(what, SOON, holds).await;
}
