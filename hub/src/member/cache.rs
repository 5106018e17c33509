//! The cluster's objects as the stand-ins see them: decoded, found by owner and by uid.
//!
//! Follows the store event by event. Of kinds that no stand-in looks at, only uids are kept, for
//! garbage collection.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_store::records::{ObjectKey, parse_object_key};
use roadstead_store::{Entry, Event, Key, Revision};
use serde_json::Value;

use super::object::{owners, uid};

/// The kinds that stand-ins look at, as group and plural.
const WATCHED: [(&str, &str); 11] = [
    ("", "namespaces"),
    ("", "nodes"),
    ("", "pods"),
    ("", "services"),
    ("", "persistentvolumeclaims"),
    ("", "serviceaccounts"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
];

/// One object.
pub(super) struct Cached {
    pub(super) key: Key,
    pub(super) parsed: ObjectKey,
    pub(super) revision: Revision,
    /// The object; `Null` where no stand-in looks at it.
    pub(super) value: Value,
    uid: String,
    owners: Vec<String>,
}

/// All objects.
#[derive(Default)]
pub(super) struct Cache {
    objects: BTreeMap<Key, Cached>,
    by_uid: BTreeMap<String, Key>,
    by_owner: BTreeMap<String, BTreeSet<Key>>,
}

impl Cached {
    fn new(entry: &Entry) -> Option<Self> {
        let parsed = parse_object_key(entry.key.as_str())?;
        let value = serde_json::from_slice::<Value>(&entry.value).ok()?;
        let (uid, owners) = (
            uid(&value).to_owned(),
            owners(&value).map(str::to_owned).collect(),
        );
        let mut cached = Self {
            key: entry.key.clone(),
            parsed,
            revision: entry.revision,
            value,
            uid,
            owners,
        };
        let kind = (cached.parsed.group.as_str(), cached.parsed.plural.as_str());
        let finalizers = cached.value.pointer("/metadata/finalizers").is_some();
        if !WATCHED.contains(&kind) && cached.owners.is_empty() && !finalizers {
            cached.value = Value::Null;
        }
        Some(cached)
    }

    /// The plural of its kind, as in `pods`, if its group is the one given.
    pub(super) fn is(&self, group: &str, plural: &str) -> bool {
        self.parsed.group == group && self.parsed.plural == plural
    }
}

impl Cache {
    /// Takes one event in; returns what must be looked at because of it.
    pub(super) fn apply(&mut self, event: &Event) -> BTreeSet<Key> {
        let mut touched = BTreeSet::from([event.key.clone()]);
        self.touch_owners(&event.key, &mut touched);
        if let Some(former) = self.objects.remove(&event.key) {
            for owner in &former.owners {
                if let Some(dependents) = self.by_owner.get_mut(owner) {
                    dependents.remove(&event.key);
                    if dependents.is_empty() {
                        self.by_owner.remove(owner);
                    }
                }
            }
            if self.by_uid.get(&former.uid) == Some(&event.key) {
                self.by_uid.remove(&former.uid);
            }
        }
        if let Some(cached) = event.new.as_ref().and_then(Cached::new) {
            self.add(cached);
        }
        self.touch_owners(&event.key, &mut touched);
        if let Some(previous) = event.previous.as_ref().and_then(Cached::new)
            && !self.by_uid.contains_key(&previous.uid)
        {
            touched.extend(
                self.by_owner
                    .get(&previous.uid)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
        touched
    }

    /// Adds an object that was read from a snapshot.
    pub(super) fn load(&mut self, entry: &Entry) {
        if let Some(cached) = Cached::new(entry) {
            self.add(cached);
        }
    }

    fn add(&mut self, cached: Cached) {
        self.by_uid.insert(cached.uid.clone(), cached.key.clone());
        for owner in &cached.owners {
            self.by_owner
                .entry(owner.clone())
                .or_default()
                .insert(cached.key.clone());
        }
        self.objects.insert(cached.key.clone(), cached);
    }

    fn touch_owners(&self, key: &Key, touched: &mut BTreeSet<Key>) {
        let owners = self
            .objects
            .get(key)
            .into_iter()
            .flat_map(|cached| &cached.owners);
        touched.extend(owners.filter_map(|owner| self.by_uid.get(owner)).cloned());
    }

    pub(super) fn get(&self, key: &str) -> Option<&Cached> {
        self.objects.get(key)
    }

    /// Whether an object with this uid exists.
    pub(super) fn exists(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    /// All objects with keys that begin with `prefix`.
    pub(super) fn range<'c>(&'c self, prefix: &'c str) -> impl Iterator<Item = &'c Cached> {
        let from = (
            std::ops::Bound::Included(prefix),
            std::ops::Bound::Unbounded,
        );
        self.objects
            .range::<str, _>(from)
            .map(|(_, cached)| cached)
            .take_while(move |cached| cached.key.as_str().starts_with(prefix))
    }

    /// The objects that name `owner` as one of theirs.
    pub(super) fn dependents(&self, owner: &str) -> impl Iterator<Item = &Cached> {
        let keys = self.by_owner.get(owner).into_iter().flatten();
        keys.filter_map(|key| self.objects.get(key))
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }
}
