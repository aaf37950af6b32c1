//! What the upstream gets to see, and what comes back.

use super::support::{
    Function, KINDS, Options, TOKEN, TestGateway, allowing, answer, got, resource, values,
};
use gatewright_authorizer::gateway::FrontDoorKind;
use serde_json::json;

#[tokio::test]
async fn a_call_goes_to_the_upstream_as_it_came() {
    for kind in KINDS {
        let options = Options {
            prefix: "/base/",
            ..Options::default()
        };
        let gateway = TestGateway::start(kind, allowing(kind), options).await;
        let headers = format!("{TOKEN}X-Two: a\r\nX-Two: b\r\nContent-Encoding: gzip\r\n");
        let answer = gateway
            .call("PUT", "/orders/4%202?a=%2F&b", &headers, "body")
            .await;
        let got = got(&answer);
        assert_eq!(
            (&got["method"], &got["target"], &got["body"]),
            (
                &json!("PUT"),
                &json!("/base/orders/4%202?a=%2F&b"),
                &json!(4)
            )
        );
        assert_eq!(values(&got, "x-two"), ["a", "b"]);
        assert_eq!(values(&got, "content-encoding"), ["gzip"]);
        assert_eq!(values(&got, "authorization"), ["Bearer x"]);
        assert_eq!(values(&got, "host"), [gateway.upstream.addr.to_string()]);
        assert_eq!(answer.header("x-upstream"), Some("1"));
        assert_eq!(
            answer.header("x-private"),
            None,
            "of the upstream's connection"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            None,
            "the upstream's answer is its own"
        );
    }
}

#[tokio::test]
async fn the_caller_is_named_by_the_authorizer_alone() {
    for kind in KINDS {
        let gateway = TestGateway::start(kind, allowing(kind), Options::default()).await;
        let spoofed = "X-Authorizer-Sub: root\r\nx_authorizer_sub: root\r\nX-Authorizer-Tenant: root\r\nX-Forwarded-For: 6.6.6.6\r\n\
                       Forwarded: for=6.6.6.6\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX_Original_URL: /admin\r\n\
                       X-HTTP-Method-Override: root\r\nX_HTTP_Method: root\r\nX-Forwarded-Prefix: /admin\r\nX_Forwarded_For: 6.6.6.6\r\n\
                       X-Real-IP: 6.6.6.6\r\nConnection: close, x-authorizer-client-id\r\n";
        let got = got(&gateway.get("/", &format!("{TOKEN}{spoofed}")).await);
        assert_eq!(values(&got, "x-authorizer-sub"), ["ada"]);
        assert_eq!(values(&got, "x-authorizer-client-id"), ["app"]);
        assert!(
            !got.to_string().contains("root")
                && !got.to_string().contains("6.6.6.6")
                && !got.to_string().contains("/admin")
        );
        if kind.is_rest() {
            assert_eq!(values(&got, "x-forwarded-for"), ["127.0.0.1"]);
            assert_eq!(values(&got, "x-forwarded-host"), ["api.test"]);
        } else {
            assert_eq!(
                values(&got, "forwarded"),
                ["for=127.0.0.1;host=\"api.test\";proto=http"]
            );
        }
    }
}

#[tokio::test]
async fn what_is_of_one_connection_does_not_cross() {
    let kind = FrontDoorKind::HttpV2Iam;
    let gateway = TestGateway::start(kind, allowing(kind), Options::default()).await;
    let headers = format!(
        "{TOKEN}Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\n"
    );
    let got = got(&gateway.get("/", &headers).await);
    for name in [
        "connection",
        "x-hop",
        "te",
        "proxy-authorization",
        "upgrade",
    ] {
        assert!(values(&got, name).is_empty(), "{name}: {got}");
    }
}

#[tokio::test]
async fn the_authorizer_sees_what_its_kind_of_api_shows_it() {
    for kind in KINDS {
        let (send, receive) = std::sync::mpsc::channel();
        let send = std::sync::Mutex::new(send);
        let function = Function::new(move |event| {
            send.lock().unwrap().send(event.clone()).unwrap();
            Ok(answer(kind, "Allow", &[resource(event)], &json!({})))
        });
        let gateway = TestGateway::start(kind, function, Options::default()).await;
        assert_eq!(gateway.get("/orders/7?a=1", TOKEN).await.status, 200);
        let event = receive.recv().unwrap();
        let stage = if kind.is_rest() { "dev" } else { "$default" };
        assert_eq!(
            resource(&event),
            format!("arn:aws:execute-api:local-1:000000000000:local/{stage}/GET/orders/7")
        );
        match kind {
            FrontDoorKind::RestToken => {
                assert_eq!(event.as_object().unwrap().len(), 3);
                assert_eq!(event["authorizationToken"], "Bearer x");
            }
            FrontDoorKind::RestRequest => assert_eq!(
                (event.get("version"), &event["type"]),
                (None, &json!("REQUEST"))
            ),
            FrontDoorKind::HttpV1 => assert_eq!(
                (&event["version"], &event["identitySource"]),
                (&json!("1.0"), &json!("Bearer x"))
            ),
            _ => assert_eq!(
                (&event["version"], &event["identitySource"]),
                (&json!("2.0"), &json!(["Bearer x"]))
            ),
        }
    }
}
