//! Reads one event: checks that its values are what the mapping says, and collects what has to be looked up.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::matches::Match;
use super::reader::Reader;
use crate::avro::{Raw, Sink};
use crate::denylist::Snapshot;
use crate::digest;
use crate::signal::{Signal, Width};
use crate::url::{Canonical, Expressions, hashed_forms};

/// A keyed value to look up.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    pub key: u128,
    pub event: u32,
    pub value: u32,
    pub breadth: u32,
}

/// What the values of a batch share, so that an event allocates nothing.
#[derive(Default)]
pub(super) struct Workspace {
    canonical: Canonical,
    hash_input: Vec<u8>,
    prefix_ends: Vec<usize>,
    pub probes: Vec<Probe>,
    pub matches: Vec<Match>,
    fields: Vec<FieldState>,
    /// Values that were checked, by signal code.
    pub checked: [u64; Signal::CODES],
}

#[derive(Clone, Copy, Default)]
struct FieldState {
    seen: bool,
    fault: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Id {
    Missing,
    Valid,
    Invalid,
}

/// Takes the values of one event.
pub(super) struct Event<'a> {
    snapshot: &'a Snapshot,
    reader: &'a Reader,
    work: &'a mut Workspace,
    event: u32,
    values: u32,
    any_checked: bool,
    id: Id,
}

impl<'a> Event<'a> {
    pub fn new(
        snapshot: &'a Snapshot,
        reader: &'a Reader,
        work: &'a mut Workspace,
        event: u32,
    ) -> Self {
        work.fields.clear();
        work.fields
            .resize(reader.fields.len(), FieldState::default());
        Self {
            snapshot,
            reader,
            work,
            event,
            values: 0,
            any_checked: false,
            id: Id::Missing,
        }
    }

    /// What is wrong with the event once all of it was read: the reason, and the mapped field.
    pub fn fault(&self) -> Option<(&'static str, Option<&str>)> {
        match self.id {
            Id::Missing => return Some(("missing-id", Some(&self.reader.id_path))),
            Id::Invalid => return Some(("invalid-id", Some(&self.reader.id_path))),
            Id::Valid => {}
        }
        for (place, (state, field)) in self.work.fields.iter().zip(&self.reader.fields).enumerate()
        {
            if let Some(fault) = state.fault {
                return Some((fault, Some(self.reader.path(place))));
            }
            if !state.seen && !field.optional {
                return Some(("missing-field", Some(self.reader.path(place))));
            }
        }
        (!self.any_checked && !self.reader.unchecked_is_clean).then_some(("nothing-to-check", None))
    }

    fn check(
        &mut self,
        signal: Signal,
        encoding: digest::Encoding,
        raw: Raw<'_>,
    ) -> Result<(), &'static str> {
        let (bytes, is_text) = match raw {
            Raw::Str(bytes) => (bytes, true),
            Raw::Bytes(bytes) => (bytes, false),
            Raw::Enum(symbol) => (symbol.as_bytes(), true),
            Raw::Int(_) if signal == Signal::Url => return Err("invalid-url"),
            Raw::Int(_) => return Err("invalid-length"),
        };
        let mut lookup = Lookup {
            snapshot: self.snapshot,
            work: self.work,
            event: self.event,
            value: self.values,
        };
        lookup.add(signal, encoding, bytes, is_text)?;
        self.work.checked[usize::from(signal.code())] += 1;
        self.values += 1;
        self.any_checked = true;
        Ok(())
    }
}

impl Sink for Event<'_> {
    fn id(&mut self, raw: Raw<'_>) {
        if self.id == Id::Missing {
            let is_valid = !matches!(raw, Raw::Str(bytes) if std::str::from_utf8(bytes).is_err());
            self.id = if is_valid { Id::Valid } else { Id::Invalid };
        }
    }

    fn value(&mut self, field: usize, raw: Raw<'_>) {
        let Some(mapped) = self.reader.fields.get(field) else {
            return;
        };
        let fault = self
            .check(mapped.signal, mapped.encoding, raw)
            .err()
            .filter(|_| !mapped.skip_invalid);
        let state = &mut self.work.fields[field];
        state.seen = true;
        state.fault = state.fault.or(fault);
    }
}

/// Collects what one value has to be looked up by.
pub(super) struct Lookup<'a> {
    pub snapshot: &'a Snapshot,
    pub work: &'a mut Workspace,
    pub event: u32,
    pub value: u32,
}

impl Lookup<'_> {
    /// # Errors
    /// The reason why it is no value of the signal.
    pub fn add(
        &mut self,
        signal: Signal,
        encoding: digest::Encoding,
        bytes: &[u8],
        is_text: bool,
    ) -> Result<(), &'static str> {
        if signal == Signal::Url {
            return self.add_url(bytes);
        }
        let digest =
            digest::read(signal, encoding, bytes, is_text).map_err(digest::Fault::reason)?;
        if !self.is_listed(signal) {
            return Ok(());
        }
        if signal.is_perceptual() {
            self.search(signal, digest.as_slice());
        } else {
            self.probe(signal, digest.as_slice());
        }
        Ok(())
    }

    fn is_listed(&self, signal: Signal) -> bool {
        self.snapshot.listed[usize::from(signal.code())]
    }

    fn add_url(&mut self, url: &[u8]) -> Result<(), &'static str> {
        let work = &mut *self.work;
        work.canonical.read(url).map_err(|fault| fault.reason())?;
        if self.is_listed(Signal::Url) {
            self.add_expressions();
        }
        if Signal::HASHED_URLS
            .into_iter()
            .any(|signal| self.is_listed(signal))
        {
            let forms =
                hashed_forms(url, &mut self.work.canonical).map_err(|fault| fault.reason())?;
            for form in forms {
                if self.is_listed(Signal::UrlMd5) {
                    self.probe(Signal::UrlMd5, &Md5::digest(&form));
                }
                if self.is_listed(Signal::UrlSha1) {
                    self.probe(Signal::UrlSha1, &Sha1::digest(&form));
                }
                if self.is_listed(Signal::UrlSha256) {
                    self.probe(Signal::UrlSha256, &Sha256::digest(&form));
                }
            }
        }
        Ok(())
    }

    /// Looks the canonical URL up by all its expressions. Prefixes, of which there are most, are hashed in one go.
    fn add_expressions(&mut self) {
        let (work, keys) = (&mut *self.work, &self.snapshot.keys);
        let first = work.probes.len();
        work.prefix_ends.clear();
        let mut prefixes_from = first;
        for (breadth, (width, text)) in
            (0..).zip(Expressions::new(&work.canonical, self.snapshot.widths))
        {
            let key = if width == Width::Prefix {
                if work.prefix_ends.is_empty() {
                    prefixes_from = work.probes.len();
                }
                work.prefix_ends.push(text.len());
                0 // filled in below
            } else {
                keys.value(Signal::Url, width, text, &mut work.hash_input)
            };
            work.probes.push(Probe {
                key,
                event: self.event,
                value: self.value,
                breadth,
            });
        }
        // Expressions come from the longest to the shortest, and a hash goes on from the shorter one.
        let prefixes = &mut work.probes[prefixes_from..][..work.prefix_ends.len()];
        let ends = work.prefix_ends.iter().rev().copied();
        let hashes = keys.beginnings(Signal::Url, Width::Prefix, work.canonical.text(), ends);
        for (probe, key) in prefixes.iter_mut().rev().zip(hashes) {
            probe.key = key;
        }
    }

    fn probe(&mut self, signal: Signal, digest: &[u8]) {
        let key = self
            .snapshot
            .keys
            .value(signal, Width::None, digest, &mut self.work.hash_input);
        self.work.probes.push(Probe {
            key,
            event: self.event,
            value: self.value,
            breadth: 0,
        });
    }

    /// Looks a perceptual value up at once.
    fn search(&mut self, signal: Signal, digest: &[u8]) {
        let Some(index) = self.snapshot.perceptual(signal) else {
            return;
        };
        let mut code = [0; 32];
        code[..digest.len()].copy_from_slice(digest);
        let matches = &mut self.work.matches;
        let first = matches.len();
        index.search(
            &code,
            self.snapshot.reach[usize::from(signal.code())],
            |key, distance, record| {
                let feed = &self.snapshot.feeds[self.snapshot.labels[record.label as usize].feed];
                let limit = feed
                    .policy
                    .as_ref()
                    .map(|policy| policy.max_distance[usize::from(signal.code())]);
                if limit.is_none_or(|limit| distance > limit) {
                    return;
                }
                let found = Match {
                    event: self.event,
                    value: self.value,
                    breadth: 0,
                    distance,
                    label: record.label,
                    key,
                };
                // One match a label is enough, the nearest: thousands of near duplicates must not pile up.
                match matches[first..]
                    .iter_mut()
                    .find(|other| other.label == record.label)
                {
                    Some(other) if (found.distance, found.key) < (other.distance, other.key) => {
                        *other = found
                    }
                    Some(_) => {}
                    None => matches.push(found),
                }
            },
        );
    }
}

/// Takes the id of an event, and nothing else.
#[derive(Default)]
pub(super) struct IdOnly(pub Option<String>);

impl Sink for IdOnly {
    fn id(&mut self, raw: Raw<'_>) {
        if self.0.is_none() {
            self.0 = match raw {
                Raw::Str(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
                Raw::Bytes(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
                Raw::Int(number) => Some(number.to_string()),
                Raw::Enum(symbol) => Some(symbol.to_owned()),
            };
        }
    }

    fn value(&mut self, _: usize, _: Raw<'_>) {}
}
