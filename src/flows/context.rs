//! The request on whose behalf something happens. Like the log's span it goes along, and decides nothing.

use crate::domain::device::DeviceClass;
use std::net::IpAddr;
use std::sync::Arc;

/// A request's ids and sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentRequest {
    /// The id that the caller sees.
    pub request_id: Arc<str>,
    /// The trace that it belongs to, 32 hex digits.
    pub trace_id: Option<Arc<str>>,
    /// The sender's address.
    pub address: IpAddr,
    /// The sender's kind of device.
    pub device: DeviceClass,
}

tokio::task_local! {
    static CURRENT: CurrentRequest;
}

/// Runs what is done for a request.
pub async fn within<T>(request: CurrentRequest, work: impl Future<Output = T>) -> T {
    CURRENT.scope(request, work).await
}

/// The request at hand; `None` outside of any.
pub fn current() -> Option<CurrentRequest> {
    CURRENT.try_with(Clone::clone).ok()
}
