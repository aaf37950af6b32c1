//! A rate: so many in a second, and no more.

/// See the module.
#[derive(Default)]
pub(super) struct PerSecond {
    second: i64,
    count: u32,
}

impl PerSecond {
    /// Whether `more` are within `most` in this second; if so, they count.
    pub fn takes(&mut self, more: u32, most: u32, now: i64) -> bool {
        if self.second != now {
            *self = Self {
                second: now,
                count: 0,
            };
        }
        let count = self.count.saturating_add(more);
        let is_within = count <= most;
        if is_within {
            self.count = count;
        }
        is_within
    }
}
