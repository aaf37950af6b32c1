//! Secrets stay out of the log and out of the database: security case 117. How a line is escaped is tested beside
//! the code that writes lines.

use crate::support::app::basic;
use crate::support::database::MASTER;
use crate::support::fixtures::{
    PASSWORD, REDIRECT, SECRET, VERIFIER, authorize_url, machine_client,
};
use crate::support::{Browser, TestApp};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatewright::domain::form::encode;
use gatewright::store::{Store, signing_keys};
use serde_json::Value;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Every field of every event and span, of whatever level and crate, as it was given.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn take(&self, record: impl FnOnce(&mut dyn Visit)) {
        struct Text<'a>(&'a mut String);
        impl Visit for Text<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                let _ = write!(self.0, " {}={value:?}", field.name());
            }
            fn record_str(&mut self, field: &Field, value: &str) {
                let _ = write!(self.0, " {}={value}", field.name());
            }
        }
        let mut text = self.0.lock().unwrap();
        record(&mut Text(&mut text));
        text.push('\n');
    }
}

impl<S: tracing::Subscriber> Layer<S> for Everything {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        self.take(|visit| event.record(visit));
    }
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.take(|visit| attributes.record(visit));
    }
    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.take(|visit| values.record(visit));
    }
}

/// Secrets by name, in every form that they may take.
#[derive(Default)]
struct Canaries(Vec<(String, String)>);

impl Canaries {
    fn add(&mut self, name: &str, secret: &str) {
        assert!(
            secret.len() >= 12,
            "{name}: too short to be told from chance"
        );
        let encoded = encode(secret);
        let base64 = STANDARD.encode(secret);
        let forms = [
            secret.to_owned(),
            encoded.clone(),
            encoded.replace("%20", "+"),
            base64.trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        self.0.extend(forms.map(|form| (name.to_owned(), form)));
    }
    fn found_in(&self, place: &str, text: &str) {
        for (name, form) in &self.0 {
            assert!(!text.contains(form), "{name} lies in {place}: {form:.20}…");
        }
    }
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

/// Whole flows, with everything that goes wrong in them.
async fn live(app: &TestApp) -> Canaries {
    const WRONG: &str = "canary-wrong-password-7f3a";
    const SWAPPED: &str = "canary-secret-as-client-id-7f3a";
    const STRAY: &str = "canary-stray-value-7f3a";
    let mut canaries = Canaries::default();
    for (name, secret) in [
        ("password", PASSWORD),
        ("a wrong password", WRONG),
        ("verifier", VERIFIER),
        ("client secret", SECRET),
        ("a secret in the wrong place", SWAPPED),
        ("a stray value", STRAY),
    ] {
        canaries.add(name, secret);
    }
    app.register(&machine_client("worker")).await;
    app.with_ada_and_web().await;

    // A browser, a wrong password, a password typed as the name, then the right one.
    let browser = Browser::new(app);
    let url = authorize_url("web", "openid profile offline_access orders:read", &[]);
    for (login, password) in [("ada", WRONG), (WRONG, "x"), ("eve\n\u{1b}[31m\"}", WRONG)] {
        assert_eq!(browser.log_in(&url, login, password).await.status, 422);
    }
    let answer = browser.log_in(&url, "ada", PASSWORD).await;
    for (name, value) in browser.cookies.lock().unwrap().iter() {
        canaries.add(name, value);
    }
    let code = answer.parameter("code").unwrap();
    canaries.add("code", &code);

    // The code: badly, well, again.
    let redeem = |verifier: &'static str| {
        let (app, code) = (app.clone(), code.clone());
        async move {
            let fields = [
                ("grant_type", "authorization_code"),
                ("client_id", "web"),
                ("code", &code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", verifier),
            ];
            app.post("/token", &fields).await
        }
    };
    assert_eq!(redeem(STRAY).await.status, 400);
    let tokens = redeem(VERIFIER).await.json();
    for kind in ["access_token", "refresh_token", "id_token"] {
        canaries.add(kind, &text(&tokens, kind));
    }
    let access = text(&tokens, "access_token");
    let refresh = text(&tokens, "refresh_token");
    let bearer = format!("Bearer {access}");
    assert_eq!(
        app.get_with("/userinfo", &[("authorization", &bearer)])
            .await
            .status,
        200
    );
    let next = app.refresh("web", &refresh).await.json();
    for kind in ["access_token", "refresh_token"] {
        canaries.add(kind, &text(&next, kind));
    }
    assert_eq!(app.refresh("web", &refresh).await.status, 200);
    assert_eq!(app.refresh("worker", &refresh).await.status, 401);

    // In the wrong place.
    for path in [
        "/token",
        "/introspect",
        "/revoke",
        "/userinfo",
        "/authorize",
        "/logout",
        "/nothing",
    ] {
        let query =
            format!("{path}?client_secret={SECRET}&access_token={access}&code={code}&x={STRAY}");
        app.get(&query).await;
        app.post(&query, &[("token", &access), ("password", PASSWORD)])
            .await;
        let headers = [
            ("x-other", STRAY),
            ("user-agent", STRAY),
            ("referer", STRAY),
            ("authorization", &bearer),
        ];
        app.get_with(path, &headers).await;
        app.post_with(
            path,
            &[("client_id", "worker"), ("client_secret", SECRET)],
            &headers,
        )
        .await;
    }
    for header in [
        basic(SWAPPED, "worker"),
        basic("worker", STRAY),
        format!("Basic {STRAY}"),
        format!("Bearer {STRAY}"),
    ] {
        let grant = [("grant_type", "client_credentials")];
        assert_eq!(
            app.post_with("/token", &grant, &[("authorization", &header)])
                .await
                .status,
            401
        );
    }
    let assertion = [
        ("client_assertion", STRAY),
        ("client_assertion_type", STRAY),
        ("client_id", SWAPPED),
    ];
    app.post("/token", &assertion).await;

    // The rest of the endpoints, and a database that fails in the middle.
    let machine = app.machine_token("worker", &[]).await.json();
    canaries.add("machine token", &text(&machine, "access_token"));
    for token in [&access, &refresh, &text(&machine, "access_token")] {
        let fields = [
            ("client_id", "worker"),
            ("client_secret", SECRET),
            ("token", token),
        ];
        assert_eq!(app.post("/introspect", &fields).await.status, 200);
        assert_eq!(app.post("/revoke", &fields).await.status, 200);
    }
    let store = &app.issuer.store;
    store
        .execute(
            "ALTER TABLE refresh_token RENAME TO refresh_token_away",
            vec![],
        )
        .await
        .unwrap();
    assert_eq!(
        app.refresh("web", &text(&next, "refresh_token"))
            .await
            .status,
        500
    );
    assert_eq!(
        app.post("/revoke", &[("client_id", "web"), ("token", &refresh)])
            .await
            .status,
        500
    );
    store
        .execute(
            "ALTER TABLE refresh_token_away RENAME TO refresh_token",
            vec![],
        )
        .await
        .unwrap();
    app.refresh("web", &text(&next, "refresh_token")).await;
    assert_eq!(redeem(VERIFIER).await.status, 400);
    assert_eq!(app.refresh("web", &refresh).await.status, 400);

    let hint = text(&tokens, "id_token");
    browser
        .get(&format!("/logout?id_token_hint={hint}&state={STRAY}"))
        .await;
    let page = browser.get(&url).await;
    browser
        .submit(
            &page,
            "login-form",
            &[("login", "ada"), ("password", PASSWORD)],
        )
        .await;
    for (name, value) in browser.cookies.lock().unwrap().iter() {
        canaries.add(name, value);
    }
    canaries.add("master key", std::str::from_utf8(&MASTER).unwrap());
    canaries
}

/// The private halves, a stretch from the middle of each.
async fn private_halves(app: &TestApp) -> Vec<Vec<u8>> {
    let mut halves = Vec::new();
    for key in signing_keys::all(&app.issuer.store).await.unwrap() {
        let context = format!("signing_key.sealed_private {} sign", key.kid);
        let der = app
            .issuer
            .master
            .signing_keys
            .open(&context, &key.sealed_private)
            .unwrap();
        let at = if der.len() > 500 {
            500
        } else if der.len() > 100 {
            40
        } else {
            20
        };
        halves.push(der[at..at + 24].to_vec());
    }
    halves
}

async fn database(store: &Store) -> Vec<(String, Vec<u8>)> {
    match store.sqlite_file() {
        Some(path) => ["", "-wal"]
            .iter()
            .map(|end| {
                let name = format!("{}{end}", path.display());
                let bytes = std::fs::read(&name).unwrap();
                assert!(!bytes.is_empty());
                (name, bytes)
            })
            .collect(),
        None => {
            let tables = "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public'";
            let tables: Vec<(String,)> = store.fetch_all(tables, vec![]).await.unwrap();
            assert!(tables.len() > 12);
            let mut dump = Vec::new();
            for (table,) in tables {
                let sql = format!("SELECT CAST(row_to_json(t) AS TEXT) FROM {table} t");
                let rows: Vec<(String,)> = store
                    .fetch_all(Box::leak(sql.into_boxed_str()), vec![])
                    .await
                    .unwrap();
                let text: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
                dump.push((table, text.join("\n").into_bytes()));
            }
            dump
        }
    }
}

async fn no_secret_leaks(app: TestApp) {
    let log = Everything::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    // While there is one subscriber only, a line that another thread logs first counts as wanted by nobody.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let listening = tracing::subscriber::set_default(subscriber);
    let canaries = live(&app).await;
    drop(listening);

    let log = log.0.lock().unwrap().clone();
    for expected in [
        "answered",
        "login_failed",
        "login_succeeded",
        "client_authentication_failed",
        "token_refused",
        "request failed",
    ] {
        assert!(log.contains(expected), "nothing was heard of {expected:?}");
    }
    canaries.found_in("the log", &log);
    assert!(!log.contains('\u{1b}'), "a login name is not for the log");

    let halves = private_halves(&app).await;
    let mut whole = 0;
    for (place, bytes) in database(&app.issuer.store).await {
        whole += bytes.len();
        canaries.found_in(&place, &String::from_utf8_lossy(&bytes));
        for half in &halves {
            assert!(
                !bytes.windows(half.len()).any(|window| window == half),
                "a private key lies in {place}"
            );
            let text = URL_SAFE_NO_PAD.encode(&half[..half.len() / 3 * 3]);
            assert!(!String::from_utf8_lossy(&bytes).contains(&text));
        }
    }
    assert!(whole > 1000);
}

#[tokio::test]
async fn no_secret_leaks_sqlite() {
    no_secret_leaks(TestApp::sqlite().await).await;
}

#[tokio::test]
async fn no_secret_leaks_postgres() {
    if let Some(app) = TestApp::postgres().await {
        no_secret_leaks(app).await;
    }
}
