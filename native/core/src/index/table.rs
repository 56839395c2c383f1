//! A table from keyed values to records: open addressing behind a blocked Bloom filter.
//!
//! Keys are outputs of a PRF, so their bits serve as hashes, and nobody without the secret can make them collide. A
//! slot costs 20 bytes; a record without a partner's id, the common case, costs no more than its slot.

use super::records::{LabelId, Record, Records};
use crate::keys::NO_RECORD_ID;

/// A slot's `meta`: free, taken by a value that has no record any more, or else a label + `FIRST_LABEL` or, with
/// `IN_POOL` set, the place of its first record in the pool.
const FREE: u32 = 0;
const GONE: u32 = 1;
const FIRST_LABEL: u32 = 2;
const IN_POOL: u32 = 1 << 31;
const NO_NEXT: u32 = u32::MAX;

pub struct Link {
    record: Record,
    next: u32,
}

/// The table; of a fixed capacity, since it is built anew when it grows.
#[derive(Default)]
pub struct Table {
    keys: Vec<u128>,
    metas: Vec<u32>,
    pool: Vec<Link>,
    filter: Vec<u64>,
    taken: usize,
}

impl Table {
    /// An empty table for so many values.
    pub fn with_capacity(values: usize) -> Self {
        let slots = if values == 0 {
            0
        } else {
            values + values / 4 + 1
        };
        Self {
            keys: vec![0; slots],
            metas: vec![FREE; slots],
            pool: Vec::new(),
            // 16 bits a value: at four bits set, about one in two hundred strangers passes.
            filter: vec![0; values.div_ceil(4)],
            taken: 0,
        }
    }

    /// Values, those without records included.
    pub fn len(&self) -> usize {
        self.taken
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.keys.capacity() * size_of::<u128>()
            + self.metas.capacity() * size_of::<u32>()
            + self.pool.capacity() * size_of::<Link>()
            + self.filter.capacity() * size_of::<u64>()
    }

    /// Whether the value may be in the table.
    #[inline]
    pub fn may_have(&self, key: u128) -> bool {
        let (word, mask) = (scale(key as u64, self.filter.len()), filter_mask(key));
        self.filter
            .get(word)
            .is_some_and(|word| word & mask == mask)
    }

    /// The slot of the value, or the free one where it would go; `None` if the table has no capacity at all.
    fn slot(&self, key: u128) -> Option<usize> {
        if self.metas.is_empty() {
            return None;
        }
        let mut slot = scale(slot_bits(key), self.metas.len());
        while self.metas[slot] != FREE && self.keys[slot] != key {
            slot = if slot + 1 == self.metas.len() {
                0
            } else {
                slot + 1
            };
        }
        Some(slot)
    }

    /// The value's records.
    pub fn get(&self, key: u128) -> Iter<'_> {
        match self.slot(key).filter(|_| self.may_have(key)) {
            Some(slot) => self.records_of(self.metas[slot]),
            None => Iter::Inline(None),
        }
    }

    fn records_of(&self, meta: u32) -> Iter<'_> {
        match meta {
            FREE | GONE => Iter::Inline(None),
            pooled if pooled & IN_POOL != 0 => Iter::Pool {
                pool: &self.pool,
                next: pooled & !IN_POOL,
            },
            label => Iter::Inline(Some(label - FIRST_LABEL)),
        }
    }

    /// All values that have records.
    pub fn iter(&self) -> impl Iterator<Item = (u128, Iter<'_>)> {
        let live = self
            .keys
            .iter()
            .zip(&self.metas)
            .filter(|&(_, &meta)| meta > GONE);
        live.map(|(&key, &meta)| (key, self.records_of(meta)))
    }

    /// Changes the records of a value.
    ///
    /// # Panics
    /// If more new values are put than the table has room for.
    pub fn change(&mut self, key: u128, change: impl FnOnce(&mut Records)) {
        let slot = self.slot(key).expect("a table that is changed has room");
        let before = self.metas[slot];
        let mut records: Records = self.records_of(before).collect();
        change(&mut records);
        if before == FREE {
            if records == Records::None {
                return;
            }
            self.taken += 1;
            assert!(self.taken < self.metas.len(), "the table is full");
            self.keys[slot] = key;
            let word = scale(key as u64, self.filter.len());
            self.filter[word] |= filter_mask(key);
        }
        self.metas[slot] = self.meta_of(records.as_slice());
    }

    /// Stores records that were changed. What they replace in the pool stays there until the table is built anew.
    fn meta_of(&mut self, records: &[Record]) -> u32 {
        match records {
            [] => GONE,
            [
                Record {
                    label,
                    id: NO_RECORD_ID,
                },
            ] => label + FIRST_LABEL,
            many => {
                let mut next = NO_NEXT;
                for &record in many {
                    self.pool.push(Link { record, next });
                    next = u32::try_from(self.pool.len() - 1).expect("fewer than 2^31 records");
                    assert!(next < IN_POOL, "fewer than 2^31 records");
                }
                next | IN_POOL
            }
        }
    }

    pub fn shrink_to_fit(&mut self) {
        self.pool.shrink_to_fit();
    }
}

/// The records of one value.
pub enum Iter<'a> {
    Inline(Option<LabelId>),
    Pool { pool: &'a [Link], next: u32 },
}

impl Iterator for Iter<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        match self {
            Self::Inline(label) => label.take().map(|label| Record {
                label,
                id: NO_RECORD_ID,
            }),
            Self::Pool { pool, next } => {
                let link = pool.get(*next as usize)?; // NO_NEXT is beyond the end
                *next = link.next;
                Some(link.record)
            }
        }
    }
}

/// A number below `len` in proportion to `bits`.
#[inline]
fn scale(bits: u64, len: usize) -> usize {
    ((u128::from(bits) * len as u128) >> 64) as usize
}

/// The middle of the key. Refreshes write entries in the order of their keys, so that a part of a list has keys that
/// begin alike: by their first bits all of them would crowd into one corner of the table.
#[inline]
fn slot_bits(key: u128) -> u64 {
    (key >> 32) as u64
}

/// Four bits of a filter word, from the bits of the key that `scale` uses least.
#[inline]
fn filter_mask(key: u128) -> u64 {
    let bits = key as u64;
    1 << (bits & 63) | 1 << (bits >> 6 & 63) | 1 << (bits >> 12 & 63) | 1 << (bits >> 18 & 63)
}
