//! The program as administrators use it: the real binary, its exit codes, its two outputs.

mod administrators;
mod clients;
mod configuration;
mod contract;
mod doctor;
mod errors;
mod events;
mod explain;
mod keys;
mod listings;
mod migrations;
pub mod policies;
mod policy_refused;
mod private_files;
pub mod program;
mod users;
