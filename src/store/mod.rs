//! SQL, one file per table family, on SQLite and PostgreSQL with one text.
//!
//! Owns statements, transactions and migrations. Decides nothing about the protocol, and imports only
//! `domain` and `crypto`. Times are Unix seconds and come from the caller.

pub mod accounts;
pub mod alerts;
mod backend;
pub mod clients;
pub mod codes;
pub mod consents;
mod error;
pub mod events;
pub mod known_devices;
pub mod lease;
pub mod lookalikes;
mod migrate;
pub mod password_costs;
pub mod refresh_tokens;
pub mod revocations;
pub mod sessions;
pub mod settings;
pub mod signing_keys;
mod sqlite_file;
pub mod sweep;
pub mod throttle;
mod trace;
mod tx;
mod values;

pub use backend::{Backend, Store, StoreOptions};
pub use error::StoreError;
pub use sqlite_file::DiskSpace;
pub use tx::Tx;
pub use values::Param;

/// Builds the parameter list of a statement, in the order of its `$n`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::Param::from($value)),*] };
}
pub(crate) use params;
