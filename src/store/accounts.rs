//! Accounts and their passwords.

use super::{Store, StoreError, Tx, params, password_costs};
use crate::domain::{Account, Subject};
use serde_json::Value;

/// Columns of an account in the order of [`AccountRow`].
type AccountRow = (
    String,
    String,
    Option<String>,
    bool,
    String,
    bool,
    i64,
    i64,
    i64,
);
/// The same and the password hash.
type LoginRow = (
    String,
    String,
    Option<String>,
    bool,
    String,
    bool,
    i64,
    i64,
    i64,
    Option<String>,
);

const INSERT: &str = "
    INSERT INTO account (subject, username, email, email_verified, claims, password_hash,
                         password_changed_at, disabled, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
const BY_SUBJECT: &str = "
    SELECT subject, username, email, email_verified, claims, disabled, password_changed_at, created_at,
           updated_at
      FROM account
     WHERE subject = $1";
const BY_LOGIN: &str = "
    SELECT subject, username, email, email_verified, claims, disabled, password_changed_at, created_at,
           updated_at, password_hash
      FROM account
     WHERE username = $1
        OR email = $1
     ORDER BY CASE WHEN username = $1 THEN 0 ELSE 1 END
     LIMIT 1";
const HAVING_LOGIN: &str = "
    SELECT subject
      FROM account
     WHERE username = $1
        OR email = $1";
const PAGE: &str = "
    SELECT subject, username, email, email_verified, claims, disabled, password_changed_at, created_at,
           updated_at
      FROM account
     WHERE username > $1
     ORDER BY username
     LIMIT $2";
const UPDATE: &str = "
    UPDATE account
       SET username = $2,
           email = $3,
           email_verified = $4,
           claims = $5,
           disabled = $6,
           updated_at = $7
     WHERE subject = $1
       AND updated_at = $8";
/// The time of the change is always another: codes and sessions are held against it, and seconds are coarse.
const SET_PASSWORD: &str = "
    UPDATE account
       SET password_hash = $2,
           password_changed_at = CASE WHEN password_changed_at >= $3 THEN password_changed_at + 1
                                      ELSE $3 END,
           updated_at = $3
     WHERE subject = $1";
/// Changes nothing but holds the row: a change of the password waits until the transaction ends.
const LOCK_UNCHANGED: &str = "
    UPDATE account
       SET updated_at = updated_at
     WHERE subject = $1
       AND password_changed_at = $2
       AND disabled = FALSE";
const REHASH: &str = "
    UPDATE account
       SET password_hash = $3
     WHERE subject = $1
       AND password_hash = $2";
const ADMINISTRATION: &str = "
    SELECT subject, granted_at, seal
      FROM administrator
     WHERE subject = $1";
const ADMINISTRATIONS: &str = "
    SELECT subject, granted_at, seal
      FROM administrator
     ORDER BY subject";
/// A grant whose seal isn't ours is none, and makes room for one that is.
const GRANT_ADMINISTRATION: &str = "
    INSERT INTO administrator (subject, granted_at, seal)
    VALUES ($1, $2, $3)
    ON CONFLICT (subject) DO UPDATE
       SET granted_at = excluded.granted_at,
           seal = excluded.seal";
const TAKE_ADMINISTRATION: &str = "DELETE FROM administrator WHERE subject = $1";
const DELETE: &str = "DELETE FROM account WHERE subject = $1";

fn account(row: AccountRow) -> Result<Account, StoreError> {
    let (
        subject,
        username,
        email,
        email_verified,
        claims,
        disabled,
        password_changed_at,
        created_at,
        updated_at,
    ) = row;
    let Value::Object(claims) = serde_json::from_str(&claims)? else {
        return Err(StoreError::Internal(
            "an account's claims are no object".to_owned(),
        ));
    };
    Ok(Account {
        subject: Subject::new(subject),
        username,
        email,
        email_verified,
        claims,
        disabled,
        password_changed_at,
        created_at,
        updated_at,
    })
}

/// Adds an account. `password_hash` is a PHC string.
///
/// # Errors
/// [`StoreError::Conflict`] if the user name or the address is taken.
pub async fn insert(
    tx: &mut Tx,
    account: &Account,
    password_hash: Option<&str>,
) -> Result<(), StoreError> {
    let claims = Value::Object(account.claims.clone()).to_string();
    if let Some(hash) = password_hash {
        password_costs::used(tx, hash, account.created_at).await?;
    }
    tx.execute(
        INSERT,
        params![
            account.subject.as_str(),
            &account.username,
            account.email.clone(),
            account.email_verified,
            claims,
            password_hash,
            account.password_changed_at,
            account.disabled,
            account.created_at,
        ],
    )
    .await
    .map(drop)
}

/// Finds an account by its subject.
///
/// # Errors
/// [`StoreError`]
pub async fn by_subject(store: &Store, subject: &Subject) -> Result<Option<Account>, StoreError> {
    let row = store
        .fetch_optional(BY_SUBJECT, params![subject.as_str()])
        .await?;
    row.map(account).transpose()
}

/// Finds an account and its password hash by user name or address, in canonical form.
///
/// # Errors
/// [`StoreError`]
pub async fn by_login(
    store: &Store,
    canonical: &str,
) -> Result<Option<(Account, Option<String>)>, StoreError> {
    let row: Option<LoginRow> = store.fetch_optional(BY_LOGIN, params![canonical]).await?;
    row.map(|(a, b, c, d, e, f, g, h, i, password_hash)| {
        Ok((account((a, b, c, d, e, f, g, h, i))?, password_hash))
    })
    .transpose()
}

/// Everybody whose user name or address this is, in canonical form: two at most.
///
/// # Errors
/// [`StoreError`]
pub async fn having_login(store: &Store, canonical: &str) -> Result<Vec<Subject>, StoreError> {
    let rows: Vec<(String,)> = store.fetch_all(HAVING_LOGIN, params![canonical]).await?;
    Ok(rows
        .into_iter()
        .map(|(subject,)| Subject::new(subject))
        .collect())
}

/// Accounts in the order of their user names, after `after`.
///
/// # Errors
/// [`StoreError`]
pub async fn page(store: &Store, after: &str, limit: i64) -> Result<Vec<Account>, StoreError> {
    let rows: Vec<AccountRow> = store.fetch_all(PAGE, params![after, limit]).await?;
    rows.into_iter().map(account).collect()
}

/// Writes everything but the password, unless it changed since it was read with `updated_at = read_at`. False
/// then.
///
/// # Errors
/// [`StoreError::Conflict`] if the user name or the address is taken.
pub async fn update(tx: &mut Tx, account: &Account, read_at: i64) -> Result<bool, StoreError> {
    let claims = Value::Object(account.claims.clone()).to_string();
    let rows = tx
        .execute(
            UPDATE,
            params![
                account.subject.as_str(),
                &account.username,
                account.email.clone(),
                account.email_verified,
                claims,
                account.disabled,
                account.updated_at,
                read_at,
            ],
        )
        .await?;
    Ok(rows == 1)
}

/// Sets the password; codes and sessions from before `now` are dead by it.
///
/// # Errors
/// [`StoreError`]
pub async fn set_password(
    tx: &mut Tx,
    subject: &Subject,
    hash: &str,
    now: i64,
) -> Result<bool, StoreError> {
    password_costs::used(tx, hash, now).await?;
    Ok(tx
        .execute(SET_PASSWORD, params![subject.as_str(), hash, now])
        .await?
        == 1)
}

/// Whether the account is enabled and its password unchanged since `password_changed_at`; if so, both stay until the
/// transaction ends.
///
/// # Errors
/// [`StoreError`]
pub async fn lock_unchanged(
    tx: &mut Tx,
    subject: &Subject,
    password_changed_at: i64,
) -> Result<bool, StoreError> {
    Ok(tx
        .execute(
            LOCK_UNCHANGED,
            params![subject.as_str(), password_changed_at],
        )
        .await?
        == 1)
}

/// Replaces a hash by one of the same password with other parameters, unless the password changed meanwhile.
///
/// # Errors
/// [`StoreError`]
pub async fn rehash(
    store: &Store,
    subject: &Subject,
    (old, new): (&str, &str),
    now: i64,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    password_costs::used(&mut tx, new, now).await?;
    tx.execute(REHASH, params![subject.as_str(), old, new])
        .await?;
    tx.commit().await
}

/// Removes an account with its sessions, consents and token families.
///
/// # Errors
/// [`StoreError`]
pub async fn delete(tx: &mut Tx, subject: &Subject) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE, params![subject.as_str()]).await? == 1)
}

/// That a person is an administrator, as stored: whoever reads it makes sure that the seal is ours.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Administration {
    /// The person.
    pub subject: String,
    /// Since when, Unix seconds.
    pub granted_at: i64,
    /// Tells that we wrote it; rows of an older version have none.
    pub seal: Option<String>,
}

/// What is stored of a person as an administrator, in a transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn administration_in(
    tx: &mut Tx,
    subject: &Subject,
) -> Result<Option<Administration>, StoreError> {
    tx.fetch_optional(ADMINISTRATION, params![subject.as_str()])
        .await
}

/// What is stored of a person as an administrator now, outside of any transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn administration(
    store: &Store,
    subject: &Subject,
) -> Result<Option<Administration>, StoreError> {
    store
        .fetch_optional(ADMINISTRATION, params![subject.as_str()])
        .await
}

/// What is stored of every administrator.
///
/// # Errors
/// [`StoreError`]
pub async fn administrations(store: &Store) -> Result<Vec<Administration>, StoreError> {
    store.fetch_all(ADMINISTRATIONS, params![]).await
}

/// Makes a person an administrator.
///
/// # Errors
/// [`StoreError::Conflict`] if there is no such person.
pub async fn grant_administration(
    tx: &mut Tx,
    subject: &Subject,
    (granted_at, seal): (i64, &str),
) -> Result<(), StoreError> {
    let grant = params![subject.as_str(), granted_at, seal];
    tx.execute(GRANT_ADMINISTRATION, grant).await.map(drop)
}

/// Makes a person no longer an administrator. False if they were none.
///
/// # Errors
/// [`StoreError`]
pub async fn take_administration(tx: &mut Tx, subject: &Subject) -> Result<bool, StoreError> {
    let rows = tx.execute(TAKE_ADMINISTRATION, params![subject.as_str()]);
    Ok(rows.await? == 1)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    BY_SUBJECT,
    BY_LOGIN,
    HAVING_LOGIN,
    PAGE,
    UPDATE,
    SET_PASSWORD,
    LOCK_UNCHANGED,
    REHASH,
    ADMINISTRATION,
    ADMINISTRATIONS,
    GRANT_ADMINISTRATION,
    TAKE_ADMINISTRATION,
    DELETE,
];
