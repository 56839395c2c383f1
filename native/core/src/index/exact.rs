//! The exact index: a large table that is built seldom, and the changes since on top.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::records::{Record, Records};
use super::table::Table;

/// Keys are outputs of a PRF: half of one is a hash already.
#[derive(Default)]
pub struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64 ^ (key >> 64) as u64;
    }
}

type Changes = HashMap<u128, Records, BuildHasherDefault<Unhashed>>;

/// The exact index as of one moment. A clone shares everything.
#[derive(Clone, Default)]
pub struct Exact {
    table: Arc<Table>,
    /// Overrides the table: the whole set of records of a value, none if it is gone.
    changes: Arc<Changes>,
}

/// Fewer changes than this never rebuild the table.
const MIN_CHANGES: usize = 1 << 16;

impl Exact {
    /// Bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.table.memory() + self.changes.capacity() * size_of::<(u128, Records)>()
    }

    /// Whether the value may be listed; much cheaper than [`Exact::get`].
    #[inline]
    #[must_use]
    pub fn may_have(&self, key: u128) -> bool {
        self.table.may_have(key) || (!self.changes.is_empty() && self.changes.contains_key(&key))
    }

    /// Hands over the value's records.
    pub fn get(&self, key: u128, mut found: impl FnMut(Record)) {
        match self.changes.get(&key) {
            Some(records) => records.as_slice().iter().copied().for_each(found),
            None => self.table.get(key).for_each(&mut found),
        }
    }

    fn records(&self, key: u128) -> Records {
        let mut records = Records::None;
        self.get(key, |record| records.push(record));
        records
    }

    /// All values with their records.
    fn for_each(&self, mut each: impl FnMut(u128, Records)) {
        for (key, records) in self.table.iter() {
            if !self.changes.contains_key(&key) {
                each(key, records.collect());
            }
        }
        for (&key, records) in self
            .changes
            .iter()
            .filter(|(_, records)| **records != Records::None)
        {
            each(key, records.clone());
        }
    }

    /// A copy as a single table with room for so many more values; records for which `keep` is false are left out.
    fn rebuilt(&self, more: usize, mut keep: impl FnMut(&Record) -> bool) -> Table {
        let mut values = 0;
        self.for_each(|_, _| values += 1);
        let mut table = Table::with_capacity(values + more);
        self.for_each(|key, mut records| {
            records.retain(&mut keep);
            table.change(key, |to| *to = records);
        });
        table
    }

    /// Leaves out the records for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Record) -> bool) {
        *self = Self {
            table: Arc::new(self.rebuilt(0, keep)),
            changes: Arc::default(),
        };
    }

    /// Begins a series of about so many changes.
    #[must_use]
    pub fn writer(&mut self, changes: usize) -> Writer<'_> {
        let limit = MIN_CHANGES.max(self.table.len() / 16);
        let table = (self.changes.len() + changes > limit).then(|| self.rebuilt(changes, |_| true));
        Writer { exact: self, table }
    }
}

/// A series of changes to the index. Snapshots that share it see nothing of them.
pub struct Writer<'a> {
    exact: &'a mut Exact,
    /// If there are many changes: the table that will replace the old one.
    table: Option<Table>,
}

impl Writer<'_> {
    /// Changes the records of a value.
    pub fn change(&mut self, key: u128, change: impl FnOnce(&mut Records)) {
        if let Some(table) = &mut self.table {
            table.change(key, change);
            return;
        }
        let mut records = self.exact.records(key);
        change(&mut records);
        Arc::make_mut(&mut self.exact.changes).insert(key, records);
    }

    /// Ends the series.
    pub fn finish(self) {
        if let Some(mut table) = self.table {
            table.shrink_to_fit();
            *self.exact = Exact {
                table: Arc::new(table),
                changes: Arc::default(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::NO_RECORD_ID;
    use proptest::prelude::*;

    /// The 21 lowest keys spread over all bits, so that slots and filter words differ and some collide.
    fn key(n: u8) -> u128 {
        u128::from(n % 21).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn record(label: u32, id: u8) -> Record {
        Record {
            label,
            id: if id == 0 { NO_RECORD_ID } else { [id; 16] },
        }
    }

    fn put(records: &mut Records, new: Record) {
        records.retain(|old| (old.label, old.id) != (new.label, new.id));
        records.push(new);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn equals_a_map_of_sets(
            series in prop::collection::vec(
                (any::<bool>(), prop::collection::vec((any::<u8>(), 0_u32..3, 0_u8..3, any::<bool>()), 0..30)), 0..6)
        ) {
            let mut exact = Exact::default();
            let mut twin: HashMap<u128, std::collections::BTreeSet<(u32, [u8; 16])>> = HashMap::new();
            for (many, changes) in series {
                let before = exact.clone();
                let unchanged: Vec<_> = (0..21).map(|n| before.records(key(n))).collect();
                let mut writer = exact.writer(if many { MIN_CHANGES + 1 } else { changes.len() });
                for (n, label, id, is_put) in changes {
                    let new = record(label, id);
                    let set = twin.entry(key(n)).or_default();
                    if is_put {
                        set.insert((new.label, new.id));
                        writer.change(key(n), |records| put(records, new));
                    } else {
                        set.remove(&(new.label, new.id));
                        writer.change(key(n), |records| records.retain(|old| *old != new));
                    }
                }
                writer.finish();
                for n in 0..21 {
                    let found: Vec<_> = exact.records(key(n)).as_slice().iter().map(|r| (r.label, r.id)).collect();
                    let expected = twin.get(&key(n)).cloned().unwrap_or_default();
                    prop_assert!(exact.may_have(key(n)) || expected.is_empty());
                    prop_assert_eq!(found.len(), expected.len());
                    prop_assert_eq!(found.into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
                    prop_assert_eq!(&before.records(key(n)), &unchanged[usize::from(n)]);
                }
            }
            exact.retain(|record| record.label != 1);
            for n in 0..21 {
                let expected: std::collections::BTreeSet<_> =
                    twin.get(&key(n)).into_iter().flatten().copied().filter(|(label, _)| *label != 1).collect();
                let found = exact.records(key(n)).as_slice().iter().map(|r| (r.label, r.id)).collect();
                prop_assert_eq!(expected, found);
            }
        }
    }

    #[test]
    fn two_million_values_fit() {
        let table = Table::with_capacity(2_000_000);
        assert!(table.memory() < 56_000_000, "{}", table.memory());
    }
}
