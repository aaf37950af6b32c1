//! HTTP methods, as API Gateway knows them, and the two ways to ask that have none.

use std::fmt;

use serde::{Serialize, Serializer};

/// A method that a route of API Gateway can have. The last two stand for what isn't HTTP: no request's method has their
/// names, and `ANY` doesn't mean them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    WebSocket,
    GraphQl,
}

impl Method {
    /// What `ANY` stands for.
    pub const ALL: [Self; 7] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
    ];
    /// All of them.
    pub(super) const EVERY: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::WebSocket,
        Self::GraphQl,
    ];

    /// The method's name; case-sensitive (RFC 9110 §9.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::WebSocket => "WebSocket",
            Self::GraphQl => "GraphQL",
        }
    }

    /// The HTTP method with exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    pub(super) fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods(u16);

impl Methods {
    /// All of HTTP.
    pub const ANY: Self = Self(0b0111_1111);

    /// Adds one.
    pub fn insert(&mut self, method: Method) {
        self.0 |= 1 << method as u8;
    }

    /// Just one.
    pub(super) fn only(method: Method) -> Self {
        let mut methods = Self::default();
        methods.insert(method);
        methods
    }

    /// Whether it's in the set.
    pub fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u8) != 0
    }

    /// Whether an HTTP method is in the set.
    pub(super) fn is_http(self) -> bool {
        self.0 & Self::ANY.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods in order.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::EVERY
            .into_iter()
            .filter(move |method| self.contains(*method))
    }
}
