//! The records behind one value.

use crate::keys::Hash;

/// A number of a (feed, signal, category); below 2^30.
pub type LabelId = u32;

/// One record of one feed that lists the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub label: LabelId,
    /// The keyed record id.
    pub id: Hash,
}

/// The records behind one value; nearly always there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Records {
    #[default]
    None,
    One(Record),
    /// Boxed twice, so that the common case stays small.
    Many(Box<Vec<Record>>),
}

impl Records {
    #[must_use]
    pub fn as_slice(&self) -> &[Record] {
        match self {
            Self::None => &[],
            Self::One(record) => std::slice::from_ref(record),
            Self::Many(records) => records,
        }
    }

    pub fn push(&mut self, record: Record) {
        match self {
            Self::None => *self = Self::One(record),
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, record])),
            Self::Many(records) => records.push(record),
        }
    }

    /// Keeps the records for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Record) -> bool) {
        match self {
            Self::None => {}
            Self::One(record) => {
                if !keep(record) {
                    *self = Self::None;
                }
            }
            Self::Many(records) => {
                records.retain(|record| keep(record));
                match records[..] {
                    [] => *self = Self::None,
                    [only] => *self = Self::One(only),
                    _ => {}
                }
            }
        }
    }
}

impl FromIterator<Record> for Records {
    fn from_iter<I: IntoIterator<Item = Record>>(from: I) -> Self {
        let mut records = Self::None;
        from.into_iter().for_each(|record| records.push(record));
        records
    }
}
