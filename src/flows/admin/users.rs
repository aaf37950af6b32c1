//! People: created, changed, disabled, removed.

use super::{Act, Admin, AdminError, accept, apply_claims, passwords};
use crate::domain::account::{canonical_login, check_email, check_username};
use crate::domain::{Account, Secret, Subject};
use crate::flows::administration;
use crate::store::{
    Store, StoreError, Tx, accounts as rows, known_devices, lookalikes, refresh_tokens, sessions,
};
use serde_json::{Map, Value, json};

/// How often a change is made anew on top of somebody else's.
const ATTEMPTS: usize = 20;

/// A person to be.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// The name to log in with, as typed.
    pub username: String,
    /// The address, as typed; may be logged in with too.
    pub email: Option<String>,
    /// Whether somebody made sure that the address is theirs.
    pub email_verified: bool,
    /// The password; without one nobody can log in until it is set.
    pub password: Option<Secret>,
    /// Profile and custom claims.
    pub claims: Vec<(String, Value)>,
    /// Whether they may look at everything.
    pub administrator: bool,
}

/// What to set; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserChange {
    /// The name to log in with.
    pub username: Option<String>,
    /// The address; `Some(None)` removes it. A new one counts as unverified unless said otherwise.
    pub email: Option<Option<String>>,
    /// Whether the address is theirs.
    pub email_verified: Option<bool>,
    /// Claims to set; `null` removes one.
    pub claims: Vec<(String, Value)>,
}

/// What ended with a change to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Browser sessions.
    pub sessions: u64,
    /// Families of refresh tokens.
    pub families: u64,
}

impl UserChange {
    fn apply(&self, account: &mut Account) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(username) = &self.username {
            account.username = canonical_login(username);
        }
        if let Some(email) = &self.email {
            let email = email.as_deref().map(canonical_login);
            if email != account.email {
                account.email_verified = false;
            }
            account.email = email;
        }
        if let Some(verified) = self.email_verified {
            account.email_verified = verified;
        }
        faults.extend(check_username(&account.username).err());
        if let Some(email) = &account.email {
            faults.extend(check_email(email).err());
        } else if account.email_verified {
            faults.push("there is no address that could be verified: give --email".to_owned());
        }
        apply_claims(&mut account.claims, &self.claims, &mut faults);
        faults
    }
}

/// Creates a person.
///
/// # Errors
/// [`AdminError::Refused`] with every fault, [`AdminError::Conflict`] if the name or address is taken.
pub async fn create(admin: Admin<'_>, user: NewUser, now: i64) -> Result<Account, AdminError> {
    let mut account = Account {
        subject: Subject::new(admin.entropy.id()?),
        username: String::new(),
        email: None,
        email_verified: false,
        claims: Map::new(),
        disabled: false,
        password_changed_at: now,
        created_at: now,
        updated_at: now,
    };
    let NewUser {
        username,
        email,
        email_verified,
        password,
        claims,
        administrator,
    } = user;
    let change = UserChange {
        username: Some(username),
        email: Some(email),
        email_verified: Some(email_verified),
        claims,
    };
    let mut faults = change.apply(&mut account);
    let password = password.map(|password| passwords::check(&password, &account.username));
    let password = passwords::collect(password, &mut faults);
    accept(faults)?;
    refuse_taken(admin, &account).await?;
    know_looks(admin.store).await?;
    let hash = match password {
        Some(password) => Some(admin.passwords.hash(password).await?),
        None => None,
    };
    let mut tx = admin.store.begin().await?;
    match rows::insert(&mut tx, &account, hash.as_deref()).await {
        Err(StoreError::Conflict) => return Err(taken("the user name or the address")),
        outcome => outcome?,
    }
    claim_look(&mut tx, &account).await?;
    let mut after = serde_json::to_value(&account)?;
    if administrator {
        administration::set(&mut tx, admin.master, &account.subject, true, now).await?;
        if let Value::Object(members) = &mut after {
            members.insert("administrator".to_owned(), Value::from(true));
        }
    }
    let after = Some(after);
    let act = Act {
        what: "user_created",
        target: account.subject.as_str(),
        before: None,
        after,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(account)
}

/// Finds a person by user name, address or subject.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn find(admin: Admin<'_>, name: &str) -> Result<Account, AdminError> {
    if let Some((account, _)) = rows::by_login(admin.store, &canonical_login(name)).await? {
        return Ok(account);
    }
    rows::by_subject(admin.store, &Subject::new(name))
        .await?
        .ok_or_else(|| {
            AdminError::Unknown(format!(
                "there is no user {name:?}: see 'gatewright user list'"
            ))
        })
}

/// People in the order of their user names, after `after`, at most `limit`.
///
/// # Errors
/// [`AdminError`]
pub async fn page(admin: Admin<'_>, after: &str, limit: i64) -> Result<Vec<Account>, AdminError> {
    Ok(rows::page(admin.store, after, limit).await?)
}

/// Changes a person's record. A change by somebody else in between is kept, and this one made on top of it.
///
/// # Errors
/// [`AdminError::Refused`] with every fault, [`AdminError::Conflict`] if the name or address is taken.
pub async fn update(
    admin: Admin<'_>,
    name: &str,
    change: &UserChange,
    now: i64,
) -> Result<Account, AdminError> {
    let edit = |account: &mut Account| accept(change.apply(account));
    let (account, _) = rewrite(admin, name, "user_updated", edit, now).await?;
    Ok(account)
}

/// Disables a person, which ends every session and refresh token, or enables one again.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn set_disabled(
    admin: Admin<'_>,
    name: &str,
    disabled: bool,
    now: i64,
) -> Result<(Account, Ended), AdminError> {
    let what = if disabled {
        "user_disabled"
    } else {
        "user_enabled"
    };
    let edit = |account: &mut Account| {
        account.disabled = disabled;
        Ok(())
    };
    rewrite(admin, name, what, edit, now).await
}

async fn rewrite(
    admin: Admin<'_>,
    name: &str,
    what: &str,
    edit: impl Fn(&mut Account) -> Result<(), AdminError>,
    now: i64,
) -> Result<(Account, Ended), AdminError> {
    for _ in 0..ATTEMPTS {
        let before = find(admin, name).await?;
        let mut after = before.clone();
        edit(&mut after)?;
        if after == before {
            return Ok((after, Ended::default()));
        }
        refuse_taken(admin, &after).await?;
        let renamed = after.username != before.username;
        if renamed {
            know_looks(admin.store).await?;
        }
        // Every change moves it on: it is what the guard compares.
        after.updated_at = now.max(before.updated_at + 1);
        let mut tx = admin.store.begin().await?;
        match rows::update(&mut tx, &after, before.updated_at).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(StoreError::Conflict) => return Err(taken("the user name or the address")),
            Err(error) => return Err(error.into()),
        }
        if renamed {
            claim_look(&mut tx, &after).await?;
        }
        let ended = if after.disabled {
            end_everything(&mut tx, &after.subject, now, "account disabled").await?
        } else {
            Ended::default()
        };
        let (old, new) = (
            serde_json::to_value(&before)?,
            serde_json::to_value(&after)?,
        );
        let act = Act {
            what,
            target: after.subject.as_str(),
            before: Some(old),
            after: Some(new),
        };
        admin.record(&mut tx, act, now)?;
        tx.commit().await?;
        return Ok((after, ended));
    }
    Err(AdminError::Conflict(format!(
        "user {name:?} is being changed by somebody else: try again"
    )))
}

/// Removes a person with sessions, consents and tokens. Of the record only the subject stays in the event.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn delete(admin: Admin<'_>, name: &str, now: i64) -> Result<Subject, AdminError> {
    let account = find(admin, name).await?;
    let subject = account.subject;
    let mut tx = admin.store.begin().await?;
    let ended = end_everything(&mut tx, &subject, now, "account deleted").await?;
    rows::delete(&mut tx, &subject).await?;
    let before = json!({"sessions": ended.sessions, "families": ended.families});
    let act = Act {
        what: "user_deleted",
        target: subject.as_str(),
        before: Some(before),
        after: None,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(subject)
}

/// Ends every session and family of a person, and makes every browser a stranger, in the transaction of the act that
/// demands it.
pub(super) async fn end_everything(
    tx: &mut Tx,
    subject: &Subject,
    now: i64,
    reason: &str,
) -> Result<Ended, AdminError> {
    known_devices::forget_subject(tx, subject).await?;
    Ok(Ended {
        sessions: sessions::end_subject(tx, subject).await?,
        families: refresh_tokens::revoke_subject(tx, subject, now, reason).await?,
    })
}

/// Computes what is missing of how user names look: of those that a version before this one wrote.
async fn know_looks(store: &Store) -> Result<(), AdminError> {
    for _ in 0..ATTEMPTS {
        match fill_looks(store).await {
            Err(StoreError::Conflict) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(AdminError::Conflict(
        "user names are being looked through by another node: try again".to_owned(),
    ))
}

async fn fill_looks(store: &Store) -> Result<(), StoreError> {
    while lookalikes::fill(store).await? > 0 {}
    Ok(())
}

/// No name may pass for another's to the eye.
async fn claim_look(tx: &mut Tx, account: &Account) -> Result<(), AdminError> {
    match lookalikes::claim(tx, &account.subject, &account.username).await {
        Err(StoreError::Conflict) => Err(AdminError::Conflict(format!(
            "the user name {:?} looks like somebody else's: choose one that can't be taken for another; 'gatewright user \
             list' shows everybody",
            account.username
        ))),
        outcome => Ok(outcome?),
    }
}

fn taken(what: &str) -> AdminError {
    AdminError::Conflict(format!(
        "{what} belongs to somebody else: choose another, or change that person with 'gatewright user update'; \
         'gatewright user list' shows everybody"
    ))
}

/// One may log in by name and by address, so neither may be anybody else's name or address.
async fn refuse_taken(admin: Admin<'_>, account: &Account) -> Result<(), AdminError> {
    let names = [
        ("user name", Some(&account.username)),
        ("address", account.email.as_ref()),
    ];
    for (what, name) in names {
        let Some(name) = name else { continue };
        for other in rows::having_login(admin.store, name).await? {
            if other != account.subject {
                return Err(taken(&format!("the {what} {name:?}")));
            }
        }
    }
    Ok(())
}
