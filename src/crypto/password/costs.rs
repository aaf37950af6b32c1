//! What a hash costs, and the most that any stored one costs: every verification does that much work.

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use std::fmt;

/// What every hash of ours begins with.
const BEGINNING: &str = "$argon2id$v=19$";
/// The least that argon2 fills.
const LEAST_KIB: u64 = 8;

/// The parameters of argon2id; as text, what a PHC string has: `m=19456,t=2,p=1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Costs {
    /// The largest memory that is given to a hash, whatever a stored one says, KiB.
    pub const MEMORY_MAX_KIB: u32 = 4_194_304;
    /// The most passes.
    pub const ITERATIONS_MAX: u32 = 100;
    /// The most lanes.
    pub const PARALLELISM_MAX: u32 = 64;

    /// Reads the parameters of a PHC string; `None` for what argon2 doesn't take, and beyond the bounds.
    pub fn parse(text: &str) -> Option<Self> {
        let mut values = ["m=", "t=", "p="]
            .into_iter()
            .zip(text.split(','))
            .map(|(name, part)| part.strip_prefix(name)?.parse::<u32>().ok());
        let costs = Self {
            memory_kib: values.next()??,
            iterations: values.next()??,
            parallelism: values.next()??,
        };
        // The text that it was read from, and no other.
        (costs.to_string() == text).then_some(costs)?.bounded()
    }

    /// The costs of a stored hash.
    pub fn of(stored: &str) -> Option<Self> {
        let (parameters, _) = stored.strip_prefix(BEGINNING)?.split_once('$')?;
        Self::parse(parameters)
    }

    /// What every hash of these costs begins with.
    pub fn beginning(self) -> String {
        format!("{BEGINNING}{self}$")
    }

    /// The costs that a parsed hash names, if it has all that a comparison needs.
    pub(super) fn named(hash: &PasswordHash) -> Option<Self> {
        if hash.salt.is_none() || hash.hash.is_none() {
            return None;
        }
        let params = Params::try_from(hash).ok()?;
        let costs = Self {
            memory_kib: params.m_cost(),
            iterations: params.t_cost(),
            parallelism: params.p_cost(),
        };
        costs.bounded()
    }

    fn bounded(self) -> Option<Self> {
        let bounded = self.memory_kib <= Self::MEMORY_MAX_KIB
            && self.iterations <= Self::ITERATIONS_MAX
            && self.parallelism <= Self::PARALLELISM_MAX;
        (bounded && self.params(None).is_some()).then_some(self)
    }

    pub(super) fn params(self, output_bytes: Option<usize>) -> Option<Params> {
        let (memory, passes, lanes) = (self.memory_kib, self.iterations, self.parallelism);
        Params::new(memory, passes, lanes, output_bytes).ok()
    }

    /// Blocks of 1 KiB that are filled, over all passes: the work.
    pub fn work(self) -> u64 {
        let segments = 4 * u64::from(self.parallelism.max(1));
        let blocks = u64::from(self.memory_kib) / segments * segments;
        blocks * u64::from(self.iterations)
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (memory, passes, lanes) = (self.memory_kib, self.iterations, self.parallelism);
        write!(f, "m={memory},t={passes},p={lanes}")
    }
}

/// The most of what today's hashes and the stored ones cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ceiling {
    /// Of all, those with the most work.
    pub costliest: Costs,
    /// The largest memory of any.
    pub memory_kib: u32,
}

impl Ceiling {
    pub(super) fn of(today: Costs) -> Self {
        Self {
            costliest: today,
            memory_kib: today.memory_kib,
        }
    }

    /// The ceiling that is over these as well.
    pub(super) fn over(self, costs: Costs) -> Self {
        let costliest = if costs.work() > self.costliest.work() {
            costs
        } else {
            self.costliest
        };
        Self {
            costliest,
            memory_kib: self.memory_kib.max(costs.memory_kib),
        }
    }

    /// The work that is missing after `done`, up to that of the costliest: some whole passes and a part of one.
    pub(super) fn missing(self, done: u64) -> impl Iterator<Item = Costs> {
        let memory = u64::from(self.costliest.memory_kib).max(LEAST_KIB);
        let left = self.costliest.work().saturating_sub(done);
        let whole = (left >= memory).then_some((memory, left / memory));
        let part = Some((left % memory, 1)).filter(|(kib, _)| *kib >= LEAST_KIB);
        whole.into_iter().chain(part).map(|(kib, passes)| Costs {
            memory_kib: u32::try_from(kib).unwrap_or(u32::MAX),
            iterations: u32::try_from(passes).unwrap_or(u32::MAX),
            parallelism: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, Costs};

    fn costs(memory_kib: u32, iterations: u32, parallelism: u32) -> Costs {
        Costs {
            memory_kib,
            iterations,
            parallelism,
        }
    }

    #[test]
    fn parameters_are_read_as_they_are_written_and_within_bounds() {
        assert_eq!(Costs::parse("m=19456,t=2,p=1"), Some(costs(19_456, 2, 1)));
        let stored = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA";
        assert_eq!(Costs::of(stored), Some(costs(65_536, 3, 4)));
        assert!(stored.starts_with(&costs(65_536, 3, 4).beginning()));
        for refused in [
            "",
            "m=19456",
            "m=19456,t=2",
            "t=2,m=19456,p=1",
            "m=19456,t=2,p=1,keyid=x",
            "m=+19456,t=2,p=1",
            "m=019456,t=2,p=1",
            "m=8,t=1,p=2",
            "m=8,t=0,p=1",
            "m=4194305,t=1,p=1",
            "m=19456,t=101,p=1",
            "m=19456,t=2,p=65",
        ] {
            assert_eq!(Costs::parse(refused), None, "{refused}");
        }
        assert_eq!(
            Costs::of("$argon2i$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"),
            None
        );
    }

    #[test]
    fn what_is_missing_makes_all_the_same() {
        let all = [
            costs(19_456, 2, 1),
            costs(8_192, 1, 1),
            costs(16, 3, 2),
            costs(30_000, 1, 4),
        ];
        let ceiling = all.into_iter().fold(Ceiling::of(all[1]), Ceiling::over);
        assert_eq!(ceiling.costliest, all[0]);
        assert_eq!(ceiling.memory_kib, 30_000);
        for done in all {
            let more: u64 = ceiling.missing(done.work()).map(Costs::work).sum();
            let total = done.work() + more;
            assert!(total.abs_diff(all[0].work()) < 8, "{done}: {total}");
            assert!(
                ceiling
                    .missing(done.work())
                    .all(|costs| costs.params(None).is_some())
            );
        }
        assert_eq!(ceiling.missing(all[0].work()).count(), 0);
    }
}
