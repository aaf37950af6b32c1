//! Sealing (AEAD) and keyed digests under keys derived from the master key.

use super::chain::ChainKey;
use super::entropy::{Entropy, NoEntropy};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A text that this server didn't seal, or sealed for something else, or with another master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealable;

/// A key that seals texts for one purpose.
pub struct SealingKey(LessSafeKey);

impl SealingKey {
    fn derive(secret: &[u8], purpose: &str) -> Option<Self> {
        let bytes = expand(secret, purpose)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// A key that only the holder of `token` can derive (256 bits of entropy).
    pub fn from_token(token: &str) -> Option<Self> {
        Self::derive(token.as_bytes(), "gatewright refresh response v1")
    }

    /// Seals a text; `context` must be given again to open it.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn seal(
        &self,
        entropy: &Entropy,
        context: &str,
        plain: &[u8],
    ) -> Result<String, NoEntropy> {
        let mut nonce = [0_u8; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut sealed = plain.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| NoEntropy)?;
        let mut whole = nonce.to_vec();
        whole.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(whole))
    }

    /// Opens what [`Self::seal`] sealed with the same key and context.
    ///
    /// # Errors
    /// [`Unsealable`]
    pub fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, Unsealable> {
        let whole = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unsealable)?;
        let (nonce, rest) = whole.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut rest = rest.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut rest)
            .map_err(|_| Unsealable)?;
        Ok(plain.to_vec())
    }
}

fn expand(secret: &[u8], purpose: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    let info = [purpose.as_bytes()];
    let derived = Salt::new(HKDF_SHA256, b"gatewright").extract(secret);
    derived
        .expand(&info, HKDF_SHA256)
        .ok()?
        .fill(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// The keys that the master key stands for, one a purpose.
pub struct MasterKeys {
    id: String,
    /// Seals private signing keys.
    pub signing_keys: SealingKey,
    /// Seals authorization requests that travel through the browser.
    pub interactions: SealingKey,
    /// Seals the cookie by which an account knows a device.
    pub devices: SealingKey,
    /// Chains events.
    pub events: ChainKey,
    /// Seals where a listing goes on.
    pub cursors: SealingKey,
    client_secrets: hmac::Key,
    rows: hmac::Key,
    csrf: hmac::Key,
    logins: hmac::Key,
    refresh_tokens: hmac::Key,
}

impl MasterKeys {
    /// Derives the keys from the 32 bytes of the master key. `None` if the library refuses, which it never
    /// does for this length.
    pub fn derive(master: &[u8; 32]) -> Option<Self> {
        let mac =
            |purpose: &str| Some(hmac::Key::new(hmac::HMAC_SHA256, &expand(master, purpose)?));
        let id = expand(master, "gatewright master key id v1")?;
        let (short, _) = id.split_at(9);
        Some(Self {
            id: URL_SAFE_NO_PAD.encode(short),
            signing_keys: SealingKey::derive(master, "gatewright signing keys v1")?,
            interactions: SealingKey::derive(master, "gatewright interactions v1")?,
            devices: SealingKey::derive(master, "gatewright devices v1")?,
            events: ChainKey::new(mac("gatewright events v1")?),
            cursors: SealingKey::derive(master, "gatewright cursors v1")?,
            client_secrets: mac("gatewright client secrets v1")?,
            rows: mac("gatewright rows v1")?,
            csrf: mac("gatewright csrf v1")?,
            logins: mac("gatewright login names v1")?,
            refresh_tokens: mac("gatewright refresh tokens v1")?,
        })
    }

    /// Names the master key without telling anything of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Keyed SHA-256 of a generated client secret, base64url.
    pub fn client_secret_digest(&self, client_id: &str, secret: &str) -> String {
        tag(&self.client_secrets, &[client_id, secret])
    }

    /// What tells a row that we wrote from one that somebody put into the database: a keyed hash of its table and of
    /// the columns that grant something.
    pub fn row_seal(&self, table: &str, columns: &[&str]) -> String {
        let mut parts = vec![table];
        parts.extend(columns);
        tag(&self.rows, &parts)
    }

    /// The CSRF token of a form: bound to the browser, the purpose and the content it acts on.
    pub fn csrf_token(&self, browser: &str, purpose: &str, content: &str) -> String {
        tag(&self.csrf, &[browser, purpose, content])
    }

    /// The MAC by which a refresh token shows that it was made here for this client.
    pub fn refresh_token_mac(&self, parts: [&str; 4]) -> String {
        tag(&self.refresh_tokens, &parts)
    }

    /// A stand-in for a login name or an address in the counters, so that none lies in the database.
    pub fn login_bucket(&self, kind: &str, name: &str) -> String {
        tag(&self.logins, &[kind, name])
    }
}

pub(super) fn tag(key: &hmac::Key, parts: &[&str]) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.sign())
}

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKeys")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
