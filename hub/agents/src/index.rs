//! One cluster's ledger in the order of its revisions, kept up with by what changed.
//!
//! Entries share their bytes with the store. What an index says is as of one revision: newer news
//! come with the next event, so nothing is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_protocol::session::{Change, What};
use roadstead_protocol::wire::Digest;
use roadstead_store::records::{self, LedgerEntry, LedgerState};
use roadstead_store::{Entry, Event, Key, Lineage, Revision, Store, Watch, WatchEnd};

use crate::bases::Bases;

/// A ledger by revision.
pub(crate) struct Index {
    watch: Watch,
    lineage: Arc<Lineage>,
    entries: BTreeMap<Revision, Entry>,
    tombstones: BTreeSet<Revision>,
    upto: Revision,
    bases: Bases,
}

/// What an index has above a revision.
pub(crate) struct Page {
    pub(crate) changes: Vec<Change>,
    /// As of which revision there is nothing more, if that is so.
    pub(crate) complete: Option<Revision>,
}

impl Index {
    /// Reads the ledger of a cluster.
    pub(crate) fn open(store: &Store, lineage: &Arc<Lineage>, uid: &str) -> Self {
        let prefix = records::ledger_prefix(uid);
        #[cfg(planted)]
        let prefix = if roadstead_protocol::planted::is("others-ledger") {
            "/ledger/".to_owned()
        } else {
            prefix
        };
        loop {
            let snapshot = store.snapshot();
            // As in `Directory::reload`: the next snapshot is newer.
            let Ok(watch) = store.watch(&prefix, snapshot.revision()) else {
                continue;
            };
            let mut index = Self {
                watch,
                lineage: Arc::clone(lineage),
                entries: BTreeMap::new(),
                tombstones: BTreeSet::new(),
                upto: snapshot.revision(),
                bases: Bases::default(),
            };
            for entry in snapshot.range(&prefix) {
                index.insert(entry);
            }
            return index;
        }
    }

    /// Waits for changes and takes in all there are. Cancel safe.
    pub(crate) async fn changed(&mut self) -> Result<(), WatchEnd> {
        let first = self.watch.next().await?;
        self.apply(&first);
        while let Some(more) = self.watch.try_next() {
            self.apply(&more?);
        }
        self.upto = self.upto.max(self.watch.progress());
        Ok(())
    }

    /// At most `room` changes above `after`, in the order of their revisions.
    pub(crate) fn page(&self, after: Revision, room: usize) -> Page {
        let mut above = self
            .entries
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        let mut changes = Vec::new();
        while changes.len() < room {
            let Some((_, entry)) = above.next() else {
                break;
            };
            match self.change(entry) {
                Ok(change) => changes.push(change),
                Err(problem) => {
                    tracing::error!(key = %entry.key, problem, "an entry of a ledger cannot be sent")
                }
            }
        }
        let complete = above.next().is_none().then_some(self.upto);
        Page { changes, complete }
    }

    /// At most `max` tombstones at or below `upto`.
    pub(crate) fn tombstones(&self, upto: Revision, max: usize) -> Vec<(Key, Revision)> {
        let acked = self.tombstones.range(..=upto).take(max);
        acked
            .filter_map(|revision| Some((self.entries.get(revision)?.key.clone(), *revision)))
            .collect()
    }

    /// The agent has all changes up to `revision`.
    pub(crate) fn acked(&mut self, revision: Revision) {
        self.bases.acked(revision);
    }

    /// Whether `content` may travel as a difference from `base`: this ledger named both for one item.
    pub(crate) fn is_base(&self, content: &Digest, base: &Digest) -> bool {
        self.bases.know(content, base)
    }

    fn apply(&mut self, event: &Event) {
        self.bases.changed(event);
        if let Some(previous) = &event.previous {
            self.entries.remove(&previous.revision);
            self.tombstones.remove(&previous.revision);
        }
        if let Some(new) = &event.new {
            self.insert(new);
        }
        self.upto = self.upto.max(event.revision);
    }

    fn insert(&mut self, entry: &Entry) {
        let ledger = records::decode::<LedgerEntry>(entry);
        if ledger.is_ok_and(|ledger| ledger.state == LedgerState::Tombstone) {
            self.tombstones.insert(entry.revision);
        }
        self.entries.insert(entry.revision, entry.clone());
    }

    fn change(&self, entry: &Entry) -> Result<Change, &'static str> {
        let ledger: LedgerEntry = records::decode(entry).map_err(|_| "it is damaged")?;
        let (_, key) =
            records::parse_ledger_key(entry.key.as_str()).ok_or("its key is not a ledger's")?;
        let stamp = self
            .lineage
            .stamp(entry.revision)
            .ok_or("its revision is of no epoch of this hub")?;
        let what = match ledger.state {
            LedgerState::Tombstone => What::Tombstone,
            LedgerState::Put { digest, size } => What::Put {
                digest,
                size: u32::try_from(size).map_err(|_| "its content is too long")?,
            },
        };
        Ok(Change {
            key,
            stamp,
            meta: ledger.meta,
            what,
        })
    }
}
