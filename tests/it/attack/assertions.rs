//! Client assertions (`private_key_jwt`): security cases 32 to 35. The keys are made here, not by the issuer.

use crate::support::app::{Answer, ISSUER};
use crate::support::fixtures::machine_client;
use crate::support::{TestApp, on_both_databases};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright::domain::Client;
use gatewright::domain::client::AuthMethod;
use gatewright::store::{Param, sweep};
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's own key.
struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }
    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "kid": self.kid, "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
    fn sign(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, |message| {
            self.pair
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec()
        })
    }
    fn assertion(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "ES256", "kid": self.kid}), claims)
    }
}

fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn client(keys: &[Value]) -> Client {
    Client {
        auth_method: AuthMethod::PrivateKeyJwt,
        jwks: Some(json!({ "keys": keys })),
        assertion_alg: Some(Algorithm::Es256),
        ..machine_client("worker")
    }
}

/// Sound claims with changes; `null` removes one.
fn claims(app: &TestApp, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "worker", "sub": "worker", "aud": ISSUER, "exp": app.now() + 60, "iat": app.now(),
        "jti": app.issuer.entropy.id().unwrap(),
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

async fn present(app: &TestApp, assertion: &str) -> Answer {
    app.post(
        "/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_assertion", assertion),
            ("client_assertion_type", TYPE),
        ],
    )
    .await
}

#[track_caller]
fn is_c401(answer: &Answer, why: &str) {
    assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{why}");
    assert!(answer.header("www-authenticate").is_none());
}

on_both_databases! {
    async fn the_issuer_is_the_only_audience(app: TestApp) {
        let key = Key::new("k1");
        app.register(&client(&[key.jwk()])).await;
        let endpoint = format!("{ISSUER}/token");
        for audience in [
            json!(endpoint),
            json!([ISSUER]),
            json!([ISSUER, endpoint]),
            json!(format!("{ISSUER}/")),
            json!("https://other.example.com"),
            json!("HTTPS://id.example.com"),
            json!(""),
            json!(1),
            json!(null),
        ] {
            let answer = present(&app, &key.assertion(&claims(&app, &json!({ "aud": audience })))).await;
            is_c401(&answer, &audience.to_string());
        }
        let answer = present(&app, &key.assertion(&claims(&app, &json!({})))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // Unless the client is set up otherwise (OIDC Core §9).
        app.rewrite(&Client { assertion_accepts_token_endpoint: true, ..client(&[key.jwk()]) }).await;
        let answer = present(&app, &key.assertion(&claims(&app, &json!({ "aud": endpoint })))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = present(&app, &key.assertion(&claims(&app, &json!({ "aud": [endpoint] })))).await;
        is_c401(&answer, "an array");
    }

    async fn an_assertion_counts_once_on_any_node_and_after_a_restart(app: TestApp) {
        let key = Key::new("k1");
        app.register(&client(&[key.jwk()])).await;
        let assertion = key.assertion(&claims(&app, &json!({})));
        assert_eq!(present(&app, &assertion).await.status, 200);
        is_c401(&present(&app, &assertion).await, "again");
        is_c401(&present(&app.another_node().await, &assertion).await, "on a node that began later");
        // Another token around the same jti is the same assertion.
        let jti = claims(&app, &json!({}))["jti"].clone();
        assert_eq!(present(&app, &key.assertion(&claims(&app, &json!({"jti": jti})))).await.status, 200);
        is_c401(&present(&app, &key.assertion(&claims(&app, &json!({"jti": jti, "exp": app.now() + 99})))).await, "jti");
    }

    async fn an_assertion_presented_50_times_at_once_counts_once(app: TestApp) {
        let key = Key::new("k1");
        app.register(&client(&[key.jwk()])).await;
        let nodes = [app.clone(), app.another_node().await];
        for _ in 0..4 {
            let assertion = key.assertion(&claims(&app, &json!({})));
            let racers = (0..50).map(|racer| {
                let (node, assertion) = (nodes[racer % 2].clone(), assertion.clone());
                tokio::spawn(async move { present(&node, &assertion).await.status.as_u16() })
            });
            let racers: Vec<_> = racers.collect();
            let mut statuses = Vec::new();
            for racer in racers {
                statuses.push(racer.await.unwrap());
            }
            statuses.sort_unstable();
            assert_eq!(statuses[0], 200, "{statuses:?}");
            assert!(statuses[1..].iter().all(|status| *status == 401), "{statuses:?}");
        }
    }

    async fn a_used_assertion_is_remembered_past_its_end(app: TestApp) {
        let key = Key::new("k1");
        app.register(&client(&[key.jwk()])).await;
        let assertion = key.assertion(&claims(&app, &json!({})));
        assert_eq!(present(&app, &assertion).await.status, 200);
        // A node whose clock is ahead cleans up; one that is behind must not take the assertion again.
        let here = app.now();
        sweep::batch(&app.issuer.store, here + 60 + 120).await.unwrap();
        is_c401(&present(&app, &assertion).await, "swept too early");
        // A clock set back by most of an hour brings nothing back either.
        sweep::batch(&app.issuer.store, here + 3500).await.unwrap();
        is_c401(&present(&app, &assertion).await, "swept too early");
        // In the end it goes.
        assert!(sweep::batch(&app.issuer.store, here + 4000).await.unwrap() > 0);
    }

    async fn forged_and_untimely_assertions_are_refused(app: TestApp) {
        let key = Key::new("k1");
        app.register(&client(&[key.jwk()])).await;
        let now = app.now();
        let refused = [
            ("no exp", json!({"exp": null})),
            ("exp is text", json!({"exp": (now + 60).to_string()})),
            ("exp is out of range", json!({"exp": 1e300})),
            ("exp was less than a second ago before it counts", json!({"exp": (now - 10) as f64 + 0.9})),
            ("expired", json!({"exp": now - 60})),
            ("over five minutes", json!({"exp": now + 301})),
            ("far out", json!({"exp": now + 86_400})),
            ("five minutes and more from its own iat", json!({"iat": now + 8, "exp": now + 309})),
            ("iat over a minute ahead", json!({"iat": now + 61})),
            ("iat a fraction over a minute ahead", json!({"iat": (now + 60) as f64 + 0.001})),
            ("iat is text", json!({"iat": now.to_string()})),
            ("nbf over a minute ahead", json!({"nbf": now + 61})),
            ("no jti", json!({"jti": null})),
            ("jti is empty", json!({"jti": ""})),
            ("jti is a number", json!({"jti": 1})),
            ("no iss", json!({"iss": null})),
            ("iss is another", json!({"iss": "other"})),
            ("sub is another", json!({"sub": "other"})),
            ("sub is nobody", json!({"sub": ""})),
            ("sub is an array", json!({"sub": ["worker"]})),
            ("sub has NUL", json!({"sub": "worker\0", "iss": "worker\0"})),
        ];
        for (why, changes) in &refused {
            is_c401(&present(&app, &key.assertion(&claims(&app, changes))).await, why);
        }
        for (why, changes) in [
            ("five minutes", json!({"exp": now + 300})),
            ("8 s ahead", json!({"iat": now + 8, "nbf": now + 8, "exp": now + 308})),
            ("a minute ahead", json!({"iat": now + 60})),
            ("no iat", json!({"iat": null})),
            ("fractions", json!({"exp": now as f64 + 300.75, "iat": now as f64 + 0.5, "nbf": now as f64 - 0.5})),
        ] {
            let answer = present(&app, &key.assertion(&claims(&app, &changes))).await;
            assert_eq!(answer.status, 200, "{why}: {}", answer.body);
        }
    }

    async fn an_odd_key_of_a_stored_set_takes_no_other_with_it(app: TestApp) {
        let key = Key::new("k1");
        let odd = json!({"kty": "EC", "crv": "P-256", "kid": 7, "alg": null});
        app.register(&client(&[odd.clone(), key.jwk(), json!({})])).await;
        let sound = key.assertion(&claims(&app, &json!({})));
        assert_eq!(present(&app, &sound).await.status, 200);
        // Whoever registers such a set is told of it.
        let faults = client(&[odd, key.jwk()]).faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("number 1 of the set"), "{faults:?}");
        let mut private = key.jwk();
        private["d"] = json!("AA");
        assert!(client(&[private, key.jwk()]).faults()[0].contains("private"));
    }

    async fn the_registered_key_and_algorithm_are_the_only_ones(app: TestApp) {
        let (key, stranger) = (Key::new("k1"), Key::new("k1"));
        let edwards = Ed25519KeyPair::generate().unwrap();
        let edwards_jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "k2",
            "x": URL_SAFE_NO_PAD.encode(edwards.public_key().as_ref()),
        });
        let own = client(&[key.jwk(), edwards_jwk]);
        app.register(&own).await;
        let sound = claims(&app, &json!({}));
        let header = |alg: &str| json!({"alg": alg, "kid": "k1"});

        is_c401(&present(&app, &stranger.assertion(&sound)).await, "a stranger's key");
        for alg in ["none", "None", "nOnE", "", "ES384", "HS256"] {
            is_c401(&present(&app, &signed(&header(alg), &sound, |_| Vec::new())).await, alg);
            is_c401(&present(&app, &key.sign(&header(alg), &sound)).await, alg);
        }
        is_c401(&present(&app, &key.sign(&json!({"kid": "k1"}), &sound)).await, "no alg");
        // HS256 with what everybody knows as the secret.
        let public = key.pair.public_key().as_ref();
        for secret in [public.to_vec(), key.jwk().to_string().into_bytes(), key.jwk()["x"].to_string().into_bytes()] {
            let mac = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let forged = signed(&header("HS256"), &sound, |message| hmac::sign(&mac, message).as_ref().to_vec());
            is_c401(&present(&app, &forged).await, "HS256");
        }
        // Registered, but for another algorithm than the client's one.
        let by_edwards = signed(&json!({"alg": "EdDSA", "kid": "k2"}), &sound, |message| {
            edwards.sign(message).as_ref().to_vec()
        });
        is_c401(&present(&app, &by_edwards).await, "another alg than registered");
        for brought in ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"] {
            let mut header = header("ES256");
            header[brought] = json!([stranger.jwk()]);
            is_c401(&present(&app, &stranger.sign(&header, &sound)).await, brought);
        }
        for kid in [json!("k9"), json!(1), json!("../k1"), json!("k".repeat(10_000))] {
            is_c401(&present(&app, &key.sign(&json!({"alg": "ES256", "kid": kid}), &sound)).await, "kid");
        }
        let wrong_type = app
            .post("/token", &[
                ("grant_type", "client_credentials"),
                ("client_assertion", &key.assertion(&sound)),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
            ])
            .await;
        is_c401(&wrong_type, "type");
        for broken in ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", &"x".repeat(9000)] {
            let answer = present(&app, broken).await;
            assert_eq!(answer.status, 401, "{broken:.20}: {}", answer.body);
        }
        // None of these used the jti up.
        assert_eq!(present(&app, &key.assertion(&sound)).await.status, 200);
        app.rewrite(&Client { assertion_alg: None, ..own }).await;
        let sound = claims(&app, &json!({}));
        let by_edwards = signed(&json!({"alg": "EdDSA", "kid": "k2"}), &sound, |message| {
            edwards.sign(message).as_ref().to_vec()
        });
        assert_eq!(present(&app, &by_edwards).await.status, 200);
    }

    async fn a_key_removed_or_ended_is_refused_at_once(app: TestApp) {
        let (old, new) = (Key::new("k1"), Key::new("k2"));
        app.register(&client(&[old.jwk()])).await;
        assert_eq!(present(&app, &old.assertion(&claims(&app, &json!({})))).await.status, 200);
        app.rewrite(&client(&[new.jwk()])).await;
        is_c401(&present(&app, &old.assertion(&claims(&app, &json!({})))).await, "removed");
        assert_eq!(present(&app, &new.assertion(&claims(&app, &json!({})))).await.status, 200);

        let mut ending = new.jwk();
        ending["exp"] = json!(app.now() + 10);
        app.rewrite(&client(&[ending])).await;
        app.advance(9);
        assert_eq!(present(&app, &new.assertion(&claims(&app, &json!({})))).await.status, 200);
        app.advance(1);
        is_c401(&present(&app, &new.assertion(&claims(&app, &json!({})))).await, "ended");
        let nobody = Client { jwks: None, ..client(&[]) };
        app.rewrite(&nobody).await;
        is_c401(&present(&app, &new.assertion(&claims(&app, &json!({})))).await, "no keys");
    }

    async fn a_client_cannot_use_up_anothers_jti(app: TestApp) {
        let key = Key::new("k1");
        app.register(&client(&[key.jwk()])).await;
        let other = Client { client_id: gatewright::domain::ClientId::new("other"), ..client(&[key.jwk()]) };
        app.register(&other).await;
        let mine = claims(&app, &json!({}));
        let mut theirs = mine.clone();
        theirs["iss"] = json!("other");
        theirs["sub"] = json!("other");
        assert_eq!(present(&app, &key.assertion(&theirs)).await.status, 200);
        assert_eq!(present(&app, &key.assertion(&mine)).await.status, 200);
        let rows = app
            .issuer
            .store
            .fetch_one::<(i64,)>("SELECT COUNT(*) FROM client_assertion WHERE client_id = $1", vec![Param::from("worker")])
            .await
            .unwrap();
        assert_eq!(rows.0, 1);
    }
}
