//! Path templates and scopes against naive models.

use gatewright_authorizer::Scopes;
use gatewright_authorizer::policy::{PathTemplate, Request, Verdict};
use proptest::prelude::*;

use crate::support::{policy_of, token_of};

/// Matches by backtracking over strings, knowing nothing of the real one.
fn naive(template: &[String], path: &[String]) -> bool {
    match (template.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((part, [])), Some(_)) if part == "**" || part.ends_with("+}") => true,
        (Some((part, rest)), Some((own, tail))) => {
            (part.starts_with('{') || part == own) && naive(rest, tail)
        }
        _ => false,
    }
}

fn parts() -> impl Strategy<Value = Vec<String>> {
    let part = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("{p}".to_owned())
    ];
    let end = prop_oneof![3 => Just(None), 1 => Just(Some("**".to_owned())), 1 => Just(Some("{rest+}".to_owned()))];
    (proptest::collection::vec(part, 0..4), end).prop_map(|(mut parts, end)| {
        for (at, part) in parts
            .iter_mut()
            .enumerate()
            .filter(|(_, part)| *part == "{p}")
        {
            *part = format!("{{p{at}}}");
        }
        parts.extend(end);
        parts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn templates_match_as_the_naive_matcher_does(template in parts(), path in proptest::collection::vec("[abc]{1,2}", 0..5)) {
        let text = format!("/{}", template.join("/"));
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        prop_assert_eq!(PathTemplate::parse(&text).unwrap().matches(&segments), naive(&template, &path));
    }

    #[test]
    fn templates_never_panic(text in "\\PC{0,40}") {
        let _ = PathTemplate::parse(&text);
    }

    #[test]
    fn policies_never_panic(text in "(\\[\\[(issuer|rule|x)\\]\\]\n|[a-z_]{1,8} = (1|\"x\"|\\[\\]|\\[\"GET\"\\])\n|\\PC{0,10}){0,12}") {
        let _ = gatewright_authorizer::Policy::parse(&text);
    }

    #[test]
    fn judging_never_panics(method in "\\PC{0,8}", path in "\\PC{0,40}") {
        let policy = policy_of("[[rule]]\nid = \"x\"\nmethods = [\"ANY\"]\npath = \"/**\"\n");
        let _ = policy.judge(&token_of(&Scopes::default()), &Request::new(&method, &path));
    }

    #[test]
    fn scopes_are_a_set_of_words(words in proptest::collection::vec("[a-c:]{1,3}", 0..6), asked in "[a-c:]{0,3}") {
        let scopes = Scopes::parse(&words.join(" "));
        prop_assert_eq!(scopes.contains(&asked), words.contains(&asked));
        prop_assert_eq!(&Scopes::parse(&scopes.to_string()), &scopes);
    }

    #[test]
    fn a_rule_needs_all_its_scopes_and_one_of_its_alternatives(
        has in proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4),
        all in proptest::sample::subsequence(vec!["a", "b"], 0..=2),
        any in proptest::sample::subsequence(vec!["c", "d"], 0..=2),
    ) {
        let one_of = if any.is_empty() { String::new() } else { format!("any_scope = {any:?}\n") };
        let policy = policy_of(&format!("[[rule]]\nid = \"x\"\nmethods = [\"GET\"]\npath = \"/x\"\nscopes = {all:?}\n{one_of}"));
        let decision = policy.judge(&token_of(&has.iter().copied().collect()), &Request::new("GET", "/x"));
        let expected = all.iter().all(|word| has.contains(word)) && (any.is_empty() || any.iter().any(|word| has.contains(word)));
        prop_assert_eq!(decision.verdict == Verdict::Allow, expected);
        if let Some(missing) = decision.missing.first() {
            prop_assert!(missing.all_of.iter().all(|word| !has.contains(&word.as_str())));
            prop_assert_eq!(missing.all_of.is_empty() && missing.one_of.is_empty(), false);
        }
    }
}
