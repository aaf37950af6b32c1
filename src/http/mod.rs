//! HTTP.

pub mod guard;
pub mod server;
pub mod signals;
