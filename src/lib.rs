//! Gatewright's issuer: an OAuth 2.0 and OpenID Connect server.
//!
//! A value flows one way: `domain → crypto → metrics → store → flows → notify → http → cli → main`. Each layer imports only from
//! its left; `tests/it/architecture.rs` enforces it.

pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod flows;
pub mod http;
pub mod metrics;
pub mod notify;
mod private_files;
pub mod store;
pub mod telemetry;
