//! The types of `aws_lambda_events` as the oracle: what they write is read, and what is answered they read.

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayCustomAuthorizerResponse, ApiGatewayV2CustomAuthorizerIamPolicyResponse,
    ApiGatewayV2CustomAuthorizerSimpleResponse, ApiGatewayV2CustomAuthorizerV1Request,
    ApiGatewayV2CustomAuthorizerV2Request, ApiGatewayWebsocketProxyRequest,
};
use aws_lambda_events::appsync::{AppSyncLambdaAuthorizerRequest, AppSyncLambdaAuthorizerResponse};
use aws_lambda_events::iam::IamPolicyEffect;
use gatewright_authorizer::event::{Call, Kind};
use gatewright_authorizer::{Policy, iam};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, events};

const MORE: &str = r#"
[[rule]]
id = "live"
route = "$connect"
scopes = ["orders:read"]

[[rule]]
id = "query"
field = "Query.orders"
scopes = ["orders:read"]
"#;

fn policy(response: &str) -> Policy {
    let text = POLICY.replacen("[[rule]]", &format!("[response]\n{response}\n[[rule]]"), 1);
    Policy::parse(&format!("{text}\n{MORE}")).unwrap()
}

/// The event as the oracle's type would write it: members that it doesn't know are gone, and null ones are there.
fn written_by<T: DeserializeOwned + Serialize>(event: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(event.clone()).unwrap()).unwrap()
}

fn answer(response: &str, event: &Value) -> Value {
    block_on(authorizer(policy(response), &[shared()]).answer(event, NOW)).unwrap()
}

fn bearer() -> String {
    format!("Bearer {}", shared().sign(&claims("orders:read")))
}

#[test]
fn events_that_the_types_write_are_read() {
    let mut v2 = events::http_v2(&bearer(), "GET", "/orders/1");
    v2["cookies"] = json!([]);
    let [token, request, v1, _] = events::all(&bearer(), "GET", "/orders/1");
    // The types call the member `type_`.
    let renamed = |mut event: Value, own: &Value| {
        event["type"] = own["type"].clone();
        event
    };
    for (event, kind) in [
        (
            renamed(
                written_by::<ApiGatewayCustomAuthorizerRequest>(&token),
                &token,
            ),
            Kind::RestToken,
        ),
        (
            renamed(
                written_by::<ApiGatewayCustomAuthorizerRequestTypeRequest>(&request),
                &request,
            ),
            Kind::RestRequest,
        ),
        (
            renamed(
                written_by::<ApiGatewayV2CustomAuthorizerV1Request>(&v1),
                &v1,
            ),
            Kind::HttpV1,
        ),
        (
            renamed(
                written_by::<ApiGatewayV2CustomAuthorizerV2Request>(&v2),
                &v2,
            ),
            Kind::HttpV2,
        ),
    ] {
        let call = Call::parse(&event).unwrap();
        assert_eq!(
            (call.kind, call.method, call.path.as_str()),
            (kind, "GET", "/orders/1")
        );
        let body = answer("", &event);
        assert!(
            iam::evaluate(&body["policyDocument"], call.resource)
                .unwrap()
                .is_allow(),
            "{event}"
        );
    }
}

#[test]
fn a_connect_that_the_types_write_is_read() {
    let own = events::web_socket(&json!({"Authorization": bearer()}), &json!({"a": "b"}));
    let mut event = written_by::<ApiGatewayWebsocketProxyRequest>(&own);
    // There is no type of its own for the authorizer's event: these two are what the integration's lacks.
    event["type"] = json!("REQUEST");
    event["methodArn"] = own["methodArn"].clone();
    let body = answer("", &event);
    let typed: ApiGatewayCustomAuthorizerResponse = serde_json::from_value(body).unwrap();
    let [statement] = typed.policy_document.statement.as_slice() else {
        panic!()
    };
    assert!(matches!(statement.effect, IamPolicyEffect::Allow));
    assert_eq!(statement.resource, [format!("{}/$connect", events::BASE)]);
}

#[test]
fn a_graphql_call_that_the_types_write_is_read_and_its_answer_too() {
    for (document, allowed) in [("{ orders }", true), ("{ secrets }", false)] {
        let event =
            written_by::<AppSyncLambdaAuthorizerRequest>(&events::appsync(&bearer(), document));
        let body = answer("", &event);
        let typed: AppSyncLambdaAuthorizerResponse = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(typed.is_authorized, allowed);
        assert_eq!(
            (typed.denied_fields, typed.ttl_override),
            (Some(Vec::new()), Some(0))
        );
        assert_eq!(typed.resolver_context["sub"], "user-1");
        assert!(typed.resolver_context.values().all(Value::is_string));
        assert_eq!(body.as_object().unwrap().len(), 4);
    }
}

#[test]
fn every_answer_is_read_and_nothing_in_it_is_null_or_unknown() {
    for authorization in [bearer(), format!("Bearer {}", shared().sign(&claims("")))] {
        for event in events::all(&authorization, "GET", "/orders/1") {
            let body = answer("rest_failure = \"deny\"", &event);
            let typed: ApiGatewayCustomAuthorizerResponse =
                serde_json::from_value(body.clone()).unwrap();
            assert_eq!(typed.policy_document.version.as_deref(), Some("2012-10-17"));
            for statement in &typed.policy_document.statement {
                assert_eq!(statement.action, ["execute-api:Invoke"]);
                assert!(!statement.resource.is_empty());
            }
            let known = ["context", "policyDocument", "principalId"];
            assert!(
                body.as_object()
                    .unwrap()
                    .keys()
                    .all(|name| known.contains(&name.as_str()))
            );
            assert!(!body.to_string().contains("null"));
            serde_json::from_value::<ApiGatewayV2CustomAuthorizerIamPolicyResponse>(body).unwrap();
        }
        let event = events::http_v2(&authorization, "GET", "/orders/1");
        let body = answer("http_v2 = \"simple\"", &event);
        serde_json::from_value::<ApiGatewayV2CustomAuthorizerSimpleResponse>(body).unwrap();
    }
}
