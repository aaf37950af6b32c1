//! What is known of a call when it's judged.

use std::net::IpAddr;

/// One call: its method and raw path, and what else the gateway says of it. What is unknown makes the conditions that
/// ask for it fail, and a failing condition never allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'r> {
    /// The HTTP method.
    pub method: &'r str,
    /// The path as the gateway routes it, without the stage.
    pub path: &'r str,
    /// Whether the path may have been decoded before it came, as HTTP APIs do: a `%` in it may then be a character.
    pub decoded: bool,
    /// The caller's address.
    pub source_ip: Option<IpAddr>,
    /// The API's stage.
    pub stage: Option<&'r str>,
    /// The time in Unix seconds.
    pub time: Option<i64>,
}

impl<'r> Request<'r> {
    /// A call of which only method and path are known.
    pub fn new(method: &'r str, path: &'r str) -> Self {
        Self {
            method,
            path,
            decoded: false,
            source_ip: None,
            stage: None,
            time: None,
        }
    }

    /// Made at this time, in Unix seconds.
    #[must_use]
    pub fn at(mut self, time: i64) -> Self {
        self.time = Some(time);
        self
    }

    /// Made from this address.
    #[must_use]
    pub fn from(mut self, source_ip: IpAddr) -> Self {
        self.source_ip = Some(source_ip);
        self
    }

    /// Made to this stage.
    #[must_use]
    pub fn on(mut self, stage: &'r str) -> Self {
        self.stage = Some(stage);
        self
    }
}
