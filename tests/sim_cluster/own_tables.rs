//! What the proxy tells of itself: its clients and what each does, and how it is.

use mysql_async::Conn;
use testkit::sim::{Behaviour, SimAccount, SimCluster};

use crate::support::{
    List, RawClient, SOON, builder, connect, connect_as, run, server_error, show_warnings,
    try_connect, try_list, until, warden,
};

/// Any password will do for a simulated node.
const SCRAMBLED: &[u8] = &[1; 20];

async fn clients(conn: &mut Conn) -> List {
    let listed = try_list(conn, "SHOW WARDEN CLIENTS").await;
    listed.expect("a list of clients")
}

/// The row of the client that has this thread id on its server.
fn of(seen: &List, id: u32) -> Option<&[Option<String>]> {
    let id = id.to_string();
    let mut rows = seen.rows.iter();
    rows.find(|row| seen.value(row, "Id") == Some(&id))
        .map(Vec::as_slice)
}

async fn status(conn: &mut Conn, name: &str) -> Option<String> {
    let listed = try_list(conn, "SHOW WARDEN STATUS").await;
    let listed = listed.expect("a status");
    let row = listed
        .rows
        .iter()
        .find(|row| row[0].as_deref() == Some(name));
    row.unwrap_or_else(|| panic!("no {name}"))[1].clone()
}

#[tokio::test]
async fn each_client_is_told_with_its_server_and_what_it_does() {
    let cluster = SimCluster::start(2).await.unwrap();
    let args = ["--node-timeout", "60s"];
    let warden = warden(&cluster, &args).await;
    let mut idle = connect(&warden).await;
    run(&mut idle, "DO 1").await.unwrap();
    let mut busy = RawClient::greeted(warden.addr()).await;
    let mut listing = RawClient::greeted(warden.addr()).await;
    for client in [&mut busy, &mut listing] {
        client.log_in("root", SCRAMBLED).await;
    }
    busy.send_query("SELECT SLEEP(600)").await;
    cluster.node(1).set_behaviour(Behaviour::HangInQuery);
    listing.send_query("SHOW SERVER SESSIONS").await;

    let mut conn = connect(&warden).await;
    let seen = until("all do what they are to do", SOON, async || {
        let seen = clients(&mut conn).await;
        let command = |id| seen.value(of(&seen, id).unwrap(), "Command");
        let commands = [busy.thread_id, listing.thread_id].map(command);
        if commands == [Some("Query"), Some("Virtual")] {
            Ok(seen)
        } else {
            Err(format!("{commands:?}"))
        }
    })
    .await;
    assert_eq!(seen.rows.len(), 4);
    assert_eq!(seen.warnings, 0);
    let value = |id, column| seen.value(of(&seen, id).unwrap(), column);
    assert_eq!(value(idle.id(), "Command"), Some("Sleep"));
    for (id, statement) in [
        (idle.id(), None),
        (busy.thread_id, None),
        (listing.thread_id, Some("SHOW SERVER SESSIONS")),
        (conn.id(), Some("SHOW WARDEN CLIENTS")),
    ] {
        assert_eq!(value(id, "Statement"), statement);
        assert_eq!(value(id, "User"), Some("root"));
        assert_eq!(value(id, "Server"), Some(&*cluster.node(0).seed()));
        assert_eq!(value(id, "Zone"), Some(cluster.node(0).zone()));
        assert_eq!(value(id, "Tls"), None);
        assert!(value(id, "Client").unwrap().starts_with("127."));
    }
    let bytes = |id, column| value(id, column).unwrap().parse::<usize>().unwrap();
    assert_eq!(bytes(idle.id(), "Bytes_in"), 4 + "\x03DO 1".len());
    assert!(bytes(idle.id(), "Bytes_out") >= 4 + "an OK".len());
    assert_eq!(bytes(busy.thread_id, "Bytes_out"), 0);
    drop(listing);
    until(
        "one that has left is no client",
        SOON,
        async || match clients(&mut conn).await.rows.len() {
            3 => Ok(()),
            clients => Err(clients),
        },
    )
    .await;
}

#[tokio::test]
async fn clients_of_others_are_hidden_from_who_may_not_see_others_and_that_is_said() {
    let accounts = vec![SimAccount::root(), SimAccount::new("app")];
    let cluster = SimCluster::builder().accounts(accounts).start().await;
    let cluster = cluster.unwrap();
    let warden = warden(&cluster, &[]).await;
    let mut root = connect(&warden).await;
    let mut app = connect_as(&warden, "app@sys").await;
    let seen = clients(&mut app).await;
    assert_eq!(seen.rows.len(), 1);
    assert!(of(&seen, app.id()).is_some());
    let hidden = "clients of other users are not shown (needs PROCESS)".to_owned();
    let note = ("Note".to_owned(), 1227, hidden);
    assert_eq!(show_warnings(&mut app).await, [note]);
    let seen = clients(&mut root).await;
    assert_eq!((seen.rows.len(), seen.warnings), (2, 0));
}

#[tokio::test]
async fn the_status_counts_what_happens() {
    let accounts = vec![SimAccount::root(), SimAccount::new("app")];
    let cluster = SimCluster::builder().accounts(accounts).start().await;
    let cluster = cluster.unwrap();
    let started = builder()
        .servers(cluster.seeds())
        .args(["--node-timeout", "2s"]);
    let warden = started.start().await.unwrap();
    let mut conn = connect(&warden).await;
    let address = warden.addr().to_string();
    for (name, value) in [
        ("Listen_address", &*address),
        ("Version", env!("CARGO_PKG_VERSION")),
        ("Node_timeout", "2s"),
        ("Clients_connected", "1"),
        ("Clients_total", "1"),
        ("Clients_refused", "0"),
        ("Kills", "0"),
        ("Kills_failed", "0"),
        ("Servers_failed", "0"),
    ] {
        assert_eq!(
            status(&mut conn, name).await.as_deref(),
            Some(value),
            "{name}"
        );
    }
    let statements = status(&mut conn, "Statements").await.unwrap();
    assert_eq!(
        statements.parse::<u64>().unwrap(),
        10,
        "this one and those before"
    );
    let (code, _) = server_error(try_connect(&warden, "root@shop").await);
    assert_eq!(code, 1045);
    let victim = connect(&warden).await;
    let kill = format!(
        "KILL SERVER SESSION {} {}",
        cluster.node(0).ip(),
        victim.id()
    );
    run(&mut conn, &kill).await.unwrap();
    server_error(run(&mut conn, &kill).await);
    until("the victim has gone", SOON, async || {
        match status(&mut conn, "Clients_connected").await {
            Some(clients) if clients == "1" => Ok(()),
            clients => Err(clients),
        }
    })
    .await;
    for (name, value) in [
        ("Clients_total", "2"),
        ("Clients_refused", "1"),
        ("Kills", "1"),
        ("Kills_failed", "1"),
    ] {
        assert_eq!(
            status(&mut conn, name).await.as_deref(),
            Some(value),
            "{name}"
        );
    }
    let open = status(&mut conn, "Service_connections_open").await.unwrap();
    assert!((1..=4).contains(&open.parse::<u64>().unwrap()), "{open}");

    cluster.node(1).set_behaviour(Behaviour::Refuse);
    until("the server that fails is counted", SOON, async || {
        // A list is what notices it.
        let _ = try_list(&mut conn, "SHOW SERVER SESSIONS").await;
        match status(&mut conn, "Servers_failed").await {
            Some(failed) if failed == "1" => Ok(()),
            failed => Err(failed),
        }
    })
    .await;
}
