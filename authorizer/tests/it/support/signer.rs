//! Signs any header and any payload with keys made in the test.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Key {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

pub struct Signer {
    pub kid: String,
    pub alg: &'static str,
    key: Key,
}

impl Signer {
    pub fn es256(kid: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            alg: "ES256",
            key: Key::Ec(key),
        }
    }

    pub fn ed25519(kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            alg: "EdDSA",
            key: Key::Ed(Ed25519KeyPair::generate().unwrap()),
        }
    }

    pub fn rsa(kid: &str, alg: &'static str) -> Self {
        Self {
            kid: kid.to_owned(),
            alg,
            key: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        }
    }

    /// The public JWK.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Key::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Key::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().as_ref())})
            }
            Key::Rsa(key) => {
                let [modulus, exponent] = rsa_numbers(key.public_key().as_ref());
                json!({"kty": "RSA", "n": b64(modulus), "e": b64(exponent)})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.alg);
        jwk["use"] = json!("sig");
        jwk
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.alg, "typ": "at+jwt", "kid": self.kid})
    }

    /// A sound token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_raw(&self.header().to_string(), &claims.to_string())
    }

    /// A token with a changed header.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_raw(&header.to_string(), &claims.to_string())
    }

    /// Exactly these texts, signed.
    pub fn sign_raw(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64(header), b64(payload));
        format!("{input}.{}", b64(self.signature(input.as_bytes())))
    }

    pub fn signature(&self, input: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match &self.key {
            Key::Ec(key) => key.sign(&rng, input).unwrap().as_ref().to_vec(),
            Key::Ed(key) => key.sign(input).as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = if self.alg == "PS256"
                {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                key.sign(padding, &rng, input, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// One ES256 signer for all tests that need just some signer.
pub fn shared() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::es256("key-1"))
}

/// One RS256 signer; making RSA keys is slow.
pub fn shared_rsa() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::rsa("rsa-1", "RS256"))
}

/// Modulus and exponent of a DER `RSAPublicKey`, without leading zeros.
fn rsa_numbers(der: &[u8]) -> [Vec<u8>; 2] {
    fn element(der: &[u8]) -> (&[u8], &[u8]) {
        let (length, rest) = match der[1] {
            short @ 0..=0x7f => (usize::from(short), &der[2..]),
            0x81 => (usize::from(der[2]), &der[3..]),
            0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), &der[4..]),
            other => panic!("length of {other}"),
        };
        rest.split_at(length)
    }
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    [modulus, exponent].map(|number| {
        number
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect()
    })
}
