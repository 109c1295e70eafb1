//! A second reader of replies, written as straight-line code from the protocol's documentation, so that
//! the proxy's own is not checked against itself.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>

use std::io;

use tokio::net::TcpStream;

use super::client::{Packet, Reader, write_all};
use super::command::{Command, Equal, PART_BYTES_MAX, Shape, put_packet};

const MORE_RESULTS: u16 = 0x0008;
const CURSOR_EXISTS: u16 = 0x0040;
const EOF_BYTES_LIMIT: usize = 9;

/// All packets that the server sent in answer to one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) packets: Vec<Packet>,
    /// Which of them are rows.
    rows: Vec<bool>,
}

/// Why there is no whole reply.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The server has closed the connection.
    Closed(Reply),
    Failed(io::Error),
}

impl Reply {
    /// Reads the reply to `command`, and answers what the server asks in it.
    pub(crate) async fn read(
        command: &Command,
        reader: &mut Reader,
        stream: &TcpStream,
    ) -> Result<Self, Cut> {
        let mut reading = Reading {
            command,
            reader,
            stream,
            reply: Self::default(),
        };
        match reading.whole().await {
            Ok(()) => Ok(reading.reply),
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    Err(Cut::Closed(reading.reply))
                }
                _ => Err(Cut::Failed(error)),
            },
        }
    }

    /// The bytes that two replies to the same command have in common.
    pub(crate) fn comparable(&self, equal: Equal) -> Vec<u8> {
        let mut out = Vec::new();
        for (packet, is_row) in self.packets.iter().zip(&self.rows) {
            match equal {
                Equal::Bytes => out.extend_from_slice(&without_scramble(packet)),
                Equal::AllButRows if *is_row => {}
                Equal::AllButRows => out.extend_from_slice(&packet.payload),
                Equal::TextWithoutNumbers => {
                    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                    out.extend(packet.payload.iter().filter(|byte| !is_number(byte)));
                }
            }
        }
        out
    }

    pub(crate) fn last_payload(&self) -> &[u8] {
        self.packets.last().map_or(&[], |packet| &packet.payload)
    }

    /// The payloads of its rows.
    pub(crate) fn rows(&self) -> Vec<&[u8]> {
        let packets = self.packets.iter().zip(&self.rows);
        packets
            .filter(|(_, is_row)| **is_row)
            .map(|(packet, _)| &packet.payload[..])
            .collect()
    }

    /// The error that it ended in.
    pub(crate) fn error_code(&self) -> Option<u16> {
        match *self.last_payload() {
            [0xff, low, high, ..] => Some(u16::from_le_bytes([low, high])),
            _ => None,
        }
    }

    /// The id that a PREPARE has given.
    pub(crate) fn statement_id(&self) -> Option<u32> {
        match *self.packets.first()?.payload {
            [0, a, b, c, d, ..] => Some(u32::from_le_bytes([a, b, c, d])),
            _ => None,
        }
    }
}

/// A packet's bytes; of a request to switch the method of authentication all but the scramble.
fn without_scramble(packet: &Packet) -> Vec<u8> {
    const SWITCHES: [&[u8]; 2] = [b"\xfemysql_native_password\0", b"\xfeclient_ed25519\0"];
    let mut bytes = packet.bytes.to_vec();
    for switch in SWITCHES {
        if packet.payload.starts_with(switch) {
            bytes[4 + switch.len()..].fill(0);
        }
    }
    bytes
}

struct Reading<'a> {
    command: &'a Command,
    reader: &'a mut Reader,
    stream: &'a TcpStream,
    reply: Reply,
}

impl Reading<'_> {
    async fn whole(&mut self) -> io::Result<()> {
        match self.command.shape {
            Shape::Nothing => Ok(()),
            Shape::OnePacket => self.packet(false).await.map(drop),
            Shape::Results => self.results().await,
            Shape::Prepared => self.prepared().await,
            Shape::Rows => self.until_eof(true).await.map(drop),
            Shape::Definitions => self.until_eof(false).await.map(drop),
            Shape::Login => self.login().await,
        }
    }

    async fn packet(&mut self, is_row: bool) -> io::Result<Packet> {
        match self.reader.packet(self.stream).await? {
            Some(packet) => {
                self.reply.packets.push(packet.clone());
                self.reply.rows.push(is_row);
                Ok(packet)
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    async fn results(&mut self) -> io::Result<()> {
        loop {
            let packet = self.packet(false).await?;
            let status = match packet.payload[0] {
                0xff => return Ok(()),
                0x00 => ok_status(&packet.payload),
                0xfe if packet.payload_bytes < EOF_BYTES_LIMIT => eof_status(&packet.payload),
                0xfb => {
                    self.send_turn(packet.bytes[3]).await?;
                    continue;
                }
                _ => {
                    let columns = lenenc(&packet.payload).0;
                    match self.rows(columns).await? {
                        Some(status) => status,
                        None => return Ok(()),
                    }
                }
            };
            if status & MORE_RESULTS == 0 {
                return Ok(());
            }
        }
    }

    /// Definitions and rows; the status at the end, or none after an error.
    async fn rows(&mut self, columns: u64) -> io::Result<Option<u16>> {
        for _ in 0..columns {
            if self.packet(false).await?.payload[0] == 0xff {
                return Ok(None);
            }
        }
        if !self.reader.deprecate_eof {
            let eof = self.packet(false).await?;
            if eof.payload[0] == 0xff {
                return Ok(None);
            }
            let status = eof_status(&eof.payload);
            if self.command.kind == "STMT_EXECUTE" && status & CURSOR_EXISTS != 0 {
                return Ok(Some(status));
            }
        }
        self.until_eof(true).await
    }

    /// Packets up to EOF or ERR; the status in an EOF.
    async fn until_eof(&mut self, are_rows: bool) -> io::Result<Option<u16>> {
        loop {
            let packet = self.packet(are_rows).await?;
            let eof_bytes_limit = if self.reader.deprecate_eof {
                PART_BYTES_MAX
            } else {
                EOF_BYTES_LIMIT
            };
            let end = match packet.payload[0] {
                0xff => None,
                0xfe if packet.payload_bytes < eof_bytes_limit && self.reader.deprecate_eof => {
                    Some(ok_status(&packet.payload))
                }
                0xfe if packet.payload_bytes < eof_bytes_limit => Some(eof_status(&packet.payload)),
                _ => continue,
            };
            if let Some(is_row) = self.reply.rows.last_mut() {
                *is_row = false;
            }
            return Ok(end);
        }
    }

    async fn prepared(&mut self) -> io::Result<()> {
        let header = self.packet(false).await?;
        if header.payload[0] == 0xff {
            return Ok(());
        }
        let count = |at: usize| u16::from_le_bytes([header.payload[at], header.payload[at + 1]]);
        for definitions in [count(7), count(5)] {
            let eof = u16::from(definitions > 0 && !self.reader.deprecate_eof);
            for _ in 0..definitions + eof {
                self.packet(false).await?;
            }
        }
        Ok(())
    }

    async fn login(&mut self) -> io::Result<()> {
        loop {
            let packet = self.packet(false).await?;
            match packet.payload[0] {
                0x00 | 0xff => return Ok(()),
                _ => self.send_turn(packet.bytes[3]).await?,
            }
        }
    }

    /// Sends what the server has asked for; a file ends with an empty packet of its own.
    async fn send_turn(&mut self, asked_with: u8) -> io::Result<()> {
        let turn = self.command.turn.as_deref().unwrap_or(&[]);
        let empty = [Vec::new()];
        let turn = if turn.is_empty() { &empty } else { turn };
        let mut bytes = Vec::new();
        let mut sequence = asked_with;
        for payload in turn {
            put_packet(&mut bytes, sequence.wrapping_add(1), payload);
            let parts = payload.len() / PART_BYTES_MAX + 1;
            sequence = sequence.wrapping_add(parts as u8);
        }
        write_all(self.stream, &bytes).await
    }
}

/// A length-encoded number, and how many bytes it takes.
fn lenenc(bytes: &[u8]) -> (u64, usize) {
    let width = match bytes[0] {
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        number => return (number.into(), 1),
    };
    let number = bytes[1..=width].iter().rev();
    (
        number.fold(0, |number, &byte| number << 8 | u64::from(byte)),
        1 + width,
    )
}

fn ok_status(payload: &[u8]) -> u16 {
    let affected = lenenc(&payload[1..]).1;
    let insert_id = lenenc(&payload[1 + affected..]).1;
    let at = 1 + affected + insert_id;
    u16::from_le_bytes([payload[at], payload[at + 1]])
}

fn eof_status(payload: &[u8]) -> u16 {
    u16::from_le_bytes([payload[3], payload[4]])
}
