//! Logging in with a password: one answer and one duration for every failure, counted before it is known.

mod device;
mod guesses;

use super::{FlowError, Issuer, administration, to_the_end};
use crate::crypto::password::{HashError, Verdict};
use crate::crypto::token::{SessionCookie, sha256};
use crate::domain::account::{PASSWORD_MAX_BYTES, canonical_login, canonical_password};
use crate::domain::event::{Happening, LoginFailure, SessionEnd, ThrottleScope};
use crate::domain::session::Session;
use crate::domain::{Account, SessionId, Subject};
use crate::store::{accounts, sessions, throttle};
use device::Device;
use guesses::{Attempted, forgive};
use std::net::IpAddr;
use std::sync::Arc;

/// How long it counts that a password was tried for several accounts, seconds.
const SPRAYING_WINDOW_S: i64 = 3600;
/// What is kept of a wrong password: 18 bits of a keyed digest.
const SPRAYING_TAG_CHARS: usize = 3;

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
    /// Too many names failed from this address.
    AddressThrottled,
    /// No password is that long.
    TooLong,
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
    let (account, stored) = match found {
        Some((account, stored)) => (Some(account), stored),
        None => (None, None),
    };
    let device = Device::of(issuer, attempt.device, now).await?;
    let from = network(attempt.address);
    let attempted = Attempted::new(issuer, (&name, &from), account.as_ref(), &device);
    let subject = account.as_ref().map(|account| account.subject.clone());
    if attempted.address_is_throttled(issuer, now).await? {
        return address_throttled(issuer, &attempted.address, subject, now).await;
    }
    let waiter = attempted.waiter();
    if issuer.passwords.refuses(&waiter) {
        note_failure(issuer, LoginFailure::Busy, subject, now);
        return Err(FlowError::Busy);
    }
    let counted = attempted.count(issuer, now).await?;
    // Whoever is disabled has no password that could be right.
    let enabled = account.as_ref().is_some_and(|account| !account.disabled);
    let against = counted.against(stored.clone().filter(|_| enabled));
    let passwords = &issuer.passwords;
    let verdict = match passwords.verify(&waiter, password.clone(), against).await {
        Ok(verdict) => verdict,
        Err(HashError::Busy) => {
            counted.take_back(issuer).await?;
            note_failure(issuer, LoginFailure::Busy, subject, now);
            return Err(FlowError::Busy);
        }
        Err(HashError::Broken) => {
            return Err(FlowError::Internal(
                "a password can't be verified".to_owned(),
            ));
        }
    };
    let proven = verdict != Verdict::Wrong;
    if !proven {
        let attempt = Failed {
            account: account.as_ref(),
            password: &password,
            attempted: &attempted,
            looked_at: counted.looked_at,
            limit_reached: counted.limit_reached,
        };
        failed(issuer, &attempt, now).await?;
    }
    // Parallel attempts all pass the look above; what they learn together is bounded here.
    if attempted.address_is_throttled(issuer, now).await? {
        return address_throttled(issuer, &attempted.address, subject, now).await;
    }
    let Some(account) = account.filter(|_| proven) else {
        return Ok(Login::Failed);
    };
    forgive(issuer, &attempted, &account).await?;
    if verdict == Verdict::RightButStale
        && let Some(old) = stored
        && let Ok(new) = passwords.hash(password).await
    {
        accounts::rehash(&issuer.store, &account.subject, (&old, &new), now).await?;
    }
    let device = (device, attempted.device_id.is_some());
    begin_session(issuer, account, device, attempt.former_session, now).await
}

/// What failed, and how it stands in the counters.
struct Failed<'a> {
    account: Option<&'a Account>,
    password: &'a str,
    attempted: &'a Attempted,
    looked_at: bool,
    limit_reached: bool,
}

async fn failed(issuer: &Issuer, failed: &Failed<'_>, now: i64) -> Result<(), FlowError> {
    let Attempted { address, typed, .. } = failed.attempted;
    let until = now + issuer.settings.address_window_s;
    // What was typed, not what it stands for: else the set would tell whose names belong together.
    throttle::add_member(&issuer.store, address, typed, until).await?;
    let same_password_accounts = accounts_with(issuer, failed, now).await?;
    let reason = match failed.account {
        None => LoginFailure::UnknownAccount,
        Some(account) if account.disabled => LoginFailure::Disabled,
        Some(_) if !failed.looked_at => LoginFailure::Throttled,
        Some(_) => LoginFailure::WrongPassword,
    };
    let subject = failed.account.map(|account| account.subject.clone());
    if failed.limit_reached {
        let scope = ThrottleScope::Account;
        let subject = subject.clone();
        record_throttled(issuer, Happening::LoginThrottled { scope, subject }, now).await?;
    }
    let happening = Happening::LoginFailed {
        reason,
        subject,
        same_password_accounts: Some(same_password_accounts).filter(|accounts| *accounts > 1),
    };
    issuer.note(happening, now);
    Ok(())
}

/// For how many accounts this password was tried in vain within the hour: spraying one over many shows here. What is
/// kept for it is too little to find the password by, even with the master key, and for that hour only.
async fn accounts_with(issuer: &Issuer, failed: &Failed<'_>, now: i64) -> Result<i64, FlowError> {
    let hour = now.div_euclid(SPRAYING_WINDOW_S);
    let digest = issuer
        .master
        .login_bucket(&format!("password in hour {hour}"), failed.password);
    let tag: String = digest.chars().take(SPRAYING_TAG_CHARS).collect();
    let bucket = format!("password {hour} {tag}");
    let until = now + SPRAYING_WINDOW_S;
    let account = &failed.attempted.account;
    throttle::add_member(&issuer.store, &bucket, account, until).await?;
    let others = throttle::other_members(&issuer.store, &bucket, account, now).await?;
    Ok(others + 1)
}

async fn record_throttled(
    issuer: &Issuer,
    happening: Happening,
    now: i64,
) -> Result<(), FlowError> {
    let mut tx = issuer.store.begin().await?;
    issuer.record(&mut tx, happening, now)?;
    tx.commit().await?;
    Ok(())
}

fn note_failure(issuer: &Issuer, reason: LoginFailure, subject: Option<Subject>, now: i64) {
    let happening = Happening::LoginFailed {
        reason,
        subject,
        same_password_accounts: None,
    };
    issuer.note(happening, now);
}

/// An address has to wait: recorded once in its window, noted for each attempt.
async fn address_throttled(
    issuer: &Issuer,
    address: &str,
    subject: Option<Subject>,
    now: i64,
) -> Result<Login, FlowError> {
    note_failure(issuer, LoginFailure::AddressThrottled, subject, now);
    let told = format!("told {address}");
    let window = issuer.settings.address_window_s;
    if throttle::count(&issuer.store, &told, now, window).await? == 1 {
        let scope = ThrottleScope::Address;
        let happening = Happening::LoginThrottled {
            scope,
            subject: None,
        };
        record_throttled(issuer, happening, now).await?;
    }
    Ok(Login::AddressThrottled)
}

async fn begin_session(
    issuer: &Arc<Issuer>,
    account: Account,
    (device, known_device): (Device, bool),
    former: Option<&str>,
    now: i64,
) -> Result<Login, FlowError> {
    let cookie = SessionCookie::generate(&issuer.entropy)?;
    let device = device.named(issuer)?;
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
    let (person, device_id) = (account.clone(), device.id.clone());
    let stands = to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        // A login under way must not outlive the password that it gave.
        let epoch = person.password_changed_at;
        if !accounts::lock_unchanged(&mut tx, &begun.subject, epoch).await? {
            return Ok(false);
        }
        if let Some(former) = former
            && let Some(session_id) = sessions::end_cookie(&mut tx, former.as_str()).await?
        {
            let cause = SessionEnd::Replaced;
            shared.record(&mut tx, Happening::SessionEnded { session_id, cause }, now)?;
        }
        sessions::insert(&mut tx, digest.as_str(), &begun).await?;
        device::remember(&mut tx, &person, &device_id, now).await?;
        let succeeded = Happening::LoginSucceeded {
            subject: begun.subject.clone(),
            session_id: begun.session_id.clone(),
            known_device,
            administrator: administration::administers_in(&mut tx, &shared.master, &begun.subject)
                .await?,
        };
        shared.record(&mut tx, succeeded, now)?;
        let started = Happening::SessionStarted {
            subject: begun.subject,
            session_id: begun.session_id,
        };
        shared.record(&mut tx, started, now)?;
        tx.commit().await?;
        Ok(true)
    })
    .await?;
    if !stands {
        let subject = Some(account.subject);
        note_failure(issuer, LoginFailure::PasswordChanged, subject, now);
        return Ok(Login::Failed);
    }

    Ok(Login::Succeeded {
        session,
        cookie,
        device: device.seal(issuer, account.subject)?,
    })
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
