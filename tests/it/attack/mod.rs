//! Each attack has a file. The numbers are those of the security cases.

mod assertions;
mod client_authentication;
mod introspection;
mod keys;
mod refresh_limits;
mod refresh_reuse;
mod revocation;
mod userinfo;
