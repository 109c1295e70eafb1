//! A door before a server that keeps what clients send through it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The bytes of each connection, from its client.
type Recorded = Arc<Mutex<Vec<Vec<u8>>>>;

pub(crate) struct Recorder {
    addr: SocketAddr,
    recorded: Recorded,
    task: JoinHandle<()>,
}

impl Recorder {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((server.ip(), 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let recorded = Recorded::default();
        let into = Arc::clone(&recorded);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = {
                    let mut all = into.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                tokio::spawn(pass(client, server, Arc::clone(&into), number));
            }
        });
        Self {
            addr,
            recorded,
            task,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What came on the one connection that has this text in it.
    pub(crate) fn with(&self, text: &[u8]) -> Vec<u8> {
        let all = self.recorded.lock().unwrap();
        let has = |bytes: &&Vec<u8>| bytes.windows(text.len()).any(|part| part == text);
        let mut found = all.iter().filter(has);
        let one = found.next().expect("a connection with that text").clone();
        assert_eq!(found.next(), None, "there is one of them");
        one
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, into: Recorded, number: usize) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let requests = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            into.lock().unwrap()[number].extend_from_slice(&buffer[..read]);
            if to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}
