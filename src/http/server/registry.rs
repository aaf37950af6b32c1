//! Who is connected, what each connection is waiting for, and since when.
//!
//! A request costs a few atomic stores here and no timer: one task looks at all connections several times within the
//! shortest time-out.

#![expect(clippy::disallowed_methods, reason = "the deadlines of sockets")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{Refused, ServerSettings};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS handshake, and the first request's headers.
    Opening,
    /// Between requests.
    Idle,
    /// Some bytes of the next request's headers are here.
    Head,
    /// Waiting for a body.
    Body,
    /// A request is being answered.
    Busy,
    /// Answered and shut down; reading on, so that the client gets to see the answer.
    Closing,
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Opening,
        Self::Idle,
        Self::Head,
        Self::Body,
        Self::Busy,
        Self::Closing,
    ];

    /// Is it the client that keeps us waiting?
    fn waits_for_client(self) -> bool {
        self != Self::Busy
    }
}

/// The longest that a connection may stay in a phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    head: Duration,
    body: Duration,
    idle: Duration,
    busy: Duration,
}

/// How long a closed connection is read from, at most.
const CLOSING: Duration = Duration::from_secs(2);
/// The guard's 408 comes before the connection is cut.
const AFTER_BODY: Duration = Duration::from_secs(5);

impl Limits {
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            head: settings.header_timeout,
            body: settings.body_timeout.saturating_add(AFTER_BODY),
            idle: settings.idle_timeout,
            busy: settings.response_timeout,
        }
    }

    fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Opening | Phase::Head => self.head,
            Phase::Idle => self.idle,
            Phase::Body => self.body,
            Phase::Busy => self.busy,
            Phase::Closing => CLOSING,
        }
    }
}

/// One connection, as its task and the housekeeping see it.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    epoch: Instant,
    /// Milliseconds since `epoch`, and in the lowest three bits the phase.
    state: AtomicU64,
    in_flight: AtomicU32,
    called: AtomicU64,
    refused: OnceLock<(u64, Refused)>,
    closing: AtomicBool,
    close: Notify,
    cut: Notify,
}

impl Connection {
    pub fn enter(&self, phase: Phase) {
        let millis = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX >> 3);
        self.state
            .store(millis << 3 | phase as u64, Ordering::Relaxed);
    }

    pub fn phase(&self) -> Phase {
        self.phase_since().0
    }

    fn phase_since(&self) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        let at = usize::try_from(state & 7).unwrap_or_default();
        let mut phase = Phase::ALL.get(at).copied().unwrap_or(Phase::Busy);
        // Streams of HTTP/2 begin and end on several threads, and the last store may not be the last event.
        if phase == Phase::Idle && self.in_flight() > 0 {
            phase = Phase::Busy;
        }
        (phase, Duration::from_millis(state >> 3))
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request begins. Its number counts from 1.
    pub fn begin(self: &Arc<Self>) -> (u64, InFlight) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Busy);
        (
            self.called.fetch_add(1, Ordering::Relaxed) + 1,
            InFlight(Arc::clone(self)),
        )
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
    fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.close.notify_one();
    }
}

/// A request from its headers to the end of its response.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Connection>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.enter(Phase::Idle);
        }
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Registry {
    epoch: Instant,
    limits: Limits,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

impl Registry {
    pub fn new(limits: Limits) -> Self {
        Self {
            epoch: Instant::now(),
            limits,
            next: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a new connection.
    pub fn enter(&self) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            epoch: self.epoch,
            state: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            called: AtomicU64::new(0),
            refused: OnceLock::new(),
            closing: AtomicBool::new(false),
            close: Notify::new(),
            cut: Notify::new(),
        });
        connection.enter(Phase::Opening);
        self.open().insert(connection.id, Arc::clone(&connection));
        connection
    }

    pub fn leave(&self, connection: &Connection) {
        self.open().remove(&connection.id);
    }

    /// Time between two sweeps: at least ten within the shortest time-out.
    pub fn tick(&self) -> Duration {
        let Limits {
            head,
            body,
            idle,
            busy,
        } = self.limits;
        (head.min(body).min(idle).min(busy) / 10)
            .clamp(Duration::from_millis(5), Duration::from_secs(1))
    }

    /// Ends the connections that would exceed their time before the next sweep.
    pub fn sweep(&self) {
        let soon = self.epoch.elapsed() + self.tick();
        for connection in self.open().values() {
            let (phase, since) = connection.phase_since();
            if since.saturating_add(self.limits.of(phase)) <= soon {
                connection.cut.notify_one();
            }
        }
    }

    /// Ends the connection that has kept us waiting longest, if any does.
    pub fn evict(&self) {
        let open = self.open();
        let waiting = open
            .values()
            .filter(|connection| connection.phase().waits_for_client());
        if let Some(connection) = waiting.min_by_key(|connection| connection.phase_since().1) {
            connection.cut.notify_one();
        }
    }

    /// Tells all connections to end after the request that they are on; returns their number.
    pub fn close_all(&self) -> usize {
        let open = self.open();
        open.values().for_each(|connection| connection.close());
        open.len()
    }

    /// Ends all connections; returns their number.
    pub fn cut_all(&self) -> usize {
        let open = self.open();
        open.values()
            .for_each(|connection| connection.cut.notify_one());
        open.len()
    }
}
