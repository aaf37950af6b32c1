//! The listener and the guard, over real sockets.

mod capacity;
mod framing;
mod headers;
mod http2;
mod lifecycle;
mod limits;
mod process;
pub mod support;
mod tls;
