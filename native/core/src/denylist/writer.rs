//! Stages records and brings them into force.

use std::collections::HashMap;
use std::sync::Arc;

use super::ledger::Tally;
use super::snapshot::{Feed, Label, Policy, Snapshot, perceptual_place};
use super::staged::{CategoryId, Change, Staged};
use crate::entry::{Codec, Damaged, Key};
use crate::index::{LabelId, Record, Records};
use crate::keys::{FeedTag, Keys};
use crate::signal::{Signal, Width};
use crate::url::Widths;

/// All entries of all feeds.
pub struct Denylist {
    codec: Codec,
    staged: HashMap<FeedTag, Staged>,
    categories: Vec<Arc<str>>,
    category_ids: HashMap<Arc<str>, CategoryId>,
    label_ids: HashMap<(usize, Signal, Width, CategoryId), LabelId>,
    /// By feed, as in the snapshot.
    tallies: Vec<Tally>,
    current: Snapshot,
}

impl Denylist {
    #[must_use]
    pub fn new(keys: Arc<Keys>, denylist_id: &[u8]) -> Self {
        Self {
            codec: Codec::new(Arc::clone(&keys), denylist_id),
            staged: HashMap::new(),
            categories: Vec::new(),
            category_ids: HashMap::new(),
            label_ids: HashMap::new(),
            tallies: Vec::new(),
            current: Snapshot::empty(keys),
        }
    }

    /// The state that was brought into force last.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.current.clone()
    }

    /// Keeps records (Kafka key and value, no value for a tombstone) for [`Denylist::apply`].
    ///
    /// # Errors
    /// [`Damaged`]; nothing of the call is then staged.
    pub fn stage<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), Damaged> {
        let mut opened = Vec::new();
        for (key, value) in records {
            opened.push(match value {
                None => {
                    let key = Key::decode(key)?;
                    (Change::removal(&key), key, None)
                }
                Some(value) => {
                    let entry = self.codec.open(key, value)?;
                    let category = self.category(entry.category);
                    let change = Change::put(&entry.key, entry.width, category);
                    (change, entry.key, entry.code)
                }
            });
        }
        for (change, key, code) in opened {
            self.staged
                .entry(key.feed)
                .or_default()
                .push(change, code.map(|code| (key.value, code)));
        }
        Ok(())
    }

    fn category(&mut self, category: &str) -> CategoryId {
        if let Some(&id) = self.category_ids.get(category) {
            return id;
        }
        let id = CategoryId::try_from(self.categories.len()).expect("fewer than 2^32 categories");
        let category: Arc<str> = category.into();
        self.categories.push(Arc::clone(&category));
        self.category_ids.insert(category, id);
        id
    }

    /// How many records are staged for a feed.
    #[must_use]
    pub fn staged(&self, name: &str) -> usize {
        let tag = self.codec.keys().feed_tag(name);
        self.staged.get(&tag).map_or(0, Staged::len)
    }

    /// Brings a feed's staged records and its policy into force; the feed's counts and checksum after it.
    pub fn apply(&mut self, name: &str, policy: Policy) -> &Tally {
        let feed = self.feed(name);
        Arc::make_mut(&mut self.current.feeds)[feed].policy = Some(policy);
        let tag = self.current.feeds[feed].tag;
        if let Some(staged) = self.staged.remove(&tag) {
            self.bring_in(feed, tag, staged);
        }
        self.update_reach();
        &self.tallies[feed]
    }

    /// Takes a feed out of force, with all that is staged for it.
    pub fn drop_feed(&mut self, name: &str) {
        let tag = self.codec.keys().feed_tag(name);
        self.staged.remove(&tag);
        let Some(feed) = self.current.feeds.iter().position(|feed| feed.tag == tag) else {
            return;
        };
        let labels = Arc::clone(&self.current.labels);
        let keep = |record: &Record| labels[record.label as usize].feed != feed;
        self.current.exact.retain(keep);
        self.current
            .perceptual
            .iter_mut()
            .for_each(|set| set.retain(keep));
        self.tallies[feed] = Tally::default();
        Arc::make_mut(&mut self.current.feeds)[feed].policy = None;
        self.update_reach();
    }

    fn feed(&mut self, name: &str) -> usize {
        if let Some(feed) = self
            .current
            .feeds
            .iter()
            .position(|feed| *feed.name == *name)
        {
            return feed;
        }
        let tag = self.codec.keys().feed_tag(name);
        Arc::make_mut(&mut self.current.feeds).push(Feed {
            name: name.into(),
            tag,
            policy: None,
        });
        self.tallies.push(Tally::default());
        self.tallies.len() - 1
    }

    fn label(
        &mut self,
        feed: usize,
        signal: Signal,
        width: Width,
        category: CategoryId,
    ) -> LabelId {
        let labels = &mut self.current.labels;
        let new = || {
            let id = LabelId::try_from(labels.len()).ok();
            let category = Arc::clone(&self.categories[category as usize]);
            Arc::make_mut(labels).push(Label {
                feed,
                signal,
                width,
                category,
            });
            id.filter(|id| *id < 1 << 30)
                .expect("fewer than 2^30 labels")
        };
        let key = (feed, signal, width, category);
        *self.label_ids.entry(key).or_insert_with(new)
    }

    fn bring_in(&mut self, feed: usize, tag: FeedTag, mut staged: Staged) {
        let codes = std::mem::take(&mut staged.codes);
        let mut exact = std::mem::take(&mut self.current.exact);
        let mut perceptual = std::mem::take(&mut self.current.perceptual);
        let mut writer = exact.writer(staged.len());
        let mut touched = [false; 5];
        for change in staged.into_changes() {
            let key = change.key(tag);
            let label = change
                .put_under()
                .map(|(width, category)| self.label(feed, key.signal, width, category));
            let labels = &self.current.labels;
            let tally = &mut self.tallies[feed];
            let keys = self.codec.keys();
            let replace = |records: &mut Records| {
                records.retain(|old| {
                    let of = &labels[old.label as usize];
                    let replaced = of.feed == feed && of.signal == key.signal && change.is_of(old);
                    if replaced {
                        tally.subtract(of.signal, of.width, key.term(keys, &of.category));
                    }
                    !replaced
                });
                if let Some(label) = label {
                    let of = &labels[label as usize];
                    tally.add(of.signal, of.width, key.term(keys, &of.category));
                    let id = key.record;
                    records.push(Record { label, id });
                }
            };
            match perceptual_place(key.signal) {
                None => writer.change(key.value, replace),
                Some(place) => {
                    touched[place] = true;
                    perceptual[place].change(key.value, codes.get(&key.value).copied(), replace);
                }
            }
        }
        writer.finish();
        self.current.exact = exact;
        perceptual
            .iter_mut()
            .zip(touched)
            .filter(|(_, touched)| *touched)
            .for_each(|(set, _)| set.finish());
        self.current.perceptual = perceptual;
    }

    /// What has to be looked up at all.
    fn update_reach(&mut self) {
        let current = &mut self.current;
        current.listed = [false; Signal::CODES];
        current.reach = [0; Signal::CODES];
        current.widths = Widths::default();
        for (feed, tally) in current.feeds.iter().zip(&self.tallies) {
            let Some(policy) = &feed.policy else { continue };
            for width in Width::URL
                .into_iter()
                .filter(|width| tally.has_width(*width))
            {
                current.widths = current.widths.with(width);
            }
            for code in (0..Signal::CODES).filter(|code| tally.counts[*code] > 0) {
                current.listed[code] = true;
                current.reach[code] = current.reach[code].max(policy.max_distance[code]);
            }
        }
    }
}
