//! The socket under TLS, which holds what came on it until a record or a handshake message is whole.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::registry::{Connection, Held};

/// TLS has a buffer of so much in any case.
const BUFFER: usize = 4 * 1024;

/// See the module.
pub(super) struct Ciphertext<IO> {
    io: IO,
    connection: Arc<Connection>,
    /// Bytes since plain text came out last.
    inside: usize,
    held: Held,
}

impl<IO> Ciphertext<IO> {
    pub fn new(io: IO, connection: &Arc<Connection>) -> Self {
        Self {
            io,
            connection: Arc::clone(connection),
            inside: 0,
            held: Held::new(connection),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Ciphertext<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, out))?;
        if self.connection.has_plaintext_come() {
            self.inside = 0;
        }
        self.inside += out.filled().len() - before;
        let inside = self.inside.saturating_sub(BUFFER);
        if self.held.set(inside) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()))
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Ciphertext<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
