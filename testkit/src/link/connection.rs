//! One connection through a link.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::State;
use super::faults::{CutEnd, Entrance, Faults, Loss, Turns, Way};
use crate::lock::locked;

/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// So much is under way in one direction at most.
const CHUNKS_UNDER_WAY_MAX: usize = 64;
/// With a narrow way, bytes go out at most so far apart, so that it is no succession of bursts.
const PIECE_INTERVAL: Duration = Duration::from_millis(20);

/// Why a connection is over.
enum End {
    Closed,
    Reset,
    Lost(Loss),
}

/// Lives until both sides have closed it, or a fault ends it.
pub(super) async fn live(mut client: TcpStream, state: Arc<State>) {
    let mut lost = state.lost.subscribe();
    let open = Open::new(&state).await;
    let entered = tokio::select! {
        entered = enter(&client, &state) => entered,
        loss = next(&mut lost) => Err(End::Lost(loss)),
    };
    match entered {
        Ok(mut node) => {
            let end = tokio::select! {
                end = pass(&mut client, &mut node, &open) => end,
                loss = next(&mut lost) => End::Lost(loss),
            };
            finish(client, Some(node), end).await;
        }
        Err(end) => finish(client, None, end).await,
    }
}

/// A connection in the count of those that clients have, until its client has closed it.
struct Open<'a> {
    state: &'a State,
    client_left: AtomicBool,
}

impl<'a> Open<'a> {
    async fn new(state: &'a State) -> Self {
        // What clients have closed before they opened this one is closed.
        yield_now().await;
        let mut clients = locked(&state.clients);
        clients.open += 1;
        clients.peak = clients.peak.max(clients.open);
        Self {
            state,
            client_left: AtomicBool::new(false),
        }
    }

    fn client_left(&self) {
        if !self.client_left.swap(true, Ordering::Relaxed) {
            locked(&self.state.clients).open -= 1;
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.client_left();
    }
}

/// The connection to the node, as soon as the link lets the client in.
async fn enter(client: &TcpStream, state: &State) -> Result<TcpStream, End> {
    let mut faults = state.faults.subscribe();
    let open = async {
        let entrance = faults.wait_for(|faults| faults.entrance != Entrance::Hold);
        entrance.await.map(|faults| faults.entrance)
    };
    let entrance = tokio::select! {
        entrance = open => entrance.map_err(|_| End::Closed)?,
        () = left(client) => return Err(End::Closed),
    };
    if entrance == Entrance::Reset {
        return Err(End::Reset);
    }
    let node = TcpStream::connect(state.node).await;
    let node = node.map_err(|_| End::Reset)?;
    // A link adds no delay but that which it is told to.
    for socket in [client, &node] {
        socket.set_nodelay(true).map_err(|_| End::Reset)?;
    }
    Ok(node)
}

/// Waits until a client has closed its side that has said nothing.
async fn left(client: &TcpStream) {
    if let Ok(1..) = client.peek(&mut [0]).await {
        pending().await
    }
}

/// Passes bytes both ways.
async fn pass(client: &mut TcpStream, node: &mut TcpStream, open: &Open<'_>) -> End {
    let state = open.state;
    let (from_client, to_client) = client.split();
    let (from_node, to_node) = node.split();
    let turns = Mutex::default();
    let questions = Carrier {
        direction: Direction::ToNode,
        faults: state.faults.subscribe(),
        turns: &turns,
        open,
    };
    let answers = Carrier {
        direction: Direction::FromNode,
        faults: state.faults.subscribe(),
        turns: &turns,
        open,
    };
    let passed = tokio::try_join!(
        questions.carry(from_client, to_node),
        answers.carry(from_node, to_client),
    );
    match passed {
        Ok(_) => End::Closed,
        Err(end) => end,
    }
}

/// Ends the connection as it is to be seen from its two sides.
async fn finish(mut client: TcpStream, node: Option<TcpStream>, end: End) {
    let loss = match end {
        End::Closed => return,
        End::Reset => Loss::Reset,
        End::Lost(loss) => loss,
    };
    if let Some(node) = node {
        reset(node);
    }
    if loss == Loss::Reset {
        return reset(client);
    }
    let mut bytes = vec![0; CHUNK_BYTES];
    while let Ok(1..) = client.read(&mut bytes).await {
        if loss == Loss::ForgottenByNode {
            return reset(client);
        }
    }
}

/// Closes a connection without an end of the stream.
fn reset(socket: TcpStream) {
    let _ = socket.set_zero_linger();
}

async fn next(lost: &mut watch::Receiver<Loss>) -> Loss {
    match lost.changed().await {
        Ok(()) => *lost.borrow_and_update(),
        Err(_) => pending().await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToNode,
    FromNode,
}

/// What brings bytes from one side to the other.
struct Carrier<'a> {
    direction: Direction,
    faults: watch::Receiver<Faults>,
    turns: &'a Mutex<Turns>,
    open: &'a Open<'a>,
}

/// Bytes that are under way; none: the end of the stream.
struct Chunk {
    bytes: Vec<u8>,
    read_at: Instant,
}

impl Carrier<'_> {
    /// Carries all bytes and the end of the stream.
    async fn carry(mut self, from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let (sender, mut under_way) = mpsc::channel(CHUNKS_UNDER_WAY_MAX);
        let (direction, open) = (self.direction, self.open);
        let reading = async {
            let read = read(from, sender).await;
            if direction == Direction::ToNode {
                open.client_left();
            }
            read.map_err(|_| End::Reset)
        };
        let writing = async {
            while let Some(chunk) = under_way.recv().await {
                self.deliver(&chunk, &mut to).await?;
            }
            Ok(())
        };
        tokio::try_join!(reading, writing).map(|_| ())
    }

    async fn deliver(&mut self, chunk: &Chunk, to: &mut WriteHalf<'_>) -> Result<(), End> {
        if chunk.bytes.is_empty() {
            self.arrival(chunk.read_at).await;
            return to.shutdown().await.map_err(|_| End::Reset);
        }
        let mut rest = &chunk.bytes[..];
        while !rest.is_empty() {
            let way = self.arrival(chunk.read_at).await;
            let bytes = self.admit(way, rest.len()).await?;
            let (piece, later) = rest.split_at(bytes);
            to.write_all(piece).await.map_err(|_| End::Reset)?;
            if let Some(rate) = way.bytes_per_second {
                let cost = Duration::from_secs(1) * piece.len() as u32 / rate.get();
                sleep_until(Instant::now() + cost).await;
            }
            rest = later;
        }
        Ok(())
    }

    /// Waits until what was read at `read_at` is at the other end. Gives the way as it is then.
    async fn arrival(&mut self, read_at: Instant) -> Way {
        loop {
            let way = self.way();
            tokio::select! {
                () = sleep_until(read_at + way.delay), if !way.stalled => return way,
                // The sender lives as long as the link, and with it this connection.
                _ = self.faults.changed() => {}
            }
        }
    }

    /// How many of `waiting` bytes may go out now: at least one.
    async fn admit(&mut self, way: Way, waiting: usize) -> Result<usize, End> {
        let a_piece = way.bytes_per_second.map_or(usize::MAX, |rate| {
            let bytes = u128::from(rate.get()) * PIECE_INTERVAL.as_millis() / 1000;
            bytes.max(1) as usize
        });
        let piece = waiting.min(a_piece);
        if self.direction == Direction::ToNode {
            locked(self.turns).ask();
            return Ok(piece);
        }
        loop {
            let cut = self.faults.borrow_and_update().cut;
            let is_new = {
                let mut turns = locked(self.turns);
                let left = turns.bytes_left(cut).min(piece as u64) as usize;
                if left > 0 {
                    turns.answered(left);
                    return Ok(left);
                }
                turns.cut()
            };
            if is_new {
                self.open.state.answers_cut.send_modify(|cut| *cut += 1);
            }
            match cut.map(|cut| cut.then) {
                Some(CutEnd::Reset) => return Err(End::Reset),
                Some(CutEnd::Close) => return Err(End::Closed),
                Some(CutEnd::Stall) | None => drop(self.faults.changed().await),
            }
        }
    }

    fn way(&mut self) -> Way {
        let faults = self.faults.borrow_and_update();
        match self.direction {
            Direction::ToNode => faults.to_node,
            Direction::FromNode => faults.from_node,
        }
    }
}

/// Reads ahead of what is delivered, so that a delay costs no throughput.
async fn read(mut from: ReadHalf<'_>, under_way: mpsc::Sender<Chunk>) -> io::Result<()> {
    loop {
        let mut bytes = vec![0; CHUNK_BYTES];
        let read = from.read(&mut bytes).await?;
        bytes.truncate(read);
        let chunk = Chunk {
            bytes,
            read_at: Instant::now(),
        };
        if under_way.send(chunk).await.is_err() || read == 0 {
            return Ok(());
        }
    }
}
