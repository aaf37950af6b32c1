//! The program as administrators use it: the real binary, its exit codes, its two outputs.

mod clients;
mod configuration;
mod contract;
mod doctor;
mod errors;
mod explain;
mod keys;
mod listings;
mod migrations;
mod policies;
pub mod program;
mod users;
