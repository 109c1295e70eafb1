//! The servers of the cluster, as `oceanbase.__all_server` names them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::rows::Answer;
use crate::utc::YEAR_10000;

/// What a server is asked for the others. All columns, for not every branch has each that we know: they
/// are read by their names.
pub(super) const SERVERS_SQL: &str = "SELECT * FROM oceanbase.__all_server";

/// One server of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Server {
    /// Where it takes SQL.
    pub addr: SocketAddr,
    /// The port by which servers speak to each other, and by which runbooks name them.
    pub rpc_port: Option<u16>,
    /// Its number in the cluster.
    pub id: Option<u64>,
    /// Its zone.
    pub zone: Option<String>,
    /// What the cluster thinks of it, such as `ACTIVE`.
    pub status: Option<String>,
    /// Whether the root service runs there.
    pub with_rootserver: Option<bool>,
    /// When it began to serve; none while it does not.
    #[serde(default, with = "humantime_serde")]
    pub start_service_time: Option<SystemTime>,
    /// When it was stopped; none while it is not.
    #[serde(default, with = "humantime_serde")]
    pub stop_time: Option<SystemTime>,
    /// Its version. Servers of one build have one set of columns.
    pub build: Option<String>,
}

impl Server {
    /// A server of which nothing is known but where it is.
    pub(crate) fn alone(addr: SocketAddr) -> Self {
        Self {
            addr,
            rpc_port: None,
            id: None,
            zone: None,
            status: None,
            with_rootserver: None,
            start_service_time: None,
            stop_time: None,
            build: None,
        }
    }

    /// For messages: where, and in which zone.
    pub fn describe(&self) -> String {
        match &self.zone {
            Some(zone) => format!("{} ({zone})", self.addr),
            None => self.addr.to_string(),
        }
    }
}

/// The servers that the table's rows name, and a description of each row that names none.
pub(super) fn servers(answer: &Answer) -> (Vec<Server>, Vec<String>) {
    let mut servers = Vec::new();
    let mut unusable = Vec::new();
    for row in answer.rows.iter() {
        let text = |name: &str| -> Option<String> {
            let bytes = row.text(answer.column(name)?)?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        let ip: Option<IpAddr> = text("svr_ip").and_then(|ip| ip.trim().parse().ok());
        let port: Option<u16> = text("inner_port").and_then(|port| port.parse().ok());
        let (Some(ip), Some(port)) = (ip, port) else {
            let ip = text("svr_ip").unwrap_or_default();
            unusable.push(format!("{ip}:{}", text("inner_port").unwrap_or_default()));
            continue;
        };
        servers.push(Server {
            addr: SocketAddr::new(ip, port),
            rpc_port: text("svr_port").and_then(|port| port.parse().ok()),
            id: text("id").and_then(|id| id.parse().ok()),
            zone: text("zone"),
            status: text("status"),
            with_rootserver: text("with_rootserver").map(|flag| flag != "0"),
            start_service_time: text("start_service_time").and_then(|micros| moment(&micros)),
            stop_time: text("stop_time").and_then(|micros| moment(&micros)),
            build: text("build_version"),
        });
    }
    servers.sort_by(|a, b| (&a.zone, a.addr).cmp(&(&b.zone, b.addr)));
    servers.dedup_by_key(|server| server.addr);
    (servers, unusable)
}

/// OceanBase's microseconds since 1970; zero, or what is no time that can be shown, is none.
fn moment(micros: &str) -> Option<SystemTime> {
    let since_epoch = Duration::from_micros(micros.parse().ok()?);
    let can_be_shown = !since_epoch.is_zero() && since_epoch < YEAR_10000;
    can_be_shown.then(|| SystemTime::UNIX_EPOCH + since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_ordered_by_zone_and_address_whatever_the_letter_case_of_the_columns() {
        let table = Answer::of(
            &[
                "SVR_IP",
                "svr_port",
                "inner_port",
                "id",
                "zone",
                "status",
                "build_version",
            ],
            &[
                &[
                    Some("10.0.0.2"),
                    Some("2882"),
                    Some("2881"),
                    Some("2"),
                    Some("z2"),
                    Some("ACTIVE"),
                    None,
                ],
                &[
                    Some("fe80::1"),
                    Some("2882"),
                    Some("2881"),
                    Some("3"),
                    Some("z1"),
                    None,
                    None,
                ],
                &[
                    Some("10.0.0.1"),
                    Some("2882"),
                    Some("2881"),
                    Some("1"),
                    Some("z1"),
                    None,
                    None,
                ],
            ],
        );
        let (servers, unusable) = servers(&table);
        let described: Vec<String> = servers.iter().map(Server::describe).collect();
        assert_eq!(
            described,
            [
                "10.0.0.1:2881 (z1)",
                "[fe80::1]:2881 (z1)",
                "10.0.0.2:2881 (z2)"
            ]
        );
        assert_eq!(servers[2].rpc_port, Some(2882));
        assert!(unusable.is_empty());
    }

    #[test]
    fn a_row_without_an_address_is_not_left_out_in_silence() {
        let table = Answer::of(
            &["svr_ip", "inner_port"],
            &[&[Some("10.0.0.1"), Some("99999")], &[None, Some("1")]],
        );
        assert_eq!(
            servers(&table),
            (vec![], vec!["10.0.0.1:99999".to_owned(), ":1".to_owned()])
        );
    }

    #[test]
    fn a_column_that_is_missing_or_means_never_is_none() {
        let table = Answer::of(
            &["svr_ip", "inner_port", "start_service_time", "stop_time"],
            &[&[
                Some("10.0.0.1"),
                Some("2881"),
                Some("1721671299000000"),
                Some("0"),
            ]],
        );
        let server = &servers(&table).0[0];
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_721_671_299);
        assert_eq!(server.start_service_time, Some(started));
        assert_eq!((server.stop_time, server.with_rootserver), (None, None));
        for no_time in [
            "",
            "-1",
            "soon",
            "253402300800000000",
            "99999999999999999999999",
        ] {
            assert_eq!(moment(no_time), None, "{no_time}");
        }
    }
}
