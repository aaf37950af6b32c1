//! The blocks that a hashing thread works in: made once, used again, empty in between.

use super::costs::{Ceiling, Costs};
use super::{HashError, Verdict};
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Version};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all threads of a pool have done and hold, in blocks of 1 KiB.
#[derive(Debug, Default)]
pub(super) struct Counts {
    filled: AtomicU64,
    held: AtomicU64,
}

impl Counts {
    pub(super) fn filled(&self) -> u64 {
        self.filled.load(Ordering::Acquire)
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }
}

/// The memory of one thread.
pub(super) struct Memory {
    blocks: Vec<Block>,
    counts: Arc<Counts>,
}

impl Memory {
    pub(super) fn new(counts: Arc<Counts>) -> Self {
        Self {
            blocks: Vec::new(),
            counts,
        }
    }

    /// Takes as much as the ceiling asks for, no more and no less. What was held is given back first.
    fn fit(&mut self, kib: u32) -> Result<(), HashError> {
        let wanted = usize::try_from(kib).map_err(|_| HashError::Broken)?;
        if self.blocks.len() != wanted {
            self.give_back();
            let mut blocks = Vec::new();
            blocks
                .try_reserve_exact(wanted)
                .map_err(|_| HashError::Broken)?;
            blocks.resize(wanted, Block::new());
            self.counts.held.fetch_add(u64::from(kib), Ordering::AcqRel);
            self.blocks = blocks;
        }
        Ok(())
    }

    fn give_back(&mut self) {
        let held = std::mem::take(&mut self.blocks).len();
        self.counts.held.fetch_sub(held as u64, Ordering::AcqRel);
    }

    /// Nothing of a password stays.
    fn empty(&mut self) {
        self.blocks.fill(Block::new());
        black_box(&self.blocks);
    }

    /// A PHC string of a password at these costs.
    pub(super) fn hash(
        &mut self,
        (costs, ceiling): (Costs, Ceiling),
        password: &str,
        salt: &[u8],
    ) -> Result<String, HashError> {
        self.fit(ceiling.memory_kib)?;
        let mut output = [0_u8; 32];
        let outcome = self.fill(
            (costs, Algorithm::Argon2id, Version::V0x13),
            password,
            salt,
            &mut output,
        );
        self.empty();
        outcome?;
        let params = costs.params(Some(output.len())).ok_or(HashError::Broken)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|_| HashError::Broken)?,
            salt: Some(Salt::new(salt).map_err(|_| HashError::Broken)?),
            hash: Some(Output::new(&output).map_err(|_| HashError::Broken)?),
        };
        Ok(hash.to_string())
    }

    /// Compares a password with a stored hash, or does as much for nobody. It is the same work for all: that of the
    /// costliest hash there is.
    pub(super) fn verify(
        &mut self,
        (today, ceiling): (Costs, Ceiling),
        password: &str,
        stored: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.fit(ceiling.memory_kib)?;
        let outcome = match stored {
            Some(hash) => self.compare(today, password, hash),
            None => Ok((Verdict::Wrong, 0)),
        };
        let done = outcome.as_ref().map_or(0, |(_, done)| *done);
        for costs in ceiling.missing(done) {
            let mut output = [0_u8; 32];
            let kind = (costs, Algorithm::Argon2id, Version::V0x13);
            self.fill(kind, password, b"no such account!", &mut output)?;
            black_box(output);
        }
        self.empty();
        outcome.map(|(verdict, _)| verdict)
    }

    fn compare(
        &mut self,
        today: Costs,
        password: &str,
        hash: &PasswordHash,
    ) -> Result<(Verdict, u64), HashError> {
        let costs = Costs::named(hash).ok_or(HashError::Broken)?;
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Err(HashError::Broken);
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str());
        let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from);
        let (Ok(algorithm), Ok(version)) = (algorithm, version) else {
            return Err(HashError::Broken);
        };
        let mut buffer = [0_u8; Output::MAX_LENGTH];
        let output = buffer.get_mut(..expected.len()).ok_or(HashError::Broken)?;
        self.fill((costs, algorithm, version), password, salt, output)?;
        // The comparison of outputs takes the same time wherever they differ.
        let right = Output::new(output).is_ok_and(|output| output == *expected);
        let verdict = match (right, costs == today) {
            (true, true) => Verdict::Right,
            (true, false) => Verdict::RightButStale,
            (false, _) => Verdict::Wrong,
        };
        Ok((verdict, costs.work()))
    }

    fn fill(
        &mut self,
        (costs, algorithm, version): (Costs, Algorithm, Version),
        password: &str,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), HashError> {
        let params = costs.params(Some(output.len())).ok_or(HashError::Broken)?;
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut self.blocks)
            .map_err(|_| HashError::Broken)?;
        self.counts.filled.fetch_add(costs.work(), Ordering::AcqRel);
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, Costs, Counts, Memory, Verdict};
    use argon2::password_hash::phc::PasswordHash;
    use std::sync::Arc;

    const SMALL: Costs = Costs {
        memory_kib: 16,
        iterations: 1,
        parallelism: 1,
    };
    const LARGE: Costs = Costs {
        memory_kib: 64,
        iterations: 3,
        parallelism: 2,
    };

    fn is_empty(memory: &Memory) -> bool {
        let words = memory.blocks.iter().flat_map(|block| block.as_ref().iter());
        !memory.blocks.is_empty() && words.into_iter().all(|word| *word == 0)
    }

    #[test]
    fn blocks_are_empty_after_each_use_and_as_many_as_the_ceiling_asks_for() {
        let counts = Arc::new(Counts::default());
        let mut memory = Memory::new(Arc::clone(&counts));
        assert_eq!(counts.held(), 0);
        let small = (SMALL, Ceiling::of(SMALL));
        let stored = memory
            .hash(small, "the password", b"salt and pepper!")
            .unwrap();
        assert!(is_empty(&memory));
        assert_eq!((counts.held(), counts.filled()), (16, 16));
        let stored = PasswordHash::new(&stored).unwrap();
        for (password, verdict) in [
            ("the password", Verdict::Right),
            ("another", Verdict::Wrong),
        ] {
            assert_eq!(memory.verify(small, password, Some(&stored)), Ok(verdict));
            assert!(is_empty(&memory));
        }
        assert_eq!((counts.held(), counts.filled()), (16, 48));
        // It grows with the ceiling, and shrinks with it.
        let large = (LARGE, Ceiling::of(LARGE));
        let verdict = memory.verify(large, "the password", Some(&stored));
        assert_eq!(verdict, Ok(Verdict::RightButStale));
        assert_eq!(counts.held(), 64);
        assert!(is_empty(&memory));
        assert_eq!(memory.verify(small, "another", None), Ok(Verdict::Wrong));
        assert_eq!(counts.held(), 16);
        drop(memory);
        assert_eq!(counts.held(), 0);
    }
}
