//! Rules of one's own: conditions in CEL.

mod loading;
mod properties;
mod rules;

use gatewright_authorizer::policy::Request;
use gatewright_authorizer::{AccessToken, Policy, Reason};
use serde_json::json;

use crate::support::{NOW, policy_of, token_having};

/// A policy with one rule on `/people/{tenant}/{rest+}` that has this condition, and some data.
fn when(condition: &str) -> Policy {
    policy_of(&rule_with(condition, "allow"))
}

fn rule_with(condition: &str, effect: &str) -> String {
    format!(
        "[data]\nlevels = [\"gold\", \"silver\"]\nlimit = 3\n[data.owners]\nacme = \"ada\"\n\
         [[rule]]\nid = \"own\"\nmethods = [\"ANY\"]\npath = \"/people/{{tenant}}/{{rest+}}\"\neffect = \"{effect}\"\nwhen = '''{condition}'''\n"
    )
}

fn ada() -> AccessToken {
    token_having(&json!({
        "tenant": "acme", "level": "gold", "amr": ["pwd", "mfa"], "auth_time": NOW - 600, "age": 41,
        "address": {"country": "AT"}, "email_verified": true, "ratio": 0.5, "nothing": null,
    }))
}

fn request() -> Request<'static> {
    Request::new("GET", "/people/acme/x%20y/z")
        .at(NOW)
        .from("10.1.2.3".parse().unwrap())
        .on("prod")
}

fn reason_of(condition: &str) -> Option<Reason> {
    when(condition).judge(&ada(), &request()).reason
}

#[test]
fn conditions_see_the_claims_the_call_and_the_data() {
    for holds in [
        "claims.tenant == request.path.tenant",
        "claims['tenant'] == request.path['tenant']",
        "'mfa' in claims.amr",
        "claims.amr.exists(m, m == 'mfa') && !claims.amr.all(m, m == 'mfa')",
        "now - claims.auth_time < duration('15m')",
        "request.time == now && claims.exp > now",
        "in_network(request.source_ip, '10.0.0.0/8')",
        "!in_network(request.source_ip, 'fd00::/8')",
        "request.stage == 'prod' && request.method == 'GET'",
        "request.path.rest == 'x y/z'",
        "claims.level in policy.levels",
        "policy.owners[claims.tenant] == 'ada'",
        "size(claims.amr) < policy.limit",
        "claims.address.country == 'AT'",
        "has(claims.email_verified) && claims.email_verified",
        "!has(claims.phone)",
        "claims.ratio < 1.0 && claims.age >= 18",
        "claims.nothing == null",
        "claims.tenant.startsWith('ac') && claims.tenant.endsWith('me') && claims.tenant.contains('cm')",
        "claims.scope == 'orders:read'",
        "has(claims.phone) ? claims.phone == '1' : true",
        "claims.iat < timestamp('2100-01-01T00:00:00Z')",
        "true",
    ] {
        assert_eq!(reason_of(holds), None, "{holds}");
    }
    for not in [
        "claims.tenant != request.path.tenant",
        "now - claims.auth_time < duration('5m')",
        "in_network(request.source_ip, '192.168.0.0/16')",
        "has(claims.phone) && claims.phone == '1'",
        "request.stage == 'dev'",
        "false",
    ] {
        assert_eq!(reason_of(not), Some(Reason::ConditionNotMet), "{not}");
    }
}

#[test]
fn what_can_not_be_evaluated_never_allows() {
    for fails in [
        "claims.phone == '1'",
        "claims.tenant > 3",
        "claims.amr == 'mfa' || claims.missing",
        "claims.age / 0 == 1",
        "in_network(claims.tenant, '10.0.0.0/8')",
        "claims.amr[7] == 'x'",
        "duration(claims.tenant) < duration('1m')",
        "claims.tenant",
        "int(claims.tenant) == 1",
        "claims.age + 9223372036854775807 > 0",
    ] {
        let allowing = when(fails).judge(&ada(), &request());
        assert_eq!(
            allowing.reason,
            Some(Reason::ConditionFailed),
            "{fails}: {}",
            allowing.words
        );
        assert_eq!(allowing.rule.as_deref(), Some("own"));
        let denying = policy_of(&format!(
            "{}[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\n",
            rule_with(fails, "deny")
        ));
        let denied = denying.judge(&ada(), &request());
        assert_eq!(denied.reason, Some(Reason::RuleDenied), "{fails}");
    }
    // What the gateway doesn't say is not made up.
    let unknown = Request::new("GET", "/people/acme/x");
    for asks in [
        "in_network(request.source_ip, '0.0.0.0/0')",
        "request.stage == 'prod'",
        "now > claims.iat",
    ] {
        assert_eq!(
            when(asks).judge(&ada(), &unknown).reason,
            Some(Reason::ConditionFailed),
            "{asks}"
        );
        assert_eq!(
            when(&format!("!({asks})")).judge(&ada(), &unknown).reason,
            Some(Reason::ConditionFailed),
            "{asks}"
        );
    }
}

#[test]
fn no_word_of_a_denial_holds_a_claim() {
    let secret = token_having(
        &json!({"tenant": "canary-tenant", "n": 4_815_162_342_i64, "list": ["canary-item"]}),
    );
    for condition in [
        "claims.tenant > 3",
        "claims.tenant == 'x'",
        "claims.n == 'x'",
        "int(claims.tenant) == 1",
        "timestamp(claims.tenant) < now",
        "duration(claims.tenant) < duration('1s')",
        "claims.list.all(x, x > 3)",
        "in_network(claims.tenant, '10.0.0.0/8')",
        "in_network(request.source_ip, claims.tenant)",
        "policy.owners[claims.tenant] == 'x'",
        "claims.tenant + 1 == 2",
        "claims.n + 9223372036854775807 > 0",
    ] {
        let decision = when(condition).judge(&secret, &request());
        assert!(!decision.is_allow(), "{condition}");
        let told = serde_json::to_string(&decision).unwrap();
        for canary in ["canary", "4815162342"] {
            assert!(!told.contains(canary), "{condition}: {told}");
        }
    }
}

#[test]
fn a_time_with_a_fraction_is_a_time_and_no_older_than_it_says() {
    let judged = |auth_time: f64| {
        let token = token_having(&json!({"tenant": "acme", "auth_time": auth_time}));
        let policy = when("now - claims.auth_time < duration('15m')");
        policy.judge(&token, &request()).reason
    };
    let ago = |seconds: f64| NOW as f64 - seconds;
    assert_eq!(judged(ago(899.5)), None);
    assert_eq!(judged(ago(900.0)), Some(Reason::ConditionNotMet));
    assert_eq!(judged(ago(900.5)), Some(Reason::ConditionNotMet));
}
