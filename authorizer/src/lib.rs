//! Verifies Gatewright's access tokens offline and answers API Gateway with the policy that their scopes earn.
//!
//! The pieces, from the outside in:
//!
//! - [`handler::Authorizer`] takes the event of one call and gives the answer that API Gateway expects;
//! - [`event`] and [`answer`] are the two ends of that exchange, and [`gateway`] is the other side of it;
//!   [`appsync`] is both for GraphQL;
//! - [`http_call::HttpCall`] is the same for a call that a server, or a proxy before it, has at hand: it's allowed, or
//!   there is a [`refusal::Refusal`] to answer it with; `AuthorizerLayer` (feature `tower`) does that for a service;
//! - [`verifier::Verifier`] turns [`credentials`] into an [`token::AccessToken`] with the keys of [`jwks`], and a token
//!   that is bound to a key only with proof of its [`possession`];
//! - [`policy::Policy`] is the policy file: it judges one request and compiles a token's whole rights;
//! - an [`observer::Observer`] is told of every decision, to count it; [`emf`] writes such counts for `CloudWatch`;
//! - [`jose`], [`reason`] and [`cause`] are what everything above speaks; [`trace`] tells which trace a call belongs to;
//! - `outbound` (feature `fetch`) is how calls of ours leave: whose certificates are believed, and through which proxy.
//!
//! Nothing in here reads a clock except [`fetch`] (feature `fetch`): the time is an argument.

pub mod answer;
pub mod appsync;
pub mod cause;
pub mod credentials;
mod decision_log;
pub mod emf;
pub mod event;
mod explained;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod gateway;
pub mod handler;
pub mod http_call;
pub mod iam;
pub mod jose;
pub mod jwks;
#[cfg(feature = "tower")]
pub mod layer;
pub mod observer;
#[cfg(feature = "fetch")]
pub mod outbound;
mod outcome;
mod panics;
pub mod policy;
pub mod possession;
pub mod reason;
pub mod refusal;
mod seen;
pub mod token;
pub mod trace;
pub mod verifier;

pub use cause::{Cause, Refused};
pub use credentials::Credentials;
pub use explained::ExplainedEvent;
pub use handler::{Authorizer, AuthorizerError};
pub use http_call::{Admission, Admitted, HttpCall};
#[cfg(feature = "tower")]
pub use layer::AuthorizerLayer;
pub use observer::{Decided, Observer};
pub use policy::Policy;
pub use reason::Reason;
pub use refusal::Refusal;
pub use token::{AccessToken, Scopes, TokenRules};
pub use verifier::Verifier;
