//! Exchanging a code (RFC 6749 §4.1.3, RFC 7636 §4.6): checks, signatures, then one guarded spend.

use super::error::{refuse, refused};
use super::issue::Access;
use super::reach::{Standing, standing};
use super::token::AuthenticatedClient;
use super::{FlowError, SharedIssuer, TokenError, to_the_end};
use crate::crypto::refresh_token::RefreshToken;
use crate::crypto::token::{AuthorizationCode, equal, sha256};
use crate::domain::client::GrantType;
use crate::domain::event::{Happening, TokenRefusal};
use crate::domain::form::Form;
use crate::domain::grant::{CodeGrant, Grant, Redemption};
use crate::domain::pkce::is_code_verifier;
use crate::domain::refresh::Lineage;
use crate::domain::{Client, ClientId, ErrorCode, FamilyId};
use crate::store::refresh_tokens::{self, FirstToken};
use crate::store::{StoreError, codes};
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
        return Err(dead(TokenRefusal::CodeUnknown, None));
    };
    let of = Some(&stored.code.grant.family_id);
    if stored.redeemed_at.is_some() {
        replayed(issuer, &stored.code.grant, now).await?;
        return Err(dead(TokenRefusal::CodeReplayed, of));
    }
    if stored.expires_at <= now {
        return Err(dead(TokenRefusal::CodeExpired, of));
    }
    verify_redirect_uri(&stored.code, form)?;
    verify_pkce(&stored.code, form)?;
    let standing = standing(issuer, client, &stored.code.grant).await?;
    let resources = standing.asked_resources(issuer, client, form)?;
    let Standing {
        account,
        grant,
        audiences,
    } = standing;

    let refresh_token = if wants_refresh_token(client, &grant) {
        let first = Lineage {
            family_id: grant.family_id.clone(),
            generation: 1,
        };
        let (entropy, keys) = (&issuer.entropy, &issuer.master);
        Some(RefreshToken::generate(
            entropy,
            keys,
            &client.client_id,
            &first,
        )?)
    } else {
        None
    };
    let response = issuer.person_response(
        (GrantType::AuthorizationCode, client),
        &account,
        &grant,
        &Access {
            scope: &grant.scope,
            resources: &resources,
            own: &audiences,
        },
        refresh_token.as_ref().map(RefreshToken::expose),
        now,
    )?;
    let spend = Spend {
        digest,
        client_id: client.client_id.clone(),
        grant,
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
        Redemption::Replayed(grant_id) => Err(dead(TokenRefusal::CodeReplayed, Some(&grant_id))),
        Redemption::Unknown => Err(dead(TokenRefusal::AccountRemoved, of)),
    }
}

/// The one answer for a code that is worth nothing; the record has the cause.
fn dead(cause: TokenRefusal, grant_id: Option<&FamilyId>) -> TokenError {
    refused(ErrorCode::InvalidGrant, DEAD, cause, grant_id)
}

fn verify_redirect_uri(code: &CodeGrant, form: &Form) -> Result<(), TokenError> {
    let (cause, words) = match form.get("redirect_uri") {
        Some(presented) if presented == code.redirect_uri => return Ok(()),
        Some(_) => (
            TokenRefusal::RedirectUriDiffers,
            "redirect_uri differs from the authorization request",
        ),
        None if code.redirect_uri_named => (
            TokenRefusal::RedirectUriMissing,
            "redirect_uri is missing, and the authorization request named one",
        ),
        None => return Ok(()),
    };
    Err(refused(
        ErrorCode::InvalidGrant,
        words,
        cause,
        Some(&code.grant.family_id),
    ))
}

fn verify_pkce(code: &CodeGrant, form: &Form) -> Result<(), TokenError> {
    let (cause, words) = match (&code.code_challenge, form.get("code_verifier")) {
        (Some(_), Some(verifier)) if !is_code_verifier(verifier) => (
            TokenRefusal::VerifierMalformed,
            "code_verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~",
        ),
        (Some(challenge), Some(verifier)) if equal(&sha256(verifier), challenge.as_str()) => {
            return Ok(());
        }
        (Some(_), Some(_)) => (
            TokenRefusal::VerifierWrong,
            "code_verifier does not match the code_challenge",
        ),
        (Some(_), None) => (
            TokenRefusal::VerifierMissing,
            "code_verifier is missing, and the authorization request had a code_challenge",
        ),
        (None, None) => return Ok(()),
        // A verifier without a challenge is a downgrade (RFC 9700 §4.8.2).
        (None, Some(_)) => (
            TokenRefusal::VerifierUnasked,
            "code_verifier came, and the authorization request had no code_challenge",
        ),
    };
    Err(refused(
        ErrorCode::InvalidGrant,
        words,
        cause,
        Some(&code.grant.family_id),
    ))
}

fn wants_refresh_token(client: &Client, grant: &Grant) -> bool {
    client.may_use(GrantType::RefreshToken)
        && (grant.scope.contains("offline_access") || !grant.scope.contains("openid"))
}

/// Revokes what a replayed code gave, and records it in the same transaction.
async fn replayed(issuer: &SharedIssuer, grant: &Grant, now: i64) -> Result<(), FlowError> {
    let shared = Arc::clone(issuer);
    let grant = grant.clone();
    to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        let of = (&grant.family_id, &grant.client_id);
        if refresh_tokens::revoke_family(&mut tx, of, now, "code_replayed").await? {
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
        let first = self.refresh_digest.as_deref().map(|digest| FirstToken {
            digest,
            expires_at: (now + settings.refresh_idle_s).min(family_ends),
        });
        let first = first.as_ref();
        match refresh_tokens::insert_family(&mut tx, &self.grant, first, now, family_ends).await {
            // The account was removed since it was looked at.
            Err(StoreError::Conflict) => return Ok(Redemption::Unknown),
            outcome => outcome?,
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
