//! The perceptual index: all values within a Hamming distance. A plain scan; the interface is made for an index.

use std::collections::HashMap;
use std::sync::Arc;

use super::records::{Record, Records};
use crate::entry::Code;

/// The values of one perceptual signal as of one moment. A clone shares everything.
#[derive(Clone, Default)]
pub struct Perceptual {
    rows: Arc<HashMap<u128, (Code, Records)>>,
    scan: Arc<Scan>,
}

/// Each distinct value once, in words, with its key beside it.
#[derive(Default)]
struct Scan {
    codes: Vec<[u64; 4]>,
    keys: Vec<u128>,
}

impl Perceptual {
    /// Bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<(u128, (Code, Records))>()
            + self.scan.codes.capacity() * size_of::<[u64; 4]>()
            + self.scan.keys.capacity() * size_of::<u128>()
    }

    /// Hands over every record within the distance: the value's key, the distance in bits, the record.
    pub fn search(&self, code: &Code, distance: u32, mut found: impl FnMut(u128, u32, Record)) {
        let query = words(code);
        for (row, &key) in self.scan.codes.iter().zip(&self.scan.keys) {
            let apart = (query[0] ^ row[0]).count_ones();
            if apart > distance {
                continue;
            }
            let apart = apart
                + (1..4)
                    .map(|i| (query[i] ^ row[i]).count_ones())
                    .sum::<u32>();
            if apart <= distance {
                let records = self
                    .rows
                    .get(&key)
                    .map_or(&[][..], |(_, records)| records.as_slice());
                records.iter().for_each(|&record| found(key, apart, record));
            }
        }
    }

    /// The value's records.
    #[must_use]
    pub fn get(&self, key: u128) -> &[Record] {
        self.rows
            .get(&key)
            .map_or(&[], |(_, records)| records.as_slice())
    }

    /// Changes the records of a value. Takes effect for searches with [`Perceptual::finish`].
    ///
    /// `code` may be missing only if nothing is added.
    pub fn change(&mut self, key: u128, code: Option<Code>, change: impl FnOnce(&mut Records)) {
        let rows = Arc::make_mut(&mut self.rows);
        let (code, mut records) = match (rows.remove(&key), code) {
            (Some(row), _) => row,
            (None, Some(code)) => (code, Records::None),
            (None, None) => return,
        };
        change(&mut records);
        if records != Records::None {
            rows.insert(key, (code, records));
        }
    }

    /// Leaves out the records for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&Record) -> bool) {
        Arc::make_mut(&mut self.rows).retain(|_, (_, records)| {
            records.retain(&mut keep);
            *records != Records::None
        });
        self.finish();
    }

    /// Makes the changes visible to searches.
    pub fn finish(&mut self) {
        let (codes, keys) = self
            .rows
            .iter()
            .map(|(&key, (code, _))| (words(code), key))
            .unzip();
        self.scan = Arc::new(Scan { codes, keys });
    }
}

fn words(code: &Code) -> [u64; 4] {
    std::array::from_fn(|i| u64::from_be_bytes(std::array::from_fn(|j| code[8 * i + j])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::NO_RECORD_ID;

    #[test]
    fn finds_all_within_the_distance_and_nothing_else() {
        let mut set = Perceptual::default();
        let record = |label| Record {
            label,
            id: NO_RECORD_ID,
        };
        // Value n differs from zeros in its first n bits.
        let code = |n: usize| -> Code {
            std::array::from_fn(|i| {
                (0..8)
                    .filter(|bit| i * 8 + bit < n)
                    .map(|bit| 0x80 >> bit)
                    .sum()
            })
        };
        for n in 0..=256_u32 {
            set.change(u128::from(n), Some(code(n as usize)), |records| {
                records.push(record(n))
            });
        }
        set.change(7, None, |records| records.retain(|_| false));
        set.change(1000, None, |_| panic!("nothing to change"));
        let search = |set: &Perceptual, n, distance| {
            let mut found = Vec::new();
            set.search(&code(n), distance, |key, apart, record| {
                assert_eq!(key, u128::from(record.label));
                assert_eq!(apart as usize, n.abs_diff(record.label as usize));
                found.push(record.label);
            });
            found.sort_unstable();
            found
        };
        assert!(
            search(&set, 5, 31).is_empty(),
            "not before the changes are finished"
        );
        set.finish();
        let expected: Vec<u32> = (0..=36).filter(|n| *n != 7).collect();
        assert_eq!(search(&set, 5, 31), expected);
        assert_eq!(search(&set, 200, 0), [200]);
        set.retain(|record| record.label != 200);
        assert!(search(&set, 200, 0).is_empty());
    }
}
