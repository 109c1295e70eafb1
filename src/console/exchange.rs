//! The session's end of a console: sends the statement, and gives back its reply, finished.

use std::io;
use std::sync::{Arc, PoisonError};

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::runtime::Handle;

use super::finish::Finish;
use super::shim::Shim;
use super::{Command, Outcome, OutcomeCell, Request};
use crate::cluster::Cluster;
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::command::Command as Code;
use crate::wire::login::Login;
use crate::wire::packet::{HEADER_BYTES, Header, put_packet};
use crate::wire::reply::ReplyTracker;

/// How much of a reply may wait for a client that does not read, in bytes.
const DUPLEX_BYTES: usize = 64 * 1024;

/// Packets before the first reply: the greeting, and the login's OK.
const LOGIN_PACKETS: usize = 2;

/// A virtual statement that is being answered.
#[derive(Debug)]
pub struct Exchange {
    stream: DuplexStream,
    received: Vec<u8>,
    tracker: ReplyTracker,
    login_packets_left: usize,
    /// Replies before the one that the client waits for.
    replies_to_skip: usize,
    capabilities: Capabilities,
    extended: ExtendedCapabilities,
    status: u16,
    outcome: OutcomeCell,
    over: bool,
}

/// Starts a console on `runtime` and sends it the statement.
pub(super) fn begin(request: Request, cluster: Arc<Cluster>, runtime: &Handle) -> Exchange {
    let (stream, console_end) = tokio::io::duplex(DUPLEX_BYTES);
    let capabilities = request.capabilities;
    let mut tracker = ReplyTracker::new(capabilities.has(Capabilities::DEPRECATE_EOF), 0);
    let commands = commands(&request.command);
    for (code, _) in &commands {
        tracker.expect(*code);
    }
    let outcome = OutcomeCell::default();
    let exchange = Exchange {
        stream,
        received: Vec::new(),
        tracker,
        login_packets_left: LOGIN_PACKETS,
        replies_to_skip: commands.len() - 1,
        capabilities,
        extended: request.extended,
        status: request.status,
        outcome: Arc::clone(&outcome),
        over: false,
    };
    let input = input(capabilities, &commands);
    runtime.spawn(Shim::new(request, cluster, outcome).serve(input, console_end));
    exchange
}

/// The commands to send: an EXECUTE is a PREPARE and then it, as no statement lives in a console.
fn commands(command: &Command) -> Vec<(Code, Vec<u8>)> {
    let with_text = |code: Code, text: &str| {
        let mut payload = vec![code.0];
        payload.extend_from_slice(text.as_bytes());
        (code, payload)
    };
    match command {
        Command::Query(text) => vec![with_text(Code::QUERY, text)],
        Command::Prepare { text, .. } => vec![with_text(Code::STMT_PREPARE, text)],
        Command::Execute { id, text } => {
            let mut execute = vec![Code::STMT_EXECUTE.0];
            execute.extend_from_slice(&id.to_le_bytes());
            // No cursor, one iteration, no parameters.
            execute.extend_from_slice(&[0, 1, 0, 0, 0]);
            vec![
                with_text(Code::STMT_PREPARE, text),
                (Code::STMT_EXECUTE, execute),
            ]
        }
    }
}

/// All that the console reads: a login and the commands.
fn input(client: Capabilities, commands: &[(Code, Vec<u8>)]) -> Vec<u8> {
    let deprecate_eof = client.0 & Capabilities::DEPRECATE_EOF.0;
    let login = Login {
        capabilities: Capabilities(
            Capabilities::PROTOCOL_41.0
                | Capabilities::SECURE_CONNECTION.0
                | Capabilities::PLUGIN_AUTH.0
                | deprecate_eof,
        ),
        extended: ExtendedCapabilities(0),
        packet_bytes_max: u32::MAX,
        character_set: 45,
        user: b"client".to_vec(),
        // opensrv would switch the method if there were none.
        auth_response: vec![0; 20],
        database: None,
        plugin: Some(b"mysql_native_password".to_vec()),
        attributes: None,
    };
    let mut input = Vec::new();
    put_packet(&mut input, 1, &login.payload());
    for (_, payload) in commands {
        put_packet(&mut input, 0, payload);
    }
    input
}

impl Exchange {
    /// Appends the next finished packets of the reply to `out`, which is empty; `false` after its last.
    ///
    /// Cancel-safe: what was received is kept.
    ///
    /// # Errors
    /// When the console broke off: the reply cannot be completed.
    pub async fn next(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        while out.is_empty() && !self.over {
            if !self.take_packets(out)? && self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the console broke off",
                ));
            }
        }
        Ok(!out.is_empty())
    }

    /// How the statement ended; known when [`Self::next`] has given its last packet.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Finishes the packets that are all there; says whether there were any.
    fn take_packets(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut at = 0;
        while !self.over {
            let Some(header) = Header::read(&self.received[at..]) else {
                break;
            };
            if header.continues() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a row of 16 MiB or more",
                ));
            }
            let end = at + HEADER_BYTES + header.payload_bytes;
            let Some(payload) = self.received.get(at + HEADER_BYTES..end) else {
                break;
            };
            at = end;
            if self.login_packets_left > 0 {
                self.login_packets_left -= 1;
                continue;
            }
            let (role, ended) = self.tracker.packet(payload);
            let failed = ended.is_some_and(|reply| !reply.succeeded);
            if self.replies_to_skip > 0 && !failed {
                self.replies_to_skip -= usize::from(ended.is_some());
                continue;
            }
            let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            let finish = Finish {
                capabilities: self.capabilities,
                extended: self.extended,
                status: self.status,
                outcome: outcome.as_ref(),
            };
            put_packet(out, header.sequence, &finish.packet(role, payload));
            self.over = ended.is_some();
        }
        self.received.drain(..at);
        Ok(at > 0)
    }
}
