//! Who is told what was decided and what was fetched, to count it.

use crate::reason::Reason;

/// One decision, as far as it may be counted: nothing in it says who called or what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// `allow`, `deny`, `unauthorized` or `fault`, as in the decision log.
    pub decision: &'static str,
    /// Why it wasn't allowed.
    pub reason: Option<Reason>,
    /// How many values of the token the API isn't told, because they don't fit.
    pub left_out: usize,
    /// How long it took in microseconds, if the authorizer has a stopwatch.
    pub took_us: Option<u64>,
    /// Whether it's the first of this process.
    pub cold: bool,
}

/// Is told of every decision after it was made. It can't change one, and must not wait for anything.
pub trait Observer: Send + Sync {
    /// A call was decided on.
    fn decided(&self, decided: &Decided);

    /// An issuer's keys were fetched, or couldn't be.
    fn fetched_keys(&self, succeeded: bool) {
        let _ = succeeded;
    }

    /// So many members of a key set that was fetched can't be used.
    fn passed_over_keys(&self, members: usize) {
        let _ = members;
    }
}
