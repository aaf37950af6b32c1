//! `request` and `request_uri` are not supported, and their senders learn it where they listen (OIDC Core §3.1.2.6).

use crate::attack::steps::{browser_of, is_told};
use crate::support::app::ISSUER;
use crate::support::browser::form_of;
use crate::support::fixtures::{REDIRECT, authorize_url};
use crate::support::{Answer, on_both_databases};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn object(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

fn unsigned(claims: &Value) -> String {
    object(&json!({"alg": "none"}), claims, "")
}

/// A request whose `state` and `response_mode` stand nowhere but in the object.
fn with(object: &str) -> String {
    authorize_url("web", "openid", &[("state", ""), ("request", object)])
}

#[track_caller]
fn is_posted(answer: &Answer, state: Option<&str>) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let form = form_of(answer, "form-post");
    assert_eq!(form.action, REDIRECT);
    let field = |name: &str| {
        form.hidden
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(field("error"), Some("request_not_supported"));
    assert_eq!(field("state"), state);
    assert_eq!(field("iss"), Some(ISSUER));
}

on_both_databases! {
    async fn they_are_announced_as_unsupported_and_refused_so(app: TestApp) {
        app.with_ada_and_web().await;
        for document in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
            let metadata = app.get(document).await.json();
            assert_eq!(metadata["request_parameter_supported"], false);
            assert_eq!(metadata["request_uri_parameter_supported"], false);
        }
        for session in [false, true] {
            let browser = if session { browser_of(&app, "ada").await } else { crate::support::Browser::new(&app) };
            let by_value = authorize_url("web", "openid", &[("request", "x")]);
            is_told(&browser.get_once(&by_value).await, "request_not_supported");
            for uri in ["https://app.example.com/object", "urn:ietf:params:oauth:request_uri:x"] {
                let by_reference = authorize_url("web", "openid", &[("request_uri", uri)]);
                is_told(&browser.get_once(&by_reference).await, "request_uri_not_supported");
            }
        }
    }

    async fn the_refusal_goes_the_way_that_the_object_says(app: TestApp) {
        app.with_ada_and_web().await;
        let both = json!({"response_mode": "form_post", "state": "in the object"});
        is_posted(&app.get(&with(&unsigned(&both))).await, Some("in the object"));
        is_posted(&app.get(&with(&unsigned(&json!({"response_mode": "form_post"})))).await, None);
        let answer = app.get(&with(&unsigned(&json!({"state": "in the object"})))).await;
        answer.is_redirect_with(REDIRECT, "request_not_supported", Some("in the object"), ISSUER);
        // Nobody verifies a signature for that either.
        is_posted(&app.get(&with(&object(&json!({"alg": "ES256"}), &both, "AAAA"))).await, Some("in the object"));
        // What stands outside comes first.
        let object = unsigned(&both);
        let outside = [("state", "outside"), ("response_mode", "query"), ("request", &*object)];
        let answer = app.get(&authorize_url("web", "openid", &outside)).await;
        answer.is_redirect_with(REDIRECT, "request_not_supported", Some("outside"), ISSUER);
    }

    async fn nothing_else_in_an_object_is_believed(app: TestApp) {
        app.with_ada_and_web().await;
        let evil = json!({
            "client_id": "other", "redirect_uri": "https://evil.example/cb", "response_type": "code", "scope": "openid",
            "state": "s", "prompt": "none", "iss": "https://evil.example",
        });
        let answer = app.get(&with(&unsigned(&evil))).await;
        answer.is_redirect_with(REDIRECT, "request_not_supported", Some("s"), ISSUER);
        // Client and redirect URI must stand outside.
        for missing in ["client_id", "redirect_uri"] {
            let full = json!({"client_id": "web", "redirect_uri": REDIRECT, "response_mode": "form_post"});
            let url = authorize_url("web", "openid", &[(missing, ""), ("request", &unsigned(&full))]);
            app.get(&url).await.is_page();
        }
        let object = unsigned(&json!({"state": "s"}));
        let unregistered = [("redirect_uri", "https://evil.example/cb"), ("request", &*object)];
        app.get(&authorize_url("web", "openid", &unregistered)).await.is_page();
    }

    async fn an_object_that_says_nothing_usable_changes_nothing(app: TestApp) {
        app.with_ada_and_web().await;
        let long = "s".repeat(4097);
        for object in [
            "x".to_owned(),
            "a.b".to_owned(),
            "a.b.c.d.e".to_owned(),
            "...".to_owned(),
            "!.!.".to_owned(),
            format!("e30.{}.", URL_SAFE_NO_PAD.encode("[1]")),
            format!("e30.{}.", URL_SAFE_NO_PAD.encode(r#"{"state":"a","state":"b"}"#)),
            unsigned(&json!({"state": 7, "response_mode": ["form_post"]})),
            unsigned(&json!({"state": "", "response_mode": ""})),
            unsigned(&json!({"state": long})),
            unsigned(&json!({"response_mode": "fragment"})),
        ] {
            let answer = app.get(&with(&object)).await;
            answer.is_redirect_with(REDIRECT, "request_not_supported", None, ISSUER);
        }
        let twice = format!("{}&request=x", with(&unsigned(&json!({"state": "s"}))));
        app.get(&twice).await.is_redirect_with(REDIRECT, "invalid_request", None, ISSUER);
    }
}
