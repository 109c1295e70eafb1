//! A client of bare sockets: it logs in with an empty password, and then only bytes go by.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::net::TcpStream;

use super::command::{PART_BYTES_MAX, put_packet};
use super::rng::Rng;

pub(crate) const LONG_PASSWORD: u32 = 1;
const FOUND_ROWS: u32 = 1 << 1;
const CONNECT_WITH_DB: u32 = 1 << 3;
const COMPRESS: u32 = 1 << 5;
const LOCAL_FILES: u32 = 1 << 7;
const SSL: u32 = 1 << 11;
const MULTI_STATEMENTS: u32 = 1 << 16;
const CONNECT_ATTRS: u32 = 1 << 20;
const AUTH_LENENC: u32 = 1 << 21;
const SESSION_TRACK: u32 = 1 << 23;
const DEPRECATE_EOF: u32 = 1 << 24;
const BITS_25_TO_29: u32 = 0x3e00_0000;
/// PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH.
const ALWAYS: u32 = 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19;
/// Of MariaDB's extended capabilities.
const STMT_BULK: u32 = 1 << 2;

/// Connection attributes: `_client_name` and `_pid`.
const ATTRIBUTES: &[u8] = b"\x22\x0c_client_name\x0cdifferential\x04_pid\x0242";

/// How a client logs in.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    capabilities: u32,
    pub(crate) database: Option<&'static str>,
    receive_buffer_bytes: Option<u32>,
}

impl Profile {
    /// What an ordinary client says: everything that it knows of.
    pub(crate) fn ordinary(database: &'static str) -> Self {
        let capabilities = ALWAYS
            | LONG_PASSWORD
            | LOCAL_FILES
            | MULTI_STATEMENTS
            | CONNECT_ATTRS
            | SESSION_TRACK
            | CONNECT_WITH_DB;
        Self {
            capabilities,
            database: Some(database),
            receive_buffer_bytes: None,
        }
    }

    pub(crate) fn random(rng: &mut Rng, database: &'static str) -> Self {
        let mut profile = Self::ordinary(database);
        for flag in [DEPRECATE_EOF, FOUND_ROWS, AUTH_LENENC] {
            if rng.chance(50) {
                profile.capabilities |= flag;
            }
        }
        for flag in [
            LONG_PASSWORD,
            LOCAL_FILES,
            MULTI_STATEMENTS,
            CONNECT_ATTRS,
            SESSION_TRACK,
        ] {
            if rng.chance(15) {
                profile.capabilities &= !flag;
            }
        }
        if rng.chance(25) {
            profile.receive_buffer_bytes = Some(4096);
        }
        profile
    }

    /// The same with DEPRECATE_EOF, where it is offered.
    pub(crate) fn with_deprecate_eof(mut self) -> Self {
        self.capabilities |= DEPRECATE_EOF;
        self
    }

    /// The attributes that go with a login and a change of user. All servers here take them.
    pub(crate) fn attributes(&self) -> &'static [u8] {
        match self.capabilities & CONNECT_ATTRS {
            0 => b"",
            _ => ATTRIBUTES,
        }
    }

    /// MariaDB takes a client without this flag for one of its own.
    pub(crate) fn is_mariadb_client(&self) -> bool {
        self.capabilities & LONG_PASSWORD == 0
    }
}

/// A connection that is logged in.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) reader: Reader,
    pub(crate) greeting: Greeting,
    /// The server's answer to the login.
    pub(crate) login_reply: Bytes,
}

impl Client {
    /// Connects to `addr` and logs in.
    pub(crate) async fn log_in(
        addr: SocketAddr,
        user: &str,
        profile: &Profile,
    ) -> io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        if let Some(bytes) = profile.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(addr).await?;
        stream.set_nodelay(true)?;
        let mut reader = Reader::default();
        let greeting = reader.packet(&stream).await?.ok_or(closed())?;
        let greeting = Greeting::read(&greeting.payload);
        let login = login(user, profile, &greeting);
        let mut packet = Vec::new();
        put_packet(&mut packet, 1, &login);
        write_all(&stream, &packet).await?;
        let reply = reader.packet(&stream).await?.ok_or(closed())?;
        if reply.payload.first() != Some(&0) {
            let reply = reply.payload.escape_ascii().to_string();
            return Err(io::Error::other(format!("not logged in: {reply}")));
        }
        reader.deprecate_eof = greeting.capabilities & profile.capabilities & DEPRECATE_EOF != 0;
        Ok(Self {
            stream,
            reader,
            greeting,
            login_reply: reply.bytes,
        })
    }
}

fn closed() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// The login of `user` with an empty password.
pub(crate) fn login(user: &str, profile: &Profile, greeting: &Greeting) -> Vec<u8> {
    let in_force = profile.capabilities & greeting.capabilities;
    // Flags that were not offered are sent all the same, as several real clients do; but MariaDB does
    // not offer the mark of a MySQL client, and CONNECT_ATTRS changes how a login is read.
    let said = profile.capabilities & (greeting.capabilities | LONG_PASSWORD | DEPRECATE_EOF);
    // Only what the proxy offers, too: the other extensions change replies.
    let bulk = profile.is_mariadb_client() && greeting.is_mariadb();
    let extended = if bulk { STMT_BULK } else { 0 };
    let mut out = said.to_le_bytes().to_vec();
    out.extend_from_slice(&(1u32 << 30).to_le_bytes());
    out.push(45);
    out.extend_from_slice(&[0; 19]);
    out.extend_from_slice(&extended.to_le_bytes());
    out.extend_from_slice(user.as_bytes());
    out.extend_from_slice(&[0, 0]);
    if in_force & CONNECT_WITH_DB != 0 {
        out.extend_from_slice(profile.database.unwrap_or_default().as_bytes());
        out.push(0);
    }
    out.extend_from_slice(b"mysql_native_password\0");
    if in_force & CONNECT_ATTRS != 0 {
        out.extend_from_slice(ATTRIBUTES);
    }
    out
}

/// A server's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) thread_id: u32,
    pub(crate) capabilities: u32,
    payload: Vec<u8>,
    /// Where the thread id begins, behind the version.
    at: usize,
}

impl Greeting {
    pub(crate) fn read(payload: &[u8]) -> Self {
        let at = 2 + payload[1..]
            .iter()
            .position(|&byte| byte == 0)
            .expect("a version's end");
        let word = |at: usize| u32::from(u16::from_le_bytes([payload[at], payload[at + 1]]));
        Self {
            thread_id: u32::from_le_bytes(payload[at..at + 4].try_into().expect("four bytes")),
            capabilities: word(at + 13) | word(at + 18) << 16,
            payload: payload.to_vec(),
            at,
        }
    }

    fn is_mariadb(&self) -> bool {
        self.capabilities & LONG_PASSWORD == 0
    }

    /// What a direct greeting and the proxy's must have in common: all but thread id and scramble, and
    /// of the offers what the proxy lets pass. It takes no compression and no TLS for the server, bits
    /// 25 to 29 mean one thing to OceanBase and another to MySQL's clients, and of MariaDB's extensions
    /// all but bulk execution change what replies look like.
    pub(crate) fn comparable(&self) -> Vec<u8> {
        let mut payload = self.payload.clone();
        let at = self.at;
        payload[at..at + 12].fill(0);
        let offered = (self.capabilities & !(COMPRESS | SSL | BITS_25_TO_29)).to_le_bytes();
        payload[at + 13..at + 15].copy_from_slice(&offered[..2]);
        payload[at + 18..at + 20].copy_from_slice(&offered[2..]);
        if self.is_mariadb() {
            let at = at + 27;
            let extended: [u8; 4] = payload[at..at + 4].try_into().expect("four bytes");
            let passes = u32::from_le_bytes(extended) & STMT_BULK;
            payload[at..at + 4].copy_from_slice(&passes.to_le_bytes());
        }
        payload[at + 31..at + 43].fill(0);
        payload
    }
}

/// A whole packet, of one part or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// As it came, headers included.
    pub(crate) bytes: Bytes,
    /// Without the headers; of a packet in several parts only the first one's.
    pub(crate) payload: Bytes,
    pub(crate) payload_bytes: usize,
}

/// Reads packets off a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    received: BytesMut,
    pub(crate) deprecate_eof: bool,
    /// How much one read takes at most; nothing for as much as there is.
    pub(crate) read_bytes_max: Option<usize>,
}

impl Reader {
    /// The next packet; none at the stream's end.
    pub(crate) async fn packet(&mut self, stream: &TcpStream) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = self.whole_packet() {
                return Ok(Some(packet));
            }
            if self.read(stream).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// All that comes until the stream ends. A reset is an end, too: servers close with bytes unread.
    pub(crate) async fn rest(mut self, stream: &TcpStream) -> io::Result<Vec<u8>> {
        loop {
            match self.read(stream).await {
                Ok(0) => return Ok(self.received.to_vec()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(self.received.to_vec());
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        const READ_BYTES_MAX: usize = 256 * 1024;
        let len = self.read_bytes_max.unwrap_or(READ_BYTES_MAX);
        self.received.reserve(len);
        loop {
            stream.readable().await?;
            match stream.try_read_buf(&mut (&mut self.received).limit(len)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    fn whole_packet(&mut self) -> Option<Packet> {
        let (mut end, mut payload_bytes) = (0, 0);
        loop {
            let header = self.received.get(end..end + 4)?;
            let part = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            end += 4 + part;
            payload_bytes += part;
            if self.received.len() < end {
                return None;
            }
            if part < PART_BYTES_MAX {
                break;
            }
        }
        let bytes = self.received.split_to(end).freeze();
        let mut payload = bytes.slice(..end.min(4 + PART_BYTES_MAX));
        payload.advance(4);
        Some(Packet {
            bytes,
            payload,
            payload_bytes,
        })
    }
}

/// Writes all of `bytes`.
pub(crate) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
