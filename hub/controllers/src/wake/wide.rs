//! What reaches far is gathered while changes are taken in, and looked up once for all of them: a
//! thousand clusters that come at once wake each template once, and each walk is over what may be
//! woken, not over all that there is.
//!
//! Deliberately absent: what reaches how far, which is said where the changes are read.

use std::collections::BTreeSet;
use std::time::Duration;

use roadstead_protocol::api::decision::TemplateRef;
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{objects_namespace_prefix, objects_prefix, parse_object_key};
use roadstead_store::{Entry, Key, Snapshot};
use serde::Deserialize;

use super::changes::{own, woken};
use super::{GATHER, Wake};
use crate::decision::{SYSTEM_NAMESPACE, decision_key};
use crate::driver::Woken;
use crate::reconciler::instant;
use crate::work::Work;
use crate::{objects, world};

/// A policy's conditions are made from all of its templates and decisions: they are gathered for so
/// many times as long as those of one template.
pub(super) const POLICY_SETTLES: u32 = 4;

/// Most templates that one change wakes without waiting for others of its sort.
const PROMPT_MAX: usize = 1000;

/// What is to be woken once all that waits was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wide {
    /// Templates of these namespaces; of all where one of them is empty.
    namespaces: BTreeSet<String>,
    /// Templates of these decisions.
    decisions: BTreeSet<Key>,
    /// The conditions of these policies.
    policies: Policies,
    /// Whatever waits for what clusters report.
    pub(super) waiting: bool,
}

/// Some policies.
#[derive(Debug, PartialEq, Eq)]
enum Policies {
    All,
    /// Those that name one of these kinds, or are one of these.
    Some(BTreeSet<String>, BTreeSet<Key>),
}

impl Default for Policies {
    fn default() -> Self {
        Self::Some(BTreeSet::new(), BTreeSet::new())
    }
}

impl Wide {
    /// All templates of a namespace, or of all where it is empty, and what is left of former ones.
    pub(super) fn templates(&mut self, namespace: &str) {
        self.namespaces.insert(namespace.to_owned());
    }

    /// The templates of these decisions.
    pub(super) fn decided(&mut self, decisions: impl IntoIterator<Item = Key>) {
        self.decisions.extend(decisions);
    }

    /// The conditions of all policies.
    pub(super) fn policies(&mut self) {
        self.policies = Policies::All;
    }

    /// The conditions of one policy.
    pub(super) fn policy(&mut self, policy: &Key) {
        if let Policies::Some(_, policies) = &mut self.policies {
            policies.insert(policy.clone());
        }
    }

    /// The conditions of the policies that may select objects of a kind.
    pub(super) fn policies_of(&mut self, kind: &str) {
        if let Policies::Some(kinds, _) = &mut self.policies
            && !kinds.contains(kind)
        {
            kinds.insert(kind.to_owned());
        }
    }
}

impl Wake {
    /// Wakes what was gathered.
    pub(crate) fn gathered(&mut self, out: &mut Vec<Woken<Work>>) {
        self.spare(out);
        let wide = std::mem::take(&mut self.wide);
        if wide == Wide::default() {
            return;
        }
        let snapshot = self.store.snapshot();
        let items = self.items(&snapshot, &wide);
        let delay = self.pause(items.len());
        let work = items.into_iter().map(Work::Placement);
        out.extend(woken(work, delay, "policies or clusters"));
        for (group, _, plural) in world::POLICIES {
            let entries = snapshot.range(&objects_prefix(group, plural));
            let some = entries.filter(|entry| wide.policies.has(entry));
            let work = some.filter_map(|e| own(&parse_object_key(e.key.as_str())?));
            out.extend(woken(work, self.settle * POLICY_SETTLES, "what it selects"));
        }
        if wide.waiting {
            let work = self.waiting.iter().cloned().map(Work::Placement);
            out.extend(woken(work, GATHER, "what a cluster reports"));
        }
    }

    /// How long what was gathered waits for more of its sort: not at all where it is the first for a
    /// while and reaches few.
    fn pause(&mut self, reached: usize) -> Duration {
        let now = instant();
        let last = self.gathered_at.replace(now);
        let calm = last.is_none_or(|last| now >= last + GATHER);
        match calm && reached <= PROMPT_MAX {
            true => Duration::ZERO,
            false => GATHER,
        }
    }

    /// The templates that are to be woken.
    fn items(&self, snapshot: &Snapshot, wide: &Wide) -> BTreeSet<ItemKey> {
        let mut items = BTreeSet::new();
        let all = wide.namespaces.contains("");
        let some: Vec<&str> = match all {
            true => vec![""],
            false => wide.namespaces.iter().map(String::as_str).collect(),
        };
        for namespace in some {
            self.within(snapshot, namespace, &mut items);
        }
        if !all {
            let entries = wide.decisions.iter();
            let entries = entries.filter_map(|key| snapshot.get(key.as_str()));
            items.extend(entries.filter_map(about));
        }
        items
    }

    /// The templates of a namespace, or all, and what has only a decision left.
    fn within(&self, snapshot: &Snapshot, namespace: &str, items: &mut BTreeSet<ItemKey>) {
        let mut decided = BTreeSet::new();
        let prefix = |group: &str, plural: &str, namespace: &str| match namespace {
            "" => objects_prefix(group, plural),
            namespace => objects_namespace_prefix(group, plural, namespace),
        };
        let mut kinds: BTreeSet<(&str, &str)> = BTreeSet::new();
        let registry = self.registry();
        for resource in registry.iter().filter(|resource| resource.template) {
            kinds.insert((&resource.storage.0, &resource.storage.1));
        }
        for (group, plural) in kinds {
            for entry in snapshot.range(&prefix(group, plural, namespace)) {
                let key = parse_object_key(entry.key.as_str());
                if let Some(item) = key.and_then(|key| world::item(&registry, &key)) {
                    decided.extend(decision_key(&item).ok());
                    items.insert(item);
                }
            }
        }
        let system = (namespace != SYSTEM_NAMESPACE && !namespace.is_empty())
            .then(|| prefix(OWN_GROUP, DECISIONS, SYSTEM_NAMESPACE));
        let here = prefix(OWN_GROUP, DECISIONS, namespace);
        for prefix in [Some(here), system].into_iter().flatten() {
            let left = snapshot.range(&prefix);
            let left = left.filter(|entry| !decided.contains(entry.key.as_str()));
            let left = left.filter_map(about);
            items.extend(left.filter(|i| namespace.is_empty() || i.namespace == namespace));
        }
    }
}

/// What a decision is about.
fn about(entry: &Entry) -> Option<ItemKey> {
    let About { spec } = objects::typed(entry).ok()?;
    Some(spec.template.item())
}

/// Of a decision only what it is about, which is much less to read.
#[derive(Deserialize)]
struct About {
    spec: AboutSpec,
}

#[derive(Deserialize)]
struct AboutSpec {
    template: TemplateRef,
}

impl Policies {
    fn has(&self, policy: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::Some(kinds, policies) => {
                policies.contains(&policy.key) || names(policy, kinds.iter().map(String::as_str))
            }
        }
    }
}

/// Whether the text of an object has one of these words somewhere: what it does not name it does not go
/// by.
pub(super) fn names<'w>(object: &Entry, words: impl IntoIterator<Item = &'w str>) -> bool {
    let Ok(text) = std::str::from_utf8(&object.value) else {
        return true;
    };
    words.into_iter().any(|word| text.contains(word))
}
