//! Resource indicators (RFC 8707): the audience that an access token is for.

use serde::{Deserialize, Serialize};

/// An absolute URI without fragment, compared as bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Audience(String);

impl Audience {
    /// Checks the form that RFC 8707 §2 demands.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text)
            .map_err(|_| format!("audience {text:?}: give an absolute URI"))?;
        if text.len() > 512
            || url.fragment().is_some()
            || !text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(format!(
                "audience {text:?}: give an absolute URI without fragment, at most 512 characters"
            ));
        }
        Ok(Self(text.to_owned()))
    }
    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
