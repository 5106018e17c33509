//! Which clusters' ledgers name an item. Ledgers are kept by cluster, for that is how agents read them;
//! to find one item's entries, each of a thousand ledgers would have to be asked.
//!
//! What is kept is brought up to date by what changed, and leads only: what an entry says is read from the
//! snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_plan::World;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::wire::ItemKey;
use roadstead_store::Snapshot;
use roadstead_store::records::{LEDGER_PREFIX, ledger_key};

use crate::error::Error;
use crate::ledger::{self, Ledger};

/// See the module.
#[derive(Default)]
pub(crate) struct Given(Mutex<Known>);

#[derive(Default)]
struct Known {
    of: Snapshot,
    /// UIDs of clusters, by what a ledger's key says after them.
    clusters: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// Each UID once; not more than there were clusters since the start.
    uids: BTreeSet<Arc<str>>,
}

impl Given {
    /// The entries of `item` in the ledgers of all clusters that are there or that its decision names.
    pub(crate) fn read(
        &self,
        snapshot: &Snapshot,
        world: &World,
        item: &ItemKey,
        decision: &Decision,
    ) -> Result<Ledger, Error> {
        let given = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.update(snapshot);
            let key = ledger_key(ANY, item)?;
            let path = split(key.as_str()).map(|(_, path)| path);
            let given = path.and_then(|path| known.clusters.get(path));
            given.cloned().unwrap_or_default()
        };
        let targets = decision.spec.clusters.iter().map(|t| t.uid.as_str());
        let named: BTreeSet<&str> = targets.collect();
        let there = |uid: &&str| world.cluster(uid).is_some() || named.contains(uid);
        ledger::read(snapshot, item, given.iter().map(|uid| &**uid).filter(there))
    }
}

/// Stands for a cluster's UID where only what comes after it matters.
const ANY: &str = "any";

/// The UID of a ledger's cluster, and what names the item.
fn split(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(LEDGER_PREFIX)?.split_once('/')
}

impl Known {
    /// Takes in what differs in `snapshot`, be it newer or older.
    fn update(&mut self, snapshot: &Snapshot) {
        if self.of.revision() == snapshot.revision() {
            return;
        }
        let before = std::mem::replace(&mut self.of, snapshot.clone());
        for (old, new) in snapshot.since(&before) {
            let entry = new.or(old).and_then(|entry| split(entry.key.as_str()));
            let Some((uid, path)) = entry else { continue };
            match (old, new) {
                (None, Some(_)) => {
                    let uid = self.uid(uid);
                    match self.clusters.get_mut(path) {
                        Some(clusters) => clusters.insert(uid),
                        None => {
                            let clusters = BTreeSet::from([uid]);
                            self.clusters.insert(path.to_owned(), clusters).is_none()
                        }
                    };
                }
                (Some(_), None) => {
                    if let Some(clusters) = self.clusters.get_mut(path) {
                        clusters.remove(uid);
                        if clusters.is_empty() {
                            self.clusters.remove(path);
                        }
                    }
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }

    fn uid(&mut self, uid: &str) -> Arc<str> {
        if let Some(known) = self.uids.get(uid) {
            return Arc::clone(known);
        }
        let new: Arc<str> = uid.into();
        self.uids.insert(Arc::clone(&new));
        new
    }
}
