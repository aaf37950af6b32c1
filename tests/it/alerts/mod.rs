//! Alerts: raised by each incident and not by normal load, once for all nodes, told until somebody hears.

mod bounds;
mod cost;
mod email;
mod lifecycle;
mod nodes;
mod outbound;
mod program;
mod rules;
pub mod servers;
pub mod support;
mod webhook;
