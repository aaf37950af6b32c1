//! Who calls, as arguments of axum's handlers.
//!
//! Both come from the layer's extension. Without the layer there is none, and then there is no caller either: the answer
//! is an error of ours, not a call by nobody.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::layer::{Authorized, Public};
use crate::reason::Reason;
use crate::refusal::Refusal;

/// The token's claims as a type of the service's own. A claim that it needs and that the token doesn't have is a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<T>(pub T);

impl<S: Sync> FromRequestParts<S> for Authorized {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        of_layer(parts).cloned()
    }
}

/// `None` for a call of nobody's, which a public rule let pass.
impl<S: Sync> OptionalFromRequestParts<S> for Authorized {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Refusal> {
        match parts.extensions.get::<Public>() {
            Some(_) => Ok(None),
            None => of_layer(parts).cloned().map(Some),
        }
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let Authorized(admission) = of_layer(parts)?;
        let claims = Value::Object(admission.token.claims.clone());
        serde_json::from_value(claims).map(Self).map_err(|_| {
            // serde's words may hold the values of claims.
            tracing::warn!(
                wanted = std::any::type_name::<T>(),
                "the token's claims are not those that the handler needs"
            );
            Refusal::because_of(Reason::ClaimMalformed)
        })
    }
}

fn of_layer(parts: &Parts) -> Result<&Authorized, Refusal> {
    parts.extensions.get().ok_or_else(|| {
        if let Some(Public(rule)) = parts.extensions.get() {
            tracing::warn!(
                rule,
                "the handler asks who calls, and its route is public: take an Option<Authorized>"
            );
            return Refusal::because_of(Reason::TokenMissing);
        }
        tracing::error!("no caller is known: put an AuthorizerLayer around the router");
        Refusal::because_of(Reason::Internal)
    })
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response::<Body>()
    }
}
