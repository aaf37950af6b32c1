//! One connection, as its task, its requests and the housekeeping see it.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{InFlight, Shared};
use crate::http::server::Refused;

/// No longer than this, an answer that the client hasn't taken is not its client's fault.
const ON_ITS_WAY_MS: u64 = 100;

/// What a connection is doing. Each phase has a time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::server) enum Phase {
    /// TLS handshake, and the first request's headers.
    Opening,
    /// Between requests.
    Idle,
    /// Some bytes of the next request's headers are here.
    Head,
    /// Waiting for a body.
    Body,
    /// A request is being answered, or its answer read.
    Answering,
    /// Answered and shut down; reading on, so that the client gets to see the answer.
    Closing,
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Opening,
        Self::Idle,
        Self::Head,
        Self::Body,
        Self::Answering,
        Self::Closing,
    ];
}

/// See the module.
#[derive(Debug)]
pub(in crate::http::server) struct Connection {
    id: u64,
    shared: Arc<Shared>,
    source: Option<IpAddr>,
    /// Milliseconds since the epoch, and in the lowest three bits the phase.
    state: AtomicU64,
    /// When a request last began or ended to be worked on, in milliseconds since the epoch.
    worked: AtomicU64,
    in_flight: AtomicU32,
    working: AtomicU32,
    /// Answers that are made and not taken.
    unread: AtomicU32,
    held: AtomicUsize,
    /// What it held when it was told to make room.
    going: AtomicUsize,
    plaintext_came: AtomicBool,
    called: AtomicU64,
    refused: OnceLock<(u64, Refused)>,
    closing: AtomicBool,
    close: Notify,
    cut: Notify,
}

impl Connection {
    pub(super) fn new(id: u64, shared: Arc<Shared>, source: Option<IpAddr>) -> Self {
        let now = shared.now_ms();
        Self {
            id,
            shared,
            source,
            state: AtomicU64::new(now << 3 | Phase::Opening as u64),
            worked: AtomicU64::new(now),
            in_flight: AtomicU32::new(0),
            working: AtomicU32::new(0),
            unread: AtomicU32::new(0),
            held: AtomicUsize::new(0),
            going: AtomicUsize::new(0),
            plaintext_came: AtomicBool::new(false),
            called: AtomicU64::new(0),
            refused: OnceLock::new(),
            closing: AtomicBool::new(false),
            close: Notify::new(),
            cut: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn source(&self) -> Option<IpAddr> {
        self.source
    }

    pub fn enter(&self, phase: Phase) {
        self.state
            .store(self.shared.now_ms() << 3 | phase as u64, Ordering::Relaxed);
    }

    pub fn phase(&self) -> Phase {
        self.phase_since().0
    }

    pub(super) fn phase_since(&self) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        let at = usize::try_from(state & 7).unwrap_or_default();
        let mut phase = Phase::ALL.get(at).copied().unwrap_or(Phase::Answering);
        // Streams of HTTP/2 begin and end on several threads, and the last store may not be the last event.
        if phase == Phase::Idle && self.in_flight() > 0 {
            phase = Phase::Answering;
        }
        (phase, Duration::from_millis(state >> 3))
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Is it we who keep the client waiting? An answer that was made just now is on its way to it.
    pub(super) fn is_busy(&self, now: u64) -> bool {
        self.working.load(Ordering::Relaxed) > 0
            || (self.unread.load(Ordering::Relaxed) > 0 && now < self.worked_ms() + ON_ITS_WAY_MS)
    }

    /// One answer more, or less, that is made and not taken.
    pub(super) fn unread(&self, more: bool) {
        if more {
            self.unread.fetch_add(1, Ordering::Relaxed);
        } else {
            self.unread.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn worked_ms(&self) -> u64 {
        self.worked.load(Ordering::Relaxed)
    }

    /// Work on a request begins.
    pub(super) fn begin_work(&self) {
        let now = self.shared.now_ms();
        self.state
            .store(now << 3 | Phase::Answering as u64, Ordering::Relaxed);
        self.worked.store(now, Ordering::Relaxed);
    }

    /// Work on a request has ended.
    pub(super) fn worked(&self) {
        self.worked.store(self.shared.now_ms(), Ordering::Relaxed);
    }

    pub(super) fn works_on_one(&self, more: bool) {
        if more {
            self.working.fetch_add(1, Ordering::Relaxed);
        } else {
            self.working.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A request begins. Its number counts from 1.
    pub fn begin(self: &Arc<Self>, waits_for_body: bool) -> (u64, Arc<InFlight>) {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) == 0 {
            self.enter(if waits_for_body {
                Phase::Body
            } else {
                Phase::Answering
            });
        }
        let number = self.called.fetch_add(1, Ordering::Relaxed) + 1;
        (number, Arc::new(InFlight::new(Arc::clone(self))))
    }

    /// A request is over, its answer taken.
    pub(super) fn end_of_one(&self) {
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.enter(Phase::Idle);
        }
    }

    /// Holds so many bytes more; false if the server holds too much, and nobody could make room.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.shared.held.fetch_add(bytes, Ordering::Relaxed);
        self.shared.fits() || self.shared.make_room()
    }

    pub(super) fn let_go(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// TLS gave out plain text: nothing that it read before is left in it, but for a part of a record.
    pub fn plaintext_came(&self) {
        self.plaintext_came.store(true, Ordering::Relaxed);
    }

    pub fn has_plaintext_come(&self) -> bool {
        self.plaintext_came.swap(false, Ordering::Relaxed)
    }

    /// From the request of this number on, nothing on this connection can be trusted.
    pub fn refuse_from(&self, number: u64, refused: Refused) {
        let _ = self.refused.set((number, refused));
    }

    pub fn refusal_of(&self, number: u64) -> Option<Refused> {
        self.refused
            .get()
            .filter(|(from, _)| number >= *from)
            .map(|(_, refused)| *refused)
    }

    /// Ready from the first call of [`Connection::close`] on, for everyone who asks in turn.
    pub async fn told_to_close(&self) {
        while !self.closing.load(Ordering::Relaxed) {
            self.close.notified().await;
        }
    }

    pub async fn told_to_end(&self) {
        self.cut.notified().await;
    }

    /// Asks it to end after the request that it is on.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.close.notify_one();
    }

    /// Ends it.
    pub(super) fn cut(&self) {
        self.cut.notify_one();
    }

    /// Ends it to make room; returns the bytes that go with it.
    pub(super) fn go(&self) -> usize {
        let going = self.held.load(Ordering::Relaxed);
        self.going.store(going, Ordering::Relaxed);
        self.cut();
        going
    }

    /// What [`Connection::go`] returned, once it is gone.
    pub(super) fn gone(&self) -> usize {
        self.going.swap(0, Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn is_going(&self) -> bool {
        self.going.load(Ordering::Relaxed) > 0
    }

    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        !self.shared.open().waiting.has(self)
    }
}
