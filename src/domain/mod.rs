//! The types of the protocol: ids, secrets, scopes, clients, grants, sessions, claims, error codes.
//!
//! Owns what the RFCs name and the rules that need nothing but values. Imports nothing from the other
//! layers, and knows no IO, SQL, HTTP, clock or chance.

pub mod account;
pub mod alert;
pub mod authorization;
pub mod claims;
pub mod client;
pub mod consent;
pub mod device;
pub mod error_code;
pub mod event;
pub mod form;
pub mod grant;
pub mod id;
pub mod pkce;
pub mod redirect_uri;
pub mod refresh;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod session;
pub mod text;
pub mod time;
pub mod trace;

pub use account::Account;
pub use client::Client;
pub use error_code::ErrorCode;
pub use id::{ClientId, FamilyId, SessionId, Subject};
pub use scope::Scope;
pub use secret::Secret;
