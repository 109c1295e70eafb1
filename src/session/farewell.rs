//! How the proxy closes a client's connection whose last words are to be read.
//!
//! A socket that is closed with bytes unread resets the connection, and what the other side has not read by
//! then is lost to it. A load balancer's header, a pipelining client's next command or the file that it
//! uploads are such bytes.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;

/// How many connections may be waited for at once; those on top are closed as they are.
const FAREWELLS_MAX: usize = 256;

/// How long the other side may take to read the last words and to close.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that one read throws away.
const SCRATCH_BYTES: usize = 4096;

/// The connections that are being closed.
#[derive(Debug)]
pub(super) struct Farewells(Semaphore);

impl Default for Farewells {
    fn default() -> Self {
        Self(Semaphore::new(FAREWELLS_MAX))
    }
}

impl Farewells {
    /// Says that nothing more will come, and closes `stream` when the other side does, or after a while.
    pub(super) async fn close(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        if let Ok(_one) = self.0.try_acquire() {
            close(stream).await;
        }
    }
}

async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        if stream.shutdown().await.is_ok() {
            let mut scratch = vec![0; SCRATCH_BYTES];
            while let Ok(1..) = stream.read(&mut scratch).await {}
        }
    };
    // Who has not closed by then is cut off.
    let _ = tokio::time::timeout(FAREWELL_TIMEOUT, farewell).await;
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Over TCP: only the kernel knows resets.
    #[tokio::test]
    async fn last_words_reach_one_who_has_sent_more_than_was_read() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (mut server, _) = listener.accept().await?;
        let heard = async {
            client.write_all(&[b'x'; 100_000]).await?;
            let mut heard = String::new();
            client.read_to_string(&mut heard).await?;
            drop(client);
            io::Result::Ok(heard)
        };
        let said = async {
            server.write_all(b"no").await?;
            close(server).await;
            io::Result::Ok(())
        };
        let (heard, said) = tokio::join!(heard, said);
        said?;
        assert_eq!(heard?, "no");
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_never_closes_is_cut_off() {
        let (near, mut far) = tokio::io::duplex(64);
        close(near).await;
        assert!(far.write_all(b"x").await.is_err());
    }
}
