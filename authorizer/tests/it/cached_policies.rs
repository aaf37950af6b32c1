//! No request path can widen a policy that a gateway keeps, whatever path it was made for.

use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind, Incoming, RulingVerdict};
use gatewright_authorizer::policy::Request;
use proptest::prelude::*;

use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, claims, policy_of, token_with};

/// Paths as an attacker would write them, and some that are plain.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop_oneof![Just("/a"), Just("/b"), Just("/c"), Just("/")],
        1 => prop_oneof![
            Just("*"), Just("?"), Just("/*"), Just("/?*"), Just("/.."), Just("/."), Just("%2F"), Just("%2e%2e"), Just(";"),
            Just("\\"), Just("$default"), Just("/GET/a"), Just("%"), Just("{x}"), Just("é"), Just(":"), Just("\""), Just(","),
        ],
    ];
    proptest::collection::vec(piece, 1..5)
        .prop_map(|pieces| format!("/{}", pieces.concat().trim_start_matches('/')))
}

fn rules() -> impl Strategy<Value = String> {
    let template = prop_oneof![
        Just("/a"),
        Just("/a/{x}"),
        Just("/a/{x}/b"),
        Just("/{x}"),
        Just("/{x}/{y}"),
        Just("/a/**"),
        Just("/**"),
        Just("/b/c"),
        Just("/"),
    ];
    let rule = (
        template,
        prop_oneof![Just("GET"), Just("POST"), Just("ANY")],
        0..3usize,
        prop::bool::weighted(0.2),
    );
    proptest::collection::vec(rule, 1..6).prop_map(|rules| {
        let one = |(at, (path, method, scope, denies)): (usize, (&str, &str, usize, bool))| {
            let effect = if denies { "deny" } else { "allow" };
            let scope = ["x", "y", "z"][scope];
            format!(
                "[[rule]]\nid = \"r{at}\"\nmethods = [\"{method}\"]\npath = \"{path}\"\nscopes = [\"{scope}\"]\neffect = \"{effect}\"\n"
            )
        };
        rules.into_iter().enumerate().map(one).collect()
    })
}

/// What a kept policy can't refuse, as the README says: only where the same call in plain form is allowed.
fn is_inexpressible(path: &str) -> bool {
    let mut escapes = path.split('%').skip(1);
    path.contains(['*', '?', '#'])
        || !path.bytes().all(|b| b.is_ascii_graphic())
        || escapes.any(|rest| {
            !rest
                .get(..2)
                .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_path_widens_a_policy_that_is_kept(
        rules in rules(),
        scopes in proptest::sample::subsequence(vec!["x", "y", "z"], 0..=3),
        first in paths(),
        later in proptest::collection::vec((paths(), prop_oneof![Just("GET"), Just("POST")]), 1..12),
        kind in prop_oneof![
            Just(FrontDoorKind::RestToken), Just(FrontDoorKind::RestRequest), Just(FrontDoorKind::HttpV1), Just(FrontDoorKind::HttpV2Iam),
        ],
    ) {
        let policy = policy_of(&rules);
        let scope = scopes.join(" ");
        let headers = [("authorization".to_owned(), format!("Bearer {}", shared().sign(&claims(&scope))))];
        let stage = if kind.is_rest() { "prod" } else { "$default" };
        let door = FrontDoor::new(authorizer(policy.clone(), &[shared()]), kind, "local", stage, 60);
        let rule = |method, path: &str| {
            let incoming = Incoming { method, path, query: "", headers: &headers, source_ip: "127.0.0.1", request_id: None, trace: None };
            block_on(door.rule(&incoming, NOW)).verdict
        };
        rule("GET", &first);
        let token = token_with(&scope);
        for (path, method) in later {
            if matches!(rule(method, &path), RulingVerdict::Forward(_)) && !is_inexpressible(&path) {
                let decision = policy.judge(&token, &Request::new(method, &path).at(NOW));
                prop_assert!(decision.is_allow(), "{} {} after {}: {}", method, path, first, decision.words);
            }
        }
    }
}
