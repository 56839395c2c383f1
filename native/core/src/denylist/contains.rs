//! Whether an entry is in force: what a canary is asked for.

use super::snapshot::{Snapshot, perceptual_place};
use crate::entry::Key;
use crate::index::Record;

impl Snapshot {
    /// Whether this record of this feed is there, and the feed has a policy to judge by.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        let is_it = |record: &Record| {
            let label = &self.labels[record.label as usize];
            let feed = &self.feeds[label.feed];
            label.signal == key.signal
                && feed.tag == key.feed
                && feed.policy.is_some()
                && record.id == key.record
        };
        match perceptual_place(key.signal) {
            None => {
                let mut found = false;
                self.exact.get(key.value, |record| found |= is_it(&record));
                found
            }
            Some(place) => self.perceptual[place].get(key.value).iter().any(is_it),
        }
    }
}
