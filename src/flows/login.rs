//! Logging in with a password: one answer and one duration for every failure, counted before it is known.

use super::{FlowError, Issuer, to_the_end};
use crate::crypto::password::{HashError, Verdict};
use crate::crypto::token::{SessionCookie, sha256};
use crate::domain::account::{PASSWORD_MAX_BYTES, canonical_login, canonical_password};
use crate::domain::event::{Event, EventKind};
use crate::domain::session::Session;
use crate::domain::{Account, SessionId, Subject};
use crate::store::{accounts, sessions, throttle};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Accounts that one browser may be known to.
const DEVICE_ACCOUNTS: usize = 8;
const DEVICE_CONTEXT: &str = "device";

/// What the form said and where from.
pub struct Attempt<'a> {
    /// User name or address as typed.
    pub login: &'a str,
    /// The password as typed.
    pub password: &'a str,
    /// The browser's address.
    pub address: IpAddr,
    /// The cookie of a known device, sealed.
    pub device: Option<&'a str>,
    /// The session cookie that the browser has, if any: that session ends.
    pub former_session: Option<&'a str>,
}

/// What came of it.
pub enum Login {
    /// The person is in.
    Succeeded {
        /// The new session.
        session: Session,
        /// Its cookie.
        cookie: SessionCookie,
        /// The device's cookie, sealed.
        device: String,
    },
    /// Unknown, wrong, disabled or throttled: nobody learns which.
    Failed,
    /// Too many accounts failed from this address.
    AddressThrottled,
    /// No password is that long.
    TooLong,
}

#[derive(Default, Serialize, Deserialize)]
struct Device {
    id: String,
    subjects: Vec<Subject>,
}

/// Tries a login.
///
/// # Errors
/// [`FlowError::Busy`] when the password queue is full.
pub async fn login(
    issuer: &Arc<Issuer>,
    attempt: &Attempt<'_>,
    now: i64,
) -> Result<Login, FlowError> {
    let password = canonical_password(attempt.password);
    if password.len() > PASSWORD_MAX_BYTES || attempt.login.len() > PASSWORD_MAX_BYTES {
        return Ok(Login::TooLong);
    }
    let name = canonical_login(attempt.login);
    let found = accounts::by_login(&issuer.store, &name).await?;
    let member = match &found {
        Some((account, _)) => issuer
            .master
            .login_bucket("subject", account.subject.as_str()),
        None => issuer.master.login_bucket("name", &name),
    };
    let device = attempt
        .device
        .and_then(|sealed| open_device(issuer, sealed))
        .unwrap_or_default();
    let known_device = found
        .as_ref()
        .is_some_and(|(account, _)| device.subjects.contains(&account.subject));
    let address = issuer
        .master
        .login_bucket("address", &network(attempt.address));

    if !known_device && address_is_throttled(issuer, &address, &member, now).await? {
        tracing::warn!("logins from one address are throttled");
        return Ok(Login::AddressThrottled);
    }
    let bucket = if known_device {
        format!("{member}@{}", device.id)
    } else {
        member.clone()
    };
    let settings = &issuer.settings;
    let failures = throttle::count(&issuer.store, &bucket, now, settings.account_window_s).await?;
    let throttled = failures > settings.account_failures;

    let (account, stored) = match found {
        Some((account, stored)) => (Some(account), stored),
        None => (None, None),
    };
    let usable = stored.clone().filter(|_| !throttled);
    let verdict = match issuer.passwords.verify(password.clone(), usable).await {
        Ok(verdict) => verdict,
        Err(HashError::Busy) => {
            throttle::uncount(&issuer.store, &bucket).await?;
            return Err(FlowError::Busy);
        }
        Err(HashError::Broken) => {
            return Err(FlowError::Internal(
                "a password can't be verified".to_owned(),
            ));
        }
    };
    let proven =
        verdict != Verdict::Wrong && account.as_ref().is_some_and(|account| !account.disabled);
    if !proven {
        failed(issuer, account.as_ref(), &address, &member, failures, now).await?;
    }
    // Parallel attempts all pass the look above; what they learn together is bounded here.
    if !known_device && address_is_throttled(issuer, &address, &member, now).await? {
        return Ok(Login::AddressThrottled);
    }
    let Some(account) = account.filter(|_| proven) else {
        return Ok(Login::Failed);
    };
    throttle::clear(&issuer.store, &bucket).await?;
    if verdict == Verdict::RightButStale
        && let Some(old) = stored
        && let Ok(new) = issuer.passwords.hash(password).await
    {
        accounts::rehash(&issuer.store, &account.subject, &old, &new).await?;
    }
    begin_session(issuer, account, device, attempt.former_session, now).await
}

async fn address_is_throttled(
    issuer: &Issuer,
    address: &str,
    member: &str,
    now: i64,
) -> Result<bool, FlowError> {
    let others = throttle::other_members(&issuer.store, address, member, now).await?;
    Ok(others >= issuer.settings.address_accounts)
}

async fn failed(
    issuer: &Issuer,
    account: Option<&Account>,
    address: &str,
    member: &str,
    failures: i64,
    now: i64,
) -> Result<(), FlowError> {
    let settings = &issuer.settings;
    let until = now + settings.address_window_s;
    throttle::add_member(&issuer.store, address, member, until).await?;
    let reason = match account {
        None => "unknown_account",
        Some(account) if account.disabled => "disabled",
        Some(_) if failures > settings.account_failures => "throttled",
        Some(_) => "wrong_password",
    };
    let sub = account.map(|account| account.subject.as_str());
    tracing::info!(reason, sub, failures, "login failed");
    if failures == settings.account_failures + 1 {
        let mut event = Event::new(EventKind::LoginThrottled, now);
        if let Some(sub) = sub {
            event = event.with("sub", sub);
        }
        let mut tx = issuer.store.begin().await?;
        issuer.record(&mut tx, event).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn begin_session(
    issuer: &Arc<Issuer>,
    account: Account,
    mut device: Device,
    former: Option<&str>,
    now: i64,
) -> Result<Login, FlowError> {
    let cookie = SessionCookie::generate(&issuer.entropy)?;
    let session = Session {
        session_id: SessionId::new(issuer.entropy.id()?),
        subject: account.subject.clone(),
        auth_time: now.max(account.password_changed_at),
        created_at: now,
        seen_at: now,
        expires_at: now + issuer.settings.session_absolute_s,
    };
    let former = former.map(|cookie| SessionCookie::presented(cookie).digest());
    let digest = cookie.digest();
    let shared = Arc::clone(issuer);
    let begun = session.clone();
    let password_changed_at = account.password_changed_at;
    let stands = to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        // A login under way must not outlive the password that it gave.
        if !accounts::lock_unchanged(&mut tx, &begun.subject, password_changed_at).await? {
            return Ok(false);
        }
        if let Some(former) = former {
            sessions::end_cookie(&mut tx, former.as_str()).await?;
        }
        sessions::insert(&mut tx, digest.as_str(), &begun).await?;
        let event = Event::new(EventKind::LoginSucceeded, now)
            .with("sub", begun.subject.as_str())
            .with("sid", begun.session_id.as_str());
        shared.record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await?;
    if !stands {
        return Ok(Login::Failed);
    }

    if device.id.is_empty() {
        device.id = issuer.entropy.id()?;
    }
    device
        .subjects
        .retain(|subject| *subject != account.subject);
    device.subjects.insert(0, account.subject);
    device.subjects.truncate(DEVICE_ACCOUNTS);
    let plain = serde_json::to_vec(&device)?;
    let device = issuer
        .master
        .devices
        .seal(&issuer.entropy, DEVICE_CONTEXT, &plain)?;
    Ok(Login::Succeeded {
        session,
        cookie,
        device,
    })
}

fn open_device(issuer: &Issuer, sealed: &str) -> Option<Device> {
    let plain = issuer.master.devices.open(DEVICE_CONTEXT, sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// What counts as one address: all of IPv4, the /64 of IPv6.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// A name for a browser in logs: a digest, never the cookie.
pub fn browser_label(cookie: &str) -> String {
    sha256(cookie).chars().take(8).collect()
}
