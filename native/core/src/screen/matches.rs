//! Matches of an event's values, and what remains of them once allow entries have cancelled theirs.

use std::sync::Arc;

use crate::denylist::{Action, Snapshot};
use crate::index::LabelId;
use crate::keys::Hash;
use crate::signal::Signal;

/// One entry that one value of an event matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    /// The event's place in the batch.
    pub event: u32,
    /// The value's place in the event.
    pub value: u32,
    /// How wide the entry is, among those that can match the same value: of two, the higher covers the lower.
    pub breadth: u32,
    /// In bits; 0 for exact signals.
    pub distance: u32,
    pub label: LabelId,
    /// The entry's keyed value.
    pub key: u128,
}

/// Why an event is kept back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub feed: Arc<str>,
    pub signal: Signal,
    pub category: Arc<str>,
    /// In bits; 0 for exact signals.
    pub distance: u32,
    /// The opaque tag of the entry.
    pub tag: Hash,
}

/// The matches of one event, judged. Indexes into the event's matches.
#[derive(Default)]
pub(super) struct Judged {
    pub standing: Vec<usize>,
    pub cancelled: Vec<usize>,
    pub observed: Vec<usize>,
}

/// Judges all matches of one event.
///
/// An allow entry cancels a match of the same signal and value, of a feed that lets its feed do so, if the listed entry
/// is at least as wide as the allow entry; for perceptual signals, if the allow entry is the value itself.
pub(super) fn judge(snapshot: &Snapshot, matches: &[Match]) -> Judged {
    let mut judged = Judged::default();
    for (place, found) in matches.iter().enumerate() {
        let label = &snapshot.labels[found.label as usize];
        let Some(policy) = &snapshot.feeds[label.feed].policy else {
            continue;
        };
        match policy.action {
            Action::Allow => {}
            Action::Observe => judged.observed.push(place),
            Action::Quarantine => {
                let is_cancelled = matches.iter().any(|allow| {
                    let allow_label = &snapshot.labels[allow.label as usize];
                    let allow_policy = &snapshot.feeds[allow_label.feed].policy;
                    allow_policy
                        .as_ref()
                        .is_some_and(|policy| policy.action == Action::Allow)
                        && allow_label.signal == label.signal
                        && allow.value == found.value
                        && allow.distance == 0
                        && found.breadth >= allow.breadth
                        && snapshot.may_cancel(allow_label.feed, label.feed)
                });
                if is_cancelled {
                    &mut judged.cancelled
                } else {
                    &mut judged.standing
                }
                .push(place);
            }
        }
    }
    judged
}

/// One reason for each feed, signal and category: the nearest entry's; of equals, the narrowest's.
pub(super) fn reasons<'m>(
    snapshot: &Snapshot,
    matches: impl Iterator<Item = &'m Match>,
) -> Vec<Reason> {
    let of = |found: &Match| {
        let label = &snapshot.labels[found.label as usize];
        (label.feed, label.signal, Arc::clone(&label.category))
    };
    let mut nearest: Vec<&Match> = matches.collect();
    nearest.sort_by_key(|found| (of(found), found.distance, found.breadth, found.key));
    nearest.dedup_by_key(|found| of(found));
    nearest
        .into_iter()
        .map(|found| {
            let label = &snapshot.labels[found.label as usize];
            let feed = &snapshot.feeds[label.feed];
            Reason {
                feed: Arc::clone(&feed.name),
                signal: label.signal,
                category: Arc::clone(&label.category),
                distance: found.distance,
                tag: snapshot.keys.entry_tag(feed.tag, found.key),
            }
        })
        .collect()
}
