//! Whose tokens are accepted, and where the keys to verify them come from.

use std::path::PathBuf;

use serde::Serialize;

use crate::jose::Algorithm;
use crate::token::{DEFAULT_LEEWAY_S, DEFAULT_TYP, TokenRules};

/// One `[[issuer]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssuerRules {
    /// The issuer, byte for byte as in `iss`.
    pub url: String,
    /// The audiences that this API answers to.
    pub audiences: Vec<String>,
    /// The algorithms that the issuer signs with.
    pub algorithms: Vec<Algorithm>,
    /// The media types of its access tokens.
    pub typ: Vec<String>,
    /// Seconds by which clocks may disagree.
    pub leeway_s: i64,
    /// A certificate authority of its own for where its keys are fetched from: a PEM file, relative to the policy file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Where its keys come from.
    pub jwks: JwksRules,
}

impl IssuerRules {
    /// An issuer of `at+jwt` tokens whose keys are discovered.
    pub fn new(url: impl Into<String>, audiences: Vec<String>, algorithms: Vec<Algorithm>) -> Self {
        Self {
            url: url.into(),
            audiences,
            algorithms,
            typ: vec![DEFAULT_TYP.to_owned()],
            leeway_s: DEFAULT_LEEWAY_S,
            ca_file: None,
            jwks: JwksRules::default(),
        }
    }

    /// What its tokens must satisfy.
    pub fn token_rules(&self) -> TokenRules {
        let mut rules = TokenRules::new(
            self.url.clone(),
            self.audiences.clone(),
            self.algorithms.clone(),
        );
        rules.typ.clone_from(&self.typ);
        rules.leeway_s = self.leeway_s;
        rules
    }
}

/// `jwks` of an `[[issuer]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JwksRules {
    /// Where the keys are fetched from; `None` when only the pinned ones count.
    pub uri: Option<JwksUri>,
    /// A JWKS file to start with, relative to the policy file.
    pub pinned: Option<PathBuf>,
    /// How long a set is fresh when its `Cache-Control` doesn't say, in seconds.
    pub fresh_s: u64,
    /// How long a set still serves after that while it can't be refreshed, in seconds.
    pub stale_max_s: u64,
    /// Least time between fetches that unknown kids cause, in seconds.
    pub unknown_kid_cooldown_s: u64,
    /// How long one fetch may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for JwksRules {
    fn default() -> Self {
        Self {
            uri: Some(JwksUri::Discover),
            pinned: None,
            fresh_s: 600,
            stale_max_s: 3600,
            unknown_kid_cooldown_s: 10,
            timeout_ms: 1500,
        }
    }
}

/// Where a JWKS is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JwksUri {
    /// The `jwks_uri` of the issuer's discovery document.
    Discover,
    /// This URL; there is no discovery.
    At(String),
}
