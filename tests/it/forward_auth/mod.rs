//! The authorizer as a server that proxies ask: by itself, and behind real proxies with the files of `deploy/proxies`.

mod answers;
mod claims;
mod program;
mod proxies;
mod shipper;
mod shipping;
pub mod spellings;
pub mod stage;
