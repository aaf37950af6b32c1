//! Gatewright.

pub mod config;
