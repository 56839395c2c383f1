//! Screens a batch, chunk by chunk: first all events of a chunk are read, then all their keys are looked up, so that
//! the processor can wait for many cache lines at once; and matches, which are rare, are judged at the end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::event::{Event, IdOnly, Probe, Workspace};
use super::matches::{Match, judge, reasons};
use super::reader::{Reader, Schema, split};
use super::verdict::{Dead, Quarantined, Verdict};
use crate::avro::DatumError;
use crate::denylist::Snapshot;
use crate::signal::Signal;

/// Events that are read before anything is looked up.
const CHUNK: usize = 256;

/// Counts of a batch. Each event counts once for a feed and signal, however many of its values match.
#[derive(Default)]
pub struct Counts {
    /// Values checked, by signal code.
    pub checked: [u64; Signal::CODES],
    /// Events that stay quarantined by the feed's entries of the category.
    pub matched: HashMap<(Arc<str>, Signal, Arc<str>), u64>,
    /// Events of which allow entries cancelled a match of the feed.
    pub cancelled: HashMap<(Arc<str>, Signal), u64>,
    /// Events that match an observing feed.
    pub observed: HashMap<(Arc<str>, Signal), u64>,
}

/// The verdicts of a batch.
#[derive(Default)]
pub struct Screened {
    /// One an event.
    pub verdicts: Vec<Verdict>,
    /// In the order of the batch.
    pub quarantined: Vec<Quarantined>,
    /// In the order of the batch.
    pub dead: Vec<Dead>,
    pub counts: Counts,
}

/// Screens a batch of values in the Confluent wire format. An event of a schema that the reader doesn't know is dead.
#[must_use]
pub fn screen(snapshot: &Snapshot, reader: &Reader, values: &[Option<&[u8]>]) -> Screened {
    let mut work = Workspace::default();
    let mut screened = Screened {
        verdicts: vec![Verdict::Clean; values.len()],
        ..Screened::default()
    };
    for first in (0..values.len()).step_by(CHUNK) {
        let chunk = first..values.len().min(first + CHUNK);
        let mut faults = Vec::new();
        for event in chunk {
            if let Some((reason, path)) = read(snapshot, reader, values[event], event, &mut work) {
                faults.push(Dead {
                    event,
                    reason,
                    path,
                });
            }
        }
        look_up(snapshot, &mut work.probes, &mut work.matches);
        // A perceptual match may come before an exact one of an earlier event.
        work.matches.sort_by_key(|found| found.event);
        for matches in work.matches.chunk_by(|a, b| a.event == b.event) {
            conclude(snapshot, reader, values, matches, &mut screened);
        }
        work.matches.clear();
        for fault in faults {
            let verdict = &mut screened.verdicts[fault.event];
            if *verdict == Verdict::Clean {
                *verdict = Verdict::Dead;
                screened.dead.push(fault);
            }
        }
    }
    screened.counts.checked = work.checked;
    screened
}

type Fault = (Cow<'static, str>, Option<String>);

/// Reads one event and collects its keys; what is wrong with it, if anything is.
fn read(
    snapshot: &Snapshot,
    reader: &Reader,
    value: Option<&[u8]>,
    event: usize,
    work: &mut Workspace,
) -> Option<Fault> {
    let fixed = |reason| Some((Cow::Borrowed(reason), None));
    let Some(value) = value else {
        return fixed("null-value");
    };
    let Some((id, datum)) = split(value) else {
        return fixed("not-wire-format");
    };
    let plan = match reader.schemas.get(&id).map(Arc::as_ref) {
        None => return fixed("unknown-schema"),
        Some(Schema::Rejected(reason)) => return Some((Cow::Owned(reason.clone()), None)),
        Some(Schema::Usable(plan)) => plan,
    };
    let place = u32::try_from(event).expect("a batch has fewer than 2^32 events");
    let mut sink = Event::new(snapshot, reader, work, place);
    match plan.read(datum, &mut sink) {
        Ok(()) => sink
            .fault()
            .map(|(reason, path)| (reason.into(), path.map(str::to_owned))),
        Err(DatumError::Truncated) => fixed("truncated"),
        Err(DatumError::Invalid) => fixed("invalid-datum"),
        Err(DatumError::Trailing) => fixed("trailing-bytes"),
    }
}

/// Looks up the keys, and leaves none.
pub(super) fn look_up(snapshot: &Snapshot, probes: &mut Vec<Probe>, matches: &mut Vec<Match>) {
    probes.retain(|probe| snapshot.exact.may_have(probe.key));
    for &Probe {
        key,
        event,
        value,
        breadth,
    } in probes.iter()
    {
        snapshot.exact.get(key, |record| {
            matches.push(Match {
                event,
                value,
                breadth,
                distance: 0,
                label: record.label,
                key,
            });
        });
    }
    probes.clear();
}

/// Judges the matches of one event.
fn conclude(
    snapshot: &Snapshot,
    reader: &Reader,
    values: &[Option<&[u8]>],
    matches: &[Match],
    screened: &mut Screened,
) {
    let judged = judge(snapshot, matches);
    let counts = &mut screened.counts;
    for (places, counter) in [
        (&judged.cancelled, &mut counts.cancelled),
        (&judged.observed, &mut counts.observed),
    ] {
        for reason in by_feed(snapshot, places.iter().map(|&place| &matches[place])) {
            *counter.entry(reason).or_default() += 1;
        }
    }
    if judged.standing.is_empty() {
        return;
    }
    let reasons = reasons(
        snapshot,
        judged.standing.iter().map(|&place| &matches[place]),
    );
    for reason in &reasons {
        let key = (
            Arc::clone(&reason.feed),
            reason.signal,
            Arc::clone(&reason.category),
        );
        *counts.matched.entry(key).or_default() += 1;
    }
    let event = matches[0].event as usize;
    screened.verdicts[event] = Verdict::Quarantined;
    screened.quarantined.push(Quarantined {
        event,
        id: event_id(reader, values[event]),
        reasons,
    });
}

/// The distinct feeds and signals of matches.
fn by_feed<'m>(
    snapshot: &Snapshot,
    matches: impl Iterator<Item = &'m Match>,
) -> Vec<(Arc<str>, Signal)> {
    let mut found: Vec<(usize, Signal)> = matches
        .map(|found| &snapshot.labels[found.label as usize])
        .map(|label| (label.feed, label.signal))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .map(|(feed, signal)| (Arc::clone(&snapshot.feeds[feed].name), signal))
        .collect()
}

/// The id of an event, read once more: only quarantined ones need it.
fn event_id(reader: &Reader, value: Option<&[u8]>) -> Option<String> {
    let (id, datum) = split(value?)?;
    let Schema::Usable(plan) = reader.schemas.get(&id)?.as_ref() else {
        return None;
    };
    let mut sink = IdOnly::default();
    // A datum that breaks off later may have a good id.
    let _ = plan.read(datum, &mut sink);
    sink.0
}
