//! Identity sources: what the cache is keyed by, and what a call must carry to be worth asking about.

use std::fmt;
use std::str::FromStr;

use super::events::Request;

/// One identity source, in the notation of either kind of API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySource {
    text: String,
    from: From,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Header(String),
    Query(String),
    Method,
    Path,
    SourceIp,
    Stage,
    /// There is one route only.
    RouteKey,
}

/// Why an identity source is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySourceError(String);

impl fmt::Display for IdentitySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an identity source: write $request.header.NAME or $request.querystring.NAME (on REST also \
             method.request.header.NAME), or $context. and one of routeKey, httpMethod, path, stage, identity.sourceIp",
            self.0
        )
    }
}

impl std::error::Error for IdentitySourceError {}

impl FromStr for IdentitySource {
    type Err = IdentitySourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let after = |prefixes: [&str; 2]| {
            let name = prefixes
                .iter()
                .find_map(|prefix| text.strip_prefix(prefix))?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
        };
        let header = after(["$request.header.", "method.request.header."]).map(From::Header);
        let query =
            || after(["$request.querystring.", "method.request.querystring."]).map(From::Query);
        let context = || match text.trim_start_matches('$').strip_prefix("context.")? {
            "httpMethod" | "http.method" => Some(From::Method),
            "path" | "http.path" => Some(From::Path),
            "identity.sourceIp" | "http.sourceIp" => Some(From::SourceIp),
            "stage" => Some(From::Stage),
            "routeKey" | "resourcePath" => Some(From::RouteKey),
            _ => None,
        };
        let from = header.or_else(query).or_else(context);
        let from = from.ok_or_else(|| IdentitySourceError(text.to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            from,
        })
    }
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl IdentitySource {
    /// The header `Authorization`.
    pub fn authorization() -> Self {
        Self {
            text: "$request.header.Authorization".to_owned(),
            from: From::Header("Authorization".to_owned()),
        }
    }

    /// Whether it's a header: all that a TOKEN authorizer can have.
    pub fn is_header(&self) -> bool {
        matches!(self.from, From::Header(_))
    }

    /// Its value, repeated ones joined by commas; `None` when it's missing or empty.
    pub(super) fn value(&self, request: &Request<'_>) -> Option<String> {
        let value = match &self.from {
            From::Header(name) => {
                let named = request.headers.iter();
                joined(
                    named
                        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.as_str()),
                )
            }
            From::Query(name) => {
                let pairs = request
                    .query
                    .split('&')
                    .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                joined(pairs.filter(|(own, _)| own == name).map(|(_, value)| value))
            }
            From::Method => request.method.to_owned(),
            From::Path => request.path.to_owned(),
            From::SourceIp => request.source_ip.to_owned(),
            From::Stage => request.stage.to_owned(),
            From::RouteKey => "$default".to_owned(),
        };
        Some(value).filter(|value| !value.is_empty())
    }
}

fn joined<'v>(values: impl Iterator<Item = &'v str>) -> String {
    values.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_understood_and_nothing_else() {
        for text in [
            "$request.header.Authorization",
            "method.request.header.X-Token",
            "$request.querystring.token",
            "method.request.querystring.token",
            "$context.routeKey",
            "context.identity.sourceIp",
        ] {
            assert_eq!(text.parse::<IdentitySource>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "Authorization",
            "$request.header.",
            "$request.header.a b",
            "$context.x",
            "$request.body",
        ] {
            let error = text.parse::<IdentitySource>().unwrap_err().to_string();
            assert!(error.contains("$request.header.NAME"), "{error}");
        }
    }
}
