//! Panics as log lines.

use std::panic::PanicHookInfo;

/// Logs a panic as one line instead of the several of the default hook. A message that was put together at run time
/// may hold anything, so only literals are printed; the place tells the rest.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, ToString::to_string);
        tracing::error!(target: "gatewright::panic", place, reason = literal(info), "panicked");
    }));
}

fn literal(info: &PanicHookInfo<'_>) -> &'static str {
    info.payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(not a literal: withheld)")
}
