//! A gateway whose function the test writes, and an upstream that tells what it got.

use crate::http_server::support::{Answer, TestServer};
use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use gatewright::http::gateway::{Gateway, Upstream, router};
use gatewright_authorizer::Policy;
use gatewright_authorizer::gateway::{
    FrontDoor, FrontDoorKind, IdentitySource, Invoke, InvokeError,
};
use gatewright_authorizer::jwks::BoxFuture;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const KINDS: [FrontDoorKind; 5] = [
    FrontDoorKind::HttpV1,
    FrontDoorKind::HttpV2Iam,
    FrontDoorKind::HttpV2Simple,
    FrontDoorKind::RestToken,
    FrontDoorKind::RestRequest,
];

type Script = dyn Fn(&Value) -> Result<Value, InvokeError> + Send + Sync;

/// A function that does what the test says; it never answers an event with `hang`.
pub struct Function {
    script: Box<Script>,
    pub calls: AtomicUsize,
}

impl Function {
    pub fn new(
        script: impl Fn(&Value) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            calls: AtomicUsize::new(0),
        })
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Invoke for Function {
    fn invoke(&self, event: Value, _now: i64) -> BoxFuture<'_, Result<Value, InvokeError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if event.to_string().contains("Bearer hang") {
                std::future::pending::<()>().await;
            }
            (self.script)(&event)
        })
    }
}

/// The resource of an event.
pub fn resource(event: &Value) -> &str {
    let arn = event.get("routeArn").or_else(|| event.get("methodArn"));
    arn.unwrap().as_str().unwrap()
}

/// An answer of the kind that the event's API expects.
pub fn answer(kind: FrontDoorKind, effect: &str, resources: &[&str], context: &Value) -> Value {
    if kind == FrontDoorKind::HttpV2Simple {
        return json!({"isAuthorized": effect == "Allow", "context": context});
    }
    let statement =
        json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resources});
    json!({
        "principalId": "ada",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    })
}

/// Allows whatever it's asked about.
pub fn allowing(kind: FrontDoorKind) -> Arc<Function> {
    Function::new(move |event| {
        Ok(answer(
            kind,
            "Allow",
            &[resource(event)],
            &json!({"sub": "ada", "client_id": "app"}),
        ))
    })
}

/// A server with nothing of ours before it: it sees every header.
pub struct PlainServer {
    pub addr: SocketAddr,
    served: JoinHandle<()>,
}

impl PlainServer {
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let served = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { addr, served }
    }

    /// Nobody listens there any more.
    pub async fn stop(&mut self) {
        self.served.abort();
        let _ = (&mut self.served).await;
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.served.abort();
    }
}

pub struct TestGateway {
    pub server: TestServer,
    pub upstream: PlainServer,
    pub now: Arc<AtomicI64>,
}

#[derive(Default)]
pub struct Options {
    pub ttl_s: i64,
    pub sources: Vec<&'static str>,
    pub upstream: Option<Router>,
    pub prefix: &'static str,
    pub authorizer_timeout: Option<std::time::Duration>,
    /// The policy whose public routes have no authorizer.
    pub open_by: Option<Policy>,
}

/// Tells what it got, as JSON.
pub fn upstream() -> Router {
    Router::new().fallback(any(|request: Request| async move {
        let (parts, body) = request.into_parts();
        let headers: Vec<[String; 2]> = parts
            .headers
            .iter()
            .map(|(name, value)| [name.to_string(), value.to_str().unwrap().to_owned()])
            .collect();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let got = json!({
            "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": headers, "body": body.len(),
        });
        ([("x-upstream", "1"), ("connection", "x-private"), ("x-private", "1")], got.to_string())
    }))
}

impl TestGateway {
    pub async fn start(kind: FrontDoorKind, function: Arc<dyn Invoke>, options: Options) -> Self {
        let relays =
            |settings: &mut crate::http_server::support::Settings| settings.guard.relays = true;
        let upstream = PlainServer::start(options.upstream.unwrap_or_else(upstream)).await;
        let stage = if kind.is_rest() { "dev" } else { "$default" };
        let sources: Vec<IdentitySource> = options
            .sources
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let mut door = FrontDoor::new(function, kind, "local", stage, options.ttl_s);
        if !sources.is_empty() {
            door = door.identified_by(sources);
        }
        if let Some(policy) = options.open_by {
            door = door.open_by(policy);
        }
        let now = Arc::new(AtomicI64::new(1_800_000_000));
        let clock = Arc::clone(&now);
        let target =
            Upstream::parse(&format!("http://{}{}", upstream.addr, options.prefix)).unwrap();
        let mut gateway =
            Gateway::new(door, target, Arc::new(move || clock.load(Ordering::SeqCst)));
        if let Some(timeout) = options.authorizer_timeout {
            gateway = gateway.waiting(timeout);
        }
        let server = TestServer::start(router(gateway), relays).await;
        Self {
            server,
            upstream,
            now,
        }
    }

    /// One call with these lines of header.
    pub async fn call(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let mut raw = self.server.connect().await;
        let length = body.len();
        raw.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: api.test\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
        .await;
        raw.answer().await.unwrap()
    }

    pub async fn get(&self, target: &str, headers: &str) -> Answer {
        self.call("GET", target, headers, "").await
    }
}

pub const TOKEN: &str = "Authorization: Bearer x\r\n";

/// What the upstream got.
pub fn got(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// All values of a header that the upstream got.
pub fn values(got: &Value, name: &str) -> Vec<String> {
    let pairs = got["headers"].as_array().unwrap().iter();
    pairs
        .filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str().unwrap().to_owned())
        .collect()
}
