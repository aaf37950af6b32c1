//! The stream of events: where each is made, and how it comes to the table without holding anybody up.
//!
//! Security events are recorded in the transaction of their act. The rest wait in a bounded queue, which a task of the
//! node writes in batches; what doesn't fit is counted, and the count is an event itself. Access tokens by the thousand
//! are recorded one by one up to a rate, and beyond it as a number for each client and minute.

use super::context;
use crate::crypto::Entropy;
use crate::crypto::entropy::NoEntropy;
use crate::domain::ClientId;
use crate::domain::client::{AuthMethod, GrantType};
use crate::domain::event::{Event, Happening, RequestContext};
use crate::store::events::{self, Recorder};
use crate::store::{Store, StoreError, Tx};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events written in one transaction, at most.
const BATCH: usize = 500;
/// Requests that came to no use case, recorded in a second at most: anybody can send those by the thousand, and they
/// mustn't crowd out what matters. The log has them all.
const REFUSED_PER_S: u32 = 50;
/// How long a client that authenticates again and again is not recorded again, seconds.
const AUTHENTICATED_EVERY_S: i64 = 60;
/// How long what goes on is not told again, seconds.
const TOLD_EVERY_S: i64 = 3600;

/// How much of an address is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPrivacy {
    /// All of it.
    #[default]
    Full,
    /// The network: /24 of IPv4, /48 of IPv6.
    Truncated,
    /// Nothing.
    None,
}

impl AddressPrivacy {
    /// What of an address is kept.
    pub fn kept(self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        match (self, address) {
            (Self::None, _) => None,
            (Self::Full, address) => Some(address.to_string()),
            (Self::Truncated, IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                Some(format!("{a}.{b}.{c}.0/24"))
            }
            (Self::Truncated, IpAddr::V6(v6)) => {
                let [a, b, c, ..] = v6.segments();
                Some(format!("{a:x}:{b:x}:{c:x}::/48"))
            }
        }
    }
}

/// How events are kept.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// How much of an address is kept.
    pub addresses: AddressPrivacy,
    /// Access tokens recorded one by one in a second, at most.
    pub tokens_per_s: u32,
    /// Decisions that authorizers may send in a second, at most.
    pub decisions_per_s: u32,
    /// Events that may wait to be written.
    pub queue: usize,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            addresses: AddressPrivacy::Full,
            tokens_per_s: 50,
            decisions_per_s: 200,
            queue: 10_000,
        }
    }
}

/// The stream.
pub struct EventStream {
    recorder: Recorder,
    entropy: Entropy,
    settings: EventSettings,
    queue: Mutex<Vec<Event>>,
    lost: AtomicU64,
    made: AtomicU32,
    rates: Mutex<Rates>,
    /// Taken from the queue and not yet written.
    unwritten: tokio::sync::Mutex<Vec<Event>>,
}

#[derive(Default)]
struct Rates {
    /// Access tokens that are recorded one by one.
    tokens: PerSecond,
    /// Requests that came to no use case.
    refused: PerSecond,
    /// Decisions that authorizers sent.
    decisions: PerSecond,
    minute: i64,
    beyond: HashMap<(GrantType, ClientId), u64>,
    authenticated: HashMap<(ClientId, AuthMethod), i64>,
    told: HashMap<String, i64>,
}

/// So many in a second, and no more.
#[derive(Default)]
struct PerSecond {
    second: i64,
    count: u32,
}

impl PerSecond {
    /// Whether `more` are within `most` in this second; if so, they count.
    fn takes(&mut self, more: u32, most: u32, now: i64) -> bool {
        if self.second != now {
            *self = Self {
                second: now,
                count: 0,
            };
        }
        let count = self.count.saturating_add(more);
        let is_within = count <= most;
        if is_within {
            self.count = count;
        }
        is_within
    }
}

impl EventStream {
    /// A stream that `recorder` writes.
    pub fn new(recorder: Recorder, entropy: Entropy, settings: EventSettings) -> Self {
        Self {
            recorder,
            entropy,
            settings,
            queue: Mutex::default(),
            lost: AtomicU64::new(0),
            made: AtomicU32::new(0),
            rates: Mutex::default(),
            unwritten: tokio::sync::Mutex::default(),
        }
    }

    /// Who writes.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Chance.
    pub fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// Events that wait to be written.
    pub fn waiting(&self) -> usize {
        locked(&self.queue).len()
    }

    /// Records an event in the transaction of the act it describes; log and metrics are told after the commit.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn record(&self, tx: &mut Tx, happening: Happening, now: i64) -> Result<(), NoEntropy> {
        let event = self.event(happening, now)?;
        events::record(tx, &self.recorder, event);
        Ok(())
    }

    /// Notes an event: log and metrics are told at once, the table soon. It can't fail.
    pub fn note(&self, happening: Happening, now: i64) {
        let Ok(event) = self.event(happening, now) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.recorder.tell(&event);
        let is_cheap = matches!(
            event.happening,
            Happening::RequestRefused { .. }
                | Happening::AccessRefused {
                    client_id: None,
                    subject: None,
                    ..
                }
        );
        if !is_cheap || self.may_keep_refused(now) {
            self.enqueue(event);
        }
    }

    /// Whether so many decisions of authorizers may be written now: what they send takes turns with what happens here.
    pub fn may_take_decisions(&self, count: u32, now: i64) -> bool {
        let most = self.settings.decisions_per_s;
        // More at once than a second's worth are that second's: else a small limit would let none in.
        locked(&self.rates)
            .decisions
            .takes(count.min(most), most, now)
    }

    fn may_keep_refused(&self, now: i64) -> bool {
        locked(&self.rates).refused.takes(1, REFUSED_PER_S, now)
    }

    /// Notes an access token: by itself, or, when there are many, as one of a number.
    pub fn note_token(
        &self,
        (grant, client_id): (GrantType, &ClientId),
        now: i64,
        happening: impl FnOnce() -> Happening,
    ) {
        let by_itself = {
            let mut rates = locked(&self.rates);
            if rates.tokens.takes(1, self.settings.tokens_per_s, now) {
                true
            } else {
                *rates.beyond.entry((grant, client_id.clone())).or_default() += 1;
                false
            }
        };
        if by_itself {
            self.note(happening(), now);
        }
    }

    /// Notes an access token as one of a number.
    pub fn count_token(&self, (grant, client_id): (GrantType, &ClientId)) {
        let mut rates = locked(&self.rates);
        *rates.beyond.entry((grant, client_id.clone())).or_default() += 1;
    }

    /// Notes that a client proved who it is, unless that was noted within the last minute.
    pub fn note_authenticated(&self, client_id: &ClientId, method: AuthMethod, now: i64) {
        let is_due = {
            let mut rates = locked(&self.rates);
            let last = rates
                .authenticated
                .entry((client_id.clone(), method))
                .or_insert(i64::MIN);
            let is_due = now.saturating_sub(*last) >= AUTHENTICATED_EVERY_S || now < *last;
            if is_due {
                *last = now;
            }
            is_due
        };
        if is_due {
            let client_id = client_id.clone();
            self.note(Happening::ClientAuthenticated { client_id, method }, now);
        }
    }

    /// Notes something that goes on and on, once in an hour; `of` tells it from others.
    pub fn note_hourly(&self, of: &str, happening: impl FnOnce() -> Happening, now: i64) {
        let is_due = {
            let mut rates = locked(&self.rates);
            rates
                .told
                .retain(|_, last| (0..TOLD_EVERY_S).contains(&(now - *last)));
            let is_due = !rates.told.contains_key(of);
            if is_due {
                rates.told.insert(of.to_owned(), now);
            }
            is_due
        };
        if is_due {
            self.note(happening(), now);
        }
    }

    fn event(&self, happening: Happening, now: i64) -> Result<Event, NoEntropy> {
        let request =
            context::current().map_or_else(RequestContext::default, |request| RequestContext {
                address: self.settings.addresses.kept(request.address),
                request_id: Some(request.request_id),
                trace_id: request.trace_id,
                device: Some(request.device),
            });
        let mut distinct = [0; 8];
        self.entropy.fill(&mut distinct)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Event {
            id: Event::make_id(now, number, u64::from_be_bytes(distinct)),
            at: now,
            happening,
            request,
        })
    }

    fn enqueue(&self, event: Event) {
        let mut queue = locked(&self.queue);
        if queue.len() < self.settings.queue {
            queue.push(event);
        } else {
            drop(queue);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what waits. Returns how many events were written.
    ///
    /// # Errors
    /// [`StoreError`]: what isn't written goes on waiting, and the queue fills up meanwhile.
    pub async fn write(&self, store: &Store, now: i64) -> Result<usize, StoreError> {
        let mut unwritten = self.unwritten.lock().await;
        let mut written = 0;
        self.sum_up(now, false);
        loop {
            if unwritten.is_empty() {
                unwritten.append(&mut locked(&self.queue));
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0
                && let Ok(event) = self.event(Happening::EventsLost { count: lost }, now)
            {
                self.recorder.tell(&event);
                unwritten.push(event);
            }
            if unwritten.is_empty() {
                return Ok(written);
            }
            let next = unwritten.len().min(BATCH);
            let batch = unwritten.get(..next).unwrap_or_default();
            events::write(store, &self.recorder, batch).await?;
            unwritten.drain(..next);
            written += next;
        }
    }

    /// Writes everything, numbers of tokens included: for the end, and for tests.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn finish(&self, store: &Store, now: i64) -> Result<usize, StoreError> {
        self.sum_up(now, true);
        self.write(store, now).await
    }

    /// Turns the tokens beyond the rate into events, once a minute.
    fn sum_up(&self, now: i64, at_once: bool) {
        let beyond = {
            let mut rates = locked(&self.rates);
            let minute = now.div_euclid(60);
            if rates.minute == minute && !at_once {
                return;
            }
            rates.minute = minute;
            rates
                .authenticated
                .retain(|_, last| now.saturating_sub(*last) < AUTHENTICATED_EVERY_S);
            std::mem::take(&mut rates.beyond)
        };
        for ((grant, client_id), count) in beyond {
            self.note(
                Happening::TokensIssued {
                    grant,
                    client_id,
                    count,
                },
                now,
            );
        }
    }
}

/// A panic elsewhere is no reason to stop recording.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::AddressPrivacy;

    #[test]
    fn addresses_are_kept_as_far_as_the_setting_lets() {
        for (address, full, truncated) in [
            ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(AddressPrivacy::Full.kept(address).as_deref(), Some(full));
            assert_eq!(
                AddressPrivacy::Truncated.kept(address).as_deref(),
                Some(truncated)
            );
            assert_eq!(AddressPrivacy::None.kept(address), None);
        }
    }
}
