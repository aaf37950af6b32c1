//! The stream of events: where each is made, and how it comes to the table without holding anybody up.
//!
//! Security events are recorded in the transaction of their act. The rest wait in bounded queues, one for each sort, which
//! a task of the node writes in batches; what doesn't fit is counted, and the count is an event itself. Access tokens by
//! the thousand are recorded one by one up to a rate, and beyond it as a number for each client and minute; what strangers
//! cause likewise, for each network and minute.

mod per_second;
mod sampling;
mod settings;

pub use settings::{AddressPrivacy, EventSettings};

use super::context;
use crate::crypto::Entropy;
use crate::crypto::entropy::NoEntropy;
use crate::domain::ClientId;
use crate::domain::client::{AuthMethod, GrantType};
use crate::domain::event::{Event, Happening, RequestContext, Sort};
use crate::store::events::{self, Recorder, verify};
use crate::store::{Store, StoreError, Tx};
use per_second::PerSecond;
use sampling::{Sampling, Share};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events written in one transaction, at most.
const BATCH: usize = 500;
/// How long a client that authenticates again and again is not recorded again, seconds.
const AUTHENTICATED_EVERY_S: i64 = 60;
/// Chains that one event tells of, at most.
const ENDS: usize = 500;
/// How long what goes on is not told again, seconds.
const TOLD_EVERY_S: i64 = 3600;

/// The stream.
pub struct EventStream {
    recorder: Recorder,
    entropy: Entropy,
    settings: EventSettings,
    queue: Mutex<Queue>,
    lost: AtomicU64,
    made: AtomicU32,
    rates: Mutex<Rates>,
    /// Taken from the queue and not yet written.
    unwritten: tokio::sync::Mutex<Vec<Event>>,
}

/// What waits to be written. Each sort has a place of its own, so that none pushes another out.
#[derive(Default)]
struct Queue([Vec<Event>; Sort::ALL.len()]);

impl Queue {
    fn place(&mut self, sort: Sort) -> Option<&mut Vec<Event>> {
        let at = Sort::ALL.iter().position(|known| *known == sort)?;
        self.0.get_mut(at)
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Moves all of it, what matters first.
    fn drain_into(&mut self, events: &mut Vec<Event>) {
        for place in &mut self.0 {
            events.append(place);
        }
    }
}

#[derive(Default)]
struct Rates {
    /// Access tokens that are recorded one by one.
    tokens: PerSecond,
    /// What strangers cause.
    sampling: Sampling,
    /// Decisions that authorizers sent.
    decisions: PerSecond,
    minute: i64,
    beyond: HashMap<(GrantType, ClientId), u64>,
    authenticated: HashMap<(ClientId, AuthMethod), i64>,
    told: HashMap<String, i64>,
    /// How far the chains were that were told of, and when that was.
    ends: HashMap<String, i64>,
    ends_at: Option<i64>,
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
        if self.has_row(&event) {
            events::record(tx, &self.recorder, event);
        } else {
            self.recorder.tell(&event);
        }
        Ok(())
    }

    /// Notes an event: log and metrics are told at once, the table soon. It can't fail.
    pub fn note(&self, happening: Happening, now: i64) {
        let Ok(event) = self.event(happening, now) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.recorder.tell(&event);
        if self.has_row(&event) {
            self.enqueue(event);
        }
    }

    /// Whether an event is recorded by itself. What isn't counts as one of a number.
    fn has_row(&self, event: &Event) -> bool {
        let sort = event.happening.sort();
        if !sort.is_sampled() {
            return true;
        }
        let network =
            context::current().and_then(|request| AddressPrivacy::Truncated.kept(request.address));
        let share = Share(self.settings.refusals_per_minute);
        locked(&self.rates).sampling.takes(event, network, share)
    }

    /// Whether so many decisions of authorizers may be written now: what they send takes turns with what happens here.
    pub fn may_take_decisions(&self, count: u32, now: i64) -> bool {
        let most = self.settings.decisions_per_s;
        // More at once than a second's worth are that second's: else a small limit would let none in.
        locked(&self.rates)
            .decisions
            .takes(count.min(most), most, now)
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

    /// Notes once in an hour how far the other chains are that went on, in the one that goes for its age alone: so none
    /// is taken away whole, unseen.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn note_ends(&self, store: &Store, now: i64) -> Result<(), StoreError> {
        let is_due = |rates: &Rates| {
            rates
                .ends_at
                .is_none_or(|last| !(0..TOLD_EVERY_S).contains(&(now - last)))
        };
        if !is_due(&locked(&self.rates)) {
            return Ok(());
        }
        let own = Sort::Kept.chain(self.recorder.writer());
        let mut ends = verify::ends(store).await?;
        {
            let mut rates = locked(&self.rates);
            ends.retain(|end| end.writer != own && rates.ends.get(&end.writer) != Some(&end.seq));
            ends.truncate(ENDS);
            rates
                .ends
                .extend(ends.iter().map(|end| (end.writer.clone(), end.seq)));
            rates.ends_at = Some(now);
        }
        if !ends.is_empty() {
            self.note(Happening::ChainEnds { ends }, now);
        }
        Ok(())
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
            amount: None,
        })
    }

    fn enqueue(&self, event: Event) {
        let lost = event.amount.unwrap_or(1);
        let mut queue = locked(&self.queue);
        match queue.place(event.happening.sort()) {
            Some(place) if place.len() < self.settings.queue => place.push(event),
            _ => {
                drop(queue);
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
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
                locked(&self.queue).drain_into(&mut unwritten);
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

    /// Turns what is beyond the rates into events, once a minute.
    fn sum_up(&self, now: i64, at_once: bool) {
        let (beyond, refusals) = {
            let mut rates = locked(&self.rates);
            let minute = now.div_euclid(60);
            if rates.minute == minute && !at_once {
                return;
            }
            rates.minute = minute;
            rates
                .authenticated
                .retain(|_, last| now.saturating_sub(*last) < AUTHENTICATED_EVERY_S);
            (std::mem::take(&mut rates.beyond), rates.sampling.sum_up())
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
        for sum in refusals {
            // Each was told of when it happened; the number is for the table.
            match self.event(sum.happening, sum.at) {
                Ok(event) => self.enqueue(Event {
                    request: RequestContext {
                        address: sum
                            .address
                            .filter(|_| self.settings.addresses != AddressPrivacy::None),
                        ..RequestContext::default()
                    },
                    amount: Some(sum.count),
                    ..event
                }),
                Err(NoEntropy) => {
                    self.lost.fetch_add(sum.count, Ordering::Relaxed);
                }
            }
        }
    }
}

/// A panic elsewhere is no reason to stop recording.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
