//! What spans are called, so that the layers that make them and the one that exports them agree.

/// The target of every span that is part of a trace; nothing else has it, and no such span shows in the log.
pub const TARGET: &str = "gatewright::trace";
