//! A wrong condition refuses to load, and the error points at the place.

use gatewright_authorizer::Policy;

/// The error of a condition that stands in line 6 of the rule's file, and its column within the condition.
fn fault_of(condition: &str) -> (usize, String) {
    let head = "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n[data]\nlevel = 1\n[[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/x/{id}\"\n";
    let error = Policy::parse(&format!("{head}when = '{condition}'\n")).expect_err(condition);
    assert_eq!(error.line(), 11, "{condition}: {error}");
    (error.column() - "when = '".len(), error.to_string())
}

#[test]
fn a_wrong_condition_refuses_to_load_and_points_at_the_place() {
    for (condition, column, words) in [
        ("claims.x == ", 13, "not CEL"),
        ("claims.x = 1", 10, "not CEL"),
        ("clams.x == 1", 1, "did you mean `claims`?"),
        (
            "claims.x == 1 && requst.method == \"GET\"",
            18,
            "did you mean `request`?",
        ),
        ("request.methd == \"GET\"", 1, "did you mean `method`?"),
        (
            "claims.a == request.path.ident",
            13,
            "has no parameter `ident`",
        ),
        (
            "claims.a == request.path[\"ident\"]",
            13,
            "has no parameter `ident`",
        ),
        ("policy.lvel == 1", 1, "did you mean `level`?"),
        ("claims.a.matches(\"x\")", 1, "no function `matches`"),
        (
            "in_netwrk(request.source_ip, \"10.0.0.0/8\")",
            1,
            "did you mean `in_network`?",
        ),
        (
            "in_network(request.source_ip, \"10.0.0.0/64\")",
            1,
            "is not a network",
        ),
        ("claims.a + 1", 1, "true or false"),
        ("\"yes\"", 1, "true or false"),
        ("size(claims.a)", 1, "true or false"),
        ("claims.a.map(x, x) == []", 1, "map() and filter()"),
        (
            "claims.a.exists(x, claims.b.exists(y, x == y))",
            1,
            "loop inside a loop",
        ),
    ] {
        let (at, told) = fault_of(condition);
        assert!(told.contains(words), "{condition}: {told}");
        assert!(at >= column, "{condition}: column {at}: {told}");
        assert!(
            at <= condition.chars().count() + 1,
            "{condition}: column {at}: {told}"
        );
    }
    assert!(
        fault_of(&format!("claims.a == {}", "1".repeat(1100)))
            .1
            .contains("1024 bytes")
    );
    let costly = format!("claims.a.exists(x, {})", vec!["x == 1"; 30].join(" || "));
    assert!(fault_of(&costly).1.contains("cost too much"));
}

#[test]
fn the_place_is_right_in_every_kind_of_string() {
    let head = "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n[[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/x\"\n";
    for (written, place) in [
        ("when = 'true && clams.x'\n", (9, 17)),
        ("when = \"true && clams.x\"\n", (9, 17)),
        ("when = '''true && clams.x'''\n", (9, 19)),
        ("when = '''\ntrue &&\n  clams.x'''\n", (11, 3)),
        ("when = \"\"\"\ntrue &&\n  clams.x\"\"\"\n", (11, 3)),
        ("when = \"\\u0074rue && clams.x\"\n", (9, 8)),
    ] {
        let error = Policy::parse(&format!("{head}{written}")).unwrap_err();
        assert_eq!((error.line(), error.column()), place, "{written}: {error}");
    }
}
