//! Records that wait for their feed's next status record.

use std::collections::HashMap;

use crate::entry::{Code, Key};
use crate::index::Record;
use crate::keys::{FeedTag, Hash};
use crate::signal::{Signal, Width};

/// A number of a category.
pub type CategoryId = u32;

/// One record: put or, without a category, removed. Small, since all of a denylist may be staged while it loads.
#[derive(Clone, Copy)]
pub struct Change {
    value: [u8; 16],
    record: Hash,
    category: u32,
    signal: Signal,
    width: Width,
}

const REMOVED: u32 = u32::MAX;

impl Change {
    pub fn put(key: &Key, width: Width, category: CategoryId) -> Self {
        Self {
            value: key.value.to_be_bytes(),
            record: key.record,
            category,
            signal: key.signal,
            width,
        }
    }

    pub fn removal(key: &Key) -> Self {
        Self::put(key, Width::None, REMOVED)
    }

    pub fn key(&self, feed: FeedTag) -> Key {
        let value = u128::from_be_bytes(self.value);
        Key {
            signal: self.signal,
            feed,
            value,
            record: self.record,
        }
    }

    /// What is put, by width and category; `None` for a removal.
    pub fn put_under(&self) -> Option<(Width, CategoryId)> {
        (self.category != REMOVED).then_some((self.width, self.category))
    }

    /// Whether the record is this one, given that its feed and value are.
    pub fn is_of(&self, record: &Record) -> bool {
        record.id == self.record
    }
}

/// One feed's changes in the order in which they came. In chunks, so that growing copies nothing.
#[derive(Default)]
pub struct Staged {
    chunks: Vec<Vec<Change>>,
    pub codes: HashMap<u128, Code>,
}

const CHUNK: usize = 1 << 16;

impl Staged {
    pub fn push(&mut self, change: Change, code: Option<(u128, Code)>) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(change),
            _ => self.chunks.push(vec![change]),
        }
        self.codes.extend(code);
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// The changes in order; each chunk is freed when it is done.
    pub fn into_changes(self) -> impl Iterator<Item = Change> {
        self.chunks.into_iter().flatten()
    }
}
