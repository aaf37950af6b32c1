//! The chain of events: each row's hash holds the one before it, under a key that isn't in the database.

use super::seal::tag;
use aws_lc_rs::hmac;

/// What an empty chain begins with.
pub const GENESIS: &str = "";

/// The key of the chain. Whoever has the database alone can't alter, remove or add an event unseen.
#[derive(Clone)]
pub struct ChainKey(hmac::Key);

impl ChainKey {
    pub(super) fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// The hash of a row: HMAC-SHA256 over the hash before it and each column with its length, base64url.
    pub fn link(&self, before: &str, columns: &[&str]) -> String {
        let mut parts = Vec::with_capacity(columns.len() + 2);
        parts.extend(["row", before]);
        parts.extend(columns);
        tag(&self.0, &parts)
    }

    /// The signature of a chain's end.
    pub fn sign_head(&self, writer: &str, seq: i64, hash: &str, at: i64) -> String {
        let (seq, at) = (seq.to_string(), at.to_string());
        tag(&self.0, &["head", writer, &seq, hash, &at])
    }

    /// The signature of a chain's beginning, after everything up to a row was removed for its age.
    pub fn sign_removal(&self, writer: &str, seq: i64, hash: &str) -> String {
        tag(&self.0, &["removal", writer, &seq.to_string(), hash])
    }

    /// The signature of a fact about the whole table.
    pub fn sign_fact(&self, name: &str, value: &str) -> String {
        tag(&self.0, &["fact", name, value])
    }
}

impl std::fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChainKey(…)")
    }
}
