//! The integration tests: one binary, so that they link once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::pedantic)]

mod cli;
mod endpoint;
mod http_server;
mod journey;
mod readme;
mod support;
