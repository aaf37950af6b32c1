//! The documentation says what the code says.

use gatewright_authorizer::policy::{IssuerRules, JwksRules};
use gatewright_authorizer::{Policy, Reason};

const README: &str = include_str!("../../README.md");

#[test]
fn the_table_of_reasons_is_complete_and_in_order() {
    let rows: Vec<[&str; 3]> = README
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .strip_suffix(" |")?
                .split(" | ")
                .collect::<Vec<_>>()
                .try_into()
                .ok()
        })
        .collect();
    let expected: Vec<[String; 3]> = Reason::ALL
        .iter()
        .map(|reason| {
            [
                format!("{}`", reason.as_str()),
                reason.explain().to_owned(),
                reason.remedy().to_owned(),
            ]
        })
        .collect();
    let found: Vec<[String; 3]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
    assert_eq!(found, expected);
}

#[test]
fn codes_are_stable_unique_and_snake_case() {
    let mut codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert!(
        codes
            .iter()
            .all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    );
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.as_str()), Some(*reason));
        assert!(!(reason.is_fault() && reason.refuses_token()));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Reason::ALL.len());
    let faults: Vec<&str> = Reason::ALL
        .iter()
        .filter(|reason| reason.is_fault())
        .map(|reason| reason.as_str())
        .collect();
    assert_eq!(
        faults,
        [
            "keys_unavailable",
            "event_unrecognised",
            "policy_invalid",
            "internal_error"
        ]
    );
}

#[test]
fn the_policy_file_of_the_readme_is_valid() {
    let example = README
        .split("```toml\n")
        .find(|part| part.contains("[[rule]]"))
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let policy = Policy::parse(example).unwrap();
    assert_eq!(policy.rules()[0].id(), "orders-read");
}

#[test]
fn the_issuer_of_the_readme_has_the_defaults() {
    let examples = README.split("```toml\n").skip(1);
    let settings = examples
        .filter_map(|part| part.split("```").next())
        .find(|text| text.contains("[issuer.jwks]"))
        .unwrap();
    let policy = Policy::parse(settings).unwrap();
    let issuer = &policy.issuers()[0];
    let usual = IssuerRules::new(
        issuer.url.clone(),
        issuer.audiences.clone(),
        issuer.algorithms.clone(),
    );
    let defaults = JwksRules {
        pinned: issuer.jwks.pinned.clone(),
        ..usual.jwks.clone()
    };
    assert_eq!(issuer.jwks, defaults);
    assert_eq!((&issuer.typ, issuer.leeway_s), (&usual.typ, usual.leeway_s));
}
