//! What user names look like: no two accounts may have names that look alike, but for those that had them before.

use super::{Store, StoreError, Tx, params};
use crate::domain::Subject;
use crate::domain::text::skeleton;

/// Accounts whose name is looked at in one transaction.
const BATCH: i64 = 200;

/// The index makes that one account has a skeleton, and no other.
const CLAIM: &str = "
    UPDATE account
       SET username_skeleton = $2
     WHERE subject = $1";
const WITHOUT: &str = "
    SELECT subject, username
      FROM account
     WHERE username_skeleton IS NULL
     LIMIT $1";
/// Names that look alike already stay: the first that is looked at has the skeleton, the others one of their own.
const FILL: &str = "
    UPDATE account
       SET username_skeleton = CASE WHEN EXISTS (SELECT 1 FROM account AS other
                                                  WHERE other.username_skeleton = $2)
                                    THEN $3 ELSE $2 END
     WHERE subject = $1
       AND username_skeleton IS NULL";

/// Takes the look of a new user name for an account.
///
/// # Errors
/// [`StoreError::Conflict`] if another account's name looks like it.
pub async fn claim(tx: &mut Tx, subject: &Subject, username: &str) -> Result<(), StoreError> {
    tx.execute(CLAIM, params![subject.as_str(), skeleton(username)])
        .await
        .map(drop)
}

/// Computes what is missing for some accounts; how many those were. None are left once it says 0.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if another node did the same at the same time: try again.
pub async fn fill(store: &Store) -> Result<usize, StoreError> {
    let found: Vec<(String, String)> = store.fetch_all(WITHOUT, params![BATCH]).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let mut tx = store.begin().await?;
    for (subject, username) in &found {
        let look = skeleton(username);
        // No skeleton of a user name has a line break.
        let own = format!("{look}\n{subject}");
        tx.execute(FILL, params![subject.as_str(), look, own])
            .await?;
    }
    tx.commit().await?;
    Ok(found.len())
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[CLAIM, WITHOUT, FILL];
