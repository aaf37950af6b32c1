//! The authorizer as a server that proxies ask, behind real proxies with the files of `deploy/proxies`.

mod claims;
mod proxies;
mod stage;
