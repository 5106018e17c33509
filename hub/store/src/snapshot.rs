//! The whole store as it was at one revision.

use std::ops::Bound;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use roadstead_protocol::wire::Revision;

use crate::{Entry, Event, Key};

/// The whole store as it was at one revision. Cheap to clone, never changes.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) entries: OrdMap<Key, Entry>,
    /// Of all keys and values.
    bytes: usize,
}

impl Snapshot {
    /// The revision of the last change that is in it.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The entry of `key`.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// All entries whose key begins with `prefix`, in the order of their keys.
    pub fn range<'s>(&'s self, prefix: &str) -> impl Iterator<Item = &'s Entry> + use<'s> {
        self.range_from(prefix, None)
    }

    /// As [`range`](Self::range), but only what comes after the key `after`.
    pub fn range_from<'s>(
        &'s self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'s Entry> + use<'s> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let prefix = prefix.to_owned();
        self.entries
            .range::<_, str>((from, Bound::Unbounded))
            .map(|(_, entry)| entry)
            .take_while(move |entry| entry.key.as_str().starts_with(prefix.as_str()))
    }

    /// What differs between `older` and this state, in the order of the keys: what there was, and what
    /// there is. Costs what changed, not what there is, where one came of the other.
    pub fn since<'s>(
        &'s self,
        older: &'s Self,
    ) -> impl Iterator<Item = (Option<&'s Entry>, Option<&'s Entry>)> + use<'s> {
        let differences = older.entries.diff(&self.entries);
        differences.map(|difference| match difference {
            DiffItem::Add(_, new) => (None, Some(new)),
            DiffItem::Update { old, new } => (Some(old.1), Some(new.1)),
            DiffItem::Remove(_, old) => (Some(old), None),
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn new(revision: Revision, entries: OrdMap<Key, Entry>) -> Self {
        let bytes = entries.values().map(weight).sum();
        Self {
            revision,
            entries,
            bytes,
        }
    }

    /// Puts an entry; returns the one before.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        self.bytes += weight(&entry);
        let previous = self.entries.insert(entry.key.clone(), entry);
        self.bytes -= previous.as_ref().map_or(0, weight);
        previous
    }

    /// Removes an entry, if there is one.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Entry> {
        let previous = self.entries.remove(key);
        self.bytes -= previous.as_ref().map_or(0, weight);
        previous
    }

    /// Takes `event` back.
    pub(crate) fn undo(&mut self, event: &Event) {
        match &event.previous {
            Some(previous) => self.insert(previous.clone()),
            None => self.remove(event.key.as_str()),
        };
    }
}

/// What an entry counts for, in bytes.
fn weight(entry: &Entry) -> usize {
    entry.key.as_str().len() + entry.value.len()
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Snapshot({}, {} entries)",
            self.revision,
            self.entries.len()
        )
    }
}
