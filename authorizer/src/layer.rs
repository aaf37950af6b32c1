//! A tower layer: each call passes the authorizer before the service sees it.
//!
//! The service learns who calls from an extension of the request, where no header of a client can put it. Wrap the whole
//! service: what a router has taken off the path before, such as the prefix of axum's `nest`, is not judged.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Extensions, HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::fetch::unix_now;
use crate::handler::Authorizer;
use crate::http_call::{Admission, Admitted, HttpCall, tells_another_call};

/// The name in the decision log.
const KIND: &str = "tower";

type Now = Arc<dyn Fn() -> i64 + Send + Sync>;
type SourceIp = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

/// Guards a service by an authorizer.
///
/// A call that the policy allows goes on with an [`Authorized`] among its extensions, or with [`Public`] where a rule asks
/// for no token; headers that could tell the service another method or path are taken off. Any other call is answered
/// 401, 403 or, when nothing could be decided, 503.
#[derive(Clone)]
pub struct AuthorizerLayer {
    authorizer: Arc<Authorizer>,
    now: Now,
    public_url: Option<String>,
    source_ip: Option<SourceIp>,
}

/// Whose call it is: an extension of every request that passed, and with the feature `axum` an extractor.
#[derive(Clone, Debug, PartialEq)]
pub struct Authorized(pub Admission);

/// A call of nobody's, by the public rule of this id: an extension in place of [`Authorized`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public(pub String);

impl AuthorizerLayer {
    /// A layer that judges by this authorizer, by the system's clock.
    #[allow(clippy::disallowed_methods, reason = "this is where the clock enters")]
    pub fn new(authorizer: impl Into<Arc<Authorizer>>) -> Self {
        Self {
            authorizer: authorizer.into(),
            now: Arc::new(unix_now),
            public_url: None,
            source_ip: None,
        }
    }

    /// Takes the time from elsewhere, in Unix seconds.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }

    /// Scheme and host that callers know, without a slash at the end: what proofs of possession (DPoP) must be for.
    /// Without it, tokens that are bound to a key are refused.
    #[must_use]
    pub fn with_public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Where the caller's address is found, for conditions that ask for it; with axum in its `ConnectInfo`. Without it
    /// they don't hold.
    #[must_use]
    pub fn with_source_ip(
        mut self,
        find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.source_ip = Some(Arc::new(find));
        self
    }

    /// What the authorizer is told of a request.
    fn call<'r>(&self, request: &'r Parts) -> HttpCall<'r> {
        let path = request.uri.path();
        let call = HttpCall {
            kind: KIND,
            method: request.method.as_str(),
            path,
            url: self.public_url.as_ref().map(|url| format!("{url}{path}")),
            source_ip: self
                .source_ip
                .as_ref()
                .and_then(|find| find(&request.extensions)),
            ..HttpCall::default()
        };
        call.with_headers(&request.headers)
    }
}

/// Puts into a request whose it is, in place of whatever says that already.
fn tell(admitted: Admitted, request: &mut Parts) {
    request.extensions.remove::<Authorized>();
    request.extensions.remove::<Public>();
    match admitted {
        Admitted::Caller(admission) => {
            request.extensions.insert(Authorized(admission));
        }
        Admitted::Public(rule) => {
            request.extensions.insert(Public(rule));
        }
    }
    let names = request.headers.keys();
    let misleading: Vec<HeaderName> = names
        .filter(|name| tells_another_call(name.as_str()))
        .cloned()
        .collect();
    for name in misleading {
        request.headers.remove(name);
    }
}

impl<S> Layer<S> for AuthorizerLayer {
    type Service = Guarded<S>;

    fn layer(&self, service: S) -> Guarded<S> {
        Guarded {
            layer: self.clone(),
            service,
        }
    }
}

/// A service behind an [`AuthorizerLayer`].
#[derive(Clone)]
pub struct Guarded<S> {
    layer: AuthorizerLayer,
    service: S,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes along; its clone may not be.
        let unready = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, unready);
        let layer = self.layer.clone();
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            let judged = layer
                .authorizer
                .admit(&layer.call(&parts), (layer.now)())
                .await;
            match judged {
                Ok(admitted) => {
                    tell(admitted, &mut parts);
                    service.call(Request::from_parts(parts, body)).await
                }
                Err(refusal) => Ok(refusal.response()),
            }
        })
    }
}
