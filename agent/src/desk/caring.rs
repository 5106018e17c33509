//! What is looked after beside applying: which objects others scale, and which are not well.

use std::collections::BTreeMap;

use roadstead_protocol::wire::item::{Digest, ItemKey};
use roadstead_protocol::wire::report::Health;

use super::Desk;
use crate::plan::report::Said;
use crate::plan::{ailing, scaler};
use crate::store::record::Item;

/// A workload that is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwell {
    /// Its resource version.
    pub version: String,
    /// What it was given.
    pub given: Digest,
}

impl Desk {
    /// The objects whose replicas are left to whoever scales them.
    pub fn scaled(&self) -> Vec<ItemKey> {
        let known = self.lock();
        known.scaled.iter().map(|key| ItemKey::clone(key)).collect()
    }

    /// Somebody on the member scales `key`, or nobody does any more.
    pub fn scales(&self, key: &ItemKey, so: bool) {
        let mut known = self.lock();
        let key = known.key(key);
        let news = match so {
            true => known.scaled.insert(key.clone()),
            false => known.scaled.remove(&key),
        };
        if news {
            known.dirty.insert(key);
            drop(known);
            self.work.notify_one();
        }
    }

    /// The workloads of ours that are not well.
    pub fn unwell(&self) -> BTreeMap<ItemKey, Unwell> {
        let known = self.lock();
        let ours = known.live.iter().filter(|(key, live)| {
            live.owned && !live.deleting && ailing::has_pods(&key.group, &key.kind)
        });
        let unwell = ours.filter(|(_, live)| match live.health {
            Health::Progressing | Health::Degraded => true,
            Health::Unknown | Health::Healthy | Health::Suspended => false,
        });
        let found = unwell.filter_map(|(key, live)| {
            let given = known.items.get(key).filter(|item| !item.is_tombstone())?;
            let unwell = Unwell {
                version: live.version.clone(),
                given: given.digest?,
            };
            Some((ItemKey::clone(key), unwell))
        });
        found.collect()
    }

    /// Why the pods of `key` do not run; nothing where that is not known, or they do. Returns whether it
    /// is news.
    pub fn ails(&self, key: &ItemKey, words: &str) -> bool {
        let mut known = self.lock();
        let before = known.ailing.get(key).cloned().unwrap_or_default();
        if *before == *words {
            return false;
        }
        let key = known.key(key);
        match words.is_empty() {
            true => known.ailing.remove(&key),
            false => known.ailing.insert(key.clone(), words.into()),
        };
        if let Some(said) = known.reports.get_mut(&key) {
            said.unsay(&before);
            said.add(words);
            known.unsent.insert(key);
            drop(known);
            self.news.notify_one();
        }
        true
    }
}

/// The item as it is applied: what others scale is left to them.
pub(super) fn as_scaled(item: Item, scaled: bool) -> Item {
    if scaled && !item.is_tombstone() {
        scaler::left(item)
    } else {
        item
    }
}

/// Adds what is known of its pods to what is said of a workload.
pub(super) fn with_pods(said: &mut Said, words: Option<&str>) {
    match said.health {
        Health::Progressing | Health::Degraded => said.add(words.unwrap_or_default()),
        Health::Unknown | Health::Healthy | Health::Suspended => {}
    }
}
