//! The clients as a table: who is connected, to which server, and what each does now.

use std::net::SocketAddr;

use super::{Clients, Doing};
use crate::table::{Column, Rows, Value};
use crate::utc::utc;

const NAMES: [&str; 14] = [
    "Connection",
    "Client",
    "User",
    "Server",
    "Zone",
    "Id",
    "Tls",
    "Server_tls",
    "Command",
    "Statement",
    "Bytes_in",
    "Bytes_out",
    "Connected_at",
    "Time",
];

/// The table's columns.
pub fn columns() -> Vec<Column> {
    let column = |&name: &&str| match name {
        "Connection" | "Id" | "Bytes_in" | "Bytes_out" | "Time" => Column::number(name),
        "Statement" => Column::long_text(name),
        _ => Column::text(name),
    };
    NAMES.iter().map(column).collect()
}

/// The clients of `clients` whose account `is_shown`, in the order in which they came, and whether there are
/// others. `zone` is a server's.
pub fn rows<'z>(
    clients: &Clients,
    is_shown: impl Fn(&str) -> bool,
    zone: impl Fn(SocketAddr) -> Option<&'z str>,
) -> (Rows, bool) {
    let mut rows = Rows::new(NAMES.len());
    let mut hides = false;
    for client in clients.all() {
        let changing = client.changing();
        if !is_shown(&changing.user) {
            hides = true;
            continue;
        }
        let (doing, lasts) = client.activity.now();
        // That it runs shows a moment before what the session does, or after it.
        let statement = changing.running.as_ref();
        let statement = statement.filter(|_| doing == Doing::Virtual);
        let traffic = client.activity.traffic();
        let (server, thread_id) = client.key;
        let (zone, connected_at) = (zone(server), utc(client.connected_at));
        let [address, server] = [client.address, server].map(|addr| addr.to_string());
        rows.push_row([
            Value::Number(client.number),
            Value::from(&*address),
            Value::from(&*changing.user),
            Value::from(&*server),
            Value::text_or_null(zone),
            Value::Number(thread_id.into()),
            Value::text_or_null(client.tls.client),
            Value::text_or_null(client.tls.server),
            Value::from(doing.name()),
            Value::text_or_null(statement.map(|statement| &*statement.text)),
            Value::Number(traffic.bytes_in),
            Value::Number(traffic.bytes_out),
            Value::text_or_null(connected_at.as_deref()),
            Value::Number(lasts.as_secs()),
        ]);
    }
    (rows, hides)
}
