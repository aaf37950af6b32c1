//! Who is connected, who keeps us waiting, and what all of them hold.
//!
//! A request costs a few atomic stores here and no timer: one task looks at all connections several times within the
//! shortest time-out. Whoever waits for its client makes room for others: when there are too many connections, too many
//! of one address, or when they hold too much memory, the one goes that has let us do nothing useful for longest.

mod client;
mod held;
mod order;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;
use tokio::time::Instant;

use super::ServerSettings;
pub(super) use client::{Connection, Phase};
pub(super) use held::{Held, InFlight};
use order::Order;

/// The longest that a connection may stay in a phase.
#[derive(Debug, Clone, Copy)]
struct Limits {
    head: Duration,
    body: Duration,
    idle: Duration,
    busy: Duration,
}

/// How long a closed connection is read from, at most.
const CLOSING: Duration = Duration::from_secs(2);
/// The guard's 408 comes before the connection is cut.
const AFTER_BODY: Duration = Duration::from_secs(5);
/// A shortage that lasts is told of so often.
const TOLD_EVERY_MS: u64 = 60_000;

impl Limits {
    fn new(settings: &ServerSettings) -> Self {
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
            Phase::Answering => self.busy,
            Phase::Closing => CLOSING,
        }
    }
}

/// What there is too little of.
#[derive(Debug, Clone, Copy)]
enum Shortage {
    Connections,
    OfAnAddress,
    Memory,
}

impl Shortage {
    fn tell(self, closed: u64) {
        match self {
            Self::Connections => tracing::warn!(
                closed,
                "all of http.max_connections are open: those that wait longest for their clients are closed; raise it if \
                 these are your users"
            ),
            Self::OfAnAddress => tracing::warn!(
                closed,
                "one address has all of http.max_connections_per_address open: those of it that wait longest are closed; \
                 if it is your proxy, add it to trusted_proxies"
            ),
            Self::Memory => tracing::warn!(
                closed,
                "connections hold all of http.memory_mib: those that wait longest for their clients are closed; raise it \
                 if these are your users"
            ),
        }
    }
}

/// When a shortage was told of last, in milliseconds since the epoch, and the connections closed for it since.
#[derive(Debug, Default)]
struct Told {
    last: Option<u64>,
    closed: u64,
}

/// All open connections.
#[derive(Debug, Default)]
struct Open {
    all: HashMap<u64, Arc<Connection>>,
    /// Those that were not asked to make room yet.
    waiting: Order,
    /// The same by address, without trusted proxies.
    by_source: HashMap<IpAddr, Order>,
    told: [Told; 3],
}

impl Open {
    fn forget(&mut self, connection: &Connection) {
        self.waiting.remove(connection);
        if let Some(source) = connection.source()
            && let Some(order) = self.by_source.get_mut(&source)
        {
            order.remove(connection);
            if order.len() == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// What connections and their registry share.
#[derive(Debug)]
struct Shared {
    epoch: Instant,
    limits: Limits,
    per_address: usize,
    trusted: Vec<IpNet>,
    /// Bytes that all connections together may hold.
    memory: usize,
    /// Bytes that they hold.
    held: AtomicUsize,
    /// Of these, what is going already, with connections that were told to end.
    going: AtomicUsize,
    next: AtomicU64,
    open: Mutex<Open>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "the deadlines of sockets")]
    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX >> 3)
    }

    fn fits(&self) -> bool {
        let going = self.going.load(Ordering::Relaxed);
        self.held.load(Ordering::Relaxed).saturating_sub(going) <= self.memory
    }

    /// Ends those that wait longest until the others fit into memory; false if all that is left is being worked on.
    fn make_room(&self) -> bool {
        let mut open = self.open();
        while !self.fits() {
            let Some(connection) = open.waiting.longest_waiting(self.now_ms()) else {
                return false;
            };
            self.end(&mut open, &connection, Shortage::Memory);
        }
        true
    }

    /// Ends a connection, so that it makes room for others.
    fn end(&self, open: &mut Open, connection: &Arc<Connection>, shortage: Shortage) {
        open.forget(connection);
        let going = connection.go();
        self.going.fetch_add(going, Ordering::Relaxed);
        let now = self.now_ms();
        if let Some(told) = open.told.get_mut(shortage as usize) {
            told.closed += 1;
            if told.last.is_none_or(|last| last + TOLD_EVERY_MS <= now) {
                shortage.tell(std::mem::take(&mut told.closed));
                told.last = Some(now);
            }
        }
    }
}

/// Whether an address may have one more connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It has fewer than it may.
    Free,
    /// One of its own is going for that.
    Made,
    /// All that it may have are being worked on.
    None,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Registry(Arc<Shared>);

impl Registry {
    #[expect(clippy::disallowed_methods, reason = "the deadlines of sockets")]
    pub fn new(settings: &ServerSettings) -> Self {
        Self(Arc::new(Shared {
            epoch: Instant::now(),
            limits: Limits::new(settings),
            per_address: settings.max_connections_per_address,
            trusted: settings.trusted_proxies.clone(),
            memory: settings.memory_bytes,
            held: AtomicUsize::new(0),
            going: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        }))
    }

    /// Makes room for one more connection of an address: of one that has all it may, the one goes that waits longest.
    pub fn room_for(&self, peer: IpAddr) -> Room {
        let shared = &self.0;
        let mut open = shared.open();
        let order =
            source(peer, &shared.trusted).and_then(|source| open.by_source.get_mut(&source));
        let Some(order) = order.filter(|order| order.len() >= shared.per_address) else {
            return Room::Free;
        };
        let Some(longest) = order.longest_waiting(shared.now_ms()) else {
            return Room::None;
        };
        shared.end(&mut open, &longest, Shortage::OfAnAddress);
        Room::Made
    }

    /// Enters a new connection.
    pub fn enter(&self, peer: IpAddr) -> Arc<Connection> {
        let shared = &self.0;
        let source = source(peer, &shared.trusted);
        let mut open = shared.open();
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(id, Arc::clone(shared), source));
        open.all.insert(id, Arc::clone(&connection));
        open.waiting.insert(&connection);
        if let Some(source) = source {
            open.by_source
                .entry(source)
                .or_default()
                .insert(&connection);
        }
        connection
    }

    pub fn leave(&self, connection: &Connection) {
        let mut open = self.0.open();
        open.forget(connection);
        open.all.remove(&connection.id());
        self.0.going.fetch_sub(connection.gone(), Ordering::Relaxed);
    }

    /// Time between two sweeps: at least ten within the shortest time-out.
    pub fn tick(&self) -> Duration {
        let Limits {
            head,
            body,
            idle,
            busy,
        } = self.0.limits;
        (head.min(body).min(idle).min(busy) / 10)
            .clamp(Duration::from_millis(5), Duration::from_secs(1))
    }

    /// Ends the connections that would exceed their time before the next sweep, and those that don't fit into memory.
    pub fn sweep(&self) {
        let soon = Duration::from_millis(self.0.now_ms()) + self.tick();
        for connection in self.0.open().all.values() {
            let (phase, since) = connection.phase_since();
            if since.saturating_add(self.0.limits.of(phase)) <= soon {
                connection.cut();
            }
        }
        self.0.make_room();
    }

    /// Ends the connection that has kept us waiting longest, if any does.
    pub fn evict(&self) {
        let mut open = self.0.open();
        if let Some(connection) = open.waiting.longest_waiting(self.0.now_ms()) {
            self.0.end(&mut open, &connection, Shortage::Connections);
        }
    }

    /// Tells all connections to end after the request that they are on; returns their number.
    pub fn close_all(&self) -> usize {
        let open = self.0.open();
        open.all.values().for_each(|connection| connection.close());
        open.all.len()
    }

    /// Ends all connections; returns their number.
    pub fn cut_all(&self) -> usize {
        let open = self.0.open();
        open.all.values().for_each(|connection| connection.cut());
        open.all.len()
    }
}

/// Whose connections are counted together: an IPv4 address, an IPv6 /64. A trusted proxy's are everybody's.
fn source(peer: IpAddr, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    if trusted.iter().any(|network| network.contains(&peer)) {
        return None;
    }
    Some(match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(adjust: impl FnOnce(&mut ServerSettings)) -> Registry {
        let mut settings = ServerSettings::new(&crate::config::Config::default().http);
        adjust(&mut settings);
        Registry::new(&settings)
    }

    #[test]
    fn connections_are_counted_by_ipv4_address_and_ipv6_network_and_a_proxys_not_at_all() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let of = |peer: &str| source(peer.parse().unwrap(), &trusted);
        assert_eq!(of("203.0.113.9"), of("::ffff:203.0.113.9"));
        assert_ne!(of("203.0.113.9"), of("203.0.113.10"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("10.1.2.3"), None);
        assert_eq!(of("::ffff:10.1.2.3"), None);
    }

    #[test]
    fn memory_is_given_back_by_whoever_waits_longest_and_by_nobody_who_works() {
        let registry = registry(|settings| settings.memory_bytes = 100_000);
        let enter = |last| registry.enter([203, 0, 113, last].into());
        let (first, second, third) = (enter(1), enter(2), enter(3));
        let (mut old, mut held, mut more) =
            (Held::new(&first), Held::new(&second), Held::new(&third));
        let (_, busy) = second.begin(false);
        assert!(old.set(60_000) && held.set(20_000) && busy.begin_work());
        assert!(more.set(50_000), "the first makes room");
        assert!(first.is_going() && !second.is_going() && !third.is_going());
        assert!(more.set(60_000), "what goes counts no more");
        assert!(!third.is_going());
        drop(old);
        registry.leave(&first);
        assert!(more.set(70_000), "of those that wait, there is the asker");
        assert!(third.is_going() && !second.is_going());
        drop(more);
        registry.leave(&third);
        assert!(!busy.grow(100_000), "nobody waits");
        assert!(!second.is_going());
        drop(busy);
        assert!(held.set(200_000) && second.is_going(), "now it does");
    }

    #[test]
    fn of_many_the_one_goes_that_has_worked_least_lately() {
        let registry = registry(|_| {});
        let peer = IpAddr::from([203, 0, 113, 1]);
        let all: Vec<_> = (0..50).map(|_| registry.enter(peer)).collect();
        let began = registry.0.now_ms();
        while registry.0.now_ms() < began + 3 {
            std::hint::spin_loop();
        }
        let worked = |number: usize| number % 7 != 3;
        for (number, connection) in all.iter().enumerate() {
            if worked(number) {
                let (_, request) = connection.begin(false);
                request.begin_work();
                request.answered();
            }
        }
        for number in (0..50).filter(|number| !worked(*number)) {
            registry.evict();
            let going: Vec<_> = all.iter().map(|connection| connection.is_cut()).collect();
            assert!(going[number], "{number}: {going:?}");
            assert_eq!(going.iter().filter(|going| **going).count(), number / 7 + 1);
        }
        registry.evict();
        assert!(all[0].is_cut(), "then the first of the others");
    }
}
