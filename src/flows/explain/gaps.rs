//! What the record doesn't hold, and why: which token it was, and what a gateway made of an answer.

use super::advice::happenings;
use super::{Known, Place, Told};
use crate::domain::event::{Decision, Happening};
use crate::flows::admin::{Admin, AdminError};
use crate::store::events::search::{self, Filter};
use gatewright_authorizer::Reason;

/// How far around a call a number of tokens may stand for the one that it came with, seconds.
const SUMMED_UP_S: i64 = 7 * 86_400;

/// What the record doesn't hold, and why.
pub(super) async fn gaps(
    admin: Admin<'_>,
    told: &[Told],
    known: Known<'_>,
    now: i64,
) -> Result<Vec<String>, AdminError> {
    let mut unknown = Vec::new();
    let issued: Vec<String> = told
        .iter()
        .filter(|told| told.row.kind == "token_issued")
        .filter_map(|told| member(told, "jti_digest"))
        .collect();
    for (row, happening) in happenings(told, Place::Asked) {
        let Happening::AccessDecided {
            decision,
            jti_digest,
            client_id,
            reason,
            answer,
            ..
        } = happening
        else {
            continue;
        };
        if decision == Decision::Allow {
            unknown.extend(answer.as_deref().and_then(made_of));
        }
        let Some(jti) = jti_digest else {
            let reason = reason.as_deref().and_then(Reason::from_code);
            if !reason.is_some_and(|reason| reason.refuses_token() || reason.is_fault()) {
                let words =
                    "which token it was: the authorizer is of a version that doesn't log it";
                unknown.push(words.to_owned());
            }
            continue;
        };
        if issued.contains(&jti) {
            continue;
        }
        let client_id = client_id.map(|client| client.as_str().to_owned());
        unknown.push(why_unrecorded(admin, (client_id, row.row.at), known, now).await?);
    }
    Ok(unknown)
}

/// An HTTP API takes one form of answer, as its authorizer is set up, and makes a 500 of the other.
fn made_of(answer: &str) -> Option<String> {
    let (was, on, other) = match answer {
        "iam" => ("an IAM policy", "on", "off"),
        "simple" => ("a simple answer", "off", "on"),
        _ => return None,
    };
    Some(format!(
        "what the gateway made of the answer, which was {was} (response.http_v2 = \"{answer}\" in the policy file): if the \
         caller got 500, EnableSimpleResponses is {on} at the gateway's authorizer; turn it {other}, or change the policy file"
    ))
}

fn member(told: &Told, name: &str) -> Option<String> {
    told.row.fields().get(name)?.as_str().map(str::to_owned)
}

async fn why_unrecorded(
    admin: Admin<'_>,
    (client_id, at): (Option<String>, i64),
    known: Known<'_>,
    now: i64,
) -> Result<String, AdminError> {
    let summed_up = Filter {
        client_id,
        kind: Some("tokens_issued".to_owned()),
        since: Some(at - SUMMED_UP_S),
        until: Some(at + SUMMED_UP_S),
        ..Filter::default()
    };
    if !search::find(admin.store, &summed_up, None, 1)
        .await?
        .is_empty()
    {
        return Ok(
            "the token was not recorded by itself: the client got more than events.tokens_per_s, and the rest are a number"
                .to_owned(),
        );
    }
    let kept_s = i64::from(known.retention_days) * 86_400;
    let oldest = search::oldest(admin.store).await?;
    if known.retention_days > 0 && now - at > kept_s || oldest.is_some_and(|oldest| at < oldest) {
        return Ok(format!(
            "when the token was issued is not known: that is longer ago than events are kept ({} days)",
            known.retention_days
        ));
    }
    Ok("no token of this issuer has the jti of the call: it is of another issuer, or of another database".to_owned())
}
