//! Connections by how long each has let us do nothing useful.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::Connection;

/// Each connection stands where it was when it was last looked at, which is never too late: looking from the front on,
/// and putting those further back that have worked since, finds the one that waits longest. So a request costs nothing
/// here, and a look costs at most what was worked since the last.
#[derive(Debug, Default)]
pub(super) struct Order {
    looked_at: HashMap<u64, u64>,
    queue: BTreeMap<(u64, u64), Arc<Connection>>,
}

impl Order {
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    #[cfg(test)]
    pub fn has(&self, connection: &Connection) -> bool {
        self.looked_at.contains_key(&connection.id())
    }

    pub fn insert(&mut self, connection: &Arc<Connection>) {
        self.insert_at(connection.worked_ms(), Arc::clone(connection));
    }

    fn insert_at(&mut self, millis: u64, connection: Arc<Connection>) {
        self.looked_at.insert(connection.id(), millis);
        self.queue.insert((millis, connection.id()), connection);
    }

    pub fn remove(&mut self, connection: &Connection) {
        if let Some(millis) = self.looked_at.remove(&connection.id()) {
            self.queue.remove(&(millis, connection.id()));
        }
    }

    /// The one that waits longest for its client, if any does. `now` is in the milliseconds that connections count in.
    pub fn longest_waiting(&mut self, now: u64) -> Option<Arc<Connection>> {
        // Each is put back once at most: no further back than just after now, where the look ends.
        for _ in 0..=2 * self.queue.len() {
            let ((looked_at, _), connection) = self.queue.pop_first()?;
            let is_busy = connection.is_busy(now);
            // Behind those that have waited since this very millisecond.
            let since = if is_busy {
                now + 1
            } else {
                connection.worked_ms()
            };
            self.insert_at(since.max(looked_at), Arc::clone(&connection));
            if !is_busy && since <= looked_at {
                return Some(connection);
            }
            if is_busy && looked_at > now {
                break;
            }
        }
        None
    }
}
