//! What API Gateway answers by itself, and what its cache and its policy evaluation make of an authorizer's answers.

use super::support::{Function, KINDS, Options, TOKEN, TestGateway, allowing, answer, resource};
use gatewright_authorizer::gateway::{FrontDoorKind, InvokeError};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Status, body and error type of a call that is refused.
async fn refused(
    kind: FrontDoorKind,
    function: std::sync::Arc<Function>,
    headers: &str,
) -> (u16, Value, Option<String>) {
    let gateway = TestGateway::start(kind, function, Options::default()).await;
    let answer = gateway.get("/orders/7", headers).await;
    let id = if kind.is_rest() {
        "x-amzn-requestid"
    } else {
        "apigw-requestid"
    };
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header(id).is_some(), "{answer:?}");
    let body = serde_json::from_str(&answer.body).unwrap();
    (
        answer.status,
        body,
        answer.header("x-amzn-errortype").map(str::to_owned),
    )
}

fn rest(kind: FrontDoorKind, name: &str) -> Option<String> {
    kind.is_rest().then(|| name.to_owned())
}

#[tokio::test]
async fn without_the_identity_source_it_is_401_and_nobody_is_asked() {
    for kind in KINDS {
        for headers in ["", "Authorization:\r\n", "X-Authorization: Bearer x\r\n"] {
            let function = allowing(kind);
            let refusal = refused(kind, function.clone(), headers).await;
            let expected = (
                401,
                json!({"message": "Unauthorized"}),
                rest(kind, "UnauthorizedException"),
            );
            assert_eq!(refusal, expected);
            assert_eq!(function.calls(), 0);
        }
    }
}

#[tokio::test]
async fn unauthorized_is_401_and_any_other_error_500() {
    for kind in KINDS {
        let function = Function::new(|_| Err(InvokeError::Unauthorized(None)));
        let expected = (
            401,
            json!({"message": "Unauthorized"}),
            rest(kind, "UnauthorizedException"),
        );
        assert_eq!(refused(kind, function, TOKEN).await, expected);

        let function = Function::new(|_| Err(InvokeError::Failed("secret".to_owned())));
        let body = if kind.is_rest() {
            json!({"message": null})
        } else {
            json!({"message": "Internal Server Error"})
        };
        let expected = (500, body, rest(kind, "AuthorizerFailureException"));
        assert_eq!(refused(kind, function, TOKEN).await, expected);
    }
}

#[tokio::test]
async fn a_denial_is_403_and_a_rest_api_tells_an_explicit_one() {
    for kind in KINDS {
        for (effect, how) in [("Deny", " with an explicit deny"), ("Allow", "")] {
            // An allowance of something else denies by silence.
            let allowed = effect == "Allow" && kind != FrontDoorKind::HttpV2Simple;
            let function = Function::new(move |event| {
                let resource = format!("{}{}", resource(event), if allowed { "/else" } else { "" });
                let effect = if allowed { "Allow" } else { "Deny" };
                Ok(answer(kind, effect, &[&resource], &json!({})))
            });
            let (status, body, error_type) = refused(kind, function, TOKEN).await;
            assert_eq!(
                (status, error_type),
                (403, rest(kind, "AccessDeniedException"))
            );
            let message = format!("User is not authorized to access this resource{how}");
            let expected = if kind.is_rest() {
                json!({"Message": message})
            } else {
                json!({"message": "Forbidden"})
            };
            assert_eq!(body, expected);
        }
    }
}

#[tokio::test]
async fn an_answer_that_aws_would_reject_is_500_and_not_kept() {
    for kind in KINDS {
        let nested = !matches!(kind, FrontDoorKind::HttpV2Iam | FrontDoorKind::HttpV2Simple);
        let contexts = [
            json!({"claims": "x"}),
            json!({"a": "x".repeat(9000)}),
            if nested {
                json!({"a": ["b"]})
            } else {
                json!([])
            },
        ];
        for context in contexts {
            let function =
                Function::new(move |event| Ok(answer(kind, "Allow", &[resource(event)], &context)));
            let options = Options {
                ttl_s: 300,
                ..Options::default()
            };
            let gateway = TestGateway::start(kind, function.clone(), options).await;
            for calls in 1..=2 {
                let answer = gateway.get("/", TOKEN).await;
                assert_eq!((answer.status, function.calls()), (500, calls), "{kind:?}");
                let error_type = rest(kind, "AuthorizerConfigurationException");
                assert_eq!(answer.header("x-amzn-errortype"), error_type.as_deref());
            }
        }
    }
    let other = |kind| {
        Function::new(move |event| Ok(answer(kind, "Allow", &[resource(event)], &json!({}))))
    };
    let simple = (FrontDoorKind::HttpV2Simple, FrontDoorKind::HttpV2Iam);
    for (expected, sent) in [simple, (simple.1, simple.0)] {
        assert_eq!(
            refused(expected, other(sent), TOKEN).await.0,
            500,
            "the other kind of answer"
        );
    }
}

#[tokio::test]
async fn an_authorizer_that_never_answers_is_500() {
    for kind in KINDS {
        let options = Options {
            authorizer_timeout: Some(std::time::Duration::ZERO),
            ..Options::default()
        };
        let gateway = TestGateway::start(kind, allowing(kind), options).await;
        let answer = gateway.get("/", "Authorization: Bearer hang\r\n").await;
        assert_eq!(answer.status, 500);
        assert_eq!(
            answer.header("x-amzn-errortype").map(str::to_owned),
            rest(kind, "AuthorizerFailureException")
        );
    }
}

#[tokio::test]
async fn a_kept_policy_is_evaluated_anew_for_every_route() {
    for kind in KINDS
        .into_iter()
        .filter(|kind| *kind != FrontDoorKind::HttpV2Simple)
    {
        let function = Function::new(move |event| {
            let base = resource(event)
                .splitn(3, '/')
                .take(2)
                .collect::<Vec<_>>()
                .join("/");
            let (allow, deny) = (
                format!("{base}/GET/orders/*"),
                format!("{base}/*/orders/secret"),
            );
            let mut answer = answer(kind, "Allow", &[&allow], &json!({}));
            let statements = answer["policyDocument"]["Statement"]
                .as_array_mut()
                .unwrap();
            statements
                .push(json!({"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": deny}));
            Ok(answer)
        });
        let options = Options {
            ttl_s: 60,
            ..Options::default()
        };
        let gateway = TestGateway::start(kind, function.clone(), options).await;
        for (method, target, status) in [
            ("GET", "/orders/7", 200),
            ("GET", "/orders/7/items?a=b", 200),
            ("DELETE", "/orders/7", 403),
            ("GET", "/orders/secret", 403),
            ("GET", "/", 403),
            ("GET", "/ORDERS/7", 403),
        ] {
            let answer = gateway.call(method, target, TOKEN, "").await;
            assert_eq!(answer.status, status, "{kind:?} {method} {target}");
        }
        assert_eq!(function.calls(), 1);
        gateway
            .get("/orders/7", "Authorization: Bearer y\r\n")
            .await;
        assert_eq!(
            function.calls(),
            2,
            "another identity has an answer of its own"
        );
        gateway.now.fetch_add(59, Ordering::SeqCst);
        gateway.get("/orders/7", TOKEN).await;
        assert_eq!(function.calls(), 2);
        gateway.now.fetch_add(1, Ordering::SeqCst);
        gateway.get("/orders/7", TOKEN).await;
        assert_eq!(function.calls(), 3);
    }
}

#[tokio::test]
async fn every_identity_source_counts() {
    let kind = FrontDoorKind::HttpV2Iam;
    let sources = vec![
        "$request.header.X-Token",
        "$request.querystring.tenant",
        "$context.httpMethod",
    ];
    let options = Options {
        ttl_s: 60,
        sources,
        ..Options::default()
    };
    let function = allowing(kind);
    let gateway = TestGateway::start(kind, function.clone(), options).await;
    let token = "X-Token: a\r\n";
    for (method, target, headers, status, calls) in [
        ("GET", "/x?tenant=1", token, 200, 1),
        ("GET", "/x?tenant=1", token, 200, 1),
        ("GET", "/x?tenant=2", token, 200, 2),
        ("POST", "/x?tenant=1", token, 200, 3),
        ("GET", "/x?tenant=1", "X-Token: b\r\n", 200, 4),
        ("GET", "/x?tenant=", token, 401, 4),
        ("GET", "/x?Tenant=1", token, 401, 4),
        ("GET", "/x?tenant=1", TOKEN, 401, 4),
        // Two values are another identity than either.
        ("GET", "/x?tenant=1&tenant=2", token, 200, 5),
    ] {
        let answer = gateway.call(method, target, headers, "").await;
        assert_eq!(
            (answer.status, function.calls()),
            (status, calls),
            "{method} {target} {headers}"
        );
    }
}
