//! Commands.
pub mod demo;
pub mod runtime;
pub mod serve;
