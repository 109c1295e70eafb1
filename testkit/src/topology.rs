//! `oceanbase.__all_server`, the table by which the nodes of a cluster are found.

/// Creates the database and the table where they are missing.
pub(crate) const CREATE: &str = include_str!("../../docker/all_server.sql");
pub(crate) const DROP: &str = "DROP TABLE IF EXISTS oceanbase.__all_server";

/// What an RPC port looks like: a node's SQL port is another one.
pub const RPC_PORT: u16 = 2882;

const BUILD_VERSION: &str =
    "4.2.1.8_108000022024072217-3149c25ca2dadbb7707686ad02a1367b1b43e0b5(Jul 23 2024 02:01:39)";

/// A row of `__all_server`. The columns without a field of their own have plain defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRow {
    pub svr_ip: String,
    /// The RPC port.
    pub svr_port: u16,
    pub id: i64,
    pub zone: String,
    /// The SQL port.
    pub inner_port: u16,
    pub status: String,
    pub build_version: String,
}

impl ServerRow {
    /// An active server, number `id` of the cluster, in a zone of its own.
    pub fn active(id: u8, svr_ip: impl Into<String>, inner_port: u16) -> Self {
        Self {
            svr_ip: svr_ip.into(),
            svr_port: RPC_PORT,
            id: i64::from(id),
            zone: format!("z{id}"),
            inner_port,
            status: "ACTIVE".into(),
            build_version: BUILD_VERSION.into(),
        }
    }
}

/// One transaction that leaves exactly these rows in the table.
pub(crate) fn replace(rows: &[ServerRow]) -> String {
    let mut sql = String::from("BEGIN; DELETE FROM oceanbase.__all_server;");
    for row in rows {
        let ServerRow {
            svr_ip,
            svr_port,
            id,
            zone,
            inner_port,
            status,
            build_version,
        } = row;
        let with_rootserver = u8::from(*id == 1);
        sql += &format!(
            "INSERT INTO oceanbase.__all_server (svr_ip, svr_port, id, zone, inner_port, \
             with_rootserver, status, build_version, start_service_time) VALUES ('{svr_ip}', \
             {svr_port}, {id}, '{zone}', {inner_port}, {with_rootserver}, '{status}', \
             '{build_version}', 1721671299000000);"
        );
    }
    sql + "COMMIT"
}
