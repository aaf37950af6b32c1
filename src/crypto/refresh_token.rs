//! Refresh tokens name their family and generation under a MAC, so that a spent one is known without a row of its own.
//!
//! The MAC alone refreshes nothing: what is live is compared with the digest in the database. And the database alone
//! doesn't either: what it is written in there has no MAC.

use super::entropy::{Entropy, NoEntropy};
use super::seal::MasterKeys;
use super::token::{equal, sha256};
use crate::domain::refresh::Lineage;
use crate::domain::{ClientId, FamilyId, Secret};

const PREFIX: &str = "gwr_";

/// A refresh token (RFC 6749 §1.5): `gwr_FAMILY.GENERATION.RANDOM.MAC`, of 256 random bits.
#[derive(Clone, Debug)]
pub struct RefreshToken(Secret);

/// Digest of a [`RefreshToken`], as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenDigest(String);

impl RefreshToken {
    /// Makes the token of one generation of a family, for its client.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn generate(
        entropy: &Entropy,
        keys: &MasterKeys,
        client_id: &ClientId,
        lineage: &Lineage,
    ) -> Result<Self, NoEntropy> {
        let family = lineage.family_id.as_str();
        let generation = lineage.generation.to_string();
        let random = entropy.token()?;
        let mac = keys.refresh_token_mac([family, &generation, client_id.as_str(), &random]);
        let text = format!("{PREFIX}{family}.{generation}.{random}.{mac}");
        Ok(Self(Secret::new(text)))
    }

    /// Makes one as version 0.1 did, whose nodes know no other: 256 random bits that name nothing.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn generate_nameless(entropy: &Entropy) -> Result<Self, NoEntropy> {
        Ok(Self(Secret::new(format!("{PREFIX}{}", entropy.token()?))))
    }

    /// Takes one that was presented.
    pub fn presented(text: &str) -> Self {
        Self(Secret::new(text))
    }

    /// The token itself, to send or to derive a key from.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the store keeps.
    pub fn digest(&self) -> RefreshTokenDigest {
        RefreshTokenDigest(sha256(self.0.expose()))
    }

    /// What the token says of itself; `None` unless it says so under the MAC with which it was made here for this client.
    pub fn lineage(&self, keys: &MasterKeys, client_id: &ClientId) -> Option<Lineage> {
        let mut parts = self.0.expose().strip_prefix(PREFIX)?.split('.');
        let (family, generation, random) = (parts.next()?, parts.next()?, parts.next()?);
        let mac = parts.next()?;
        let made = keys.refresh_token_mac([family, generation, client_id.as_str(), random]);
        if parts.next().is_some() || !equal(mac, &made) {
            return None;
        }
        Some(Lineage {
            family_id: FamilyId::new(family),
            generation: generation.parse().ok()?,
        })
    }
}

impl RefreshTokenDigest {
    /// Base64url, 43 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: u8) -> MasterKeys {
        MasterKeys::derive(&[of; 32]).unwrap()
    }

    fn made() -> (RefreshToken, ClientId, Lineage) {
        let client = ClientId::new("web");
        let entropy = Entropy::system();
        let lineage = Lineage {
            family_id: FamilyId::new(entropy.id().unwrap()),
            generation: 7_776_000,
        };
        let token = RefreshToken::generate(&entropy, &keys(1), &client, &lineage).unwrap();
        (token, client, lineage)
    }

    #[test]
    fn a_token_tells_its_lineage_to_its_maker_for_its_client_alone() {
        let (token, client, lineage) = made();
        assert_eq!(token.lineage(&keys(1), &client), Some(lineage));
        assert_eq!(token.lineage(&keys(2), &client), None);
        assert_eq!(token.lineage(&keys(1), &ClientId::new("other")), None);
        assert!(token.expose().len() < 200, "{}", token.expose().len());
        let nameless = RefreshToken::generate_nameless(&Entropy::system()).unwrap();
        assert_eq!(nameless.lineage(&keys(1), &client), None);
    }

    #[test]
    fn no_byte_of_a_token_can_be_another() {
        let (token, client, _) = made();
        let text = token.expose();
        for at in 0..text.len() {
            for other in ["A", "0", ".", "-", ""] {
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                let lineage = RefreshToken::presented(&changed).lineage(&keys(1), &client);
                assert_eq!(lineage.is_some(), changed == text, "{changed}");
            }
        }
        for longer in [format!("{text}."), format!("{text}.x"), format!(" {text}")] {
            let lineage = RefreshToken::presented(&longer).lineage(&keys(1), &client);
            assert_eq!(lineage, None, "{longer}");
        }
    }
}
