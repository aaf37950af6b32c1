//! The authorizer's tests: one file for each family of claims.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::panic,
    clippy::too_many_lines,
    clippy::disallowed_methods
)]

mod support;

mod answers;
mod appsync;
mod aws_types;
#[cfg(feature = "lambda")]
mod bootstrap;
mod bound_calls;
mod cached_policies;
mod causes;
mod conditions;
mod context_overflow;
mod credentials;
mod custom_domains;
#[cfg(feature = "lambda")]
mod decision_log;
mod dpop;
mod events;
mod expiry;
mod explained;
#[cfg(feature = "fetch")]
mod fetching;
mod foreign_vectors;
mod front_door;
mod http_calls;
mod issuer_table;
mod jwk;
mod jwks_cache;
#[cfg(feature = "fetch")]
mod jwks_faults;
mod jwks_states;
mod jwt_claims;
mod jwt_header;
mod known_tokens;
#[cfg(feature = "axum")]
mod layer;
mod metrics;
mod paths;
mod policy_file;
mod policy_properties;
mod public_rules;
mod readme;
mod trace;
mod vectors;
mod web_socket;
mod whole_rights;
