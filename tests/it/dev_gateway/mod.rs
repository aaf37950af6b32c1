//! The stand-in for API Gateway, over real sockets and before a real upstream.

mod answers;
mod limits;
mod paths;
mod program;
mod proxying;
mod support;
