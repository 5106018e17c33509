//! The agent's side of a test: its disk, and what a careful shell does with batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::session::stamps::{Held, Verdict, verdict};
use crate::session::testing::{hello, report};
use crate::session::{AgentConfig, AgentEvent, AgentSession, Batch, Now, Session};
use crate::wire::frame::Hello;
use crate::wire::{Digest, ItemKey, Lineage, Revision, Stamp};

/// What is durable at the agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) items: BTreeMap<ItemKey, Held>,
    pub(super) contents: BTreeSet<Digest>,
    pub(super) position: Option<Stamp>,
}

/// An agent: its disk, and what it has in memory.
#[derive(Default)]
pub(super) struct Agent {
    pub(super) disk: Disk,
    /// What `holds` answers from; the same as on disk.
    index: Arc<Mutex<BTreeSet<Digest>>>,
    lineage: Lineage,
    batch: Option<Batch>,
    /// The newest revision that this session handed out.
    handed: Revision,
    pub(super) held: BTreeMap<ItemKey, Stamp>,
    /// How often each item was reported on.
    pub(super) generations: BTreeMap<ItemKey, i64>,
    pub(super) synced: Option<Stamp>,
    pub(super) compared: usize,
    pub(super) closed: Vec<String>,
}

impl Agent {
    pub(super) fn session(&mut self, now: Now) -> AgentSession {
        self.batch = None;
        self.synced = None;
        let index = Arc::clone(&self.index);
        let holds = Arc::new(move |digest: &Digest| index.lock().unwrap().contains(digest));
        let hello = Hello {
            ..hello(self.disk.position)
        };
        AgentSession::new(AgentConfig { hello, holds }, now)
    }

    /// The disk is as it was at another time.
    pub(super) fn rewind(&mut self, disk: Disk) {
        self.disk = disk;
        self.reindex();
    }

    fn reindex(&self) {
        self.index.lock().unwrap().clone_from(&self.disk.contents);
    }

    /// Takes the events of a session; a batch is committed later, by `commit`.
    pub(super) fn listen(&mut self, now: Now, session: &mut AgentSession) {
        while let Some(event) = session.poll_event() {
            match event {
                AgentEvent::Welcomed(welcome) => {
                    self.lineage = welcome.lineage;
                    self.handed = Revision(0);
                    let keys: Vec<ItemKey> = self.generations.keys().cloned().collect();
                    keys.into_iter()
                        .for_each(|key| self.report(now, session, key));
                }
                AgentEvent::Commit(batch) => {
                    assert!(self.batch.is_none(), "one batch at a time");
                    self.batch = Some(batch);
                }
                AgentEvent::Compared(_) => self.compared += 1,
                AgentEvent::Synced(stamp) => self.synced = Some(stamp),
                AgentEvent::NeedBase { .. }
                | AgentEvent::Freeze(_)
                | AgentEvent::Fetch(_)
                | AgentEvent::Restarting(_) => {}
                AgentEvent::Closed(ending) => self.closed.push(format!("{ending:?}")),
            }
        }
    }

    fn report(&mut self, now: Now, session: &mut AgentSession, key: ItemKey) {
        let generation = *self.generations.get(&key).unwrap();
        session.report(now, report(&key.name, generation)).unwrap();
    }

    /// Commits the batch that is out. `false` where there is none.
    pub(super) fn commit(&mut self, now: Now, session: &mut AgentSession) -> bool {
        let Some(batch) = self.batch.take() else {
            return false;
        };
        for delivered in &batch.changes {
            let (change, digest) = (&delivered.change, delivered.change.digest());
            assert!(change.revision() > self.handed, "revisions ascend");
            self.handed = change.revision();
            match (digest, &delivered.content) {
                (Some(digest), Some(content)) => {
                    assert_eq!(Digest::of(content), digest);
                    self.disk.contents.insert(digest);
                }
                (Some(digest), None) => assert!(self.disk.contents.contains(&digest)),
                (None, content) => assert!(content.is_none()),
            }
            let before = self.disk.items.get(&change.key).copied();
            let now_held = Held {
                stamp: change.stamp,
                digest,
            };
            match verdict(&self.lineage, change, before.as_ref()) {
                Verdict::Act => {
                    let newer = before.is_none_or(|b| b.stamp.revision < change.revision());
                    assert!(newer, "{change:?} acts over {before:?}");
                    self.disk.items.insert(change.key.clone(), now_held);
                }
                Verdict::Restamp => {
                    self.disk.items.insert(change.key.clone(), now_held);
                }
                Verdict::Same | Verdict::Older => {}
                Verdict::Hold => {
                    self.held.insert(change.key.clone(), change.stamp);
                }
                Verdict::SameStampDiffers => panic!("{change:?} over {before:?}"),
            }
            *self.generations.entry(change.key.clone()).or_insert(0) += 1;
            self.report(now, session, change.key.clone());
        }
        let named: BTreeSet<Digest> = self.disk.items.values().filter_map(|h| h.digest).collect();
        self.disk.contents.retain(|digest| named.contains(digest));
        self.disk.position = batch.position.or(self.disk.position);
        self.reindex();
        session.committed(now, batch.upto);
        self.listen(now, session);
        true
    }

    pub(super) fn holds(&self, digest: &Digest) -> bool {
        self.disk.contents.contains(digest)
    }
}
