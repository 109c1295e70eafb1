//! A client that costs next to nothing: it logs in, asks, and counts the bytes or the rows of the answer. A real
//! one would take longer over a million rows than the proxies that are to be measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use obwarden::wire::packet::{PacketWalker, Passed, Report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A session as root, who has no password.
pub(super) struct RawClient(TcpStream);

/// `CLIENT_LONG_PASSWORD`, `CLIENT_PROTOCOL_41`, `CLIENT_SECURE_CONNECTION`, `CLIENT_PLUGIN_AUTH`.
const CAPABILITIES: u32 = 0x0008_8201;
const MAX_PACKET_BYTES: u32 = 16 * 1024 * 1024;
const UTF8MB4: u8 = 45;

const COM_QUERY: u8 = 3;
const OK: u8 = 0x00;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;

const READ_BYTES: usize = 256 * 1024;

impl RawClient {
    pub(super) async fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let mut client = Self(stream);
        client.read_packet().await.context("greeting")?;
        client.write_packet(1, &login()).await?;
        let answer = client.read_packet().await.context("login")?;
        ensure!(
            answer.first() == Some(&OK),
            "not logged in: {:?}",
            String::from_utf8_lossy(&answer)
        );
        Ok(client)
    }

    /// Runs a statement that has no result but OK.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<()> {
        self.write_packet(0, &[&[COM_QUERY], sql.as_bytes()].concat())
            .await?;
        let answer = self.read_packet().await?;
        ensure!(
            answer.first() == Some(&OK),
            "{sql}: {:?}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    /// Runs a query with a long result of ASCII rows, and returns how many bytes came.
    pub(super) async fn fetch(&mut self, sql: &str, buffer: &mut Vec<u8>) -> Result<u64> {
        buffer.resize(READ_BYTES, 0);
        self.write_packet(0, &[&[COM_QUERY], sql.as_bytes()].concat())
            .await?;
        let (mut kept, mut bytes) = (0, 0);
        loop {
            let read = self.0.read(&mut buffer[kept..]).await?;
            ensure!(read > 0, "the server has left");
            bytes += read as u64;
            let there = &buffer[..kept + read];
            if bytes < SHORT_BYTES && there.get(4) == Some(&ERR) {
                bail!("{sql}: {:?}", String::from_utf8_lossy(there));
            }
            if bytes > SHORT_BYTES && ends_in_eof(there) {
                return Ok(bytes);
            }
            // What may be the beginning of the end.
            let keep = there.len().min(EOF_PACKET_BYTES - 1);
            let from = there.len() - keep;
            buffer.copy_within(from..from + keep, 0);
            kept = keep;
        }
    }

    /// Runs a query and counts the rows of its result, without a look at what is in them.
    pub(super) async fn count(&mut self, sql: &str, buffer: &mut Vec<u8>) -> Result<Counted> {
        buffer.resize(READ_BYTES, 0);
        let start = Instant::now();
        self.write_packet(0, &[&[COM_QUERY], sql.as_bytes()].concat())
            .await?;
        let (mut walker, mut counter) = (PacketWalker::default(), RowCounter::default());
        let mut first_row = None;
        while counter.end.is_none() {
            let read = self.0.read(buffer).await?;
            ensure!(read > 0, "the server has left");
            walker.walk(&buffer[..read], |packet| {
                counter.packet(packet);
                Report::EveryPacket
            });
            if counter.rows > 0 {
                first_row.get_or_insert_with(|| start.elapsed());
            }
        }
        let last_row = start.elapsed();
        match counter.end {
            Some(End::Complete { warnings }) => Ok(Counted {
                rows: counter.rows,
                warnings,
                first_row: first_row.unwrap_or(last_row),
                last_row,
            }),
            _ => bail!("{sql}: the answer is an error"),
        }
    }

    async fn read_packet(&mut self) -> Result<Vec<u8>> {
        let mut header = [0; 4];
        self.0.read_exact(&mut header).await?;
        let [a, b, c, _] = header;
        let mut payload = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
        self.0.read_exact(&mut payload).await?;
        Ok(payload)
    }

    async fn write_packet(&mut self, sequence: u8, payload: &[u8]) -> Result<()> {
        let mut packet = (payload.len() as u32).to_le_bytes().to_vec();
        packet[3] = sequence;
        packet.extend_from_slice(payload);
        Ok(self.0.write_all(&packet).await?)
    }
}

/// A result of which the rows were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) rows: u64,
    pub(super) warnings: u16,
    /// From the question until the first row was there; of no rows, until the end.
    pub(super) first_row: Duration,
    pub(super) last_row: Duration,
}

/// Where in a result the client is. It has not asked for `CLIENT_DEPRECATE_EOF`.
#[derive(Debug, Default)]
struct RowCounter {
    is_past_header: bool,
    is_past_columns: bool,
    rows: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete { warnings: u16 },
    Error,
}

impl RowCounter {
    fn packet(&mut self, packet: Passed<'_>) {
        let is_eof = packet.payload_bytes < EOF_PACKET_BYTES && packet.head.first() == Some(&EOF);
        match *packet.head {
            [ERR, ..] => self.end = Some(End::Error),
            _ if !self.is_past_header => self.is_past_header = true,
            _ if is_eof && !self.is_past_columns => self.is_past_columns = true,
            [_, low, high, ..] if is_eof => {
                let warnings = u16::from_le_bytes([low, high]);
                self.end = Some(End::Complete { warnings });
            }
            _ if self.is_past_columns => self.rows += 1,
            _ => {}
        }
    }
}

/// A long result is longer than this; column definitions, with an EOF of their own, are not.
const SHORT_BYTES: u64 = 4096;

/// An EOF packet: its header, 0xfe, warnings, status.
const EOF_PACKET_BYTES: usize = 9;

/// Rows that are ASCII have no 0xfe.
fn ends_in_eof(bytes: &[u8]) -> bool {
    matches!(bytes, [.., 5, 0, 0, _, EOF, _, _, _, _])
}

fn login() -> Vec<u8> {
    let mut login = CAPABILITIES.to_le_bytes().to_vec();
    login.extend_from_slice(&MAX_PACKET_BYTES.to_le_bytes());
    login.push(UTF8MB4);
    login.extend_from_slice(&[0; 23]);
    login.extend_from_slice(b"root\0");
    login.push(0); // an empty answer to the scramble: no password
    login.extend_from_slice(b"mysql_native_password\0");
    login
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_ends_with_an_eof_packet() {
        assert!(ends_in_eof(&[b'x', 5, 0, 0, 77, 0xfe, 0, 0, 2, 0]));
        assert!(!ends_in_eof(&[b'x', 5, 0, 0, 77, 0xfe, 0, 0, 2]));
        assert!(!ends_in_eof(b"5,000,000"));
    }

    fn counted(packets: &[&[u8]]) -> RowCounter {
        let mut counter = RowCounter::default();
        for head in packets {
            counter.packet(Passed {
                head,
                payload_bytes: head.len(),
            });
        }
        counter
    }

    #[test]
    fn rows_are_what_stands_between_two_eof_packets() {
        let eof: &[u8] = &[EOF, 2, 0, 0, 0];
        let row: &[u8] = b"\x011";
        let counter = counted(&[&[1], b"\x03def", eof, row, row]);
        assert_eq!((counter.rows, counter.end), (2, None));
        let counter = counted(&[&[1], b"\x03def", eof, row, row, eof]);
        assert_eq!(counter.end, Some(End::Complete { warnings: 2 }));
        assert_eq!(counter.rows, 2);
        let counter = counted(&[&[ERR, 81, 4]]);
        assert_eq!((counter.rows, counter.end), (0, Some(End::Error)));
    }

    #[test]
    fn the_login_is_of_the_form_that_servers_read() {
        assert_eq!(login().len(), 32 + 5 + 1 + 22);
        assert_eq!(login()[8], UTF8MB4);
    }
}
