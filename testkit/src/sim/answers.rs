//! From a statement and what a node knows to an answer. No I/O.

use std::sync::Weak;
use std::time::Duration;

use super::behaviour::{ServerError, Topology};
use super::held_rows::HeldRows;
use super::query::{Table, constant, one_row, query, shown};
use super::rows::{Cell, DbGrant, ServerRow, SimAccount};
use super::sessions::{Build, COLUMNS_3, Place, SHOW_COLUMNS, SHOW_FULL_COLUMNS, Sessions};
use super::state::NodeState;
use super::statement::{Item, Select, Statement, Value};

/// What an answer may depend on.
pub(super) struct View<'a> {
    pub(super) build: Build,
    pub(super) place: Place,
    pub(super) zone: &'a str,
    pub(super) connection_id: u32,
    pub(super) user: &'a str,
    pub(super) cluster: &'a Cluster,
    pub(super) sessions: &'a dyn Fn() -> Sessions,
    /// The sessions of those of the cluster's nodes that are wanted, as this node reaches them.
    pub(super) others: &'a dyn Fn(&Wanted<'_>) -> Reached,
}

/// Which nodes are asked for.
pub(super) type Wanted<'w> = dyn Fn(Place) -> bool + 'w;

/// The sessions of several nodes, each with where it is.
pub(super) type Reached = Result<Vec<(Place, Sessions)>, Hangs>;

/// A node that was asked by another does not answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hangs;

/// What all nodes of a cluster share.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) nodes: Vec<Weak<NodeState>>,
    pub(super) name: String,
    pub(super) servers: Vec<ServerRow>,
    pub(super) topology: Topology,
    pub(super) accounts: Vec<SimAccount>,
    pub(super) db_grants: Vec<DbGrant>,
}

pub(super) enum Answer {
    Ok,
    Rows(Table),
    Fail(ServerError),
    FailAfter(Duration, ServerError),
    Sleep(Duration),
    Kill { query_only: bool, id: u32 },
}

#[rustfmt::skip]
const SERVER_COLUMNS: &[&str] = &[
    "gmt_create", "gmt_modified", "svr_ip", "svr_port", "id", "zone", "inner_port",
    "with_rootserver", "status", "block_migrate_in_time", "build_version", "stop_time",
    "start_service_time", "first_sessid", "with_partition", "last_offline_time",
];
const USER_COLUMNS: &[&str] = &["user", "host", "super_priv", "process_priv", "select_priv"];
const USER_COLUMNS_MYSQL: &[&str] = &["User", "Host", "Super_priv", "Process_priv", "Select_priv"];
const DB_COLUMNS: &[&str] = &["user", "host", "db", "select_priv"];
const DB_COLUMNS_MYSQL: &[&str] = &["User", "Host", "Db", "Select_priv"];

pub(super) fn answer(statement: &Statement, view: &View<'_>) -> Answer {
    match statement {
        Statement::Select(select) => match select.from.as_deref() {
            Some(table) => from_table(select, table, view),
            None => from_nothing(select, view),
        },
        Statement::Kill {
            query_only,
            id: Some(id),
        } => match u32::try_from(*id) {
            Ok(id) => Answer::Kill {
                query_only: *query_only,
                id,
            },
            // The server cuts the id to 32 bits, without a word.
            Err(_) => Answer::Kill {
                query_only: *query_only,
                id: *id as u32,
            },
        },
        Statement::Kill { id: None, .. } => Answer::Fail(syntax_error()),
        Statement::ShowProcesslist { full } => {
            let columns = match *full && view.build.is_oceanbase() {
                true => SHOW_FULL_COLUMNS,
                false => SHOW_COLUMNS,
            };
            sessions(&every_column(), columns, view)
        }
        Statement::ShowParameters { like } => match view.build.is_oceanbase() {
            true => Answer::Rows(parameters(like.as_deref(), view)),
            false => Answer::Fail(syntax_error()),
        },
        Statement::ShowGrants => Answer::Rows(grants(view)),
        Statement::Other => Answer::Ok,
    }
}

fn from_table(select: &Select, table: &str, view: &View<'_>) -> Answer {
    let cluster = view.cluster;
    match table {
        "mysql.user" => {
            let columns = if view.build.is_oceanbase() {
                USER_COLUMNS
            } else {
                USER_COLUMNS_MYSQL
            };
            query(select, columns, cluster.accounts.clone().into_iter(), view)
        }
        "mysql.db" => {
            let columns = if view.build.is_oceanbase() {
                DB_COLUMNS
            } else {
                DB_COLUMNS_MYSQL
            };
            query(select, columns, cluster.db_grants.clone().into_iter(), view)
        }
        _ if table.starts_with("oceanbase.") && !view.build.is_oceanbase() => Answer::Fail(
            ServerError::with_sqlstate(1049, "42000", "Unknown database 'oceanbase'"),
        ),
        "oceanbase.__all_server" => match &cluster.topology {
            Topology::Missing => Answer::Fail(no_table(table)),
            Topology::Fails(error) => Answer::Fail(error.clone()),
            Topology::Empty => query(
                select,
                SERVER_COLUMNS,
                std::iter::empty::<ServerRow>(),
                view,
            ),
            Topology::Listed | Topology::Hangs => query(
                select,
                SERVER_COLUMNS,
                cluster.servers.clone().into_iter(),
                view,
            ),
        },
        "oceanbase.v$ob_processlist" if !view.build.view_columns().is_empty() => {
            sessions(select, &view.build.view_columns(), view)
        }
        "oceanbase.gv$ob_processlist" if !view.build.view_columns().is_empty() => {
            cluster_sessions(select, &view.build.view_columns(), view)
        }
        "oceanbase.__all_virtual_processlist" => sessions(select, COLUMNS_3, view),
        _ => Answer::Fail(no_table(table)),
    }
}

fn sessions(select: &Select, columns: &[&'static str], view: &View<'_>) -> Answer {
    let mut sessions = (view.sessions)();
    if let Some([id]) = select.filter.get("id").map(Vec::as_slice)
        && let Cell::Number(id) = constant(id, view)
    {
        sessions.narrow(u32::try_from(id).unwrap_or(0));
    }
    let answer = |sessions: Sessions| {
        let records = sessions.records(view.place, view.build);
        query(select, columns, records, view)
    };
    if !select.is_every_row() {
        return answer(sessions);
    }
    let made = sessions.made.clone();
    let (listed, held) = sessions.split();
    match (answer(listed), answer(held)) {
        (Answer::Rows(listed), Answer::Rows(held)) => Answer::Rows(Table {
            held: Some(HeldRows {
                rows: held.rows,
                asked: (select.items.clone(), columns.to_vec()),
                made,
            }),
            ..listed
        }),
        (listed, _) => listed,
    }
}

/// Of all nodes, or of those that `svr_ip` and `svr_port` name. One that is not there is left out, as
/// OceanBase does; one that hangs makes all of it fail.
fn cluster_sessions(select: &Select, columns: &[&'static str], view: &View<'_>) -> Answer {
    let may_be = |column: &str, is: String| {
        let values = select.filter.get(column);
        values.is_none_or(|values| {
            values
                .iter()
                .any(|value| shown(constant(value, view)) == is)
        })
    };
    let wanted = |place: Place| {
        may_be("svr_ip", place.ip.to_string()) && may_be("svr_port", place.rpc_port.to_string())
    };
    match (view.others)(&wanted) {
        Ok(nodes) => {
            let build = view.build;
            let records = nodes
                .into_iter()
                .flat_map(move |(place, sessions)| sessions.records(place, build));
            query(select, columns, records, view)
        }
        Err(Hangs) => Answer::FailAfter(OB_QUERY_TIMEOUT, query_timeout()),
    }
}

/// OceanBase's own default.
const OB_QUERY_TIMEOUT: Duration = Duration::from_secs(10);

fn from_nothing(select: &Select, view: &View<'_>) -> Answer {
    let sleep = select.items.iter().find_map(|item| match &item.value {
        Value::Call(name, Some(seconds)) if name == "sleep" => Some(seconds),
        _ => None,
    });
    if let Some(seconds) = sleep {
        let seconds = shown(constant(seconds, view)).parse().unwrap_or(0.0);
        return Answer::Sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    }
    let cells = select
        .items
        .iter()
        .map(|item| (item.name.clone(), constant(&item.value, view)));
    Answer::Rows(one_row(cells.collect()))
}

/// The row that `SLEEP` ends with when nobody disturbs it.
pub(super) fn slept(statement: &Statement) -> Table {
    let name = match statement {
        Statement::Select(select) => select.items.first().map(|item| item.name.clone()),
        _ => None,
    };
    one_row(vec![(
        name.unwrap_or_else(|| "SLEEP".to_owned()),
        Cell::Number(0),
    )])
}

fn parameters(like: Option<&str>, view: &View<'_>) -> Table {
    let asked =
        |pattern: &str| matches!(pattern.to_lowercase().as_str(), "cluster" | "%" | "clust%");
    let row = [
        ("zone", Cell::text(view.zone)),
        ("svr_type", Cell::text("observer")),
        ("svr_ip", Cell::text(view.place.ip.to_string())),
        ("svr_port", Cell::Number(view.place.rpc_port.into())),
        ("name", Cell::text("cluster")),
        ("data_type", Cell::text("STRING")),
        ("value", Cell::text(&view.cluster.name)),
        ("info", Cell::text("Name of the cluster")),
        ("section", Cell::text("OBSERVER")),
        ("scope", Cell::text("CLUSTER")),
        ("source", Cell::text("DEFAULT")),
        ("edit_level", Cell::text("DYNAMIC_EFFECTIVE")),
    ];
    let mut table = one_row(row.map(|(name, cell)| (name.to_owned(), cell)).into());
    if !like.is_none_or(asked) {
        table.rows = Box::new(std::iter::empty());
    }
    table
}

/// What the account that asks may do on all databases.
fn grants(view: &View<'_>) -> Table {
    let accounts = view.cluster.accounts.iter();
    let mut own = accounts.filter(|account| account.user == view.user);
    let rights = own.next().map_or_else(Vec::new, |account| {
        let rights = [
            ("SELECT", account.select_priv),
            ("PROCESS", account.process_priv),
            ("SUPER", account.super_priv),
        ];
        rights
            .into_iter()
            .filter(|(_, granted)| *granted)
            .map(|(right, _)| right)
            .collect()
    });
    let rights = if rights.is_empty() {
        "USAGE".to_owned()
    } else {
        rights.join(", ")
    };
    let name = format!("Grants for {}@%", view.user);
    let line = format!("GRANT {rights} ON *.* TO `{}`@`%`", view.user);
    one_row(vec![(name, Cell::Text(line))])
}

fn every_column() -> Select {
    Select {
        items: vec![Item {
            name: "*".to_owned(),
            value: Value::All,
        }],
        ..Select::default()
    }
}

pub(super) fn unknown_thread(id: u32) -> ServerError {
    ServerError::new(1094, format!("Unknown thread id: {id}"))
}

fn query_timeout() -> ServerError {
    ServerError::new(4012, "Timeout, query has reached the maximum query timeout")
}

fn no_table(table: &str) -> ServerError {
    ServerError::with_sqlstate(1146, "42S02", format!("Table '{table}' doesn't exist"))
}

fn syntax_error() -> ServerError {
    ServerError::with_sqlstate(1064, "42000", "You have an error in your SQL syntax")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::rows::SimSession;
    use super::*;

    const PLACE: Place = Place {
        ip: Ipv4Addr::new(127, 1, 0, 1),
        sql_port: 2881,
        rpc_port: 2882,
    };
    const OTHER: Place = Place {
        ip: Ipv4Addr::new(127, 1, 0, 2),
        ..PLACE
    };
    const HUNG: Place = Place {
        rpc_port: 2982,
        ..OTHER
    };

    fn ask(build: Build, text: &str) -> Answer {
        let cluster = Cluster {
            name: "obcluster".to_owned(),
            accounts: vec![SimAccount::root(), SimAccount::new("app")],
            ..Cluster::default()
        };
        let sessions = || Sessions {
            listed: vec![SimSession {
                id: 7,
                time: Duration::from_millis(1500),
                ..SimSession::default()
            }],
            held: 100..102,
            ..Sessions::default()
        };
        let view = View {
            build,
            place: PLACE,
            zone: "z1",
            connection_id: 3,
            user: "root",
            cluster: &cluster,
            sessions: &sessions,
            others: &|wanted| {
                let node = |place| (place, sessions());
                let hung = wanted(OTHER) && wanted(HUNG);
                let there = [PLACE, OTHER].into_iter().filter(|place| wanted(*place));
                (!hung).then(|| there.map(node).collect()).ok_or(Hangs)
            },
        };
        answer(&Statement::parse(text), &view)
    }

    fn rows(build: Build, text: &str) -> Vec<Vec<Cell>> {
        match ask(build, text) {
            Answer::Rows(table) => table.all_rows().collect(),
            Answer::Fail(error) => panic!("{error:?}"),
            _ => panic!("no rows"),
        }
    }

    fn code(build: Build, text: &str) -> u16 {
        match ask(build, text) {
            Answer::Fail(error) => error.code,
            _ => 0,
        }
    }

    #[test]
    fn each_build_knows_its_own_session_list() {
        let view = "SELECT id, time FROM oceanbase.V$OB_PROCESSLIST WHERE id = 7";
        let text = Cell::text("1.500000");
        assert_eq!(rows(Build::V4_2, view), [[Cell::Number(7), text]]);
        assert_eq!(
            rows(Build::V4_0, view),
            [[Cell::Number(7), Cell::Number(1)]]
        );
        assert_eq!(code(Build::V3, view), 1146);
        assert_eq!(code(Build::Mysql, view), 1049);
        let table = "SELECT id FROM oceanbase.__all_virtual_processlist \
                     WHERE svr_ip = host_ip() AND svr_port = rpc_port()";
        assert_eq!(rows(Build::V3, table).len(), 3);
        assert_eq!(rows(Build::Mysql, "SHOW FULL PROCESSLIST")[0].len(), 8);
        assert_eq!(rows(Build::V4_2, "SHOW FULL PROCESSLIST")[0].len(), 12);
    }

    #[test]
    fn held_sessions_count_and_can_be_asked_for_one_by_one() {
        let count = rows(
            Build::V4_2,
            "SELECT COUNT(*) FROM oceanbase.V$OB_PROCESSLIST",
        );
        assert_eq!(count, [[Cell::Number(3)]]);
        let one = rows(
            Build::V4_2,
            "SELECT id FROM oceanbase.V$OB_PROCESSLIST WHERE ID = 101",
        );
        assert_eq!(one, [[Cell::Number(101)]]);
        let first = "SELECT id FROM oceanbase.V$OB_PROCESSLIST LIMIT 1";
        assert_eq!(rows(Build::V4_2, first), [[Cell::Number(7)]]);
        let none = "SELECT id FROM oceanbase.V$OB_PROCESSLIST WHERE ID = 102";
        assert!(rows(Build::V4_2, none).is_empty());
    }

    #[test]
    fn another_nodes_sessions_are_had_by_its_rpc_address() {
        let of = |condition: &str| {
            format!("SELECT svr_ip, id FROM oceanbase.GV$OB_PROCESSLIST WHERE {condition}")
        };
        let other = of("svr_ip = '127.1.0.2' AND svr_port = 2882 AND id = 7");
        let expected = [[Cell::text("127.1.0.2"), Cell::Number(7)]];
        assert_eq!(rows(Build::V4_2, &other), expected);
        let nobody = of("svr_ip = '127.1.0.9' AND svr_port = 2882");
        assert!(rows(Build::V4_0, &nobody).is_empty());
        assert_eq!(code(Build::V3, &other), 1146);
        let with_a_hung_one = of("svr_ip = '127.1.0.2'");
        let Answer::FailAfter(OB_QUERY_TIMEOUT, error) = ask(Build::V4_2, &with_a_hung_one) else {
            panic!("no failure");
        };
        assert_eq!(error.code, 4012);
    }

    #[test]
    fn rights_are_given_for_the_account_that_is_asked_for() {
        let root =
            "SELECT user, super_priv FROM mysql.user WHERE user = X'726f6f74' AND host = '%'";
        assert_eq!(
            rows(Build::V4_2, root),
            [[Cell::text("root"), Cell::text("Y")]]
        );
        assert_eq!(rows(Build::V4_2, "select * from mysql.user").len(), 2);
        assert_eq!(code(Build::V4_2, "select nonsense from mysql.user"), 1054);
    }

    #[test]
    fn an_id_of_more_than_32_bits_is_cut_as_the_server_cuts_it() {
        let Answer::Kill {
            query_only: false,
            id,
        } = ask(Build::V4_2, "KILL 4294967299")
        else {
            panic!("no KILL");
        };
        assert_eq!(id, 3);
        assert_eq!(code(Build::V4_2, "KILL abc"), 1064);
    }
}
