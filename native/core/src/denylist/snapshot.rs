//! One immutable state of the denylist.

use std::sync::Arc;

use crate::index::{Exact, Perceptual};
use crate::keys::{FeedTag, Keys};
use crate::signal::{Signal, Width};
use crate::url::Widths;

/// What a match of a feed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Quarantine,
    /// Cancels matches of feeds that name this one.
    Allow,
    /// Is counted, and nothing else.
    Observe,
}

impl Action {
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "quarantine" => Some(Self::Quarantine),
            "allow" => Some(Self::Allow),
            "observe" => Some(Self::Observe),
            _ => None,
        }
    }
}

/// How a feed's entries are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub action: Action,
    /// In bits, by signal code.
    pub max_distance: [u32; Signal::CODES],
    /// Names of the allow feeds that may cancel this feed's matches.
    pub overruled_by: Vec<String>,
}

impl Policy {
    /// A policy with the default distances.
    #[must_use]
    pub fn new(action: Action) -> Self {
        let mut max_distance = [0; Signal::CODES];
        for signal in Signal::ALL {
            max_distance[usize::from(signal.code())] = signal.default_distance();
        }
        Self {
            action,
            max_distance,
            overruled_by: Vec::new(),
        }
    }
}

/// A feed as snapshots know it.
#[derive(Clone)]
pub struct Feed {
    pub name: Arc<str>,
    pub tag: FeedTag,
    /// `None`: the feed was dropped.
    pub policy: Option<Policy>,
}

/// What records have in common: the feed (its place in [`Snapshot::feeds`]), the signal, the width and
/// the category.
#[derive(Clone)]
pub struct Label {
    pub feed: usize,
    pub signal: Signal,
    pub width: Width,
    pub category: Arc<str>,
}

/// One immutable state of the denylist.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) keys: Arc<Keys>,
    pub(crate) feeds: Arc<Vec<Feed>>,
    pub(crate) labels: Arc<Vec<Label>>,
    pub(crate) exact: Exact,
    pub(crate) perceptual: [Perceptual; 5],
    /// Which signals have entries, by code.
    pub(crate) listed: [bool; Signal::CODES],
    /// Which widths of URL entries there are.
    pub(crate) widths: Widths,
    /// The largest distance of any feed, in bits, by signal code.
    pub(crate) reach: [u32; Signal::CODES],
}

impl Snapshot {
    pub(crate) fn empty(keys: Arc<Keys>) -> Self {
        Self {
            keys,
            feeds: Arc::default(),
            labels: Arc::default(),
            exact: Exact::default(),
            perceptual: Default::default(),
            listed: [false; Signal::CODES],
            widths: Widths::default(),
            reach: [0; Signal::CODES],
        }
    }

    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.exact.memory()
            + self
                .perceptual
                .iter()
                .map(Perceptual::memory)
                .sum::<usize>()
            + self.labels.capacity() * size_of::<Label>()
    }

    /// The index of a perceptual signal.
    pub(crate) fn perceptual(&self, signal: Signal) -> Option<&Perceptual> {
        self.perceptual.get(perceptual_place(signal)?)
    }

    /// Whether matches of `feed` may be cancelled by entries of `allow`.
    pub(crate) fn may_cancel(&self, allow: usize, feed: usize) -> bool {
        let (allow, feed) = (&self.feeds[allow], &self.feeds[feed]);
        feed.policy
            .as_ref()
            .is_some_and(|policy| policy.overruled_by.iter().any(|name| **name == *allow.name))
    }
}

/// The place of a perceptual signal's index in [`Snapshot::perceptual`]; `None` for exact signals.
pub(super) fn perceptual_place(signal: Signal) -> Option<usize> {
    usize::from(signal.code()).checked_sub(usize::from(Signal::Pdq.code()))
}
