//! What the tests of the running program share: clients, lists as clients see them, and patience.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "a module of several tests, none of which needs all of it"
)]

use std::fmt::Debug;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, Row, ServerError, Value};
use testkit::sim::SimCluster;
use testkit::warden::{Warden, WardenBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

pub mod real;

/// What must happen happens long before.
pub const SOON: Duration = Duration::from_secs(20);
/// How late an answer may be after its deadline.
pub const GRACE: Duration = Duration::from_millis(500);
/// Between two looks at a condition that nobody tells of.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The program under test. Its service account may do everything.
pub fn builder() -> WardenBuilder {
    Warden::builder(env!("CARGO_BIN_EXE_obwarden")).user("root@sys")
}

/// The program under test, before these nodes.
pub async fn warden(cluster: &SimCluster, args: &[&str]) -> Warden {
    let started = builder().servers(cluster.seeds()).args(args).start().await;
    started.expect("obwarden starts")
}

/// What runs the program under test, and no server: with these arguments, and these variables of its own only.
pub fn obwarden(args: &[&str], vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obwarden"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OBWARDEN_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .envs(vars.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub fn opts(addr: SocketAddr, user: &str) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(addr.ip().to_string())
        .tcp_port(addr.port())
        .user(Some(user))
        .prefer_socket(false)
        // Known, so that no statements run unasked.
        .max_allowed_packet(Some(64 * 1024 * 1024))
        .wait_timeout(Some(28_800))
}

pub async fn try_connect(warden: &Warden, user: &str) -> Result<Conn, Error> {
    soon("logging in ends", Conn::new(opts(warden.addr(), user))).await
}

pub async fn connect_as(warden: &Warden, user: &str) -> Conn {
    let connected = try_connect(warden, user).await;
    connected.unwrap_or_else(|error| panic!("{user} logs in: {error}; {}", warden.log()))
}

pub async fn connect(warden: &Warden) -> Conn {
    connect_as(warden, "root@sys").await
}

/// The result of `future`, which is not to take long.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("not within {SOON:?}: {what}"),
    }
}

/// Looks until `condition` gives something.
pub async fn until<T, E: Debug>(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let began = Instant::now();
    loop {
        match condition().await {
            Ok(found) => return found,
            Err(seen) if began.elapsed() > within => {
                panic!("not within {within:?}: {what}; last seen: {seen:?}")
            }
            Err(_) => sleep(LOOK_INTERVAL).await,
        }
    }
}

/// The error that the server sent.
pub fn sql_error<T>(result: Result<T, Error>) -> ServerError {
    match result {
        Err(Error::Server(error)) => error,
        Err(other) => panic!("not a server's error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

/// The error that the server sent: its code and its text.
pub fn server_error<T>(result: Result<T, Error>) -> (u16, String) {
    let error = sql_error(result);
    (error.code, error.message)
}

/// A list of sessions, as a client gets it.
#[derive(Debug)]
pub struct List {
    pub columns: Vec<String>,
    /// Every value as its text.
    pub rows: Vec<Vec<Option<String>>>,
    /// As the reply counts them.
    pub warnings: u16,
    /// From the statement to the last byte of its reply.
    pub took: Duration,
}

impl List {
    pub fn value<'a>(&self, row: &'a [Option<String>], column: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|name| name == column);
        let at = at.unwrap_or_else(|| panic!("no column {column} in {:?}", self.columns));
        row[at].as_deref()
    }

    pub fn addr(&self, row: &[Option<String>]) -> SocketAddr {
        let part = |column| self.value(row, column).expect("every row names its server");
        format!("{}:{}", part("Ip"), part("Port")).parse().unwrap()
    }

    /// Servers that have not answered, each with its State, in the list's order.
    pub fn failed(&self) -> Vec<(SocketAddr, &str)> {
        let failed = self.rows.iter().filter(|row| is_failure(self, row));
        let state = |row| self.value(row, "State").expect("it says what failed");
        failed.map(|row| (self.addr(row), state(row))).collect()
    }

    /// The Info of a server that has not answered.
    pub fn why(&self, addr: SocketAddr) -> &str {
        let failure = |row: &&Vec<_>| is_failure(self, row) && self.addr(row) == addr;
        let row = self.rows.iter().find(failure).expect("a failed server");
        self.value(row, "Info").expect("it says why")
    }

    /// The ids of the sessions on a server.
    pub fn ids(&self, addr: SocketAddr) -> Vec<u32> {
        let ids = self.rows.iter().filter(|row| self.addr(row) == addr);
        let id = |row: &Vec<_>| Some(self.value(row, "Id")?.parse().unwrap());
        ids.filter_map(id).collect()
    }

    /// The ids of the proxy's own sessions on a server; of a FULL list.
    pub fn service_ids(&self, addr: SocketAddr) -> Vec<u32> {
        let is_service =
            |row: &&Vec<_>| self.addr(row) == addr && self.value(row, "Warden") == Some("service");
        let rows = self.rows.iter().filter(is_service);
        rows.map(|row| self.value(row, "Id").unwrap().parse().unwrap())
            .collect()
    }
}

fn is_failure(list: &List, row: &[Option<String>]) -> bool {
    list.value(row, "Command") == Some("ERROR")
}

pub async fn try_list(conn: &mut Conn, statement: &str) -> Result<List, Error> {
    let began = Instant::now();
    let result = soon("the statement is answered", conn.query_iter(statement));
    let mut result = result.await?;
    let columns = result.columns_ref().iter();
    let columns = columns
        .map(|column| column.name_str().into_owned())
        .collect();
    let rows: Vec<Row> = soon("the result ends", result.collect()).await?;
    drop(result);
    Ok(List {
        columns,
        rows: rows.into_iter().map(texts).collect(),
        warnings: conn.get_warnings(),
        took: began.elapsed(),
    })
}

fn texts(row: Row) -> Vec<Option<String>> {
    let text = |value| match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("UTF-8")),
        other => panic!("no text: {other:?}"),
    };
    row.unwrap().into_iter().map(text).collect()
}

/// `SHOW SERVER SESSIONS`.
pub async fn list(conn: &mut Conn) -> List {
    try_list(conn, "SHOW SERVER SESSIONS")
        .await
        .expect("a list")
}

/// `SHOW FULL SERVER SESSIONS`.
pub async fn full_list(conn: &mut Conn) -> List {
    let listed = try_list(conn, "SHOW FULL SERVER SESSIONS").await;
    listed.expect("a full list")
}

/// `SHOW WARNINGS`: level, code and text.
pub async fn show_warnings(conn: &mut Conn) -> Vec<(String, u16, String)> {
    soon("SHOW WARNINGS", conn.query("SHOW WARNINGS"))
        .await
        .expect("warnings")
}

/// Runs a statement that gives no rows.
pub async fn run(conn: &mut Conn, statement: &str) -> Result<(), Error> {
    soon(statement, conn.query_drop(statement)).await
}

/// A client of bare packets, to stop at any point of a conversation.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    pub thread_id: u32,
}

impl RawClient {
    /// Connects and reads the greeting.
    pub async fn greeted(addr: SocketAddr) -> Self {
        let stream = soon("connecting", TcpStream::connect(addr)).await.unwrap();
        Self::greeted_on(stream).await
    }

    /// Reads the greeting on a connection.
    pub async fn greeted_on(stream: TcpStream) -> Self {
        let mut client = Self::on(stream);
        client.read_greeting().await;
        client
    }

    /// A connection on which nothing has been read.
    pub fn on(stream: TcpStream) -> Self {
        Self {
            stream,
            thread_id: 0,
        }
    }

    /// Reads the greeting.
    pub async fn read_greeting(&mut self) {
        let greeting = self.read().await.expect("a greeting");
        assert_eq!(greeting[0], 10, "protocol version");
        let version_end = greeting.iter().position(|byte| *byte == 0).unwrap();
        let id = greeting[version_end + 1..].first_chunk().unwrap();
        self.thread_id = u32::from_le_bytes(*id);
    }

    /// The login of `user`, with `scrambled` in place of a password.
    pub fn login(user: &str, scrambled: &[u8]) -> Vec<u8> {
        const PROTOCOL_41_SECURE_CONNECTION_PLUGIN_AUTH: u32 = 0x0008_8200;
        let mut login = PROTOCOL_41_SECURE_CONNECTION_PLUGIN_AUTH
            .to_le_bytes()
            .to_vec();
        login.extend(u32::MAX.to_le_bytes());
        login.push(45); // utf8mb4
        login.extend([0; 23]);
        login.extend(user.bytes().chain([0]));
        login.push(scrambled.len() as u8);
        login.extend(scrambled);
        login.extend(b"mysql_native_password\0");
        login
    }

    /// Sends the login of `user`, with `scrambled` in place of a password.
    pub async fn send_login(&mut self, user: &str, scrambled: &[u8]) {
        self.send(1, &Self::login(user, scrambled)).await;
    }

    pub async fn log_in(&mut self, user: &str, scrambled: &[u8]) {
        self.send_login(user, scrambled).await;
        let ok = self.read().await.expect("an answer to the login");
        assert_eq!(ok[0], 0, "{}", String::from_utf8_lossy(&ok));
    }

    /// Sends a packet, and waits for nothing.
    pub async fn send(&mut self, sequence: u8, payload: &[u8]) {
        let mut packet = (payload.len() as u32).to_le_bytes();
        packet[3] = sequence;
        self.send_bytes(&packet).await;
        self.send_bytes(payload).await;
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let sent = soon("sending", self.stream.write_all(bytes)).await;
        sent.unwrap();
    }

    pub async fn send_query(&mut self, statement: &str) {
        let payload = [b"\x03", statement.as_bytes()].concat();
        self.send(0, &payload).await;
    }

    /// The next packet's payload.
    pub async fn read(&mut self) -> std::io::Result<Vec<u8>> {
        soon("a packet", async {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header).await?;
            header[3] = 0;
            let mut payload = vec![0; u32::from_le_bytes(header) as usize];
            self.stream.read_exact(&mut payload).await?;
            Ok(payload)
        })
        .await
    }

    /// The next packet, which is to be an error: its code and its text.
    pub async fn read_error(&mut self) -> (u16, String) {
        let payload = self.read().await.expect("an error");
        let [0xff, low, high, rest @ ..] = &payload[..] else {
            panic!("no error: {payload:?}");
        };
        let text = String::from_utf8_lossy(rest).into_owned();
        (u16::from_le_bytes([*low, *high]), text)
    }
}
