//! The events that API Gateway builds from a request.
//!
//! REST APIs tell the path as it came; HTTP APIs tell it decoded, and only their ARN as it came.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// A request as it arrived, with the API that it's for.
pub(super) struct Request<'r> {
    pub api: &'r str,
    pub stage: &'r str,
    pub method: &'r str,
    pub path: &'r str,
    pub query: &'r str,
    pub headers: &'r [(String, String)],
    /// The values of the identity sources.
    pub identity: &'r [String],
    pub source_ip: &'r str,
    pub id: &'r str,
    pub now: i64,
}

const REGION: &str = "local-1";
const ACCOUNT: &str = "000000000000";

impl Request<'_> {
    /// The resource that the policy is evaluated on.
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:execute-api:{REGION}:{ACCOUNT}:{}/{}/{}{}",
            self.api, self.stage, self.method, self.path
        )
    }

    /// REST API, TOKEN authorizer.
    pub fn rest_token(&self) -> Value {
        json!({"type": "TOKEN", "authorizationToken": self.identity.join(","), "methodArn": self.arn()})
    }

    /// REST API, REQUEST authorizer: header names keep their case, and the single-value map has the last value.
    pub fn rest_request(&self) -> Value {
        let mut single = Map::new();
        let mut multi: Map<String, Value> = Map::new();
        for (name, value) in self.headers {
            single.insert(name.clone(), Value::from(value.as_str()));
            if let Value::Array(values) = multi.entry(name.as_str()).or_insert_with(|| json!([])) {
                values.push(Value::from(value.as_str()));
            }
        }
        json!({
            "type": "REQUEST",
            "methodArn": self.arn(),
            "resource": self.path,
            "path": self.path,
            "httpMethod": self.method,
            "headers": single,
            "multiValueHeaders": multi,
            "queryStringParameters": self.parameters(),
            "pathParameters": {},
            "stageVariables": {},
            "requestContext": {
                "path": format!("/{}{}", self.stage, self.path),
                "accountId": ACCOUNT,
                "domainName": "localhost",
                "resourcePath": self.path,
                "stage": self.stage,
                "requestId": self.id,
                "identity": {"sourceIp": self.source_ip},
                "httpMethod": self.method,
                "apiId": self.api,
            },
        })
    }

    /// HTTP API, payload 1.0: the REQUEST event with a version, the identity sources, and the stage in front of the path.
    pub fn http_v1(&self) -> Value {
        let mut event = self.rest_request();
        let identity = self.identity.join(",");
        if let Some(members) = event.as_object_mut() {
            members.insert("version".to_owned(), json!("1.0"));
            members.insert("identitySource".to_owned(), json!(identity));
            members.insert("authorizationToken".to_owned(), json!(identity));
            members.insert("path".to_owned(), json!(self.staged_path()));
            members.insert("resource".to_owned(), json!("$default"));
        }
        if let Some(context) = event
            .get_mut("requestContext")
            .and_then(Value::as_object_mut)
        {
            context.insert("path".to_owned(), json!(self.staged_path()));
            context.insert("routeKey".to_owned(), json!("$default"));
        }
        event
    }

    /// The path as an HTTP API tells it.
    fn staged_path(&self) -> String {
        let path = percent_decode_str(self.path).decode_utf8_lossy();
        if self.stage == "$default" {
            path.into_owned()
        } else {
            format!("/{}{path}", self.stage)
        }
    }

    /// HTTP API, payload 2.0: lower-case header names, duplicates joined by commas, the stage in front of the path.
    pub fn http_v2(&self) -> Value {
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in self.headers {
            let joined = match headers
                .get(&name.to_ascii_lowercase())
                .and_then(Value::as_str)
            {
                Some(before) => format!("{before},{value}"),
                None => value.clone(),
            };
            headers.insert(name.to_ascii_lowercase(), Value::from(joined));
        }
        let path = self.staged_path();
        json!({
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": self.arn(),
            "identitySource": self.identity,
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": self.query,
            "headers": headers,
            "queryStringParameters": self.parameters(),
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": self.api,
                "domainName": "localhost",
                "domainPrefix": self.api,
                "http": {
                    "method": self.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.source_ip,
                    "userAgent": headers.get("user-agent").cloned().unwrap_or_default(),
                },
                "requestId": self.id,
                "routeKey": "$default",
                "stage": self.stage,
                "timeEpoch": self.now.saturating_mul(1000),
            },
        })
    }

    /// Query parameters, undecoded; of repeated ones the last.
    fn parameters(&self) -> Map<String, Value> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), Value::from(value))
        };
        pairs.map(pair).collect()
    }
}
