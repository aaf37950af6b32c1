//! One event in plain words: what happened; where something was refused, why, and what would make it work.

use super::causes::{self, Cause};
use super::details::{change, decided};
use super::refusals;
use crate::domain::client::AuthMethod;
use crate::domain::event::{AccessRefusal, Happening};
use gatewright_authorizer::Reason;

/// One event in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What happened.
    pub what: String,
    /// Why it was refused or failed; `None` for what went its way.
    pub why: Option<String>,
    /// What would make it work.
    pub remedy: Option<String>,
}

impl Words {
    pub(super) fn went(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    pub(super) fn refused(what: impl Into<String>, (why, remedy): Cause) -> Self {
        Self {
            what: what.into(),
            why: Some(why.to_owned()),
            remedy: Some(remedy.to_owned()),
        }
    }

    pub(super) fn and_why(mut self, more: Option<&str>) -> Self {
        if let (Some(why), Some(more)) = (&mut self.why, more) {
            why.truncate(why.trim_end_matches('.').len());
            why.push_str("; ");
            why.push_str(more);
        }
        self
    }
}

pub(super) fn named(kind: &str, name: Option<&impl AsRef<str>>) -> String {
    name.map_or_else(
        || format!("an unnamed {kind}"),
        |name| format!("{kind} {}", name.as_ref()),
    )
}

macro_rules! as_text {
    ($($type:ty),+) => { $(impl AsRef<str> for $type {
        fn as_ref(&self) -> &str { self.as_str() }
    })+ };
}
as_text!(crate::domain::ClientId, crate::domain::Subject);

/// The words for what happened. Every kind and every reason has some.
#[expect(clippy::too_many_lines, reason = "one arm for each")]
pub fn of(happening: &Happening) -> Words {
    match happening {
        Happening::LoginSucceeded {
            subject,
            known_device,
            administrator,
            ..
        } => Words::went(format!(
            "{subject} gave the right password{}{}",
            if *known_device {
                ""
            } else {
                ", on a device that is new for the account"
            },
            if *administrator {
                "; an administrator"
            } else {
                ""
            },
        )),
        Happening::LoginFailed {
            reason,
            subject,
            same_password_accounts,
        } => Words::refused(
            format!(
                "a login was refused: {}",
                named("account", subject.as_ref())
            ),
            causes::login(*reason),
        )
        .and_why(
            same_password_accounts.map(|_| "the same password was tried for several accounts"),
        ),
        Happening::LoginThrottled { scope, .. } => {
            Words::refused("logins have to wait", causes::throttle(*scope))
        }
        Happening::SessionStarted { subject, .. } => {
            Words::went(format!("a session of {subject} began"))
        }
        Happening::SessionEnded { cause, .. } => {
            Words::went(format!("a session ended: {}", causes::session_end(*cause)))
        }
        Happening::ConsentGiven {
            client_id,
            subject,
            scope,
        } => Words::went(format!("{subject} allowed client {client_id} {scope}")),
        Happening::ConsentRefused { client_id, subject } => Words {
            what: format!("{subject} refused client {client_id}"),
            why: Some("the person refused".to_owned()),
            remedy: Some(refusals::error(crate::domain::ErrorCode::AccessDenied).to_owned()),
        },
        Happening::AuthorizationRefused {
            client_id,
            error,
            unverified,
            words,
            redirect_uri,
            browser,
            ..
        } => {
            let who = named("client", client_id.as_ref());
            match (unverified, error) {
                (Some(unverified), _) => Words::refused(
                    format!("an authorization request of {who} was answered by a page, and not sent back"),
                    causes::unverified(*unverified),
                )
                .and_why(redirect_uri.map(causes::uri_difference)),
                (None, Some(code)) => {
                    let asks_somebody = matches!(
                        code,
                        crate::domain::ErrorCode::LoginRequired | crate::domain::ErrorCode::ConsentRequired
                            | crate::domain::ErrorCode::InteractionRequired
                    );
                    Words {
                        what: format!("an authorization request of {who} was refused: {}", code.as_str()),
                        why: Some(words.clone().unwrap_or_else(|| code.as_str().to_owned())),
                        remedy: Some(refusals::error(*code).to_owned()),
                    }
                    .and_why(browser.filter(|_| asks_somebody).map(causes::browser))
                }
                (None, None) => Words::went(format!("an authorization request of {who} was refused")),
            }
        }
        Happening::CodeIssued {
            client_id,
            subject,
            scope,
            ..
        } => Words::went(format!(
            "client {client_id} got a code for {subject}, scope {scope}"
        )),
        Happening::CodeRedeemed { client_id, .. } => {
            Words::went(format!("client {client_id} exchanged the code for tokens"))
        }
        Happening::CodeReplayed { client_id, .. } => Words::refused(
            format!(
                "a used code came again from client {client_id}: every token that came of it was revoked"
            ),
            causes::token(crate::domain::event::TokenRefusal::CodeReplayed),
        ),
        Happening::TokenIssued {
            grant,
            client_id,
            scope,
            audience,
            ..
        } => Words::went(format!(
            "client {client_id} got an access token by {}, scope {}, for {}",
            grant.as_str(),
            shown(&scope.to_string()),
            audience.join(" and ")
        )),
        Happening::TokensIssued {
            grant,
            client_id,
            count,
        } => Words::went(format!(
            "client {client_id} got {count} more access tokens by {} than are recorded one by one",
            grant.as_str()
        )),
        Happening::TokenRefused {
            grant,
            client_id,
            error,
            words,
            cause,
            ..
        } => {
            let by = grant.map_or_else(String::new, |grant| format!(" by {}", grant.as_str()));
            let what = format!(
                "{} was refused a request{by}: {}",
                named("client", client_id.as_ref()),
                error.as_str()
            );
            match cause {
                Some(cause) => Words::refused(what, causes::token(*cause)),
                None => Words {
                    what,
                    why: Some(words.clone()),
                    remedy: Some(refusals::error(*error).to_owned()),
                },
            }
        }
        Happening::TokenRefreshed { client_id, .. } => Words::went(format!(
            "client {client_id} exchanged a refresh token for its successor"
        )),
        Happening::RefreshRetried { client_id, .. } => Words::went(format!(
            "client {client_id} repeated its last refresh within the grace, and got the same answer again"
        )),
        Happening::RefreshReplayed { client_id, .. } => Words::refused(
            format!(
                "a used refresh token came again from client {client_id}: its whole family was revoked"
            ),
            causes::token(crate::domain::event::TokenRefusal::RefreshReplayed),
        ),
        Happening::TokenRevoked {
            client_id,
            grant_id,
            ..
        } => Words::went(format!(
            "client {client_id} revoked {}",
            if grant_id.is_some() {
                "a grant, with every token of it"
            } else {
                "an access token"
            }
        )),
        Happening::ClientAuthenticated { client_id, method } => Words::went(format!(
            "client {client_id} proved who it is by {}",
            method.as_str()
        )),
        Happening::ClientAuthenticationFailed {
            client_id,
            reason,
            presented,
            assertion,
        } => {
            let how = presented.map_or_else(String::new, |method| format!(" by {}", way(method)));
            let failed = Words::refused(
                format!(
                    "{} did not prove who it is{how}",
                    named("client", client_id.as_ref())
                ),
                causes::client_auth(*reason),
            );
            match assertion.map(causes::assertion) {
                None => failed,
                Some((why, remedy)) => Words {
                    remedy: Some(remedy.to_owned()),
                    ..failed.and_why(Some(why))
                },
            }
        }
        Happening::KeyCreated { kid, alg, state } => {
            Words::went(format!("{alg} key {kid} was made, {state}"))
        }
        Happening::KeyActivated { kid } => Words::went(format!("key {kid} began to sign")),
        Happening::KeyRetired { kid } => Words::went(format!("key {kid} ceased to sign")),
        Happening::KeyRejected { kid, cause } => Words {
            what: format!("key {kid} can't be used"),
            why: Some(cause.clone()),
            remedy: Some(
                "give the master key that sealed it; 'gatewright doctor' says which".to_owned(),
            ),
        },
        Happening::Administration {
            what,
            target,
            actor,
            before,
            after,
        } => Words::went(format!(
            "{actor} changed {target}: {what}{}",
            change(before.as_ref(), after.as_ref())
        )),
        Happening::PolicyLoaded { digest, scopes } => Words::went(format!(
            "policy file {digest} with {scopes} scopes counts from now on"
        )),
        Happening::PolicyRefused { file, cause, node } => Words {
            what: format!("node {node} did not start: its policy file {file} can't be used"),
            why: Some(cause.clone()),
            remedy: Some(format!(
                "correct the file ('gatewright policy check --policy {file}' says where), and start the node again"
            )),
        },
        Happening::AccessRefused {
            endpoint, reason, ..
        } => {
            let what = format!("an access token was refused at {endpoint}: {reason}");
            match (
                AccessRefusal::ALL
                    .iter()
                    .find(|known| known.as_str() == reason),
                Reason::from_code(reason),
            ) {
                (Some(refusal), _) => Words::refused(what, causes::access(*refusal)),
                (None, Some(reason)) => Words::refused(what, (reason.explain(), reason.remedy())),
                (None, None) => Words::refused(
                    what,
                    ("the token is no good there", "get a new access token"),
                ),
            }
        }
        Happening::AccessDecided { .. } => decided(happening),
        Happening::ClockSkew { seconds } => Words {
            what: "a node's clock and the database's disagree".to_owned(),
            why: Some(format!("by {seconds} seconds")),
            remedy: Some("set both clocks by NTP; 'gatewright doctor' measures it".to_owned()),
        },
        Happening::ChainEnds { ends } => {
            Words::went(format!("the ends of {} chains of events were noted", ends.len()))
        }
        Happening::ForwardedUntrusted { peer, .. } => Words {
            what: format!(
                "{} said whom it speaks for, and was not believed",
                peer.as_deref().unwrap_or("a peer")
            ),
            why: Some("it isn't in trusted_proxies".to_owned()),
            remedy: Some(
                "if it's a proxy of yours, list it: till then everybody behind it shares one address and its limits"
                    .to_owned(),
            ),
        },
        Happening::EventsLost { count } => Words {
            what: format!("{count} events could not be kept"),
            why: Some("more came than the queue holds".to_owned()),
            remedy: Some(
                "see why the database is slow, or raise events.queue; the log has them all"
                    .to_owned(),
            ),
        },
        Happening::DecisionsLost { client_id, count } => Words {
            what: format!("{count} decisions of the authorizer that ships as {client_id} are missing here"),
            why: Some("it had more of them than it could send".to_owned()),
            remedy: Some(
                "see in its log why sending failed, or lower --ship-allowed; its own log has them all"
                    .to_owned(),
            ),
        },
        Happening::RequestRefused {
            reason,
            status,
            words,
        } => Words::refused(
            format!("the request was answered with {status}"),
            refusals::request(*reason),
        )
        .and_why(words.as_deref()),
        Happening::RequestFailed { cause, words } => {
            Words::refused("the server failed to answer", refusals::failure(*cause))
                .and_why(Some(words))
        }
        Happening::NotifierFailed {
            notifier,
            alert_id,
            cause,
        } => Words {
            what: format!(
                "alert {alert_id} could not be told through {notifier}; it will be tried again"
            ),
            why: Some(cause.clone()),
            remedy: Some("see that the notifier can be reached from here".to_owned()),
        },
        Happening::AlertOpened { rule, summary, .. } => {
            Words::went(format!("alert {rule} was raised: {summary}"))
        }
        Happening::AlertAcknowledged { rule, actor, .. } => {
            Words::went(format!("{actor} took notice of alert {rule}"))
        }
        Happening::AlertResolved { rule, .. } => {
            Words::went(format!("what alert {rule} was about has ended"))
        }
        Happening::NodeStarted { version } => {
            Words::went(format!("a node of version {version} began to serve"))
        }
        Happening::NodeStopped { version } => {
            Words::went(format!("a node of version {version} left"))
        }
    }
}

pub(super) fn shown(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

pub(super) fn way(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::None => "its name alone",
        other => other.as_str(),
    }
}
