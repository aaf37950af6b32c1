//! Claims about every input: the form parser, redirect matching, scope algebra, PKCE.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright::crypto::token::sha256;
use gatewright::domain::Scope;
use gatewright::domain::form::{Form, FormError, MAX_PARAMETERS, decode, encode};
use gatewright::domain::pkce::{CodeChallenge, is_code_verifier};
use gatewright::domain::redirect_uri::RedirectUri;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Any text but NUL.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

/// Encodes as some client might: anything may be escaped, in either case; what must be, is.
fn encode_somehow(value: &str, choices: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (at, byte) in value.bytes().enumerate() {
        let choice = choices.get(at % choices.len().max(1)).copied().unwrap_or(0);
        let special = matches!(byte, b'&' | b'=' | b'+' | b'%' | b' ') || !byte.is_ascii_graphic();
        match (byte, choice % 3) {
            (b' ', 0) => encoded.push(b'+'),
            (_, 0) if !special => encoded.push(byte),
            (_, 1) => encoded.extend(format!("%{byte:02x}").bytes()),
            _ => encoded.extend(format!("%{byte:02X}").bytes()),
        }
    }
    encoded
}

proptest! {
    #[test]
    fn a_form_comes_back_as_it_was_meant(
        pairs in vec((text(), text()), 0..20),
        choices in vec(any::<u8>(), 1..8),
        strays in vec(0_usize..3, 20),
    ) {
        let mut body = Vec::new();
        for ((name, value), stray) in pairs.iter().zip(&strays) {
            if !body.is_empty() {
                body.push(b'&');
            }
            // Empty pieces mean nothing.
            body.extend(std::iter::repeat_n(b'&', *stray));
            body.extend(encode_somehow(name, &choices));
            body.push(b'=');
            body.extend(encode_somehow(value, &choices));
        }
        let form = Form::parse(&body).unwrap();
        // Without a value is as good as not sent.
        let valued = || pairs.iter().filter(|(_, value)| !value.is_empty());
        prop_assert_eq!(form.names().collect::<Vec<_>>(), valued().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        prop_assert_eq!(form.is_empty(), valued().next().is_none());
        let mut seen = BTreeSet::new();
        let mut twice = Vec::new();
        for (name, _) in &pairs {
            if !seen.insert(name) {
                twice.push(name.as_str());
            }
            let all: Vec<&str> = valued().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
            prop_assert_eq!(form.get(name), all.first().copied());
            prop_assert_eq!(form.all(name).collect::<Vec<_>>(), all);
        }
        prop_assert_eq!(form.duplicates(&[]).collect::<Vec<_>>(), twice);
    }

    #[test]
    fn a_parameter_that_comes_twice_is_seen(
        names in vec("[a-c]", 0..12),
        choices in vec(any::<u8>(), 1..5),
    ) {
        let pieces: Vec<Vec<u8>> = names.iter().enumerate().map(|(at, name)| {
            let mut piece = encode_somehow(name, &choices[at % choices.len()..]);
            // With a value or without.
            piece.extend([&b"=1"[..], b"=", b""][usize::from(choices[at % choices.len()] % 3)]);
            piece
        }).collect();
        let form = Form::parse(&pieces.join(&b'&')).unwrap();
        let distinct: BTreeSet<&String> = names.iter().collect();
        prop_assert_eq!(form.duplicates(&[]).count(), names.len() - distinct.len());
        let but_a = names.iter().filter(|name| *name != "a").count() - distinct.iter().filter(|name| **name != "a").count();
        prop_assert_eq!(form.duplicates(&["a"]).count(), but_a);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(input in vec(any::<u8>(), 0..400)) {
        if let Ok(form) = Form::parse(&input) {
            prop_assert!(form.names().count() <= MAX_PARAMETERS);
            for name in form.names() {
                prop_assert!(!name.contains('\0'));
                prop_assert!(!form.get(name).unwrap().contains('\0'));
            }
        }
    }

    #[test]
    fn no_ascii_soup_makes_the_parser_panic(input in "[&=+%0-9a-fA-F\\x00-\\x7f]{0,200}") {
        let stray = input.as_bytes().windows(3).any(|w| w[0] == b'%' && !(w[1].is_ascii_hexdigit() && w[2].is_ascii_hexdigit()));
        if stray {
            prop_assert!(Form::parse(input.as_bytes()).is_err());
        }
        let _ = Form::parse(input.as_bytes());
    }

    #[test]
    fn what_was_encoded_decodes_once(value in text()) {
        let encoded = encode(&value);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        prop_assert_eq!(decode(encoded.as_bytes()).unwrap(), value.as_str());
        // Twice encoded is not undone in one go.
        prop_assert_eq!(decode(encode(&encoded).as_bytes()).unwrap(), encoded);
    }

    #[test]
    fn nul_and_broken_utf8_are_refused_wherever_they_are(before in text(), after in text(), escaped: bool) {
        let (before, after) = (encode(&before), encode(&after));
        let nul = if escaped { "%00" } else { "\0" };
        prop_assert_eq!(Form::parse(format!("a={before}{nul}{after}").as_bytes()).err(), Some(FormError::Nul));
        prop_assert_eq!(Form::parse(format!("{before}{nul}{after}=a").as_bytes()).err(), Some(FormError::Nul));
        for broken in ["%ff", "%c0%80", "%ed%a0%80", "%f5%80%80%80", "%e2%82"] {
            let body = format!("a={before}{broken}x{after}");
            prop_assert_eq!(Form::parse(body.as_bytes()).err(), Some(FormError::Encoding));
        }
    }

    #[test]
    fn more_than_the_limit_is_refused(count in 90_usize..110) {
        let body = (0..count).map(|at| format!("n{at}={}", ["1", ""][at % 2])).collect::<Vec<_>>().join("&");
        prop_assert_eq!(Form::parse(body.as_bytes()).is_ok(), count <= MAX_PARAMETERS);
    }
}

/// A change of one byte: replaced, put in or taken out.
#[derive(Clone, Debug)]
enum Change {
    Replace(usize, u8),
    Insert(usize, u8),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), 0_u8..128).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<usize>(), 0_u8..128).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<usize>().prop_map(Change::Remove),
    ]
}

fn changed(uri: &str, change: &Change) -> String {
    let mut bytes = uri.as_bytes().to_vec();
    match change {
        Change::Replace(at, byte) => {
            let at = at % bytes.len();
            bytes[at] = *byte;
        }
        Change::Insert(at, byte) => bytes.insert(at % (bytes.len() + 1), *byte),
        Change::Remove(at) => drop(bytes.remove(at % bytes.len())),
    }
    String::from_utf8(bytes).unwrap()
}

const FAR: [&str; 5] = [
    "https://app.example.com/cb",
    "https://app.example.com",
    "https://app.example.com:8443/a/b?tenant=1&x=%2F",
    "com.example.app:/callback",
    "https://xn--bcher-kva.example/cb",
];
const NEAR: [&str; 4] = [
    "http://127.0.0.1/cb",
    "http://[::1]/cb?x=1",
    "http://127.0.0.1:8080/cb",
    "http://127.0.0.1",
];

/// Host and rest of a loopback URI without its port, told apart by other means than the matcher's.
fn without_port(uri: &str) -> Option<String> {
    let (host, rest) = ["http://127.0.0.1", "http://[::1]"]
        .iter()
        .find_map(|host| Some((host, uri.strip_prefix(host)?)))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (port, rest) = rest.split_at(end);
    let canonical = port.is_empty() || (1..=65_535_u32).any(|number| port == format!(":{number}"));
    canonical.then(|| format!("{host}{rest}"))
}

proptest! {
    #[test]
    fn a_changed_byte_never_matches(which in 0..FAR.len(), change in change(), any_port: bool) {
        let registered = RedirectUri::parse(FAR[which]).unwrap();
        prop_assert!(registered.verify(FAR[which], any_port).is_some());
        let presented = changed(FAR[which], &change);
        let matched = registered.verify(&presented, any_port);
        prop_assert_eq!(matched.is_some(), presented == FAR[which], "{}", presented);
    }

    #[test]
    fn of_a_loopback_uri_only_the_port_is_free(which in 0..NEAR.len(), changes in vec(change(), 1..4)) {
        let registered = RedirectUri::parse(NEAR[which]).unwrap();
        let presented = changes.iter().fold(NEAR[which].to_owned(), |uri, change| {
            if uri.is_empty() { uri } else { changed(&uri, change) }
        });
        let free = presented == NEAR[which]
            || without_port(&presented).is_some() && without_port(&presented) == without_port(NEAR[which]);
        prop_assert_eq!(registered.verify(&presented, true).is_some(), free, "{}", presented);
        prop_assert_eq!(registered.verify(&presented, false).is_some(), presented == NEAR[which]);
    }

    #[test]
    fn any_port_of_a_loopback_uri_matches(port in 1_u16.., which in 0..NEAR.len()) {
        let registered = RedirectUri::parse(NEAR[which]).unwrap();
        let bare = without_port(NEAR[which]).unwrap();
        let host_ends = bare.find("/cb").unwrap_or(bare.len());
        let (host, rest) = bare.split_at(host_ends);
        let presented = format!("{host}:{port}{rest}");
        let verified = registered.verify(&presented, true).unwrap();
        prop_assert_eq!(verified.as_str(), presented);
        prop_assert_eq!(verified.registered(), NEAR[which]);
    }

    #[test]
    fn what_is_registered_has_one_reading(text in "(https?://|com\\.x:/?|javascript:)[a-z0-9.:@/?#\\[\\]%*\\\\ _-]{0,30}") {
        if let Ok(uri) = RedirectUri::parse(&text) {
            prop_assert!(!text.contains(['@', '#', '\\', '*', ' ']));
            prop_assert!(!text.starts_with("javascript:"));
            if text.starts_with("http://") {
                prop_assert!(without_port(&text).is_some());
            }
            let read = url::Url::parse(&text).unwrap();
            let with_slash = format!("{text}/");
            prop_assert!(read.as_str() == text || read.as_str() == with_slash);
            prop_assert!(uri.verify(&text, false).is_some());
        }
    }
}

fn scope() -> impl Strategy<Value = Scope> {
    vec("[!#-\\[\\]-~]{1,3}", 0..8).prop_map(|tokens| Scope::parse(&tokens.join(" ")).unwrap())
}

proptest! {
    #[test]
    fn a_scope_is_read_as_it_is_written(mut tokens in vec("[!#-\\[\\]-~]{1,12}", 1..12)) {
        let scope = Scope::parse(&tokens.join(" ")).unwrap();
        prop_assert_eq!(&Scope::parse(&scope.to_string()).unwrap(), &scope);
        let json = serde_json::to_string(&scope).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Scope>(&json).unwrap(), &scope);
        for token in &tokens {
            prop_assert!(scope.contains(token));
            // A token is matched whole.
            let longer = format!("{token}x");
            prop_assert_eq!(scope.contains(&longer), tokens.contains(&longer));
            let spaced = format!("{token} ");
            prop_assert!(!scope.contains(&spaced));
        }
        prop_assert!(!scope.contains(""));
        // Order and repetition mean nothing.
        tokens.reverse();
        tokens.push(tokens[0].clone());
        prop_assert_eq!(Scope::parse(&tokens.join(" ")).unwrap(), scope);
    }

    #[test]
    fn the_algebra_of_scopes_holds(a in scope(), b in scope(), c in scope()) {
        let (union, both) = (a.union(&b), a.intersection(&b));
        prop_assert_eq!(&union, &b.union(&a));
        prop_assert_eq!(&both, &b.intersection(&a));
        prop_assert_eq!(union.union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(both.intersection(&c), a.intersection(&b.intersection(&c)));
        prop_assert_eq!(a.intersection(&b.union(&c)), both.union(&a.intersection(&c)));
        prop_assert!(both.is_subset(&a) && both.is_subset(&b) && a.is_subset(&union) && b.is_subset(&union));
        prop_assert_eq!(a.is_subset(&b), both == a);
        prop_assert_eq!(a.is_subset(&b), union == b);
        prop_assert_eq!(a.is_subset(&b) && b.is_subset(&a), a == b);
        prop_assert!(Scope::default().is_subset(&a));
        prop_assert_eq!(a.filtered(|token| b.contains(token)), both);
        prop_assert_eq!(a.is_subset(&b), a.iter().all(|token| b.contains(token)));
    }

    #[test]
    fn a_scope_with_any_other_character_is_malformed(
        before in "[!#-\\[\\]-~]{0,4}",
        bad in "[\"\\\\\\x00-\\x1f\\x7f\u{80}-\u{10ffff}]",
        after in "[!#-\\[\\]-~]{0,4}",
    ) {
        let text = format!("openid {before}{bad}{after}");
        prop_assert!(Scope::parse(&text).is_err());
    }

    #[test]
    fn no_text_makes_the_scope_parser_panic(text in ".{0,200}") {
        if let Ok(scope) = Scope::parse(&text) {
            prop_assert!(scope.iter().all(|token| text.split(' ').any(|word| word == token)));
        }
    }
}

proptest! {
    #[test]
    fn a_verifier_has_the_form_of_the_rfc(text in "[A-Za-z0-9._~-]{40,131}") {
        prop_assert_eq!(is_code_verifier(&text), (43..=128).contains(&text.len()));
    }

    #[test]
    fn a_verifier_with_another_character_is_none(before in "[A-Za-z0-9._~-]{21,60}", bad in "[^A-Za-z0-9._~-]", after in "[A-Za-z0-9._~-]{21,60}") {
        let text = format!("{before}{bad}{after}");
        prop_assert!(!is_code_verifier(&text));
    }

    #[test]
    fn s256_of_a_verifier_is_a_challenge_and_of_another_is_another(
        verifier in "[A-Za-z0-9._~-]{43,128}",
        other in "[A-Za-z0-9._~-]{43,128}",
    ) {
        let challenge = sha256(&verifier);
        let parsed = CodeChallenge::parse(&challenge).unwrap();
        prop_assert_eq!(parsed.as_str(), challenge.as_str());
        let bytes = URL_SAFE_NO_PAD.decode(&challenge).unwrap();
        prop_assert_eq!(bytes.len(), 32);
        prop_assert_eq!(sha256(&other) == challenge, other == verifier);
    }

    #[test]
    fn a_challenge_is_43_characters_of_base64url(text in "[A-Za-z0-9_=+/-]{41,45}") {
        let sound = text.len() == 43 && !text.contains(['=', '+', '/']);
        prop_assert_eq!(CodeChallenge::parse(&text).is_some(), sound);
    }
}
