//! Gatewright.

pub mod config;
pub mod telemetry;
