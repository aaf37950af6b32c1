//! Chance, digests, passwords, signing keys, JWTs and sealing.
//!
//! Owns every use of a cryptographic library. Imports `domain` only; knows no SQL and no HTTP.

pub mod chain;
pub mod entropy;
pub mod jwt;
pub mod keyring;
pub mod password;
pub mod refresh_token;
pub mod seal;
pub mod signing_key;
pub mod token;
pub mod webhook;

pub use entropy::Entropy;
pub use keyring::Keyring;
pub use seal::MasterKeys;
pub use signing_key::SigningKey;
