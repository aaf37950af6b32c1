//! The document against the rules, over random policies, tokens and paths.

use gatewright_authorizer::iam;
use gatewright_authorizer::policy::{Coverage, Request};
use gatewright_authorizer::{AccessToken, Policy};
use proptest::prelude::*;

use crate::support::events::BASE;
use crate::support::{NOW, policy_of, token_of};

fn template() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => Just("a"), 3 => Just("b"), 4 => Just("{}")];
    let end = prop_oneof![3 => Just(""), 1 => Just("/**")];
    (proptest::collection::vec(part, 0..4), end).prop_map(|(parts, end)| {
        let named = parts.iter().enumerate().map(|(at, part)| {
            if *part == "{}" {
                format!("/{{p{at}}}")
            } else {
                format!("/{part}")
            }
        });
        let text = named.collect::<String>() + end;
        if text.is_empty() {
            "/".to_owned()
        } else {
            text
        }
    })
}

fn a_policy() -> impl Strategy<Value = Policy> {
    let scope = || proptest::sample::subsequence(vec!["s1", "s2", "s3"], 0..=2);
    let rule = (
        template(),
        prop_oneof![Just("GET"), Just("POST"), Just("ANY")],
        scope(),
        scope(),
        prop::bool::weighted(0.15),
        who_or_when(),
    );
    proptest::collection::vec(rule, 1..8).prop_map(|rules| {
        let text: String = rules
            .into_iter()
            .enumerate()
            .map(|(at, (path, method, all, any, deny, more))| {
                let any = if any.is_empty() { String::new() } else { format!("any_scope = {any:?}\n") };
                let deny = if deny { "effect = \"deny\"\n" } else { "" };
                format!("[[rule]]\nid = \"r{at}\"\nmethods = [\"{method}\"]\npath = \"{path}\"\nscopes = {all:?}\n{any}{deny}{more}")
            })
            .collect();
        policy_of(&text)
    })
}

/// What a rule asks for besides scopes, of the token or of the call.
fn who_or_when() -> impl Strategy<Value = &'static str> {
    let parts = vec![
        "groups = [\"g1\", \"g2\"]\n",
        "clients = [\"other\"]\n",
        "subjects = [\"user-1\"]\n",
        "when = 'claims.tenant == \"t1\"'\n",
        "when = 'claims.missing == 1'\n",
        "when = 'request.stage == \"prod\"'\n",
        "when = 'request.method == \"GET\" && now > claims.iat'\n",
        "when = 'in_network(request.source_ip, \"10.0.0.0/8\") && claims.tenant == \"t1\"'\n",
    ];
    prop_oneof![3 => Just(""), 2 => proptest::sample::select(parts)]
}

fn a_token() -> impl Strategy<Value = AccessToken> {
    let scopes = proptest::sample::subsequence(vec!["s1", "s2", "s3"], 0..=3);
    let groups = proptest::sample::subsequence(vec!["g1", "g3"], 0..=2);
    (scopes, groups, any::<bool>()).prop_map(|(scopes, groups, tenant)| {
        let mut token = token_of(&scopes.into_iter().collect());
        token.claims.insert("groups".to_owned(), groups.into());
        token
            .claims
            .insert("tenant".to_owned(), if tenant { "t1" } else { "t2" }.into());
        token
    })
}

/// A call as a gateway tells of it.
fn called<'r>(method: &'r str, path: &'r str) -> Request<'r> {
    let address = "10.0.0.1".parse().unwrap();
    Request::new(method, path).at(NOW).on("prod").from(address)
}

/// Every clean path of up to four segments.
fn clean_paths() -> Vec<String> {
    let mut level = vec![String::new()];
    let mut all = vec!["/".to_owned()];
    for _ in 0..4 {
        level = level
            .iter()
            .flat_map(|path| ["a", "b", "x"].map(|part| format!("{path}/{part}")))
            .collect();
        all.extend(level.iter().cloned());
    }
    all
}

/// What a path becomes in an attacker's hands.
fn unclean(path: &str) -> Vec<String> {
    let mut all: Vec<String> = [
        "/",
        "//",
        "/.",
        "/..",
        "/%2e",
        "/%2E%2E",
        "/.%2e",
        ";x",
        "\\",
        "%2F",
        "%2fa",
        "%00",
        "%5C",
        "%2561",
        "%3b",
        "%7F",
        "%c0%af",
        "%E0%80%AF",
        "%C2%85",
    ]
    .map(|tail| format!("{path}{tail}"))
    .to_vec();
    all.extend(["/", "/.", "/..", "/x;", "/%2e", "/a%2f"].map(|head| format!("{head}{path}")));
    all.extend(
        [path.replace("/a", "//a"), path.replace("/b", "/./b")]
            .into_iter()
            .filter(|other| other != path),
    );
    all
}

/// The path with some of its characters as escapes, in either case, and with others that need none.
fn spelled(path: &str, seed: usize) -> String {
    let letters = path.bytes().enumerate();
    letters
        .map(|(at, byte)| match (byte, (seed >> (at % 16)) % 4) {
            (b'/', _) => "/".to_owned(),
            (byte, 0) => format!("%{byte:02x}"),
            (byte, 1) => format!("{}%40", char::from(byte)),
            (byte, _) => char::from(byte).to_string(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_document_says_what_the_policy_says(policy in a_policy(), token in a_token(), present in 0..121usize, seed in 0..65536usize) {
        let paths = clean_paths();
        let present = &paths[present];
        let allowed = policy.judge(&token, &called("GET", present)).is_allow();
        let rights = policy.rights(&token, BASE, allowed.then_some(("GET", present.as_str())), 1_000_000);
        prop_assert_eq!(rights.permits(&format!("{BASE}/GET{present}")), allowed);
        let whole = *rights.coverage() == Coverage::Whole;
        prop_assert!(whole || !policy.lint().is_empty(), "the lint knows beforehand");
        for method in ["GET", "POST", "TRACE"] {
            for path in &paths {
                let judged = policy.judge(&token, &called(method, path)).is_allow();
                let permitted = rights.permits(&format!("{BASE}/{method}{path}"));
                prop_assert!(judged || !permitted, "{method} {path} is allowed by the document alone: {:?}", rights);
                prop_assert!(!whole || judged == permitted, "{method} {path} is missing: {:?}", rights);
            }
        }
        for path in paths.iter().map(|path| spelled(path, seed)) {
            let judged = policy.judge(&token, &called("GET", &path)).is_allow();
            prop_assert!(judged || !rights.permits(&format!("{BASE}/GET{path}")), "{path} is allowed by the document alone: {:?}", rights);
        }
        for path in paths.iter().take(40).flat_map(|path| unclean(path)) {
            prop_assert!(!policy.judge(&token, &called("GET", &path)).is_allow(), "{path}");
            prop_assert!(!rights.permits(&format!("{BASE}/GET{path}")), "{path} {:?}", rights);
        }
    }

    #[test]
    fn the_wildcard_matcher_agrees_with_a_naive_one(pattern in "[ab/?*]{0,8}", text in "[ab/]{0,8}") {
        prop_assert_eq!(iam::matches(&pattern, &text), naive(pattern.as_bytes(), text.as_bytes()));
    }
}

fn naive(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => naive(rest, text),
        (Some((b'*', rest)), Some((_, shorter))) => naive(rest, text) || naive(pattern, shorter),
        (Some((b'?', rest)), Some((_, shorter))) => naive(rest, shorter),
        (Some((p, rest)), Some((t, shorter))) => p == t && naive(rest, shorter),
        _ => false,
    }
}
