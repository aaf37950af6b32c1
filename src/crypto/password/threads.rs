//! The threads that hash: a fixed number, started when they are first needed, each with blocks of its own.

use super::costs::{Ceiling, Costs};
use super::memory::{Counts, Memory};
use super::queue::{Joined, Lanes, Waiter};
use super::{HashError, HashSettings, Turn, Verdict, Watch};
use argon2::password_hash::phc::PasswordHash;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Duration, sleep};

/// How many of the last durations are kept.
const DURATIONS: usize = 32;
/// How much later than it should a timer ends, on average.
const TIMER_LATE_US: u64 = 500;

/// What is to be done.
pub(super) enum Task {
    Hash {
        password: String,
        salt: [u8; 16],
    },
    Verify {
        password: String,
        stored: Option<String>,
    },
    /// Takes as long as a verification, by a timer of this runtime.
    Wait(Handle),
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    Hashed(String),
    Judged(Verdict),
}

pub(super) type Outcome = Result<Done, HashError>;

struct Ticket {
    task: Task,
    reply: oneshot::Sender<Outcome>,
    came_at: Option<u64>,
}

struct State {
    lanes: Lanes<Ticket>,
    ceiling: Ceiling,
    threads: usize,
    /// How long the last verifications took, microseconds: what a timer imitates, each in turn.
    durations: VecDeque<u64>,
    closed: bool,
}

pub(super) struct Shared {
    pub(super) settings: HashSettings,
    pub(super) counts: Arc<Counts>,
    pub(super) watch: OnceLock<Watch>,
    state: Mutex<State>,
    work: Condvar,
}

/// The threads end with it.
pub(super) struct Pool(pub(super) Arc<Shared>);

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.work.notify_all();
    }
}

impl Pool {
    pub(super) fn new(settings: HashSettings) -> Self {
        let room = settings.slots + settings.queue;
        Self(Arc::new(Shared {
            settings,
            counts: Arc::default(),
            watch: OnceLock::new(),
            state: Mutex::new(State {
                lanes: Lanes::new(room, settings.slots),
                ceiling: Ceiling::of(settings.costs()),
                threads: 0,
                durations: VecDeque::with_capacity(DURATIONS),
                closed: false,
            }),
            work: Condvar::new(),
        }))
    }

    /// Takes a place in the queue; the outcome comes by the channel.
    pub(super) fn join(
        &self,
        waiter: &Waiter,
        task: Task,
    ) -> Result<oneshot::Receiver<Outcome>, HashError> {
        let shared = &self.0;
        let (reply, outcome) = oneshot::channel();
        let came_at = shared.now();
        let mut state = shared.state();
        let lane = state.lanes.of(waiter);
        if lane.is_full() {
            lane.without(|ticket: &Ticket| ticket.reply.is_closed());
        }
        let ticket = Ticket {
            task,
            reply,
            came_at,
        };
        match lane.join(waiter.clone(), ticket) {
            Joined::Taken => {}
            Joined::InsteadOf(other) => {
                shared.tell(Turn::Refused);
                let _ = other.reply.send(Err(HashError::Busy));
            }
            Joined::Refused(_) => {
                shared.tell(Turn::Refused);
                return Err(HashError::Busy);
            }
        }
        if state.threads < state.lanes.len().min(shared.settings.slots) {
            let started = Arc::clone(shared);
            let thread = std::thread::Builder::new().name("argon2".to_owned());
            match thread.spawn(move || run(&started)) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    tracing::error!(%error, "no thread can be started to check passwords: check the limits on threads");
                    return Err(HashError::Broken);
                }
                Err(_) => {}
            }
        }
        drop(state);
        shared.work.notify_one();
        Ok(outcome)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Option<u64> {
        self.watch.get().map(|watch| watch.clock.now_us())
    }

    fn tell(&self, turn: Turn) {
        if let Some(watch) = self.watch.get() {
            (watch.tell)(turn);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.state().lanes.len()
    }

    /// Turns somebody away if there is no place at this moment.
    pub(super) fn refuses(&self, waiter: &Waiter) -> bool {
        let mut state = self.state();
        let lane = state.lanes.of(waiter);
        if lane.is_full() {
            lane.without(|ticket: &Ticket| ticket.reply.is_closed());
        }
        let refused = !lane.has_room(waiter);
        drop(state);
        if refused {
            self.tell(Turn::Refused);
        }
        refused
    }

    /// Takes note of what stored hashes cost; `all` of them, or one more.
    pub(super) fn learn(&self, costs: impl IntoIterator<Item = Costs>, all: bool) {
        let mut state = self.state();
        let known = if all {
            Ceiling::of(self.settings.costs())
        } else {
            state.ceiling
        };
        state.ceiling = costs.into_iter().fold(known, Ceiling::over);
    }

    /// The next one's turn, once it comes; `None` when it's over.
    fn next(self: &Arc<Self>) -> Option<(Serving, Ticket, Ceiling)> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some((waiter, ticket)) = state.lanes.next() {
                let serving = Serving {
                    shared: Arc::clone(self),
                    waiter,
                };
                return Some((serving, ticket, state.ceiling));
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One of the last durations, each in turn; none before there was one.
    fn a_duration(&self) -> Option<Duration> {
        let mut state = self.state();
        let micros = state.durations.pop_front()?;
        state.durations.push_back(micros);
        Some(Duration::from_micros(micros.saturating_sub(TIMER_LATE_US)))
    }

    fn took(&self, began: Option<u64>) {
        let Some((began, ended)) = began.zip(self.now()) else {
            return;
        };
        let mut state = self.state();
        if state.durations.len() >= DURATIONS {
            state.durations.pop_front();
        }
        state.durations.push_back(ended.saturating_sub(began));
    }
}

/// Somebody's turn; it ends with the value, whatever happens.
struct Serving {
    shared: Arc<Shared>,
    waiter: Waiter,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.state().lanes.of(&self.waiter).end(&self.waiter);
        // Another of the same address or name may begin now.
        self.shared.work.notify_one();
    }
}

/// A thread that runs; if it dies, another is started in its place.
struct Thread<'a>(&'a Shared);

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        self.0.state().threads -= 1;
    }
}

fn run(shared: &Arc<Shared>) {
    let _thread = Thread(shared);
    let mut memory = Memory::new(Arc::clone(&shared.counts));
    while let Some((serving, ticket, ceiling)) = shared.next() {
        // Whoever left isn't hashed.
        if ticket.reply.is_closed() {
            continue;
        }
        let began = shared.now();
        if let Some((came_at, began)) = ticket.came_at.zip(began) {
            shared.tell(Turn::Came(began.saturating_sub(came_at)));
        }
        let (today, reply) = (shared.settings.costs(), ticket.reply);
        let outcome = match ticket.task {
            Task::Hash { password, salt } => {
                let hashed = memory.hash((today, ceiling), &password, &salt);
                hashed.map(Done::Hashed)
            }
            Task::Wait(runtime) => {
                if let Some(duration) = shared.a_duration() {
                    runtime.spawn(async move {
                        sleep(duration).await;
                        drop(serving);
                        let _ = reply.send(Ok(Done::Judged(Verdict::Wrong)));
                    });
                    continue;
                }
                let judged = memory.verify((today, ceiling), "", None);
                shared.took(began);
                judged.map(Done::Judged)
            }
            Task::Verify { password, stored } => {
                let judged = judge(shared, &mut memory, ceiling, &password, stored.as_deref());
                shared.took(began);
                judged.map(Done::Judged)
            }
        };
        drop(serving);
        let _ = reply.send(outcome);
    }
}

fn judge(
    shared: &Shared,
    memory: &mut Memory,
    ceiling: Ceiling,
    password: &str,
    stored: Option<&str>,
) -> Result<Verdict, HashError> {
    let mut ceiling = ceiling;
    let mut usable = None;
    if let Some(stored) = stored {
        let hash = PasswordHash::new(stored).ok();
        if let Some((costs, hash)) = hash.and_then(|hash| Some((Costs::named(&hash)?, hash))) {
            shared.learn([costs], false);
            ceiling = ceiling.over(costs);
            usable = Some(hash);
        } else {
            // Answered as if there were none: a page of its own would tell that the account exists.
            tracing::error!(
                "a stored password hash can't be used: look for the failed login, and set that person's password anew \
                 with 'gatewright user set-password'"
            );
        }
    }
    memory.verify(
        (shared.settings.costs(), ceiling),
        password,
        usable.as_ref(),
    )
}
