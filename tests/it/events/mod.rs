//! The stream of events: what is recorded, that nothing slows for it, and that nobody changes it unseen.

mod budget;
mod chain;
mod queue;
mod recorded;
mod search;
mod shipped;
