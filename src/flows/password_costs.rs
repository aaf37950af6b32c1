//! What stored hashes cost: every failed login is as much work as the costliest, so that its time tells nothing.

use super::FlowError;
use crate::crypto::password::PasswordHasher;
use crate::store::{Store, password_costs};

/// How long costs that no hash may have any more are kept before they are looked for, seconds.
const KEPT_S: i64 = 86_400;

/// Reads the costs of all stored hashes; of those above today's, that no account's hash has any more, none stay.
///
/// # Errors
/// [`FlowError`]
pub async fn learn(store: &Store, passwords: &PasswordHasher, now: i64) -> Result<(), FlowError> {
    let today = passwords.costs();
    let mut all = Vec::new();
    for stored in password_costs::all(store).await? {
        let costs = stored.costs;
        let above = costs.work() > today.work() || costs.memory_kib > today.memory_kib;
        let due = above && now - stored.used_at >= KEPT_S;
        if due && password_costs::forget_unused(store, &stored, now).await? {
            continue;
        }
        all.push(costs);
    }
    passwords.stored_costs(all);
    Ok(())
}
