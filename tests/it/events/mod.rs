//! The stream of events: what is recorded, that nothing slows for it, and that nobody changes it unseen.

mod chain;
mod queue;
mod recorded;
mod search;
mod shipped;
