//! Client secrets: security cases 28 to 31, and 35 for secrets.

use crate::support::app::{Answer, basic, form};
use crate::support::fixtures::{SECRET, machine_client, public_client};
use crate::support::{TestApp, on_both_databases};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatewright::domain::Client;
use gatewright::domain::client::AuthMethod;
use gatewright::store::Param;
use gatewright::store::clients::{self, ClientSecretRecord};
use serde_json::json;
use std::time::Instant;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn with_basic(app: &TestApp, authorization: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![GRANT];
    fields.extend_from_slice(more);
    app.post_with("/token", &fields, &[("authorization", authorization)])
        .await
}

/// HTTP Basic of these very bytes.
fn raw_basic(pair: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[track_caller]
fn is_c401(answer: &Answer, challenge: bool) {
    assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
    let challenged = answer
        .header("www-authenticate")
        .is_some_and(|c| c.starts_with("Basic "));
    assert_eq!(challenged, challenge, "{:?}", answer.headers);
}

/// All that a caller sees, but for the id of the request.
fn seen(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    format!("{} {headers:?} {}", answer.status, answer.body)
}

on_both_databases! {
    async fn an_unknown_client_and_a_wrong_secret_are_answered_alike(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let wrong = with_basic(&app, &basic("worker", "gws_wrong"), &[]).await;
        let unknown = with_basic(&app, &basic("nobody", "gws_wrong"), &[]).await;
        is_c401(&wrong, true);
        assert_eq!(seen(&wrong), seen(&unknown));

        let in_body = |id| [GRANT, ("client_id", id), ("client_secret", "gws_wrong")];
        let wrong = app.post("/token", &in_body("worker")).await;
        let unknown = app.post("/token", &in_body("nobody")).await;
        is_c401(&wrong, false);
        assert_eq!(seen(&wrong), seen(&unknown));

        // So is a client that is disabled, and an id that can't be one.
        app.rewrite(&Client { disabled: true, ..machine_client("worker") }).await;
        assert_eq!(seen(&app.post("/token", &in_body("worker")).await), seen(&unknown));
        let told = app.recorded("client_authentication_failed").await.pop().unwrap().fields();
        assert_eq!((&told["reason"], &told["client_id"]), (&json!("client_disabled"), &json!("worker")));
        let too_long = "x".repeat(10_000);
        assert_eq!(seen(&app.post("/token", &in_body(&too_long)).await), seen(&unknown));
    }

    async fn two_credentials_at_once_are_refused(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let header = basic("worker", SECRET);
        for more in [
            &[("client_secret", SECRET)][..],
            &[("client_id", "worker"), ("client_secret", SECRET)],
            &[("client_assertion", "a.b.c"), ("client_assertion_type", "x")],
            &[("client_assertion_type", "x")],
            &[("client_id", "another")],
        ] {
            let answer = with_basic(&app, &header, more).await;
            assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{more:?}");
        }
        let both = [("client_secret", SECRET), ("client_assertion", "a.b.c"), ("client_id", "worker"), GRANT];
        assert_eq!(app.post("/token", &both).await.error(), (400, "invalid_request".to_owned()));
        // The same id twice says nothing new, nor does what has no value.
        assert_eq!(with_basic(&app, &header, &[("client_id", "worker")]).await.status, 200);
        let blank = [("client_secret", ""), ("client_assertion", ""), ("client_assertion_type", ""), ("client_id", "")];
        assert_eq!(with_basic(&app, &header, &blank).await.status, 200);
        // Two headers are nobody's.
        let request = app
            .request(http::Method::POST, "/token", &[("authorization", &header), ("authorization", &header)])
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[GRANT]).into())
            .unwrap();
        is_c401(&app.send(request).await, true);
    }

    async fn malformed_basic_is_refused(app: TestApp) {
        app.register(&machine_client("worker")).await;
        for header in [
            "Basic".to_owned(),
            "Basic ".to_owned(),
            "Basic !!!!".to_owned(),
            "Basic d29ya2Vy".to_owned(),
            format!("Basic {}", STANDARD.encode(format!("worker:{SECRET}")).trim_end_matches('=').to_owned() + "*"),
            raw_basic(b"worker"),
            raw_basic(b":"),
            raw_basic(format!(":{SECRET}").as_bytes()),
            raw_basic(format!("worker:{SECRET}%").as_bytes()),
            raw_basic(format!("worker:{SECRET}%zz").as_bytes()),
            raw_basic(format!("worker\0:{SECRET}").as_bytes()),
            raw_basic(format!("worker:{SECRET}\0").as_bytes()),
            raw_basic(format!("worker%00:{SECRET}").as_bytes()),
            raw_basic(b"worker:\xff\xfe"),
            format!("Bearer {}", STANDARD.encode(format!("worker:{SECRET}"))),
        ] {
            let answer = with_basic(&app, &header, &[]).await;
            is_c401(&answer, header.starts_with("Basic "));
        }
        // The scheme is no matter of case (RFC 9110 §11.1).
        let lower = basic("worker", SECRET).replacen("Basic", "bAsIc", 1);
        assert_eq!(with_basic(&app, &lower, &[]).await.status, 200);
    }

    async fn basic_is_form_decoded_exactly_once(app: TestApp) {
        let odd = "a+b:c%3Ad e%";
        let client = machine_client("worker");
        app.register(&client).await;
        let mut tx = app.issuer.store.begin().await.unwrap();
        let record = ClientSecretRecord {
            secret_id: "odd".to_owned(),
            digest: app.issuer.master.client_secret_digest("worker", odd),
            created_at: app.now(),
            expires_at: None,
            last_used_at: None,
        };
        clients::add_secret(&mut tx, &client.client_id, &record).await.unwrap();
        tx.commit().await.unwrap();
        app.forget_caches();

        assert_eq!(with_basic(&app, &raw_basic(b"worker:a%2Bb%3Ac%253Ad+e%25"), &[]).await.status, 200);
        assert_eq!(with_basic(&app, &raw_basic(b"wor%6Ber:a%2Bb:c%253Ad%20e%25"), &[]).await.status, 200);
        for not_encoded in [&b"worker:a+b:c%3Ad e%"[..], b"worker:a%252Bb%253Ac%25253Ad%2Be%2525"] {
            is_c401(&with_basic(&app, &raw_basic(not_encoded), &[]).await, true);
        }
    }

    async fn a_public_client_has_no_secret(app: TestApp) {
        app.register(&public_client("web")).await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "gwr_x")];
        let in_body = |secret| [&fields[..], &[("client_id", "web"), ("client_secret", secret)]].concat();
        is_c401(&app.post("/token", &in_body(SECRET)).await, false);
        for secret in ["", SECRET] {
            let header = basic("web", secret);
            is_c401(&app.post_with("/token", &fields, &[("authorization", &header)]).await, true);
        }
        // A parameter without a value wasn't sent, and this client needs none.
        assert_eq!(app.post("/token", &in_body("")).await.error(), (400, "invalid_grant".to_owned()));
    }

    async fn an_empty_secret_opens_nothing(app: TestApp) {
        let client = machine_client("worker");
        app.register(&client).await;
        let empty = |app: &TestApp| {
            let app = app.clone();
            async move {
                let fields = [GRANT, ("client_id", "worker"), ("client_secret", "")];
                is_c401(&app.post("/token", &fields).await, false);
                is_c401(&app.post("/token", &[GRANT, ("client_id", "worker")]).await, false);
                is_c401(&with_basic(&app, &basic("worker", ""), &[]).await, true);
            }
        };
        empty(&app).await;
        // Nor does it where what is stored is empty, or made of nothing.
        for stored in [String::new(), app.issuer.master.client_secret_digest("worker", "")] {
            let sql = "UPDATE client_secret SET digest = $1";
            app.issuer.store.execute(sql, vec![Param::from(stored)]).await.unwrap();
            app.forget_caches();
            empty(&app).await;
        }
        app.issuer.store.execute("DELETE FROM client_secret", vec![]).await.unwrap();
        app.forget_caches();
        empty(&app).await;
    }

    async fn a_secret_that_has_ended_is_refused_at_once(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let end = Param::from(app.now() + 10);
        app.issuer.store.execute("UPDATE client_secret SET expires_at = $1", vec![end]).await.unwrap();
        app.forget_caches();
        app.advance(9);
        assert_eq!(app.machine_token("worker", &[]).await.status, 200);
        app.advance(1);
        is_c401(&app.machine_token("worker", &[]).await, false);
    }

    /// Caches are a second old at most: a change made elsewhere counts everywhere soon.
    async fn another_node_learns_of_a_change_within_a_second_or_so(app: TestApp) {
        let other = app.another_node().await;
        let until = async |status: u16| {
            let began = Instant::now();
            while other.machine_token("worker", &[]).await.status != status {
                assert!(began.elapsed().as_secs() < 5, "still not {status}");
                tokio::task::yield_now().await;
            }
        };
        until(401).await;
        app.register(&machine_client("worker")).await;
        until(200).await;
        app.issuer.store.execute("DELETE FROM client_secret", vec![]).await.unwrap();
        until(401).await;
    }

    async fn a_client_authenticates_in_its_own_way_only(app: TestApp) {
        for (id, method) in [
            ("header", AuthMethod::ClientSecretBasic),
            ("body", AuthMethod::ClientSecretPost),
            ("key", AuthMethod::PrivateKeyJwt),
        ] {
            app.register(&Client { auth_method: method, ..machine_client(id) }).await;
        }
        assert_eq!(with_basic(&app, &basic("header", SECRET), &[]).await.status, 200);
        is_c401(&app.machine_token("header", &[]).await, false);
        assert_eq!(app.machine_token("body", &[]).await.status, 200);
        is_c401(&with_basic(&app, &basic("body", SECRET), &[]).await, true);
        is_c401(&app.machine_token("key", &[]).await, false);
        is_c401(&with_basic(&app, &basic("key", SECRET), &[]).await, true);
        // Another client's secret is wrong, though it is the same text: the digest is keyed with the client.
        let sql = "UPDATE client_secret SET client_id = 'header' WHERE client_id = 'body'";
        app.issuer.store.execute(sql, vec![]).await.unwrap();
        app.issuer
            .store
            .execute("DELETE FROM client_secret WHERE secret_id = 'secret-of-header'", vec![])
            .await
            .unwrap();
        app.forget_caches();
        is_c401(&with_basic(&app, &basic("header", SECRET), &[]).await, true);
    }
}

/// Interleaved, so that whatever else the machine does hits both alike; the best of some tries, for it may not.
#[tokio::test]
async fn an_unknown_client_takes_as_long_as_a_wrong_secret() {
    const RUNS: usize = 1000;
    let app = TestApp::sqlite().await;
    app.register(&machine_client("worker")).await;
    let headers = [basic("worker", "gws_wrong"), basic("nobody", "gws_wrong")];
    let mut best = f64::MAX;
    for _ in 0..8 {
        let mut times = [Vec::with_capacity(RUNS), Vec::with_capacity(RUNS)];
        for run in 0..2 * RUNS {
            // Either goes first as often as the other.
            let which = (run + run / 2) % 2;
            let began = Instant::now();
            let answer = with_basic(&app, &headers[which], &[]).await;
            let took = began.elapsed();
            assert_eq!(answer.status, 401);
            times[which].push(took);
        }
        let [wrong, unknown] = times.map(|mut times| {
            times.sort_unstable();
            times[RUNS / 2].as_secs_f64()
        });
        best = best.min((wrong / unknown - 1.0).abs());
        if best < 0.05 {
            return;
        }
    }
    panic!("the medians differ by {:.1} %", best * 100.0);
}
