//! The signature of what is sent to a webhook.

use aws_lc_rs::hmac;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// The secret that sender and receiver share.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// The secret of these bytes.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The value of `Gatewright-Signature`: HMAC-SHA256 over time, a dot and the body, in hex. With the time in it a
    /// message that was overheard can't be sent again later.
    pub fn sign(&self, at: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(at.to_string().as_bytes());
        context.update(b".");
        context.update(body.as_bytes());
        let mut value = format!("t={at},v1=");
        for byte in context.sign().as_ref() {
            // Writing to a `String` cannot fail.
            let _ = write!(value, "{byte:02x}");
        }
        value
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::WebhookSecret;

    /// `printf '1790000000.{"type":"test"}' | openssl dgst -sha256 -hmac 'a secret'`
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let secret = WebhookSecret::new(b"a secret".to_vec());
        assert_eq!(
            secret.sign(1_790_000_000, r#"{"type":"test"}"#),
            "t=1790000000,v1=91a50ee20ecf5b63ee349854c54142681307692252caec6631d7ce2bf3565373"
        );
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
