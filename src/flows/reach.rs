//! What a grant reaches: never more than the person agreed to, whatever the client's registration became since.

use super::error::{RefusedRequest, refused};
use super::token::{asked_resources, asked_scope};
use super::{Issuer, TokenError};
use crate::domain::event::TokenRefusal;
use crate::domain::form::Form;
use crate::domain::grant::Grant;
use crate::domain::resource::Audience;
use crate::domain::{Account, Client, ErrorCode, Scope};
use crate::store::{accounts, consents};

/// A grant that still stands.
pub(super) struct Standing {
    /// Whose it is.
    pub account: Account,
    /// The grant, which names the APIs that the person agreed to also if version 0.1 wrote it.
    pub grant: Grant,
    /// The APIs that its tokens may be for by default: those that the client still has of them.
    pub audiences: Vec<Audience>,
}

/// What an access token is asked for, and may be.
pub(super) struct Asked {
    pub scope: Scope,
    /// Empty for the default.
    pub resources: Vec<Audience>,
}

/// The account and the APIs behind a grant, if the account can be used, and if the client still has, and the person
/// still allows, what was granted.
pub(super) async fn standing(
    issuer: &Issuer,
    client: &Client,
    grant: &Grant,
) -> Result<Standing, TokenError> {
    let account = live_account(issuer, grant).await?;
    if !grant.scope.is_subset(&client.scope) {
        return Err(withdrawn(TokenRefusal::ScopeWithdrawn, grant));
    }
    let agreed = agreed(issuer, client, grant).await?;
    let registered = |a: &Audience| a.as_str() == issuer.url || client.audiences.contains(a);
    let audiences = remaining(&agreed, registered, grant, TokenRefusal::AudienceWithdrawn)?;
    Ok(Standing {
        account,
        grant: Grant {
            audiences: Some(agreed),
            ..grant.clone()
        },
        audiences,
    })
}

impl Standing {
    /// What a token request asks for of the grant; without a word, all of it.
    pub(super) fn asked(
        &self,
        issuer: &Issuer,
        client: &Client,
        form: &Form,
    ) -> Result<Asked, TokenError> {
        let grant = &self.grant;
        let scope = match asked_scope(form)? {
            None => grant.scope.clone(),
            Some(asked) if asked.is_subset(&grant.scope) => asked,
            Some(asked) => {
                let words = "scope goes beyond what was granted";
                return Err(RefusedRequest::new(ErrorCode::InvalidScope, words)
                    .because(TokenRefusal::ScopeBeyondGrant)
                    .about(&grant.family_id)
                    .beyond(asked.without(&grant.scope))
                    .error());
            }
        };
        let resources = self.asked_resources(issuer, client, form)?;
        Ok(Asked { scope, resources })
    }

    /// The resources that a token request names, each within the grant; without any, those of the grant.
    pub(super) fn asked_resources(
        &self,
        issuer: &Issuer,
        client: &Client,
        form: &Form,
    ) -> Result<Vec<Audience>, TokenError> {
        let grant = &self.grant;
        let named = asked_resources(form, client, &issuer.url)?;
        if named.is_empty() {
            return Ok(grant.resources.clone());
        }
        let granted = issuer.audiences(&self.audiences, &grant.resources, &grant.scope);
        if named.iter().all(|r| granted.contains(&r.as_str())) {
            return Ok(named);
        }
        Err(refused(
            ErrorCode::InvalidTarget,
            "resource goes beyond what was granted",
            TokenRefusal::ResourceBeyondGrant,
            Some(&grant.family_id),
        ))
    }
}

/// The APIs that the person agreed to and still allows. For the operator's own applications, those that the client had
/// then.
async fn agreed(
    issuer: &Issuer,
    client: &Client,
    grant: &Grant,
) -> Result<Vec<Audience>, TokenError> {
    if client.first_party {
        // What version 0.1 didn't keep, the first refresh since keeps.
        let now = || client.audiences_for(&grant.resources).to_vec();
        return Ok(grant.audiences.clone().unwrap_or_else(now));
    }
    let consent = consents::find(
        &issuer.store,
        &grant.subject,
        &grant.client_id,
        &grant.registered_redirect_uri,
    )
    .await?;
    let withdrawn = withdrawn(TokenRefusal::ConsentWithdrawn, grant);
    let Some(consent) = consent.filter(|consent| grant.scope.is_subset(&consent.scope)) else {
        return Err(withdrawn);
    };
    let granted = match &grant.audiences {
        Some(audiences) => audiences.clone(),
        None if !grant.resources.is_empty() => grant.resources.clone(),
        None => {
            let allowed = consent.audiences_for(&grant.scope);
            if allowed.is_empty() && !consent.audiences.is_empty() {
                return Err(withdrawn);
            }
            return Ok(allowed);
        }
    };
    let allowed = |a: &Audience| consent.audiences.contains(a);
    remaining(&granted, allowed, grant, TokenRefusal::ConsentWithdrawn)
}

/// Those of a grant's APIs that are left. A grant for named ones stands for all of them or for none; one for the client's
/// default stands while an API is left, or userinfo.
fn remaining(
    granted: &[Audience],
    is_left: impl Fn(&Audience) -> bool,
    grant: &Grant,
    cause: TokenRefusal,
) -> Result<Vec<Audience>, TokenError> {
    let left: Vec<Audience> = granted.iter().filter(|a| is_left(a)).cloned().collect();
    let is_less = left.len() < granted.len();
    let is_over = !grant.resources.is_empty() || left.is_empty() && !grant.scope.contains("openid");
    if is_less && is_over {
        return Err(withdrawn(cause, grant));
    }
    Ok(left)
}

/// What was granted has ended.
fn withdrawn(cause: TokenRefusal, grant: &Grant) -> TokenError {
    refused(
        ErrorCode::InvalidGrant,
        "what was granted has been withdrawn; log in again",
        cause,
        Some(&grant.family_id),
    )
}

/// The account behind a grant, unless it was disabled, removed, or its password changed since.
async fn live_account(issuer: &Issuer, grant: &Grant) -> Result<Account, TokenError> {
    let cause = match accounts::by_subject(&issuer.store, &grant.subject).await? {
        None => TokenRefusal::AccountRemoved,
        Some(account) if account.disabled => TokenRefusal::AccountDisabled,
        Some(account) if account.password_changed_at != grant.password_changed_at => {
            TokenRefusal::PasswordChanged
        }
        Some(account) => return Ok(account),
    };
    Err(refused(
        ErrorCode::InvalidGrant,
        "the account can no longer be used; log in again",
        cause,
        Some(&grant.family_id),
    ))
}
