//! What the registered settings and the policy file add: the command that makes it work.

use super::{Known, Place, Told, words};
use crate::domain::client::{Client, GrantType};
use crate::domain::event::{
    ClientAuthFailure, Decision, Happening, TokenRefusal, UnverifiedRequest,
};
use crate::domain::redirect_uri::RedirectUri;
use crate::domain::resource::Audience;
use crate::domain::{ClientId, ErrorCode};
use crate::flows::admin::{Admin, AdminError};
use crate::store::clients;
use gatewright_authorizer::Reason;

/// What the settings of today say about what was refused.
pub(super) async fn of_settings(
    admin: Admin<'_>,
    told: &[Told],
    known: Known<'_>,
) -> Result<Vec<String>, AdminError> {
    let mut advice = Vec::new();
    for (row, happening) in happenings(told, Place::Asked) {
        advice.extend(of_policy(&happening, known, told));
        let Some(client_id) = &row.row.client_id else {
            continue;
        };
        let Some(client) = clients::find(admin.store, &ClientId::new(client_id)).await? else {
            if row.words.why.is_some() {
                advice.push(format!(
                    "client {client_id} is not there any more: see 'gatewright client list'"
                ));
            }
            continue;
        };
        if client.disabled && row.words.why.is_some() {
            advice.push(format!(
                "client {client_id} is disabled: 'gatewright client enable {client_id}', if it may go on"
            ));
        }
        advice.extend(of_client(&happening, &client));
    }
    Ok(advice)
}

pub(super) fn happenings(told: &[Told], place: Place) -> impl Iterator<Item = (&Told, Happening)> {
    told.iter()
        .filter(move |told| told.place == place)
        .filter_map(|told| Some((told, told.row.happening()?)))
}

fn of_client(happening: &Happening, client: &Client) -> Option<String> {
    let id = client.client_id.as_str();
    match happening {
        Happening::AuthorizationRefused {
            unverified: Some(UnverifiedRequest::RedirectUri | UnverifiedRequest::RedirectUriMissing),
            ..
        } => {
            let uris: Vec<&str> = client
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect();
            Some(format!(
                "client {id} has these redirect URIs: {}",
                listed(&uris)
            ))
        }
        Happening::AuthorizationRefused {
            error: Some(ErrorCode::InvalidScope),
            beyond,
            ..
        }
        | Happening::TokenRefused {
            cause: Some(TokenRefusal::ScopeBeyondClient),
            beyond,
            ..
        } => Some(of_scope(client, beyond.as_deref().unwrap_or_default())),
        Happening::AuthorizationRefused {
            error: Some(ErrorCode::InvalidTarget),
            ..
        }
        | Happening::TokenRefused {
            cause: Some(TokenRefusal::ResourceUnknown),
            ..
        } => {
            let audiences: Vec<&str> = client.audiences.iter().map(Audience::as_str).collect();
            Some(format!(
                "client {id} has these audiences: {}",
                listed(&audiences)
            ))
        }
        Happening::TokenRefused {
            error: ErrorCode::UnauthorizedClient,
            grant: Some(grant),
            ..
        } => Some(of_grant(client, *grant)),
        Happening::AuthorizationRefused {
            unverified: Some(UnverifiedRequest::GrantNotPermitted),
            ..
        } => Some(of_grant(client, GrantType::AuthorizationCode)),
        Happening::AuthorizationRefused {
            unverified: Some(UnverifiedRequest::ClientDisabled),
            ..
        }
        | Happening::ClientAuthenticationFailed {
            reason: ClientAuthFailure::ClientDisabled,
            ..
        } if !client.disabled => Some(format!("client {id} is enabled again")),
        Happening::ClientAuthenticationFailed {
            reason: ClientAuthFailure::WrongMethod,
            presented: Some(presented),
            ..
        } => Some(format!(
            "client {id} is registered for {}, and came with {}",
            words::way(client.auth_method),
            words::way(*presented)
        )),
        Happening::AccessDecided {
            reason: Some(reason),
            missing: Some(missing),
            ..
        } if reason == Reason::InsufficientScope.as_str() => Some(of_missing(client, missing)),
        _ => None,
    }
}

fn listed(items: &[&str]) -> String {
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

fn of_grant(client: &Client, grant: GrantType) -> String {
    let id = client.client_id.as_str();
    if client.may_use(grant) {
        return format!("client {id} may use {} by now", grant.as_str());
    }
    let grants: Vec<&str> = client.grants.iter().map(|grant| grant.as_str()).collect();
    let all: Vec<String> = grants
        .iter()
        .copied()
        .chain([grant.as_str()])
        .map(|grant| format!(" --grant {grant}"))
        .collect();
    format!(
        "client {id} may use {}: 'gatewright client update {id}{}' lets it use this one, too",
        listed(&grants),
        all.concat()
    )
}

/// Scopes that were asked for in vain: those that exist with the command that lets the client have them, and how many
/// exist nowhere.
fn of_scope(client: &Client, beyond: &[String]) -> String {
    let id = client.client_id.as_str();
    // No scope has a space in it; what has one is the number of those that aren't known.
    let (made_up, known): (Vec<&str>, Vec<&str>) = beyond
        .iter()
        .map(String::as_str)
        .partition(|scope| scope.contains(' '));
    let (by_now, known): (Vec<&str>, Vec<&str>) = known
        .into_iter()
        .partition(|scope| client.scope.contains(scope));
    let may_have = format!(
        "client {id} may have {}",
        words::shown(&client.scope.to_string())
    );
    let mut sentences = vec![may_have];
    if !by_now.is_empty() {
        sentences.push(format!("by now with {}", by_now.join(" and ")));
    }
    if !known.is_empty() {
        sentences.push(format!(
            "and asked for {} besides: 'gatewright client update {id} --scope \"{}\"' lets it have that, too",
            known.join(" and "),
            client.scope.iter().chain(known.iter().copied()).collect::<Vec<_>>().join(" ")
        ));
    }
    if !made_up.is_empty() {
        sentences.push(format!(
            "and asked for what exists nowhere {}: compare the request's scope with that, letter by letter",
            made_up.join(" ")
        ));
    }
    sentences.join(", ")
}

/// A call lacked scopes: whether the client may have them says whose turn it is.
fn of_missing(client: &Client, missing: &[String]) -> String {
    let id = client.client_id.as_str();
    let (lacks, may_not): (Vec<&str>, Vec<&str>) = missing
        .iter()
        .map(String::as_str)
        .partition(|scope| client.scope.contains(scope));
    if may_not.is_empty() {
        let how = if client.may_use(GrantType::AuthorizationCode) {
            "in the authorization request (a refresh can't add it)"
        } else {
            "in the token request"
        };
        return format!(
            "the token lacks {}, and client {id} may have it: ask for it by scope {how}",
            lacks.join(" and ")
        );
    }
    let mut all: Vec<&str> = client.scope.iter().collect();
    all.extend(&may_not);
    format!(
        "client {id} may not have {}: 'gatewright client update {id} --scope \"{}\"', then ask for a new token",
        may_not.join(" and "),
        all.join(" ")
    )
}

fn of_policy(happening: &Happening, known: Known<'_>, told: &[Told]) -> Vec<String> {
    let Happening::AccessDecided {
        decision,
        reason,
        rule,
        config,
        ..
    } = happening
    else {
        return Vec::new();
    };
    let Some(policy) = known.policy.filter(|_| *decision != Decision::Allow) else {
        return Vec::new();
    };
    let mut advice = Vec::new();
    if let Some(config) = config
        && config != policy.digest()
    {
        advice.push(format!(
            "the policy file given is {}, and the authorizer decided by {config}: deploy the one that is meant",
            policy.digest()
        ));
    }
    let issuers: Vec<&str> = policy
        .issuers()
        .iter()
        .map(|issuer| issuer.url.as_str())
        .collect();
    if !issuers.contains(&known.issuer) {
        advice.push(format!(
            "the policy file takes tokens of {}, and this issuer is {}: write it there byte for byte",
            listed(&issuers),
            known.issuer
        ));
    }
    let audiences: Vec<&str> = policy.audiences().into_iter().collect();
    for (_, before) in happenings(told, Place::Before) {
        if let Happening::TokenIssued { audience, .. } = before
            && !audience
                .iter()
                .any(|named| audiences.contains(&named.as_str()))
        {
            advice.push(format!(
                "the token is for {}, and the policy file for {}",
                audience.join(" and "),
                listed(&audiences)
            ));
        }
    }
    if let Some(rule) = rule
        .as_ref()
        .and_then(|id| policy.rules().iter().find(|rule| rule.id() == id))
    {
        let condition = rule
            .condition()
            .map(|condition| format!("; when {}", condition.as_str()));
        advice.push(format!(
            "rule \"{}\" is for {} and needs {}{}",
            rule.id(),
            rule.path(),
            listed(&rule.scopes().iter().map(String::as_str).collect::<Vec<_>>()),
            condition.unwrap_or_default()
        ));
    }
    if reason.as_deref() == Some(Reason::NoRule.as_str()) {
        let rules: Vec<String> = policy
            .rules()
            .iter()
            .map(|rule| format!("{} ({})", rule.path(), rule.id()))
            .collect();
        advice.push(format!(
            "the policy file has rules for {}",
            rules.join(", ")
        ));
    }
    advice
}
