//! What a call asks for, as options or a file of cases say it.

use crate::cli::error::CliError;
use gatewright_authorizer::appsync::graphql::{root_fields, target};
use gatewright_authorizer::policy::{Explanation, Policy, Request, Target, explain};
use gatewright_authorizer::{AccessToken, Refused};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Route {
        method: String,
        path: String,
    },
    Connect,
    /// `Type.field`
    Fields(Vec<String>),
    /// A GraphQL document.
    Document(String),
}

/// What else is known of the call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances<'c> {
    pub source_ip: Option<IpAddr>,
    pub stage: Option<&'c str>,
    /// Unix seconds.
    pub now: i64,
}

impl Question {
    /// The only one that is asked; `given` names what may be given, in the words of the place.
    pub(super) fn only(
        route: (Option<&String>, Option<&String>),
        connect: bool,
        fields: &[String],
        document: Option<String>,
        given: &str,
    ) -> Result<Self, CliError> {
        let mut questions = Vec::new();
        match route {
            (None, None) => {}
            (Some(method), Some(path)) => questions.push(Self::Route {
                method: method.clone(),
                path: path.clone(),
            }),
            _ => {
                return Err(CliError::usage(format!(
                    "a method and a path belong together: {given}"
                )));
            }
        }
        questions.extend(connect.then_some(Self::Connect));
        if !fields.is_empty() {
            if let Some(wrong) = fields.iter().find(|field| !is_field(field)) {
                return Err(CliError::usage(format!(
                    "{wrong:?} is no field: write its type and its name, like Query.orders"
                )));
            }
            questions.push(Self::Fields(fields.to_vec()));
        }
        questions.extend(document.map(Self::Document));
        match (questions.pop(), questions.pop()) {
            (Some(question), None) => Ok(question),
            _ => Err(CliError::usage(format!("ask about one thing: {given}"))),
        }
    }

    /// The method of the call, which a proof of possession names.
    pub(super) fn method(&self) -> &str {
        match self {
            Self::Route { method, .. } => method,
            Self::Connect => Request::connect().method,
            Self::Fields(_) | Self::Document(_) => Request::graphql().method,
        }
    }

    pub(super) fn is_graphql(&self) -> bool {
        matches!(self, Self::Fields(_) | Self::Document(_))
    }

    /// What the authorizer decides, by its own code.
    pub(super) fn explain(
        &self,
        policy: &Policy,
        token: &Result<AccessToken, Refused>,
        circumstances: Circumstances<'_>,
    ) -> Explanation {
        let explained = |target: Target<'_>, request: Request<'_>| {
            let request = Request {
                source_ip: circumstances.source_ip,
                stage: circumstances.stage,
                ..request.at(circumstances.now)
            };
            explain(policy, token, target, &request)
        };
        match self {
            Self::Route { method, path } => explained(
                Target::Route,
                Request::new(method, policy.path_inside(path)),
            ),
            Self::Connect => explained(Target::Connect, Request::connect()),
            Self::Fields(fields) => {
                let fields: BTreeSet<_> = fields
                    .iter()
                    .filter_map(|field| field.split_once('.'))
                    .collect();
                explained(Target::Fields(&fields), Request::graphql())
            }
            Self::Document(document) => {
                let fields = root_fields(document);
                explained(target(document, fields.as_ref()), Request::graphql())
            }
        }
    }
}

/// Two names with a dot between them.
fn is_field(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(of_type, field)| is_name(of_type) && is_name(field))
}
