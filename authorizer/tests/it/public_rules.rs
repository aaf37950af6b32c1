//! `effect = "public"`: routes that ask for no token, and nothing more than those.

use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind, Incoming, Passage};
use gatewright_authorizer::policy::{Request, Target, explain};
use gatewright_authorizer::{Admitted, HttpCall, Policy, Reason, iam};
use serde_json::Value;

use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, claims, events, policy_of, token_with};

const RULES: &str = r#"
[[rule]]
id = "health"
methods = ["GET", "HEAD"]
path = "/health"
effect = "public"

[[rule]]
id = "docs"
methods = ["GET"]
path = "/docs/**"
effect = "public"

[[rule]]
id = "drafts"
methods = ["GET"]
path = "/docs/drafts/{name}"
scopes = ["drafts"]

[[rule]]
id = "preflight"
methods = ["OPTIONS"]
path = "/{any+}"
effect = "public"

[[rule]]
id = "orders"
methods = ["GET"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "anybody"
methods = ["GET"]
path = "/any"

[[rule]]
id = "no-secrets"
methods = ["ANY"]
path = "/docs/secret"
effect = "deny"

[[rule]]
id = "inside"
methods = ["GET"]
path = "/docs/inside"
effect = "deny"
when = '!in_network(request.source_ip, "10.0.0.0/8")'

[[rule]]
id = "banned"
methods = ["GET"]
path = "/docs/terms"
effect = "deny"
clients = ["banned"]
"#;

fn policy() -> Policy {
    policy_of(RULES)
}

/// What is open to nobody in particular, and what isn't.
const CALLS: [(&str, &str, bool); 19] = [
    ("GET", "/health", true),
    ("HEAD", "/health", true),
    ("POST", "/health", false),
    ("GET", "/health/", false),
    ("GET", "/health/x", false),
    ("GET", "/healthz", false),
    ("GET", "/docs/a/b", true),
    ("GET", "/docs/a%20b", true),
    ("DELETE", "/docs/a", false),
    ("GET", "/docs", false),
    ("GET", "/docs/drafts/1", false),
    ("GET", "/docs/secret", false),
    ("GET", "/docs/s%65cret", false),
    ("GET", "/docs/inside", false),
    ("GET", "/docs/terms", true),
    ("OPTIONS", "/orders/7", true),
    ("GET", "/orders/7", false),
    // Every valid token, and not nobody.
    ("GET", "/any", false),
    ("GET", "/docs/..%2forders/7", false),
];

fn http<'r>(method: &'r str, path: &'r str, authorization: &'r [&'r str]) -> HttpCall<'r> {
    HttpCall {
        kind: "test",
        method,
        path,
        authorization: authorization.iter().map(|value| value.as_bytes()).collect(),
        ..HttpCall::default()
    }
}

#[test]
fn a_server_lets_nobody_pass_on_public_routes_alone() {
    let authorizer = authorizer(policy(), &[shared()]);
    for (method, path, open) in CALLS {
        let outcome = block_on(authorizer.admit(&http(method, path, &[]), NOW));
        match outcome {
            Ok(Admitted::Public(rule)) => assert!(open && !rule.is_empty(), "{method} {path}"),
            Ok(Admitted::Caller(_)) => panic!("{method} {path} is nobody's"),
            Err(refusal) => assert!(!open && refusal.status() == 401, "{method} {path}"),
        }
    }
}

/// Whoever may call without a token may call with any: it isn't looked at, and nobody is told of it.
#[test]
fn on_a_public_route_no_token_is_looked_at() {
    let authorizer = authorizer(policy(), &[shared()]);
    let good = format!("Bearer {}", shared().sign(&claims("orders:read")));
    for tokens in [
        &[good.as_str()][..],
        &["Bearer x.y.z"],
        &["Basic x"],
        &[&good, &good],
    ] {
        let outcome = block_on(authorizer.admit(&http("GET", "/health", tokens), NOW));
        assert_eq!(outcome, Ok(Admitted::Public("health".to_owned())));
    }
    let orders = block_on(authorizer.admit(&http("GET", "/orders/7", &[&good]), NOW));
    assert_eq!(orders.unwrap().caller().unwrap().token.subject, "user-1");
}

#[test]
fn an_address_that_a_denial_asks_for_counts_without_a_token_too() {
    let authorizer = authorizer(policy(), &[shared()]);
    for (address, open) in [("10.1.2.3", true), ("203.0.113.9", false)] {
        let call = HttpCall {
            source_ip: address.parse().ok(),
            ..http("GET", "/docs/inside", &[])
        };
        assert_eq!(
            block_on(authorizer.admit(&call, NOW)).is_ok(),
            open,
            "{address}"
        );
    }
}

#[test]
fn an_authorizer_that_is_asked_about_a_public_route_allows_that_call_and_tells_of_nobody() {
    let authorizer = authorizer(policy(), &[shared()]);
    let allows = |body: &Value, resource: &str| {
        let outcome = iam::evaluate(&body["policyDocument"], resource).unwrap();
        outcome.is_allow()
    };
    for token in ["", "Bearer x.y.z"] {
        for (method, path, open) in CALLS {
            for event in events::all(token, method, path) {
                let answer = block_on(authorizer.answer(&event, NOW));
                let Ok(body) = answer else {
                    assert!(!open, "{method} {path}: {answer:?}");
                    continue;
                };
                let resource = events::resource(&event);
                // A TOKEN event tells no address, and an HTTP API's path may be meant as it stands.
                let unclear = path.contains('%');
                assert!(unclear || allows(&body, &resource) == open, "{event}");
                if allows(&body, &resource) {
                    assert_eq!(body["principalId"], "unauthenticated");
                    assert!(body["context"].get("sub").is_none());
                    let other = resource.replace(path, "/docs/other");
                    assert!(!allows(&body, &other), "it names one call");
                }
            }
        }
    }
}

#[test]
fn a_token_has_the_public_routes_among_its_rights() {
    // Without what IAM can't say in one document.
    let policy = policy_of(&RULES.replace("/docs/drafts/{name}", "/drafts/{name}"));
    let rights = policy.rights(&token_with("orders:read"), events::BASE, None, 8000);
    for (method, path, allowed) in [
        ("GET", "/health", true),
        ("GET", "/docs/a/b", true),
        ("OPTIONS", "/orders/7", true),
        ("GET", "/orders/7", true),
        ("GET", "/drafts/1", false),
        ("GET", "/docs/secret", false),
    ] {
        let resource = format!("{}/{method}{path}", events::BASE);
        assert_eq!(rights.permits(&resource), allowed, "{method} {path}");
        let judged = policy.judge(&token_with("orders:read"), &Request::new(method, path));
        assert_eq!(judged.is_allow(), allowed, "{method} {path}");
    }
}

#[test]
fn at_the_front_door_a_public_route_has_no_authorizer() {
    for kind in [
        FrontDoorKind::HttpV1,
        FrontDoorKind::HttpV2Iam,
        FrontDoorKind::RestToken,
        FrontDoorKind::RestRequest,
    ] {
        let door = FrontDoor::new(authorizer(policy(), &[shared()]), kind, "local", "dev", 60);
        let door = door.open_by(policy());
        for (method, path, open) in CALLS {
            let incoming = Incoming {
                method,
                path,
                query: "",
                headers: &[],
                source_ip: "127.0.0.1",
                request_id: None,
                trace: None,
            };
            match block_on(door.admit(&incoming, NOW)) {
                Passage::Forward { context } => assert!(open && context.is_empty(), "{path}"),
                Passage::Refuse { status, .. } => assert!(!open && status == 401, "{path}"),
            }
        }
    }
}

#[test]
fn explain_says_that_no_token_is_asked_for() {
    let explained = |path| {
        let request = Request::new("GET", path).at(NOW);
        explain(
            &policy(),
            &Err(Reason::TokenMissing.into()),
            Target::Route,
            &request,
        )
        .to_string()
    };
    assert_eq!(
        explained("/health"),
        "GET /health is allowed. The rule \"health\" is public: GET /health asks for no token."
    );
    assert!(explained("/orders/7").contains("reason: token_missing"));
}

#[test]
fn the_lint_tells_what_api_gateway_does_not_know_and_where_a_token_is_asked_for_still() {
    let findings = policy().lint();
    let public: Vec<_> = findings
        .iter()
        .filter(|finding| finding.code == "public")
        .collect();
    let rules: Vec<_> = public
        .iter()
        .filter_map(|one| one.rule.as_deref())
        .collect();
    assert_eq!(rules, ["health", "docs", "preflight"]);
    assert!(
        public[1]
            .words
            .ends_with("but where \"drafts\" is more specific")
    );
    assert!(public[0].remedy.contains("attach no authorizer"));
}

#[test]
fn a_public_rule_asks_for_nothing() {
    let rule = |more: &str| {
        let text = format!("[[rule]]\nid = \"x\"\neffect = \"public\"\n{more}\n");
        let head = crate::support::POLICY.split("[[rule]]").next().unwrap();
        Policy::parse(&format!("{head}{text}"))
    };
    let http = "methods = [\"GET\"]\npath = \"/x\"";
    assert!(rule(http).is_ok());
    for more in [
        "scopes = [\"a\"]",
        "any_scope = [\"a\"]",
        "groups = [\"a\"]",
        "clients = [\"a\"]",
        "subjects = [\"a\"]",
        "when = 'true'",
    ] {
        let error = rule(&format!("{http}\n{more}")).unwrap_err().to_string();
        assert!(error.contains("it asks for no token"), "{error}");
    }
    for target in ["route = \"$connect\"", "field = \"Query.orders\""] {
        let error = rule(target).unwrap_err().to_string();
        assert!(error.contains("can't be public"), "{error}");
    }
}
