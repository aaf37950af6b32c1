//! Events as AWS documents them.

use serde_json::{Value, json};

pub const BASE: &str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef123/prod";

pub fn rest_token(authorization: &str, method: &str, path: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": format!("{BASE}/{method}{path}")})
}

pub fn rest_request(authorization: &str, method: &str, path: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": format!("{BASE}/{method}{path}"),
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Accept": "*/*", "Authorization": authorization},
        "multiValueHeaders": {"Accept": ["*/*"], "Authorization": [authorization]},
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "path": format!("/prod{path}"), "accountId": "123456789012", "resourceId": "05c7jb", "stage": "prod",
            "requestId": "req-1", "identity": {"sourceIp": "203.0.113.1"}, "resourcePath": "/{proxy+}",
            "httpMethod": method, "apiId": "abcdef123",
        },
    })
}

pub fn http_v1(authorization: &str, method: &str, path: &str) -> Value {
    json!({
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": format!("{BASE}/{method}{path}"),
        "identitySource": authorization,
        "authorizationToken": authorization,
        "resource": "/{proxy+}",
        "path": format!("/prod{path}"),
        "httpMethod": method,
        "headers": {"Authorization": authorization},
        "queryStringParameters": {},
        "pathParameters": {},
        "stageVariables": {},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdef123", "domainName": "x", "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.1"}, "path": format!("/prod{path}"), "requestId": "req-1",
            "routeKey": "$default", "stage": "prod",
        },
    })
}

pub fn http_v2(authorization: &str, method: &str, path: &str) -> Value {
    let arn = BASE.replace("/prod", "/$default");
    json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": format!("{arn}/{method}{path}"),
        "identitySource": [authorization],
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "cookies": null,
        "headers": {"authorization": authorization},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdef123", "domainName": "x", "domainPrefix": "abcdef123",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.1", "userAgent": "curl"},
            "requestId": "req-1", "routeKey": "$default", "stage": "$default", "time": "x", "timeEpoch": 1,
        },
    })
}

pub fn web_socket(headers: &Value, query: &Value) -> Value {
    let many = |map: &Value| -> Value {
        let members = map.as_object().unwrap().iter();
        members
            .map(|(name, value)| (name.clone(), json!([value])))
            .collect()
    };
    json!({
        "type": "REQUEST",
        "methodArn": format!("{BASE}/$connect"),
        "headers": headers,
        "multiValueHeaders": many(headers),
        "queryStringParameters": query,
        "multiValueQueryStringParameters": many(query),
        "stageVariables": {},
        "requestContext": {
            "routeKey": "$connect", "eventType": "CONNECT", "extendedRequestId": "x", "requestTime": "x",
            "messageDirection": "IN", "stage": "prod", "connectedAt": 1, "requestTimeEpoch": 1,
            "identity": {"sourceIp": "203.0.113.1"}, "requestId": "req-1", "domainName": "x",
            "connectionId": "L0SM9cOFvHcCIhw=", "apiId": "abcdef123",
        },
    })
}

pub fn appsync(token: &str, document: &str) -> Value {
    json!({
        "authorizationToken": token,
        "requestContext": {
            "apiId": "graphqlapi123", "accountId": "123456789012", "requestId": "req-1", "queryString": document,
            "operationName": null, "variables": {},
        },
        "requestHeaders": {"host": "x", "authorization": token},
    })
}

/// Every kind, for the same request.
pub fn all(authorization: &str, method: &str, path: &str) -> [Value; 4] {
    [
        rest_token(authorization, method, path),
        rest_request(authorization, method, path),
        http_v1(authorization, method, path),
        http_v2(authorization, method, path),
    ]
}

/// The resource that the gateway evaluates for such an event.
pub fn resource(event: &Value) -> String {
    let arn = event
        .get("routeArn")
        .or_else(|| event.get("methodArn"))
        .unwrap();
    arn.as_str().unwrap().to_owned()
}

/// The event with these headers besides its own, in the maps that it has.
pub fn with_headers(mut event: Value, headers: &[(&str, &str)]) -> Value {
    for map in ["headers", "multiValueHeaders", "requestHeaders"] {
        let Some(members) = event.get_mut(map).and_then(Value::as_object_mut) else {
            continue;
        };
        for (name, value) in headers {
            let value = if map == "multiValueHeaders" {
                json!([value])
            } else {
                json!(value)
            };
            members.insert((*name).to_owned(), value);
        }
    }
    event
}
