//! What an answer is recorded as.

use std::sync::Arc;

use crate::domain::event::{Happening, RequestRefusal};
use crate::flows::FlowError;
use http::StatusCode;

/// What an answer is recorded as, in its extensions: the guard tells of it on behalf of the request.
#[derive(Debug, Clone)]
pub(in crate::http) struct Noted(pub Happening);

impl Noted {
    /// A failure of ours.
    pub(in crate::http) fn failed(error: &FlowError) -> Self {
        Self(Happening::RequestFailed {
            cause: error.cause(),
            words: error.to_string(),
        })
    }

    /// A request that came to no use case.
    pub(in crate::http) fn refused(
        reason: RequestRefusal,
        status: StatusCode,
        words: Option<&'static str>,
    ) -> Self {
        Self(Happening::RequestRefused {
            reason,
            status: status.as_u16(),
            words: words.map(str::to_owned),
        })
    }
}

/// Told of what answers are recorded as.
pub type OnNoted = Arc<dyn Fn(Happening) + Send + Sync>;
