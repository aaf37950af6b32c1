//! Signing keys: made and imported by `rsa` and aws-lc-rs, parsed once, used through a cached handle.

#![expect(
    clippy::disallowed_methods,
    reason = "aws-lc-rs draws keys and nonces itself"
)]

use super::entropy::Entropy;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatewright_authorizer::jose::{Algorithm, thumbprint};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

/// Size of generated RSA keys.
const RSA_BITS: usize = 2048;

/// A private key ready to sign.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    public_jwk: Value,
    signer: Signer,
}

enum Signer {
    Es256(EcdsaKeyPair, SystemRandom),
    Rs256(RsaKeyPair, SystemRandom),
    EdDsa(Ed25519KeyPair),
}

/// A key that can't be made, read or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(String);

impl KeyError {
    pub(super) fn unserializable() -> Self {
        Self("the claims can't be written as JSON".to_owned())
    }
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

fn refuse<E>(words: &'static str) -> impl FnOnce(E) -> KeyError {
    move |_| KeyError(words.to_owned())
}

/// A private key as PKCS#8, to be sealed.
pub struct PrivatePkcs8(Vec<u8>);

impl PrivatePkcs8 {
    /// The DER bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
    /// Takes charge of DER bytes that were unsealed.
    pub fn new(der: Vec<u8>) -> Self {
        Self(der)
    }
}

/// Makes a new private key.
///
/// # Errors
/// [`KeyError`] without entropy, and for PS256, which nothing is signed with.
pub fn generate(algorithm: Algorithm, entropy: &Entropy) -> Result<PrivatePkcs8, KeyError> {
    let failed = "a new key could not be made; check the system's entropy";
    match algorithm {
        Algorithm::Es256 => {
            let document = EcdsaKeyPair::generate_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &SystemRandom::new(),
            )
            .map_err(refuse(failed))?;
            Ok(PrivatePkcs8(document.as_ref().to_vec()))
        }
        Algorithm::EdDsa => {
            let document =
                Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(refuse(failed))?;
            Ok(PrivatePkcs8(document.as_ref().to_vec()))
        }
        Algorithm::Rs256 => {
            let key =
                rsa::PrivateKey::new(&mut entropy.clone(), RSA_BITS).map_err(refuse(failed))?;
            let document = key.to_pkcs8_der().map_err(refuse(failed))?;
            Ok(PrivatePkcs8(document.as_bytes().to_vec()))
        }
        Algorithm::Ps256 => Err(KeyError(
            "tokens are not signed with PS256: use ES256, RS256 or EdDSA".to_owned(),
        )),
    }
}

/// Reads a private key in PEM: PKCS#8 (`BEGIN PRIVATE KEY`) or, for RSA, PKCS#1.
///
/// # Errors
/// [`KeyError`] that says which form is expected.
pub fn import_pem(pem: &str) -> Result<PrivatePkcs8, KeyError> {
    if pem.contains("-----BEGIN RSA PRIVATE KEY-----") {
        use rsa::pkcs1::DecodeRsaPrivateKey;
        let key = rsa::PrivateKey::from_pkcs1_pem(pem.trim())
            .map_err(refuse("the RSA key in this file is not readable"))?;
        let document = key
            .to_pkcs8_der()
            .map_err(refuse("the RSA key can't be written as PKCS#8"))?;
        return Ok(PrivatePkcs8(document.as_bytes().to_vec()));
    }
    let body = pem
        .split_once("-----BEGIN PRIVATE KEY-----")
        .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
        .map(|(body, _)| body.split_whitespace().collect::<String>())
        .ok_or_else(|| {
            KeyError(
                "expected an unencrypted PKCS#8 key in PEM (BEGIN PRIVATE KEY): convert yours with \
                 'openssl pkcs8 -topk8 -nocrypt'"
                    .to_owned(),
            )
        })?;
    let der = STANDARD
        .decode(body)
        .map_err(refuse("the PEM body is not base64"))?;
    Ok(PrivatePkcs8(der))
}

/// What a public key has beside its numbers.
fn describe(public_jwk: &mut Value, kid: &str, algorithm: Algorithm) {
    if let Some(members) = public_jwk.as_object_mut() {
        members.insert("kid".to_owned(), Value::from(kid));
        members.insert("alg".to_owned(), Value::from(algorithm.as_str()));
        members.insert("use".to_owned(), Value::from("sig"));
    }
}

/// What the thumbprint covers (RFC 7638 §3.2, RFC 8037 §2).
fn members_of_thumbprint(algorithm: Algorithm) -> &'static [&'static str] {
    match algorithm {
        Algorithm::Es256 => &["kty", "crv", "x", "y"],
        Algorithm::EdDsa => &["kty", "crv", "x"],
        Algorithm::Rs256 | Algorithm::Ps256 => &["kty", "n", "e"],
    }
}

impl SigningKey {
    /// Parses a private key and derives its public JWK and kid.
    ///
    /// # Errors
    /// [`KeyError`] for a key of another kind than `algorithm` needs.
    pub fn parse(algorithm: Algorithm, private: &PrivatePkcs8) -> Result<Self, KeyError> {
        let der = private.expose();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (signer, mut public_jwk) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map_err(refuse("not a P-256 private key"))?;
                let point = pair.public_key().as_ref();
                let (x, y) = match point.split_first() {
                    Some((4, coordinates)) if coordinates.len() == 64 => coordinates.split_at(32),
                    _ => return Err(KeyError("not an uncompressed P-256 point".to_owned())),
                };
                let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)});
                (Signer::Es256(pair, SystemRandom::new()), jwk)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                    .map_err(refuse("not an Ed25519 private key"))?;
                let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())});
                (Signer::EdDsa(pair), jwk)
            }
            Algorithm::Rs256 => {
                let key = rsa::PrivateKey::from_pkcs8_der(der)
                    .map_err(refuse("not an RSA private key"))?;
                if key.size() * 8 < RSA_BITS {
                    return Err(KeyError("RSA keys need 2048 bits or more".to_owned()));
                }
                let pair =
                    RsaKeyPair::from_pkcs8(der).map_err(refuse("not a usable RSA private key"))?;
                let jwk = json!({
                    "kty": "RSA",
                    "n": encode(&key.n_bytes()),
                    "e": encode(&key.e_bytes()),
                });
                (Signer::Rs256(pair, SystemRandom::new()), jwk)
            }
            Algorithm::Ps256 => {
                return Err(KeyError("tokens are not signed with PS256".to_owned()));
            }
        };
        let kid = thumbprint(&public_jwk).map_err(refuse("the public key has no thumbprint"))?;
        describe(&mut public_jwk, &kid, algorithm);
        Ok(Self {
            kid,
            algorithm,
            public_jwk,
            signer,
        })
    }

    /// Parses a stored private key whose public JWK is known: cheaper than [`Self::parse`]. That the halves belong
    /// together is for the caller to know, who sealed the private one for this kid.
    ///
    /// # Errors
    /// [`KeyError`] if the halves can't be used, or the public one says more or else than [`Self::parse`] lets it say.
    pub fn restore(
        algorithm: Algorithm,
        private: &PrivatePkcs8,
        public_jwk: Value,
    ) -> Result<Self, KeyError> {
        let der = private.expose();
        let random = SystemRandom::new();
        let unusable = "the stored key is not usable";
        let signer = match algorithm {
            Algorithm::Es256 => Signer::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map_err(refuse(unusable))?,
                random,
            ),
            Algorithm::EdDsa => Signer::EdDsa(
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(refuse(unusable))?,
            ),
            Algorithm::Rs256 => Signer::Rs256(
                RsaKeyPair::from_pkcs8(der).map_err(refuse(unusable))?,
                random,
            ),
            Algorithm::Ps256 => return Err(KeyError(unusable.to_owned())),
        };
        let kid = thumbprint(&public_jwk).map_err(refuse("the public key has no thumbprint"))?;
        let numbers = members_of_thumbprint(algorithm)
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), public_jwk.get(*name)?.clone())));
        let mut expected = Value::Object(numbers.collect());
        describe(&mut expected, &kid, algorithm);
        if public_jwk != expected {
            return Err(KeyError(unusable.to_owned()));
        }
        Ok(Self {
            kid,
            algorithm,
            public_jwk,
            signer,
        })
    }

    /// Finds out which algorithm an imported key is for.
    ///
    /// # Errors
    /// [`KeyError`] if it is for none.
    pub fn recognise(private: &PrivatePkcs8) -> Result<Self, KeyError> {
        [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256]
            .into_iter()
            .find_map(|algorithm| Self::parse(algorithm, private).ok())
            .ok_or_else(|| {
                KeyError(
                    "the key is neither P-256, Ed25519 nor RSA of 2048 bits or more".to_owned(),
                )
            })
    }

    /// RFC 7638 thumbprint of the public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }
    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
    /// The public JWK, with `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> &Value {
        &self.public_jwk
    }

    /// Signs a message; the form is that of JWS (RFC 7518 §3).
    ///
    /// # Errors
    /// [`KeyError`] if the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = "signing failed";
        match &self.signer {
            Signer::Es256(pair, random) => Ok(pair
                .sign(random, message)
                .map_err(refuse(failed))?
                .as_ref()
                .to_vec()),
            Signer::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Signer::Rs256(pair, random) => {
                let mut signature = vec![0_u8; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature)
                    .map_err(refuse(failed))?;
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
