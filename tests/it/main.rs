//! The integration tests: one binary, so that they link once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]
#![allow(clippy::pedantic)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure, and wait for other processes"
)]

mod alerts;
mod architecture;
mod attack;
mod cli;
mod dev_gateway;
mod drills;
mod endpoint;
mod event_kinds;
mod events;
mod forward_auth;
mod http_server;
mod journey;
mod metrics;
mod outbound;
mod property;
mod readme;
mod store;
mod support;
mod traces;
mod troubleshooting;
