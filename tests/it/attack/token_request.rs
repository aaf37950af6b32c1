//! Token requests that aren't: other methods, other bodies, secrets in the query, other grants.

use crate::support::fixtures::{PASSWORD, SECRET, confidential_client, machine_client};
use crate::support::on_both_databases;
use axum::body::Body;
use http::Method;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

on_both_databases! {
    async fn only_post_reaches_the_token_endpoint(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let query = format!("?grant_type=client_credentials&client_id=worker&client_secret={SECRET}");
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH] {
            for path in ["/token", "/introspect", "/revoke"] {
                for suffix in ["", &query] {
                    let request = app.request(method.clone(), &format!("{path}{suffix}"), &[]);
                    let answer = app.send(request.body(Body::empty()).unwrap()).await;
                    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{method} {path}");
                    assert!(!answer.body.contains("access_token"));
                }
            }
        }
    }

    async fn a_body_of_another_kind_is_not_guessed_at(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let json = format!(r#"{{"grant_type":"client_credentials","client_id":"worker","client_secret":"{SECRET}"}}"#);
        let form = format!("grant_type=client_credentials&client_id=worker&client_secret={SECRET}");
        for (kind, body) in [
            ("application/json", &json),
            ("text/plain", &form),
            ("multipart/form-data; boundary=x", &form),
            ("application/x-www-form-urlencoded2", &form),
            ("", &form),
        ] {
            let request = app.request(Method::POST, "/token", &[("content-type", kind)]);
            let answer = app.send(request.body(Body::from(body.clone())).unwrap()).await;
            assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{kind}");
        }
    }

    async fn credentials_in_the_query_are_refused_and_not_logged(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let log = Log::default();
        let writer = log.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        for path in ["/token", "/introspect", "/revoke"] {
            let fields = [("grant_type", "client_credentials"), ("client_id", "worker"), ("client_secret", SECRET)];
            for query in [
                format!("client_secret={SECRET}"),
                format!("client_id=worker&client_secret={SECRET}"),
                "code=canary-code&code_verifier=canary-verifier".to_owned(),
                "refresh_token=canary-refresh".to_owned(),
                "token=canary-token".to_owned(),
                "x".to_owned(),
            ] {
                let answer = app.post(&format!("{path}?{query}"), &fields).await;
                assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{path}?{query}");
            }
        }
        app.get(&format!("/token?client_secret={SECRET}&code=canary-get")).await;
        app.get(&format!("/login?login=ada&password={PASSWORD}").replace(' ', "+")).await;
        drop(guard);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("answered"), "the access log was listened to: {log}");
        for secret in [SECRET, "canary", "battery"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }

    async fn a_grant_that_does_not_exist_or_is_not_the_clients_is_refused(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.register(&confidential_client("server")).await;
        let grant = async |client_id: &str, grant_type: &str| {
            let fields = [
                ("grant_type", grant_type),
                ("client_id", client_id),
                ("client_secret", SECRET),
                ("username", "ada"),
                ("password", PASSWORD),
            ];
            app.post("/token", &fields).await.error()
        };
        for unknown in [
            "password",
            "implicit",
            "token",
            "AUTHORIZATION_CODE",
            "authorization_code ",
            "urn:ietf:params:oauth:grant-type:saml2-bearer",
            "x",
        ] {
            let refused = (400, "unsupported_grant_type".to_owned());
            assert_eq!(grant("worker", unknown).await, refused, "{unknown}");
            assert_eq!(grant("server", unknown).await, refused, "{unknown}");
        }
        let refused = (400, "unauthorized_client".to_owned());
        assert_eq!(grant("worker", "authorization_code").await, refused);
        assert_eq!(grant("worker", "refresh_token").await, refused);
        assert_eq!(grant("server", "client_credentials").await, refused);
        assert_eq!(grant("server", "").await, (400, "invalid_request".to_owned()));
        let twice = format!(
            "grant_type=client_credentials&client_id=worker&client_secret={SECRET}&grant%5Ftype=authorization_code"
        );
        assert_eq!(app.post_raw("/token", &twice, &[]).await.error(), (400, "invalid_request".to_owned()));
    }
}
