//! Exchanging a code (RFC 6749 §4.1.3, RFC 7636 §4.6): checks, signatures, then one guarded spend.

use super::error::refuse;
use super::refresh::consent_stands;
use super::token::{AuthenticatedClient, asked_resources};
use super::{FlowError, Issuer, SharedIssuer, TokenError, to_the_end};
use crate::crypto::token::{AuthorizationCode, RefreshToken, equal, sha256};
use crate::domain::client::GrantType;
use crate::domain::event::Happening;
use crate::domain::form::Form;
use crate::domain::grant::{CodeGrant, Grant, Redemption};
use crate::domain::pkce::is_code_verifier;
use crate::domain::{Account, Client, ClientId, ErrorCode};
use crate::store::{StoreError, accounts, codes, refresh_tokens};
use std::sync::Arc;

const DEAD: &str =
    "the code is unknown, expired, used, or another client's; start a new authorization";

/// Redeems a code for tokens.
pub(super) async fn redeem(
    issuer: &SharedIssuer,
    registered: AuthenticatedClient,
    form: &Form,
    now: i64,
) -> Result<String, TokenError> {
    let client = &registered.client;
    let Some(code) = form.get("code") else {
        return refuse(ErrorCode::InvalidRequest, "code is missing");
    };
    let digest = AuthorizationCode::presented(code)
        .digest()
        .as_str()
        .to_owned();
    let Some(stored) = codes::find(&issuer.store, &digest, &client.client_id).await? else {
        return refuse(ErrorCode::InvalidGrant, DEAD);
    };
    if stored.redeemed_at.is_some() {
        replayed(issuer, &stored.code.grant, now).await?;
        return refuse(ErrorCode::InvalidGrant, DEAD);
    }
    if stored.expires_at <= now {
        return refuse(ErrorCode::InvalidGrant, DEAD);
    }
    verify_redirect_uri(&stored.code, form)?;
    verify_pkce(&stored.code, form)?;
    let grant = &stored.code.grant;
    let account = live_account(issuer, grant).await?;
    if !still_permitted(issuer, client, grant) || !consent_stands(issuer, client, grant).await? {
        return refuse(
            ErrorCode::InvalidGrant,
            "what was granted has been withdrawn; log in again",
        );
    }
    let resources = match asked_resources(form, client, &issuer.url)? {
        named if named.is_empty() => grant.resources.clone(),
        named
            if grant.resources.is_empty() || named.iter().all(|r| grant.resources.contains(r)) =>
        {
            named
        }
        _ => {
            return refuse(
                ErrorCode::InvalidTarget,
                "resource goes beyond the authorization request",
            );
        }
    };

    let refresh_token = if wants_refresh_token(client, grant) {
        Some(RefreshToken::generate(&issuer.entropy)?)
    } else {
        None
    };
    let response = issuer.person_response(
        (GrantType::AuthorizationCode, client),
        &account,
        grant,
        (&grant.scope, &resources),
        refresh_token.as_ref().map(RefreshToken::expose),
        now,
    )?;
    let spend = Spend {
        digest,
        client_id: client.client_id.clone(),
        grant: grant.clone(),
        refresh_digest: refresh_token.map(|token| token.digest().as_str().to_owned()),
        access_token_s: client
            .access_token_s
            .unwrap_or(issuer.settings.access_token_s),
    };
    let shared = Arc::clone(issuer);
    match to_the_end(async move { spend.commit(&shared, now).await }).await? {
        Redemption::Granted => {
            let of = (GrantType::AuthorizationCode, &client.client_id);
            issuer.note_token(of, now, || response.issued);
            Ok(response.body)
        }
        Redemption::Replayed(_) | Redemption::Unknown => refuse(ErrorCode::InvalidGrant, DEAD),
    }
}

fn verify_redirect_uri(code: &CodeGrant, form: &Form) -> Result<(), TokenError> {
    let matches = match form.get("redirect_uri") {
        Some(presented) => presented == code.redirect_uri,
        None => !code.redirect_uri_named,
    };
    if matches {
        Ok(())
    } else {
        refuse(
            ErrorCode::InvalidGrant,
            "redirect_uri differs from the authorization request",
        )
    }
}

fn verify_pkce(code: &CodeGrant, form: &Form) -> Result<(), TokenError> {
    let proven = match (&code.code_challenge, form.raw("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            is_code_verifier(verifier) && equal(&sha256(verifier), challenge.as_str())
        }
        (None, None) => true,
        // A verifier without a challenge is a downgrade (RFC 9700 §4.8.2).
        _ => false,
    };
    if proven {
        Ok(())
    } else {
        refuse(
            ErrorCode::InvalidGrant,
            "code_verifier does not match the code_challenge",
        )
    }
}

fn wants_refresh_token(client: &Client, grant: &Grant) -> bool {
    client.may_use(GrantType::RefreshToken)
        && (grant.scope.contains("offline_access") || !grant.scope.contains("openid"))
}

/// Whether the client may still have all that it was granted.
pub(super) fn still_permitted(issuer: &Issuer, client: &Client, grant: &Grant) -> bool {
    grant.scope.is_subset(&client.scope)
        && grant
            .resources
            .iter()
            .all(|resource| resource.as_str() == issuer.url || client.audiences.contains(resource))
}

/// The account behind a grant, unless it was disabled, removed, or its password changed since.
pub(super) async fn live_account(issuer: &Issuer, grant: &Grant) -> Result<Account, TokenError> {
    match accounts::by_subject(&issuer.store, &grant.subject).await? {
        Some(account)
            if !account.disabled && account.password_changed_at == grant.password_changed_at =>
        {
            Ok(account)
        }
        _ => refuse(
            ErrorCode::InvalidGrant,
            "the account can no longer be used; log in again",
        ),
    }
}

/// Revokes what a replayed code gave, and records it in the same transaction.
async fn replayed(issuer: &SharedIssuer, grant: &Grant, now: i64) -> Result<(), FlowError> {
    let shared = Arc::clone(issuer);
    let grant = grant.clone();
    to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        if refresh_tokens::revoke_family(&mut tx, &grant.family_id, now, "code_replayed").await? {
            let replayed = Happening::CodeReplayed {
                client_id: grant.client_id.clone(),
                subject: grant.subject.clone(),
                grant_id: grant.family_id.clone(),
            };
            shared.record(&mut tx, replayed, now)?;
        }
        tx.commit().await?;
        Ok(())
    })
    .await
}

/// Everything the spend writes, owned, so that it outlives its caller.
struct Spend {
    digest: String,
    client_id: ClientId,
    grant: Grant,
    refresh_digest: Option<String>,
    access_token_s: i64,
}

impl Spend {
    async fn commit(self, issuer: &SharedIssuer, now: i64) -> Result<Redemption, FlowError> {
        let settings = &issuer.settings;
        let family_ends = match self.refresh_digest {
            Some(_) => now + settings.refresh_absolute_s,
            None => now + self.access_token_s,
        };
        let mut tx = issuer.store.begin().await?;
        let spent = codes::redeem(&mut tx, &self.digest, &self.client_id, now, family_ends).await?;
        let Some(family_id) = spent else {
            drop(tx);
            return self.lost(issuer, now).await;
        };
        match refresh_tokens::insert_family(&mut tx, &self.grant, now, family_ends).await {
            // The account was removed since it was looked at.
            Err(StoreError::Conflict) => return Ok(Redemption::Unknown),
            outcome => outcome?,
        }
        if let Some(digest) = &self.refresh_digest {
            let idle_end = (now + settings.refresh_idle_s).min(family_ends);
            refresh_tokens::insert_token(&mut tx, &family_id, digest, now, idle_end).await?;
        }
        tx.commit().await?;
        let redeemed = Happening::CodeRedeemed {
            client_id: self.client_id,
            subject: self.grant.subject,
            grant_id: family_id,
        };
        issuer.note(redeemed, now);
        Ok(Redemption::Granted)
    }

    /// Another call was first: two holders of one code are a replay.
    async fn lost(self, issuer: &SharedIssuer, now: i64) -> Result<Redemption, FlowError> {
        let stored = codes::find(&issuer.store, &self.digest, &self.client_id).await?;
        if stored.is_some_and(|code| code.redeemed_at.is_some()) {
            replayed(issuer, &self.grant, now).await?;
            return Ok(Redemption::Replayed(self.grant.family_id));
        }
        Ok(Redemption::Unknown)
    }
}
