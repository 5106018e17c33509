//! The hub's side of a test: a ledger, its contents, and what a careful shell does with them.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::session::testing::{EPOCH, key};
use crate::session::{Admission, Change, HubConfig, HubEvent, HubSession, Now, Session, What};
use crate::wire::report::ItemReport;
use crate::wire::stamp::EpochRange;
use crate::wire::{Digest, Epoch, ItemKey, Lineage, Revision, Stamp};

use super::super::testing::hub_config;

/// What a session asks for.
enum Question {
    Changes { after: Revision, room: usize },
    Content(Digest),
}

/// A hub's disk, and what it keeps in memory.
pub(super) struct Hub {
    pub(super) lineage: Lineage,
    pub(super) revision: u64,
    pub(super) entries: BTreeMap<ItemKey, Change>,
    pub(super) contents: BTreeMap<Digest, Bytes>,
    /// Tombstones up to here may have been removed.
    pub(super) floor: Revision,
    pub(super) reports: BTreeMap<ItemKey, ItemReport>,
    /// What the shell was asked and has not answered.
    waiting: Vec<Question>,
    /// Events that must not occur in a test.
    pub(super) closed: Vec<String>,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            lineage: Lineage(vec![EpochRange {
                epoch: EPOCH,
                first: Revision(1),
                last: None,
            }]),
            revision: 0,
            entries: BTreeMap::new(),
            contents: BTreeMap::new(),
            floor: Revision(0),
            reports: BTreeMap::new(),
            waiting: Vec::new(),
            closed: Vec::new(),
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.lineage.0.last().unwrap().epoch
    }

    fn next_stamp(&mut self) -> Stamp {
        self.revision += 1;
        self.lineage.stamp(Revision(self.revision)).unwrap()
    }

    pub(super) fn put(&mut self, name: &str, content: Bytes) {
        let stamp = self.next_stamp();
        let digest = Digest::of(&content);
        let what = What::Put {
            digest,
            size: u32::try_from(content.len()).unwrap(),
        };
        self.contents.insert(digest, content);
        self.set(Change {
            key: key(name),
            stamp,
            meta: Vec::new(),
            what,
        });
    }

    /// Writes a tombstone where there is a put.
    pub(super) fn delete(&mut self, name: &str) {
        let there = self
            .entries
            .get(&key(name))
            .is_some_and(|entry| entry.digest().is_some());
        if there {
            let stamp = self.next_stamp();
            self.set(Change {
                key: key(name),
                stamp,
                meta: Vec::new(),
                what: What::Tombstone,
            });
        }
    }

    fn set(&mut self, change: Change) {
        self.entries.insert(change.key.clone(), change);
        let named: Vec<Digest> = self.entries.values().filter_map(Change::digest).collect();
        self.contents.retain(|digest, _| named.contains(digest));
    }

    /// A new life: the old epoch ends at what is on disk, the new one begins past a gap.
    pub(super) fn restart(&mut self) {
        let last = Revision(self.revision);
        let range = self.lineage.0.last_mut().unwrap();
        if range.first > last {
            return;
        }
        range.last = Some(last);
        let epoch = Epoch(range.epoch.0 + 1);
        self.revision += 1_000;
        let first = Revision(self.revision + 1);
        self.lineage.0.push(EpochRange {
            epoch,
            first,
            last: None,
        });
        self.reports.clear();
    }

    pub(super) fn session(&mut self, now: Now) -> HubSession {
        self.waiting.clear();
        let (epoch, lineage) = (self.epoch(), std::sync::Arc::new(self.lineage.clone()));
        HubSession::new(
            HubConfig {
                epoch,
                lineage,
                ..hub_config()
            },
            now,
        )
    }

    /// Takes the events of a session; what needs reading is answered later, by `answer`.
    pub(super) fn listen(&mut self, now: Now, session: &mut HubSession) {
        while let Some(event) = session.poll_event() {
            match event {
                HubEvent::Hello(_) => {
                    session.admit(now, Admission::Welcome { floor: self.floor });
                }
                HubEvent::Admitted(_) => {}
                HubEvent::NeedChanges { after, room } => {
                    self.waiting.push(Question::Changes { after, room });
                }
                HubEvent::NeedContent { digest, .. } => {
                    self.waiting.push(Question::Content(digest))
                }
                HubEvent::Acked(revision) => self.acked(revision),
                HubEvent::Reports(reports) => {
                    self.reports
                        .extend(reports.into_iter().map(|r| (r.key.clone(), r)));
                }
                HubEvent::Facts(_) | HubEvent::Fetched { .. } => {}
                HubEvent::Unsendable { .. } | HubEvent::Closed(_) => {
                    self.closed.push(format!("{event:?}"));
                }
            }
        }
    }

    /// Acknowledged tombstones leave the ledger.
    fn acked(&mut self, revision: Revision) {
        let done = |entry: &Change| entry.digest().is_none() && entry.revision() <= revision;
        let newest = self
            .entries
            .values()
            .filter(|e| done(e))
            .map(Change::revision)
            .max();
        self.floor = self.floor.max(newest.unwrap_or_default());
        self.entries.retain(|_, entry| !done(entry));
    }

    /// Answers one thing that the session asked for. `false` where there was none.
    pub(super) fn answer(&mut self, now: Now, session: &mut HubSession) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        match self.waiting.remove(0) {
            Question::Changes { after, room } => {
                let mut changes: Vec<Change> = self
                    .entries
                    .values()
                    .filter(|e| e.revision() > after)
                    .cloned()
                    .collect();
                changes.sort_by_key(Change::revision);
                let all = changes.len() <= room;
                changes.truncate(room);
                session.offer(now, changes);
                if all {
                    session.synced(now, Revision(self.revision));
                }
            }
            Question::Content(digest) => match self.contents.get(&digest) {
                Some(content) => session.content(now, digest, content.clone()),
                None => session.gone(now, digest),
            },
        }
        self.listen(now, session);
        true
    }
}
