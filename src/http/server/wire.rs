//! The socket as hyper sees it: of HTTP/1, only heads and bodies that have been vetted.
//!
//! hyper is handed at most one head a read, so the n-th head is the n-th request. A head that is refused never gets to
//! hyper: a request for nothing stands in for it, marked by its number, so that the refusal is answered and logged as
//! every request is. After it, nothing more is read.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Refused,
    chunked::Chunked,
    head::{Found, Framing, Search, vet},
    registry::{Connection, Phase},
};

const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";
const READ_AT_ONCE: usize = 4 * 1024;
/// A buffer that has grown beyond this is given back between requests.
const KEPT: usize = 16 * 1024;
/// After a refusal so much is still read, for a socket closed on unread bytes would take the answer back.
const DISCARDED: usize = 1024 * 1024;

#[derive(Debug)]
enum Expect {
    Head {
        search: Search,
        blank_line: bool,
    },
    Length(u64),
    Chunked(Chunked),
    /// A stand-in was handed out.
    Nothing,
    /// HTTP/2: not ours to judge.
    Anything,
}

impl Expect {
    fn head() -> Self {
        Self::Head {
            search: Search::default(),
            blank_line: false,
        }
    }
}

/// See the module.
pub(super) struct Wire<IO> {
    io: IO,
    inbox: BytesMut,
    /// So many bytes of the inbox may go to hyper.
    vetted: usize,
    expect: Expect,
    heads: u64,
    /// Only HTTP/1.
    connection: Option<Arc<Connection>>,
    discarded: usize,
}

impl<IO> Wire<IO> {
    /// HTTP/1, of which `read` has been read already.
    pub fn vetting(io: IO, read: BytesMut, connection: Arc<Connection>) -> Self {
        Self {
            io,
            inbox: read,
            vetted: 0,
            expect: Expect::head(),
            heads: 0,
            connection: Some(connection),
            discarded: 0,
        }
    }

    /// HTTP/2, of which `read` has been read already.
    pub fn transparent(io: IO, read: BytesMut) -> Self {
        let vetted = read.len();
        Self {
            io,
            inbox: read,
            vetted,
            expect: Expect::Anything,
            heads: 0,
            connection: None,
            discarded: 0,
        }
    }

    fn deliver(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.vetted.min(out.remaining());
        if let Some(vetted) = self.inbox.get(..count) {
            out.put_slice(vetted);
        }
        self.inbox.advance(count);
        self.vetted -= count;
        if self.inbox.is_empty() && self.inbox.capacity() > KEPT {
            self.inbox = BytesMut::new();
        }
    }

    /// Judges what is in the inbox, of which nothing is vetted.
    fn judge(&mut self) -> io::Result<()> {
        match &mut self.expect {
            Expect::Head { search, blank_line } => match search.on(&self.inbox) {
                Ok(Found::NotYet) => {}
                Ok(Found::BlankLine) if !*blank_line => {
                    self.inbox.advance(2);
                    self.expect = Expect::Head {
                        search: Search::default(),
                        blank_line: true,
                    };
                    return self.judge();
                }
                Ok(Found::BlankLine) => {
                    let reason = "empty lines stand before the request line";
                    self.refuse(Refused {
                        status: http::StatusCode::BAD_REQUEST,
                        reason,
                    });
                }
                Ok(Found::End(length)) => match vet(self.inbox.get(..length).unwrap_or_default()) {
                    Ok(framing) => {
                        self.heads += 1;
                        self.vetted = length;
                        self.expect = match framing {
                            Framing::Nothing => Expect::head(),
                            Framing::Length(length) => Expect::Length(length),
                            Framing::Chunked => Expect::Chunked(Chunked::START),
                        };
                    }
                    Err(refused) => self.refuse(refused),
                },
                Err(refused) => self.refuse(refused),
            },
            Expect::Length(left) => {
                self.vetted = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(self.inbox.len());
                *left = left.saturating_sub(u64::try_from(self.vetted).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.body_is_complete();
                }
            }
            Expect::Chunked(chunked) => {
                let malformed =
                    |_| io::Error::new(io::ErrorKind::InvalidData, "the chunked body is malformed");
                self.vetted = chunked.advance(&self.inbox).map_err(malformed)?;
                if *chunked == Chunked::Done {
                    self.body_is_complete();
                }
            }
            Expect::Nothing | Expect::Anything => {}
        }
        Ok(())
    }

    fn refuse(&mut self, refused: Refused) {
        self.heads += 1;
        if let Some(connection) = &self.connection {
            connection.refuse_from(self.heads, refused);
        }
        self.inbox.clear();
        self.inbox.extend_from_slice(STAND_IN);
        self.vetted = STAND_IN.len();
        self.expect = Expect::Nothing;
    }

    fn body_is_complete(&mut self) {
        self.expect = Expect::head();
        self.change_phase(Phase::Body, Phase::Busy);
    }

    fn change_phase(&self, from: Phase, to: Phase) {
        if let Some(connection) = self
            .connection
            .as_ref()
            .filter(|connection| connection.phase() == from)
        {
            connection.enter(to);
        }
    }

    /// The client has sent all it had.
    fn is_waiting(&self) {
        match self.expect {
            Expect::Head { .. } if !self.inbox.is_empty() => {
                self.change_phase(Phase::Idle, Phase::Head);
            }
            Expect::Length(_) | Expect::Chunked(_) => self.change_phase(Phase::Busy, Phase::Body),
            _ => {}
        }
    }
}

impl<IO: AsyncRead + Unpin> Wire<IO> {
    /// Reads some more into the inbox; false at the end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut bytes = [MaybeUninit::uninit(); READ_AT_ONCE];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut read))?;
        self.inbox.extend_from_slice(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }

    /// Reads and forgets what was sent after a refusal.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.discarded < DISCARDED && ready!(self.poll_fill(context))? {
            self.discarded += self.inbox.len();
            self.inbox.clear();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.vetted > 0 {
                this.deliver(out);
                return Poll::Ready(Ok(()));
            }
            match this.expect {
                Expect::Anything => return Pin::new(&mut this.io).poll_read(context, out),
                // The stand-in asks to close: nobody waits for this.
                Expect::Nothing => return Poll::Pending,
                _ => this.judge()?,
            }
            if this.vetted == 0 {
                match this.poll_fill(context)? {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Poll::Ready(Ok(())),
                    Poll::Pending => {
                        this.is_waiting();
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
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

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
        if matches!(
            this.expect,
            Expect::Length(_) | Expect::Chunked(_) | Expect::Nothing
        ) {
            if let Some(connection) = this
                .connection
                .as_ref()
                .filter(|c| c.phase() != Phase::Closing)
            {
                connection.enter(Phase::Closing);
            }
            return this.poll_discard(context);
        }
        Poll::Ready(Ok(()))
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
