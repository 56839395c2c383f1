//! Verdicts.

use std::borrow::Cow;

use super::matches::Reason;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    Clean = 0,
    Quarantined = 1,
    /// Can't be vouched for.
    Dead = 2,
}

/// An event that is kept back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its place in the batch.
    pub event: usize,
    /// `None` if it can't be read.
    pub id: Option<String>,
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// An event that can't be vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Its place in the batch.
    pub event: usize,
    /// Machine-readable.
    pub reason: Cow<'static, str>,
    /// The mapped field, if it is about one.
    pub path: Option<String>,
}
