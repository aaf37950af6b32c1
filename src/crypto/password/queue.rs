//! Who is hashed next: fair by address and by name, with a share of its own for known browsers.
//!
//! Each attempt is charged to its address and to its name, and whoever has been charged least comes first (start-time
//! fair queueing over the sum of both). A newcomer stands before all who come again and again, from the same address
//! too. When there is no room, whoever would come last has to go, be it the newcomer or not.

use std::collections::{BTreeMap, HashMap};

/// What one attempt is charged; a fine unit, for it is divided by those who are there.
const CHARGE: u64 = 1 << 20;

/// Whose shares are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Strangers,
    Known,
}

/// Who waits, by keyed digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    lane: Lane,
    address: String,
    name: String,
}

impl Waiter {
    /// Somebody at an address, who typed a name.
    pub fn stranger(address: &str, name: &str) -> Self {
        Self {
            lane: Lane::Strangers,
            address: address.to_owned(),
            name: name.to_owned(),
        }
    }

    /// A browser that is known to an account.
    pub fn known(device: &str, account: &str) -> Self {
        Self {
            lane: Lane::Known,
            address: device.to_owned(),
            name: account.to_owned(),
        }
    }

    /// An administrator, or this server itself.
    pub fn own() -> Self {
        Self::known("administration", "administration")
    }

    fn keys(&self) -> [Key; 2] {
        [
            Key::Address(self.address.clone()),
            Key::Name(self.name.clone()),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(String),
    Name(String),
}

/// How an address or a name stands.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Up to when it is charged, in virtual time.
    charged: u64,
    /// Those that wait or are served.
    there: usize,
    served: usize,
}

/// What came of joining a queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined<T> {
    Taken,
    /// Taken, and this one lost its place.
    InsteadOf(T),
    Refused(T),
}

/// One lane.
pub(super) struct FairQueue<T> {
    /// Those that may wait and be served.
    room: usize,
    /// Those of one address, or one name, that may be served at once.
    at_once: usize,
    waiting: BTreeMap<(u64, u64), (Waiter, T)>,
    shares: HashMap<Key, Share>,
    time: u64,
    arrivals: u64,
    served: usize,
}

impl<T> FairQueue<T> {
    pub(super) fn new(room: usize, at_once: usize) -> Self {
        Self {
            room,
            at_once,
            waiting: BTreeMap::new(),
            shares: HashMap::new(),
            time: 0,
            arrivals: 0,
            served: 0,
        }
    }

    /// Those that wait or are served.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.served
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.room
    }

    /// Whether there would be a place now.
    pub(super) fn has_room(&self, waiter: &Waiter) -> bool {
        !self.is_full() || self.comes_last() > self.turn_of(waiter)
    }

    pub(super) fn join(&mut self, waiter: Waiter, item: T) -> Joined<T> {
        if !self.has_room(&waiter) {
            return Joined::Refused(item);
        }
        let lost = if self.is_full() {
            self.waiting.pop_last()
        } else {
            None
        };
        let lost = lost.map(|(_, (waiter, item))| {
            self.leave(&waiter);
            item
        });
        let (turn, floor) = (self.turn_of(&waiter), self.floor());
        for key in waiter.keys() {
            let share = self.shares.entry(key).or_default();
            share.charged = share.charged.max(floor) + CHARGE;
            share.there += 1;
        }
        self.arrivals += 1;
        self.waiting.insert((turn, self.arrivals), (waiter, item));
        lost.map_or(Joined::Taken, Joined::InsteadOf)
    }

    /// The next one, from now on served until [`Self::end`].
    pub(super) fn next(&mut self) -> Option<(Waiter, T)> {
        let (place, _) = self.waiting.iter().find(|(_, (waiter, _))| {
            let free = |key| {
                self.shares
                    .get(&key)
                    .is_none_or(|s| s.served < self.at_once)
            };
            waiter.keys().into_iter().all(free)
        })?;
        let place = *place;
        let (waiter, item) = self.waiting.remove(&place)?;
        for key in waiter.keys() {
            self.shares.entry(key).or_default().served += 1;
        }
        self.served += 1;
        let there =
            |(key, share): (&Key, &Share)| matches!(key, Key::Address(_)) && share.there > 0;
        let addresses = self.shares.iter().filter(|pair| there(*pair)).count();
        self.time += CHARGE / (addresses.max(1) as u64);
        let floor = self.floor();
        self.shares
            .retain(|_, share| share.there > 0 || share.charged > floor);
        Some((waiter, item))
    }

    /// One has been served.
    pub(super) fn end(&mut self, waiter: &Waiter) {
        for key in waiter.keys() {
            if let Some(share) = self.shares.get_mut(&key) {
                share.there = share.there.saturating_sub(1);
                share.served = share.served.saturating_sub(1);
            }
        }
        self.served = self.served.saturating_sub(1);
        if self.len() == 0 {
            self.shares.clear();
        }
    }

    /// Takes out all who don't wait any more.
    pub(super) fn without(&mut self, gone: impl Fn(&T) -> bool) {
        let mut left = Vec::new();
        self.waiting.retain(|_, (waiter, item)| {
            let stays = !gone(item);
            if !stays {
                left.push(waiter.clone());
            }
            stays
        });
        for waiter in left {
            self.leave(&waiter);
        }
    }

    /// Whoever goes unserved isn't charged.
    fn leave(&mut self, waiter: &Waiter) {
        for key in waiter.keys() {
            if let Some(share) = self.shares.get_mut(&key) {
                share.there = share.there.saturating_sub(1);
                share.charged = share.charged.saturating_sub(CHARGE);
            }
        }
    }

    fn turn_of(&self, waiter: &Waiter) -> u64 {
        let charged = |key| self.shares.get(&key).map_or(0, |share| share.charged);
        let keys = waiter.keys().into_iter();
        keys.map(|key| charged(key).max(self.floor())).sum()
    }

    /// Where a newcomer begins: a round before all who come again and again.
    fn floor(&self) -> u64 {
        self.time.saturating_sub(CHARGE)
    }

    fn comes_last(&self) -> u64 {
        let last = self.waiting.last_key_value();
        last.map_or(0, |((turn, _), _)| *turn)
    }
}

/// Both lanes; each has its own room and, while somebody waits in it, every second turn.
pub(super) struct Lanes<T> {
    strangers: FairQueue<T>,
    known: FairQueue<T>,
    last: Lane,
}

impl<T> Lanes<T> {
    pub(super) fn new(room: usize, at_once: usize) -> Self {
        Self {
            strangers: FairQueue::new(room, at_once),
            known: FairQueue::new(room, at_once),
            last: Lane::Strangers,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.strangers.len() + self.known.len()
    }

    pub(super) fn of(&mut self, waiter: &Waiter) -> &mut FairQueue<T> {
        self.lane(waiter.lane)
    }

    pub(super) fn next(&mut self) -> Option<(Waiter, T)> {
        let other = match self.last {
            Lane::Strangers => Lane::Known,
            Lane::Known => Lane::Strangers,
        };
        for lane in [other, self.last] {
            if let Some(next) = self.lane(lane).next() {
                self.last = lane;
                return Some(next);
            }
        }
        None
    }

    fn lane(&mut self, lane: Lane) -> &mut FairQueue<T> {
        match lane {
            Lane::Strangers => &mut self.strangers,
            Lane::Known => &mut self.known,
        }
    }
}

#[cfg(test)]
mod tests;
