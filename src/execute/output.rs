//! Where a result goes. It is written by a thread of its own: a pipe that nobody reads holds up whoever writes to
//! it, and the statement must still be able to end.

use std::io::{self, Write};

use tokio::sync::{mpsc, oneshot};

/// Chunks of a result that may wait to be written.
const CHUNKS_WAITING_MAX: usize = 2;

/// The end of a statement's result at which it is filled in.
#[derive(Debug)]
pub struct Output {
    chunks: mpsc::Sender<Vec<u8>>,
    written: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    /// Starts the thread, which ends with this.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn to(mut file: impl Write + Send + 'static) -> io::Result<Self> {
        let (chunks, mut coming) = mpsc::channel::<Vec<u8>>(CHUNKS_WAITING_MAX);
        let (done, written) = oneshot::channel();
        let mut write = move || {
            while let Some(chunk) = coming.blocking_recv() {
                file.write_all(&chunk)?;
                file.flush()?;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("output".to_owned());
        thread.spawn(move || {
            let result = write();
            // The receiving end is closed by now: whoever waits to give more is told why.
            drop(write);
            let _ = done.send(result);
        })?;
        Ok(Self { chunks, written })
    }

    /// Hands over the next chunk, when there is room for it.
    ///
    /// # Errors
    /// When one before could not be written.
    pub(super) async fn write(&mut self, chunk: Vec<u8>) -> io::Result<()> {
        if chunk.is_empty() || self.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        outcome(&mut self.written).await
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// When it could not be.
    pub(super) async fn end(mut self) -> io::Result<()> {
        drop(self.chunks);
        outcome(&mut self.written).await
    }
}

async fn outcome(written: &mut oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    written
        .await
        .unwrap_or_else(|_| Err(io::Error::other("nobody writes it")))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_handed_over_is_written_in_its_order() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let mut output = Output::to(writer).unwrap();
        for chunk in [&b"a"[..], b"", b"bc"] {
            output.write(chunk.to_vec()).await.unwrap();
        }
        output.end().await.unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "abc");
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_a_broken_pipe_and_no_panic() {
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        let mut output = Output::to(writer).unwrap();
        let error = loop {
            if let Err(error) = output.write(b"more".to_vec()).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_holds_up_nobody_but_the_result() {
        let (_reader, writer) = UnixStream::pair().unwrap();
        let mut output = Output::to(writer).unwrap();
        let filling = async {
            loop {
                output.write(vec![b'x'; 1024 * 1024]).await.unwrap();
            }
        };
        let full = tokio::time::timeout(Duration::from_millis(100), filling).await;
        assert!(full.is_err(), "it waits, and can be given up");
    }
}
