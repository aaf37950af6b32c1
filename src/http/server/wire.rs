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
    frames::Frames,
    head::{Found, Framing, Search, vet},
    registry::{Connection, Held, Phase},
};

const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";
const READ_AT_ONCE: usize = 4 * 1024;
/// A buffer that has grown beyond this is given back between requests.
const KEPT: usize = 16 * 1024;
/// After a refusal so much is still read, for a socket closed on unread bytes would take the answer back.
const DISCARDED: usize = 1024 * 1024;
/// A head up to this size is part of what a connection holds anyway.
const SMALL_HEAD: usize = 4 * 1024;
/// What a socket didn't take stays in the buffers of TLS, or of hyper.
const UNSENT: usize = 16 * 1024;

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
    /// HTTP/2: not ours to judge, but we count what h2 keeps of it.
    Frames(Frames),
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
    connection: Arc<Connection>,
    /// For what was read. hyper keeps the buffer that the largest head needed.
    received: Held,
    /// For what couldn't be written.
    unsent: Held,
    discarded: usize,
}

impl<IO> Wire<IO> {
    /// HTTP/1, of which `read` has been read already.
    pub fn vetting(io: IO, read: BytesMut, connection: &Arc<Connection>) -> Self {
        Self {
            io,
            inbox: read,
            vetted: 0,
            expect: Expect::head(),
            heads: 0,
            connection: Arc::clone(connection),
            received: Held::new(connection),
            unsent: Held::new(connection),
            discarded: 0,
        }
    }

    /// HTTP/2, of which `read` has been read already.
    pub fn transparent(io: IO, read: BytesMut, connection: &Arc<Connection>) -> Self {
        let mut frames = Frames::default();
        frames.advance(&read);
        Self {
            vetted: read.len(),
            expect: Expect::Frames(frames),
            ..Self::vetting(io, read, connection)
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
            Expect::Nothing | Expect::Frames(_) => {}
        }
        Ok(())
    }

    fn refuse(&mut self, refused: Refused) {
        self.heads += 1;
        self.connection.refuse_from(self.heads, refused);
        self.inbox.clear();
        self.inbox.extend_from_slice(STAND_IN);
        self.vetted = STAND_IN.len();
        self.expect = Expect::Nothing;
    }

    fn body_is_complete(&mut self) {
        self.expect = Expect::head();
        self.change_phase(Phase::Body, Phase::Answering);
    }

    fn change_phase(&self, from: Phase, to: Phase) {
        if self.connection.phase() == from {
            self.connection.enter(to);
        }
    }

    /// The client has sent all it had.
    fn is_waiting(&self) {
        match self.expect {
            Expect::Head { .. } if !self.inbox.is_empty() => {
                self.change_phase(Phase::Idle, Phase::Head);
            }
            Expect::Length(_) | Expect::Chunked(_) => {
                self.change_phase(Phase::Answering, Phase::Body);
            }
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
        self.connection.plaintext_came();
        if matches!(self.expect, Expect::Head { .. }) {
            // Once here, and once on its way into hyper's buffer.
            let head = 2 * self.inbox.len().saturating_sub(SMALL_HEAD);
            if head > self.received.bytes() && !self.received.set(head) {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
        }
        Poll::Ready(Ok(!read.filled().is_empty()))
    }

    /// Reads frames of HTTP/2.
    fn poll_frames(
        &mut self,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, out))?;
        self.connection.plaintext_came();
        let read = out.filled().get(before..).unwrap_or_default();
        self.count(read)
    }

    fn count(&mut self, read: &[u8]) -> Poll<io::Result<()>> {
        if let Expect::Frames(frames) = &mut self.expect {
            frames.advance(read);
            if !self.received.set(frames.unfinished()) {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
        }
        Poll::Ready(Ok(()))
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
                Expect::Frames(_) => return this.poll_frames(context, out),
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
        let wrote = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unsent.set(if wrote.is_pending() { UNSENT } else { 0 });
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.unsent
            .set(if flushed.is_pending() { UNSENT } else { 0 });
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
        if matches!(
            this.expect,
            Expect::Length(_) | Expect::Chunked(_) | Expect::Nothing
        ) {
            if this.connection.phase() != Phase::Closing {
                this.connection.enter(Phase::Closing);
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
        let wrote = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.unsent.set(if wrote.is_pending() { UNSENT } else { 0 });
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
