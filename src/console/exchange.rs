//! The session's end of a console: sends the statement, and gives back its reply, finished.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::finish::Finish;
use super::shim::Shim;
use super::{Command, Outcome, Request, ToldCell, interrupted, told};
use crate::cluster::Cluster;
use crate::wire::capabilities::{Capabilities, ExtendedCapabilities};
use crate::wire::command::Command as Code;
use crate::wire::login::Login;
use crate::wire::packet::{HEADER_BYTES, Header, put_packet};
use crate::wire::reply::{self, CURSOR_EXISTS, LAST_ROW_SENT, ReplyTracker, Role};

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
    /// Definitions of the console's reply that have passed.
    definitions: usize,
    capabilities: Capabilities,
    extended: ExtendedCapabilities,
    status: u16,
    cancel: CancellationToken,
    told: ToldCell,
    window: Window,
    /// A packet that belongs to the first fetch.
    waiting: Option<(Piece, Vec<u8>)>,
    /// The sequence id of the next packet.
    sequence: u8,
    /// The reply to the client is at its end; there may be another one, to a fetch.
    replied: bool,
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
    let told = ToldCell::default();
    let exchange = Exchange {
        stream,
        received: Vec::new(),
        tracker,
        login_packets_left: LOGIN_PACKETS,
        replies_to_skip: commands.len() - 1,
        definitions: 0,
        capabilities,
        extended: request.extended,
        status: request.status,
        cancel: request.cancel.clone(),
        told: Arc::clone(&told),
        window: Window::of(&request.command),
        waiting: None,
        sequence: FIRST_SEQUENCE,
        replied: false,
        over: false,
    };
    let input = input(capabilities, &commands);
    runtime.spawn(Shim::new(request, cluster, told).serve(input, console_end));
    exchange
}

/// Of a reply: the command has 0.
const FIRST_SEQUENCE: u8 = 1;

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
        Command::Execute { id, text, .. } => {
            let mut execute = vec![Code::STMT_EXECUTE.0];
            execute.extend_from_slice(&id.to_le_bytes());
            // No cursor, one iteration; parameters and cursors are the session's own.
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
        if self.cancel.is_cancelled()
            && matches!(self.window, Window::Fetch { .. })
            && !self.replied
        {
            // What is still on its way is not waited for.
            self.break_off(out)?;
        }
        while out.is_empty() && !self.replied {
            if !self.take_packets(out)? && self.stream.read_buf(&mut self.received).await? == 0 {
                self.break_off(out)?;
            }
        }
        Ok(!out.is_empty())
    }

    /// Begins the reply to a fetch of so many rows from the cursor.
    pub fn fetch(&mut self, rows: u32) {
        self.window = Window::Fetch { left: rows };
        self.sequence = FIRST_SEQUENCE;
        self.replied = false;
    }

    /// Whether a cursor has been opened, and there is more to fetch from it.
    pub fn is_open(&self) -> bool {
        !self.over
    }

    /// How the statement ended; known when [`Self::next`] has given its last packet.
    pub fn outcome(&self) -> Option<Outcome> {
        told(&self.told).outcome.clone()
    }

    /// The console has ended before its reply was complete. One that was to end has done so.
    fn break_off(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !self.cancel.is_cancelled() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the console broke off",
            ));
        }
        let error = interrupted();
        self.put(out, &error.payload());
        told(&self.told).outcome = Some(Outcome::failed(error));
        (self.replied, self.over) = (true, true);
        Ok(())
    }

    /// Finishes the packets that are all there; says whether there were any.
    fn take_packets(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut any = self.begin_fetch(out);
        let received = std::mem::take(&mut self.received);
        let mut at = 0;
        while !self.replied {
            let Some(header) = Header::read(&received[at..]) else {
                break;
            };
            if header.continues() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a row of 16 MiB or more",
                ));
            }
            let end = at + HEADER_BYTES + header.payload_bytes;
            let Some(payload) = received.get(at + HEADER_BYTES..end) else {
                break;
            };
            at = end;
            any = true;
            self.take_packet(payload, out);
        }
        self.received = received;
        self.received.drain(..at);
        Ok(any)
    }

    /// Finishes a packet and passes it on, if the client is to see it.
    fn take_packet(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if self.login_packets_left > 0 {
            self.login_packets_left -= 1;
            return;
        }
        let (role, ended) = self.tracker.packet(payload);
        let piece = Piece { role, ended };
        if self.replies_to_skip > 0 && !piece.failed() {
            self.replies_to_skip -= usize::from(ended.is_some());
            return;
        }
        if role == Role::Row {
            // Nothing of a row is to be finished, and there are many.
            return self.pass(piece, Cow::Borrowed(payload), out);
        }
        let cell = Arc::clone(&self.told);
        let told = told(&cell);
        let finish = self.finish(told.outcome.as_ref());
        let packet = match told.definitions.get(self.definitions) {
            Some(&defined) if role == Role::Definition => {
                self.definitions += 1;
                finish.definition(payload, defined)
            }
            _ => finish.packet(role, payload),
        };
        self.pass(piece, packet, out);
    }

    /// Passes a packet on, or keeps it until its place in the client's replies has come.
    fn pass(&mut self, piece: Piece, packet: Cow<'_, [u8]>, out: &mut Vec<u8>) {
        match (&mut self.window, piece.role) {
            (Window::Opening(definitions), Role::Header | Role::Definition) => {
                return definitions.push(packet.into_owned());
            }
            (Window::Opening(_), Role::DefinitionsEnd) => return,
            (Window::Opening(definitions), _) if !piece.failed() && !definitions.is_empty() => {
                let definitions = std::mem::take(definitions);
                self.waiting = Some((piece, packet.into_owned()));
                return self.open(&definitions, out);
            }
            // An OK, or an error in the place of all that has been kept: there is no cursor.
            _ => {}
        }
        self.put(out, &packet);
        if piece.ended.is_some() {
            (self.replied, self.over) = (true, true);
        }
        if let (Window::Fetch { left }, Role::Row) = (&mut self.window, piece.role) {
            *left -= 1;
            if *left == 0 {
                self.end_with_more(out);
            }
        }
    }

    /// Opens a cursor: its rows wait.
    fn open(&mut self, definitions: &[Vec<u8>], out: &mut Vec<u8>) {
        for definition in definitions {
            self.put(out, definition);
        }
        self.end_with_more(out);
    }

    /// What a fetch gets before the console's next packet; says whether there is something.
    fn begin_fetch(&mut self, out: &mut Vec<u8>) -> bool {
        if self.replied || !matches!(self.window, Window::Fetch { .. }) {
            return false;
        }
        if let Window::Fetch { left: 0 } = self.window {
            self.end_with_more(out);
            return true;
        }
        let waiting = self.waiting.take();
        waiting.is_some_and(|(piece, packet)| {
            self.pass(piece, Cow::Owned(packet), out);
            true
        })
    }

    /// Ends a reply behind which there is more to fetch.
    fn end_with_more(&mut self, out: &mut Vec<u8>) {
        let end = self.finish(None).end_of_rows(CURSOR_EXISTS);
        self.put(out, &end);
        self.replied = true;
    }

    fn put(&mut self, out: &mut Vec<u8>, payload: &[u8]) {
        put_packet(out, self.sequence, payload);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn finish<'a>(&self, outcome: Option<&'a Outcome>) -> Finish<'a> {
        Finish {
            capabilities: self.capabilities,
            extended: self.extended,
            status: self.status,
            outcome,
            end_flags: match self.window {
                Window::All => 0,
                Window::Opening(_) | Window::Fetch { .. } => LAST_ROW_SENT,
            },
        }
    }
}

/// What a packet of the console's is.
#[derive(Debug, Clone, Copy)]
struct Piece {
    role: Role,
    /// How the console's reply has ended, if it is the last one of it.
    ended: Option<reply::Outcome>,
}

impl Piece {
    fn failed(self) -> bool {
        self.ended.is_some_and(|ended| !ended.succeeded)
    }
}

/// Which of the console's packets belong to the reply that the client waits for.
#[derive(Debug)]
enum Window {
    /// All of them.
    All,
    /// Those before the first row, for a cursor; they are kept until it is known that there are rows.
    Opening(Vec<Vec<u8>>),
    /// So many rows.
    Fetch { left: u32 },
}

impl Window {
    fn of(command: &Command) -> Self {
        match command {
            Command::Execute { cursor: true, .. } => Self::Opening(Vec::new()),
            _ => Self::All,
        }
    }
}
