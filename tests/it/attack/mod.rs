//! Each attack has a file. The numbers are those of the security cases.

mod assertions;
mod client_authentication;
mod cors;
mod injection;
mod introspection;
mod keys;
mod log_leaks;
mod malformed_input;
mod refresh_limits;
mod refresh_reuse;
mod request_framing;
mod revocation;
mod userinfo;
