//! What stands on the hub of a policy, as a release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_machinery::resource::{Origin, Registry};
use roadstead_plan::World;
use roadstead_plan::claim::winner;
use roadstead_plan::deps::references::required;
use roadstead_plan::policy::{Policy, Unreadable};
use roadstead_plan::reserved::reserved;
use roadstead_plan::rollout::release::{self, ITEMS_MAX, Made, Part};
use roadstead_plan::template::{is_template, selected};
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::wire::ItemKey;
use roadstead_store::Snapshot;
use roadstead_store::records::{objects_namespace_prefix, objects_prefix, parse_object_key};
use serde::Deserialize;
use serde_json::Value;

use crate::decision::{decision_key, is_about};
use crate::error::Error;
use crate::reconciler::Reconciler;
use crate::{ledger, objects, world};

/// The objects of a policy.
pub(super) struct Live<'a> {
    /// The kinds that are served, with those that people defined.
    registry: Arc<Registry>,
    snapshot: &'a Snapshot,
    world: &'a World,
    found: BTreeMap<ItemKey, Found>,
}

/// One of them.
struct Found {
    object: Value,
    replicas_path: Option<String>,
    /// Whether the policy holds it.
    own: bool,
    /// Whether clusters were given it as it stands on the hub.
    runs: bool,
}

impl<'a> Live<'a> {
    /// Reads them: what the policy holds, and what goes along.
    pub(super) fn read(
        context: &'a Reconciler,
        (snapshot, world): (&'a Snapshot, &'a World),
        policy: &Policy,
    ) -> Result<Self, Error> {
        let mut live = Self {
            registry: context.registry(snapshot),
            snapshot,
            world,
            found: BTreeMap::new(),
        };
        live.own(policy)?;
        if policy.options.propagate_deps {
            live.along()?;
        }
        Ok(live)
    }

    /// What stands on the hub now.
    pub(super) fn release(&self) -> Result<Result<Made, release::Error>, Error> {
        if let Some(policy) = self.unreadable()? {
            return Ok(Err(release::Error::Unreadable {
                policy: policy.identity.to_string(),
                problem: policy.problem.clone(),
            }));
        }
        self.make(|_| true)
    }

    /// A policy that concerns any of the objects and cannot be read: what it says of them is not known,
    /// and a release without it would be one that nobody wrote.
    fn unreadable(&self) -> Result<Option<&'a Unreadable>, Error> {
        let world = self.world;
        if world.unreadable.is_empty() {
            return Ok(None);
        }
        let overrides = world.unreadable.iter().filter(|u| u.overrides());
        for policy in overrides {
            let namespace = policy.identity.namespace.as_ref();
            let mut items = self.found.keys();
            if items.any(|item| namespace.is_none_or(|ns| *ns == item.namespace)) {
                return Ok(Some(policy));
            }
        }
        for item in self.found.keys() {
            let decision = self.decision(item)?;
            let held = decision.and_then(|decision| decision.spec.policy);
            if let Some(policy) = held.and_then(|held| world.unreadable(&held.uid)) {
                return Ok(Some(policy));
            }
            let clusters = world.clusters.iter().map(|cluster| cluster.uid.as_str());
            let ledger = ledger::read(self.snapshot, item, clusters)?;
            let mut given = ledger.values().flat_map(|held| &held.record.policies);
            if let Some(policy) = given.find_map(|uid| world.unreadable(uid)) {
                return Ok(Some(policy));
            }
        }
        Ok(None)
    }

    /// What of it clusters run: what was given to some as it stands on the hub.
    pub(super) fn running(&self) -> Result<Result<Made, release::Error>, Error> {
        self.make(|found| found.runs)
    }

    fn make(&self, counts: impl Fn(&Found) -> bool) -> Result<Result<Made, release::Error>, Error> {
        let counting = self.found.iter().filter(|(_, found)| counts(found));
        let parts: Vec<Part<'_>> = counting
            .map(|(key, found)| Part {
                key: key.clone(),
                object: &found.object,
                replicas_path: found.replicas_path.as_deref(),
                own: found.own,
            })
            .collect();
        let overrides = self.overrides(&parts)?;
        Ok(release::make(&parts, &overrides))
    }

    fn own(&mut self, policy: &Policy) -> Result<(), Error> {
        let (identity, registry) = (&policy.identity, &Arc::clone(&self.registry));
        for selector in &policy.selectors {
            let Some(resource) = registry.by_kind(selector.group(), &selector.kind) else {
                continue;
            };
            let (group, plural) = &resource.storage;
            let prefix = match &identity.namespace {
                Some(namespace) => objects_namespace_prefix(group, plural, namespace),
                None => objects_prefix(group, plural),
            };
            for entry in self.snapshot.range(&prefix) {
                let key = parse_object_key(entry.key.as_str());
                let Some(item) = key.and_then(|key| world::item(registry, &key)) else {
                    continue;
                };
                if self.found.contains_key(&item) || self.found.len() > ITEMS_MAX {
                    continue;
                }
                let object = objects::object(entry)?;
                let labels = labels(&object);
                let secret = objects::text(&object, "/type");
                let is_ours = reserved(&item, secret).is_none()
                    && is_template(&item, &labels)
                    && selected(identity, &policy.selectors, &item, &labels).is_some();
                if is_ours && self.holds(policy, &item, &labels)? {
                    let found = self.found(&item, object, true)?;
                    self.found.insert(item, found);
                }
            }
        }
        Ok(())
    }

    fn holds(
        &self,
        policy: &Policy,
        item: &ItemKey,
        labels: &BTreeMap<String, String>,
    ) -> Result<bool, Error> {
        let decision = self.decision(item)?;
        let holder = decision.and_then(|decision| decision.spec.policy);
        let holders: BTreeSet<&str> = holder.iter().map(|p| p.uid.as_str()).collect();
        let winner = winner(self.world, item, labels, &holders);
        Ok(winner.is_some_and(|winner| winner.identity.uid == policy.identity.uid))
    }

    fn decision(&self, item: &ItemKey) -> Result<Option<Decision>, Error> {
        let entry = self.snapshot.get(decision_key(item)?.as_str());
        Ok(entry.map(objects::typed).transpose()?)
    }

    fn found(&self, item: &ItemKey, object: Value, own: bool) -> Result<Found, Error> {
        let path = world::locate(&self.registry, item)?.and_then(|(_, path)| path);
        let decision = self.decision(item)?.unwrap_or_default();
        let decided = is_about(&decision.spec.template, &object);
        Ok(Found {
            replicas_path: world::replicas_path(self.world, item, path),
            runs: decided && !decision.spec.clusters.is_empty(),
            object,
            own,
        })
    }

    /// What goes along with what was found, and with that again.
    fn along(&mut self) -> Result<(), Error> {
        let registry = &Arc::clone(&self.registry);
        let mut next: Vec<ItemKey> = self.found.keys().cloned().collect();
        while let Some(item) = next.pop() {
            let Some(found) = self.found.get(&item) else {
                continue;
            };
            let custom = registry
                .by_kind(&item.group, &item.kind)
                .filter(|resource| resource.origin == Origin::Custom);
            let definition = custom.map(|r| format!("{}.{}", r.plural, r.group));
            // What names too many is given to nobody: its rendering says so.
            let needs = required(&found.object, &item, definition.as_deref()).unwrap_or_default();
            for needed in needs {
                if self.found.contains_key(&needed) || self.found.len() > ITEMS_MAX {
                    continue;
                }
                let located = world::locate(registry, &needed)?;
                let entry = located.and_then(|(key, _)| self.snapshot.get(key.as_str()));
                let Some(object) = entry.map(objects::object).transpose()? else {
                    continue;
                };
                let secret = objects::text(&object, "/type");
                if reserved(&needed, secret).is_none() && is_template(&needed, &labels(&object)) {
                    let found = self.found(&needed, object, false)?;
                    self.found.insert(needed.clone(), found);
                    next.push(needed);
                }
            }
        }
        Ok(())
    }

    /// The override policies that change any of `parts`, as they stand on the hub.
    fn overrides(&self, parts: &[Part<'_>]) -> Result<Vec<Value>, Error> {
        let labelled: Vec<_> = parts.iter().map(|p| (&p.key, labels(p.object))).collect();
        let mut found = Vec::new();
        for policy in &self.world.overrides {
            let selects = |(key, labels): &(&ItemKey, BTreeMap<String, String>)| {
                selected(&policy.identity, &policy.selectors, key, labels).is_some()
            };
            if !labelled.iter().any(selects) {
                continue;
            }
            let reference = policy.identity.reference();
            let key = world::policy_key(&reference)?;
            let entry = key.and_then(|key| self.snapshot.get(key.as_str()));
            found.extend(entry.map(objects::object).transpose()?);
        }
        Ok(found)
    }
}

fn metadata(object: &Value) -> ObjectMeta {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    ObjectMeta::deserialize(metadata).unwrap_or_default()
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    metadata(object).labels
}
