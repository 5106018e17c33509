//! The policies of a world: found by what they select and by their UIDs, and exchanged one by one, so
//! that thousands are not read again because one of them changed.
//!
//! Deliberately absent: who of them wins (`claim`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_protocol::api::policy as api;
use roadstead_protocol::wire::ItemKey;
use serde_json::Value;

use super::World;
use crate::policy::{Identity, Overrides, Policy, Unreadable};

/// Which distribution policy stands where. The same as long as no policy changes.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the group and kind of what they select.
    by_kind: BTreeMap<(String, String), Vec<usize>>,
    by_uid: BTreeMap<String, usize>,
}

impl Index {
    fn of(policies: &[Arc<Policy>]) -> Self {
        let mut index = Self::default();
        for (place, policy) in policies.iter().enumerate() {
            index.by_uid.insert(policy.identity.uid.clone(), place);
            for selector in &policy.selectors {
                let kind = (selector.group().to_owned(), selector.kind.clone());
                let places = index.by_kind.entry(kind).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        index
    }
}

/// What an object is, if it is a policy.
enum Read {
    Distribution(Arc<Policy>),
    Override(Box<Overrides>),
    Unreadable(Box<Unreadable>),
}

impl Read {
    fn of(object: &Value) -> Option<Self> {
        let kind = object.get("kind").and_then(Value::as_str);
        let kind = kind.unwrap_or_default();
        if kind == api::DISTRIBUTION.0 || kind == api::CLUSTER_DISTRIBUTION.0 {
            return Some(match Policy::read(object) {
                Ok(policy) => Self::Distribution(Arc::new(policy)),
                Err(unreadable) => Self::Unreadable(unreadable),
            });
        }
        (kind == api::OVERRIDE.0 || kind == api::CLUSTER_OVERRIDE.0).then(|| match Overrides::read(
            object,
        ) {
            Ok(overrides) => Self::Override(Box::new(overrides)),
            Err(unreadable) => Self::Unreadable(unreadable),
        })
    }
}

/// What no two policies have in common.
type Place<'a> = (Option<&'a str>, &'a str, &'a str, &'a str);

fn place(identity: &Identity) -> Place<'_> {
    let id = identity;
    (
        id.namespace.as_deref(),
        id.name.as_str(),
        id.kind.as_str(),
        id.group.as_str(),
    )
}

impl World {
    /// Takes an object in if it is a policy; says whether it is. They are in order only after
    /// [`order`](Self::order).
    pub(super) fn policed(&mut self, object: &Value) -> bool {
        match Read::of(object) {
            Some(Read::Distribution(policy)) => self.policies.push(policy),
            Some(Read::Override(overrides)) => self.overrides.push(*overrides),
            Some(Read::Unreadable(unreadable)) => self.unreadable.push(*unreadable),
            None => return false,
        }
        true
    }

    /// Puts the policies in order, and notes where each is.
    pub(super) fn order(&mut self) {
        self.policies.sort_by(|a, b| a.identity.cmp(&b.identity));
        self.overrides.sort_by(|a, b| a.identity.cmp(&b.identity));
        self.unreadable.sort_by(|a, b| a.identity.cmp(&b.identity));
        self.index = Arc::new(Index::of(&self.policies));
    }

    /// Whether it has the policy that an object is, and has it just so: what is written about a policy
    /// beside what it says, as its status is, makes no other world.
    pub fn has_policy(&self, policy: &Value) -> bool {
        match Read::of(policy) {
            Some(Read::Distribution(policy)) => self.policy(&policy.identity.uid) == Some(&*policy),
            Some(Read::Override(overrides)) => self.overrides.contains(&overrides),
            Some(Read::Unreadable(unreadable)) => self.unreadable.contains(&unreadable),
            None => false,
        }
    }

    /// Exchanges policies: each as it was, `None` where it is new, for as it is, `None` where it is gone.
    pub fn exchange_policies(&mut self, turned: &[(Option<Value>, Option<Value>)]) {
        let all = turned.iter().flat_map(|(old, new)| old.iter().chain(new));
        let all: Vec<Identity> = all.map(Identity::read).collect();
        let gone: BTreeSet<Place<'_>> = all.iter().map(place).collect();
        let stays = |identity: &Identity| !gone.contains(&place(identity));
        self.policies.retain(|policy| stays(&policy.identity));
        self.overrides.retain(|policy| stays(&policy.identity));
        self.unreadable.retain(|policy| stays(&policy.identity));
        for new in turned.iter().filter_map(|(_, new)| new.as_ref()) {
            self.policed(new);
        }
        self.order();
    }

    /// The readable distribution policies that select objects of the kind of `key`.
    pub fn policies_of(&self, key: &ItemKey) -> impl Iterator<Item = &Policy> {
        let kind = (key.group.clone(), key.kind.clone());
        let places = self.index.by_kind.get(&kind).map(Vec::as_slice);
        let places = places.unwrap_or_default().iter();
        places.filter_map(|place| self.policies.get(*place).map(|policy| &**policy))
    }

    /// The readable distribution policy of a UID.
    pub fn policy(&self, uid: &str) -> Option<&Policy> {
        let place = self.index.by_uid.get(uid)?;
        self.policies.get(*place).map(|policy| &**policy)
    }

    /// The policy of a UID, if it cannot be read.
    pub fn unreadable(&self, uid: &str) -> Option<&Unreadable> {
        self.unreadable.iter().find(|u| u.identity.uid == uid)
    }
}
