//! How the proxy is, as a table of names and values such as a server's `SHOW STATUS` is: what an operator asks
//! for first, and the settings that decide how long things take.
//!
//! It is put together when somebody asks. What must be counted for it is counted where it happens.

use std::time::Duration;

use crate::cluster::{Cluster, RightsPolicy, SmallTable};
use crate::table::{Column, Rows, Value};

/// The table's columns.
pub fn columns() -> Vec<Column> {
    vec![Column::text("Variable_name"), Column::text("Value")]
}

/// The table, ordered by name. What is not known is NULL.
pub fn table(cluster: &Cluster) -> SmallTable {
    SmallTable {
        name: "status",
        columns: columns(),
        rows: rows(cluster),
        messages: Vec::new(),
    }
}

fn rows(cluster: &Cluster) -> Rows {
    let mut rows = Rows::new(2);
    for (name, value) in variables(cluster) {
        rows.push_row([name.into(), Value::text_or_null(value.as_deref())]);
    }
    rows
}

/// In the order of their names.
fn variables(cluster: &Cluster) -> [(&'static str, Option<String>); 36] {
    let settings = cluster.settings();
    let clients = cluster.clients().totals();
    let (port, kills) = (
        cluster.clients().port(),
        cluster.audit().kill_log().counts(),
    );
    let limits = port.map(|port| port.limits);
    let service_connections = cluster.service_connections();
    let servers = cluster.servers_and_failed();
    let topology_age = cluster.snapshot().map(|snapshot| snapshot.age().as_secs());
    [
        ("Bytes_in", shown(clients.traffic.bytes_in)),
        ("Bytes_out", shown(clients.traffic.bytes_out)),
        ("Clients_connected", shown(clients.connected)),
        ("Clients_max", limits.and_then(|l| shown(l.max_connections))),
        ("Clients_refused", shown(clients.refused)),
        ("Clients_total", shown(clients.entered)),
        ("Cluster", cluster.name()),
        ("Connect_timeout", span(settings.connect_timeout)),
        (
            "Handshake_timeout",
            limits.and_then(|l| span(l.handshake_timeout)),
        ),
        ("Kill_verify_timeout", span(settings.kill_verify_timeout)),
        ("Kill_victims_max", shown(settings.kill_victims_max)),
        ("Kills", shown(kills.done)),
        ("Kills_failed", shown(kills.failed)),
        ("Listen_address", port.and_then(|port| shown(port.address))),
        ("Listing_buffer_bytes", shown(settings.listing_buffer_bytes)),
        ("Node_connections_max", shown(settings.node_connections_max)),
        ("Node_idle_timeout", span(settings.node_idle_timeout)),
        ("Node_timeout", span(settings.node_timeout)),
        (
            "Packet_bytes_max",
            limits.and_then(|l| shown(l.packet_bytes_max)),
        ),
        ("Protected_users", shown(settings.protected_users.join(","))),
        ("Rights", shown(rights(settings.rights))),
        ("Server_tls", switch(settings.server_tls.is_some())),
        ("Servers", servers.and_then(|(servers, _)| shown(servers))),
        (
            "Servers_failed",
            servers.and_then(|(_, failed)| shown(failed)),
        ),
        ("Service_account", shown(&settings.user)),
        ("Service_connections_idle", shown(service_connections.idle)),
        ("Service_connections_open", shown(service_connections.open)),
        ("Sql_rows_max", shown(settings.sql.rows_max)),
        ("Sql_timeout", span(settings.sql.timeout)),
        ("Statements", shown(clients.virtual_statements)),
        ("Strict_listing", switch(settings.strict_listing)),
        ("Tcp_keepalive", limits.and_then(|l| span(l.tcp_keepalive))),
        ("Topology_age_s", topology_age.and_then(shown)),
        (
            "Topology_refresh_interval",
            span(settings.topology_refresh_interval),
        ),
        (
            "Uptime_s",
            port.and_then(|port| shown(port.opened.elapsed().as_secs())),
        ),
        ("Version", shown(env!("CARGO_PKG_VERSION"))),
    ]
}

fn shown(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

/// As MySQL shows a variable that is on or off.
fn switch(is_on: bool) -> Option<String> {
    shown(if is_on { "ON" } else { "OFF" })
}

/// As the configuration writes it: `3s`.
fn span(duration: Duration) -> Option<String> {
    shown(humantime::format_duration(duration))
}

/// As the configuration writes it.
fn rights(policy: RightsPolicy) -> &'static str {
    match policy {
        RightsPolicy::Account => "account",
        RightsPolicy::Server => "server",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::audit::{Audit, AuditSettings};
    use crate::clients::{Clients, Limits, Port};
    use crate::cluster::Settings;

    /// What is asked of nobody: there is no server.
    async fn cluster(clients: &Arc<Clients>) -> Arc<Cluster> {
        let settings = Settings::of_seeds(&[]);
        let audit = Audit::start(&AuditSettings::default()).await.unwrap();
        Cluster::new(settings, Arc::clone(clients), audit)
    }

    fn value<'r>(rows: &'r Rows, name: &str) -> Option<&'r [u8]> {
        let row = rows
            .iter()
            .find(|row| row.text(0) == Some(name.as_bytes()))
            .unwrap_or_else(|| panic!("no {name}"));
        row.text(1)
    }

    #[tokio::test]
    async fn every_variable_has_a_name_of_its_own_and_they_are_in_order() {
        let cluster = cluster(&Arc::default()).await;
        let rows = rows(&cluster);
        let names: Vec<_> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert_eq!(rows.first().values().count(), columns().len());
    }

    #[tokio::test]
    async fn what_is_not_known_is_null_and_what_is_set_is_written_as_it_was() {
        let clients = Arc::<Clients>::default();
        let cluster = cluster(&clients).await;
        let without_port = rows(&cluster);
        for name in [
            "Listen_address",
            "Uptime_s",
            "Servers",
            "Topology_age_s",
            "Cluster",
        ] {
            assert_eq!(value(&without_port, name), None, "{name}");
        }
        assert_eq!(value(&without_port, "Node_timeout"), Some(&b"3s"[..]));
        clients.note_refused();
        clients.open(Port {
            address: "127.0.0.1:2889".parse().unwrap(),
            limits: Limits {
                max_connections: 5000,
                packet_bytes_max: 8192,
                connect_timeout: Duration::from_secs(1),
                handshake_timeout: Duration::from_secs(90),
                tcp_keepalive: Duration::from_secs(60),
            },
            opened: Instant::now(),
        });
        let rows = rows(&cluster);
        for (name, shown) in [
            ("Listen_address", "127.0.0.1:2889"),
            ("Clients_connected", "0"),
            ("Clients_max", "5000"),
            ("Clients_refused", "1"),
            ("Handshake_timeout", "1m 30s"),
            ("Rights", "account"),
            ("Server_tls", "OFF"),
            ("Service_connections_open", "0"),
        ] {
            assert_eq!(value(&rows, name), Some(shown.as_bytes()), "{name}");
        }
        let is_seconds = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        assert!(value(&rows, "Uptime_s").is_some_and(is_seconds));
    }
}
