//! The listener and the guard, over real sockets.

mod capacity;
mod frames;
mod framing;
mod given_back;
mod headers;
mod http2;
mod lifecycle;
mod limits;
mod memory;
mod process;
pub mod support;
mod tls;
mod waiting;
