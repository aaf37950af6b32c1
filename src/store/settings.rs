//! Small facts about the whole installation.

use super::{Store, StoreError, Tx, params};

const GET: &str = "SELECT value FROM setting WHERE name = $1";
const PUT: &str = "
    INSERT INTO setting (name, value)
    VALUES ($1, $2)
    ON CONFLICT (name) DO NOTHING";

/// Reads one.
///
/// # Errors
/// [`StoreError`]
pub async fn get(store: &Store, name: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = store.fetch_optional(GET, params![name]).await?;
    Ok(row.map(|(value,)| value))
}

/// Writes one, if nobody has yet.
///
/// # Errors
/// [`StoreError`]
pub async fn put_if_absent(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(PUT, params![name, value]).await.map(drop)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[GET, PUT];
