//! Chance, as an argument.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

type Fill = dyn Fn(&mut [u8]) -> Result<(), NoEntropy> + Send + Sync;

/// Where random bytes come from.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl Entropy {
    /// The system's generator.
    #[expect(clippy::disallowed_methods, reason = "chance enters here")]
    pub fn system() -> Self {
        let random = SystemRandom::new();
        Self(Arc::new(move |bytes| {
            random.fill(bytes).map_err(|_| NoEntropy)
        }))
    }
    /// Another source, for tests that need the same bytes again.
    pub fn from_fn(
        fill: impl Fn(&mut [u8]) -> Result<(), NoEntropy> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(fill))
    }
    /// Fills the bytes.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        (self.0)(bytes)
    }
    /// 256 random bits as 43 characters of base64url.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn token(&self) -> Result<String, NoEntropy> {
        let mut bytes = [0_u8; 32];
        self.fill(&mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }
    /// 128 random bits as 22 characters of base64url: an identifier, not a secret.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn id(&self) -> Result<String, NoEntropy> {
        let mut bytes = [0_u8; 16];
        self.fill(&mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

impl std::fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system gave no random bytes; check /dev/urandom and the seccomp profile")
    }
}

impl std::error::Error for NoEntropy {}

/// For key generation by the `rsa` crate.
impl rsa::rand_core::TryRng for Entropy {
    type Error = NoEntropy;

    fn try_next_u32(&mut self) -> Result<u32, NoEntropy> {
        let mut bytes = [0_u8; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, NoEntropy> {
        let mut bytes = [0_u8; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        self.fill(bytes)
    }
}

impl rsa::rand_core::TryCryptoRng for Entropy {}
