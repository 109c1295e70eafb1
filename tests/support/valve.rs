//! A door before a node that can be shut in the middle of an answer.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on to a node. It is shut within an answer of more than [`ANSWER_BYTES`].
#[derive(Debug)]
pub(crate) struct Valve {
    addr: SocketAddr,
    state: watch::Sender<State>,
    server: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    ShutsInAnswer,
    Shut,
}

/// Column definitions take less, and so do the answers to all other statements.
const ANSWER_BYTES: usize = 8 * 1024;

impl Valve {
    pub(crate) async fn before(node: SocketAddr) -> Self {
        let listener = TcpListener::bind((node.ip(), 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = watch::Sender::new(State::Open);
        let connections = state.clone();
        let server = tokio::spawn(async move {
            while let Ok((proxy, _)) = listener.accept().await {
                tokio::spawn(pass(proxy, node, connections.clone()));
            }
        });
        Self {
            addr,
            state,
            server,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Shuts in the middle of the next long answer.
    pub(crate) fn shut_in_answer(&self) {
        self.state.send_replace(State::ShutsInAnswer);
    }

    /// Waits until it has shut.
    pub(crate) async fn is_shut(&self) {
        let mut state = self.state.subscribe();
        let shut = state.wait_for(|state| *state == State::Shut).await;
        shut.expect("the sender is here");
    }

    pub(crate) fn open(&self) {
        self.state.send_replace(State::Open);
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Ends both connections when either ends.
async fn pass(mut proxy: TcpStream, node: SocketAddr, state: watch::Sender<State>) {
    let Ok(mut node) = TcpStream::connect(node).await else {
        return;
    };
    let (from_proxy, to_proxy) = proxy.split();
    let (from_node, to_node) = node.split();
    let asked = watch::Sender::new(());
    let _ended = tokio::select! {
        questions = questions(from_proxy, to_node, &asked) => questions,
        answers = answers(from_node, to_proxy, &asked, state) => answers,
    };
}

async fn questions(
    mut proxy: ReadHalf<'_>,
    mut node: WriteHalf<'_>,
    asked: &watch::Sender<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; ANSWER_BYTES];
    loop {
        let read = proxy.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        asked.send_replace(());
        node.write_all(&buffer[..read]).await?;
    }
}

async fn answers(
    mut node: ReadHalf<'_>,
    mut proxy: WriteHalf<'_>,
    asked: &watch::Sender<()>,
    state: watch::Sender<State>,
) -> io::Result<()> {
    let mut asked = asked.subscribe();
    let mut changed = state.subscribe();
    let mut buffer = vec![0; ANSWER_BYTES];
    let mut passed = 0;
    loop {
        let read = node.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if asked.has_changed().unwrap_or(false) {
            asked.mark_unchanged();
            passed = 0;
        }
        passed += read;
        proxy.write_all(&buffer[..read]).await?;
        if passed > ANSWER_BYTES {
            state.send_if_modified(|state| {
                let shuts = *state == State::ShutsInAnswer;
                if shuts {
                    *state = State::Shut;
                }
                shuts
            });
            let opened = changed.wait_for(|state| *state != State::Shut).await;
            drop(opened);
        }
    }
}
