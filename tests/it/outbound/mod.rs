//! Calls that leave through a network like a company's: an authority of its own vouches for the servers, and a proxy is the
//! only way out.

mod keys;
mod programs;
mod proxy;
mod webhook;

use crate::alerts::servers::{Pki, Receiver};
use gatewright::crypto::Entropy;
use gatewright::crypto::jwt::{TokenType, sign};
use gatewright::crypto::signing_key::{SigningKey, generate};
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::outbound::Environment;
use serde_json::json;
use std::ffi::OsString;

/// A name that only a proxy knows the way to.
const ELSEWHERE: &str = "receiver.example.com";
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// An environment with these variables and no others.
fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::read(|name| {
        let said = variables.iter().find(|(own, _)| *own == name);
        said.map(|(_, value)| OsString::from(value))
    })
}

/// A server of an issuer's keys, and a token that one of them signed.
async fn server_of_keys(pki: &Pki) -> (Receiver, String) {
    let private = generate(Algorithm::Es256, &Entropy::system()).unwrap();
    let key = SigningKey::parse(Algorithm::Es256, &private).unwrap();
    let jwks = json!({"keys": [key.public_jwk()]}).to_string();
    let length = jwks.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{jwks}");
    let now = unix_now();
    let claims = json!({
        "iss": ISSUER, "sub": "worker", "client_id": "worker", "aud": AUDIENCE, "jti": "1",
        "iat": now - 60, "exp": now + 600, "scope": "orders:read",
    });
    let token = sign(&key, TokenType::AccessToken, &claims).unwrap();
    (Receiver::start(pki, vec![answer]).await, token)
}
