//! A policy's conditions: what it selects, what of that it has its way with, and how that is.

mod problems;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadstead_plan::affinity::Reading;
use roadstead_plan::policy::{Overrides, Policy};
use roadstead_plan::reserved::reserved;
use roadstead_plan::template::{is_template, selected};
use roadstead_plan::{Finding, World};
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::policy::{
    CLUSTER_DISTRIBUTION, DISTRIBUTION, PolicyStatus, ResourceSelector,
};
use roadstead_protocol::api::{Condition, ConditionStatus, ObjectMeta, condition};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    object_key, objects_namespace_prefix, objects_prefix, parse_object_key,
};
use roadstead_store::{Entry, Snapshot, Txn};
use serde::Deserialize;
use serde_json::Value;

use crate::decision::decision_key;
use crate::error::Error;
use crate::events;
use crate::objects::{self, Turn};
use crate::placement::{cut, placed_of};
use crate::reconciler::Reconciler;
use crate::tally::Tally;
use crate::words::{says, words};
use crate::work::Name;
use crate::world;

pub(crate) use problems::problems;

pub(crate) async fn reconcile(
    context: &Reconciler,
    kind: (&str, &str),
    name: &Name,
) -> Result<Option<Duration>, Error> {
    context
        .commit(|snapshot| Ok((attempt(context, snapshot, kind, name)?, ())))
        .await?;
    Ok(None)
}

fn attempt(
    context: &Reconciler,
    snapshot: &Snapshot,
    (group, plural): (&str, &str),
    name: &Name,
) -> Result<Option<Txn>, Error> {
    let key = object_key(group, plural, &name.namespace, &name.name)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(None);
    };
    let object = objects::object(entry)?;
    let world = context.world(snapshot)?;
    let looked = Looked {
        context,
        snapshot,
        world: &world,
    };
    let distribution = [DISTRIBUTION.1, CLUSTER_DISTRIBUTION.1].contains(&plural);
    let (mut status, conditions) = if distribution {
        match Policy::read(&object) {
            Ok(policy) => match looked.distribution(&policy)? {
                Some(seen) => seen,
                // The decision wakes it again; what is said until then is of the generation it names.
                None => return Ok(None),
            },
            Err(unreadable) => unreadable_status(&unreadable.problem, &["Placed", "Ready"]),
        }
    } else {
        match Overrides::read(&object) {
            Ok(overrides) => looked.overriding(&overrides)?,
            Err(unreadable) => unreadable_status(&unreadable.problem, &["Applied"]),
        }
    };
    let former = object
        .get("status")
        .map(PolicyStatus::deserialize)
        .transpose()?;
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    status.conditions = former.unwrap_or_default().conditions;
    status.observed_generation = generation;
    let conditions = conditions.into_iter().map(|c| c.at(generation)).collect();
    let turned = objects::set_all(&mut status.conditions, conditions, context.now());
    finish(context, snapshot, entry, &object, (&status, turned))
}

fn finish(
    context: &Reconciler,
    snapshot: &Snapshot,
    entry: &Entry,
    object: &Value,
    (status, turned): (&PolicyStatus, Vec<Turn>),
) -> Result<Option<Txn>, Error> {
    let mut txn = objects::status_txn(entry, status)?;
    if let Some(txn) = &mut txn {
        let told = events::of_turns(&turned);
        events::add(context, snapshot, object, told, txn)?;
    }
    Ok(txn)
}

fn unreadable_text(problem: &str) -> String {
    cut(&format!(
        "it cannot be read, and nothing is changed by it: {problem}"
    ))
}

fn unreadable_status(problem: &str, others: &[&str]) -> (PolicyStatus, Vec<Condition>) {
    let text = unreadable_text(problem);
    let kinds = ["Valid"].iter().chain(others);
    let conditions =
        kinds.map(|kind| Condition::new(*kind, ConditionStatus::False, "Unreadable", text.clone()));
    (PolicyStatus::default(), conditions.collect())
}

/// Of a template only its labels, which is much less to read.
#[derive(Default, Deserialize)]
struct Labelled {
    metadata: ObjectMeta,
    /// Of a Secret.
    #[serde(default, rename = "type")]
    secret: String,
}

/// A look at everything from one policy's side.
struct Looked<'a> {
    context: &'a Reconciler,
    snapshot: &'a Snapshot,
    world: &'a Arc<World>,
}

impl Looked<'_> {
    /// The templates that are selected, with their labels.
    fn selected(
        &self,
        identity: &roadstead_plan::policy::Identity,
        selectors: &[ResourceSelector],
    ) -> Result<BTreeMap<ItemKey, BTreeMap<String, String>>, Error> {
        let mut found = BTreeMap::new();
        let registry = self.context.registry(self.snapshot);
        for selector in selectors {
            let group = selector
                .api_version
                .split_once('/')
                .map_or("", |(group, _)| group);
            let Some(resource) = registry.by_kind(group, &selector.kind) else {
                continue;
            };
            let (group, plural) = &resource.storage;
            let prefix = match &identity.namespace {
                Some(namespace) => objects_namespace_prefix(group, plural, namespace),
                None => objects_prefix(group, plural),
            };
            let words = words(selector);
            for entry in self.snapshot.range(&prefix) {
                if !says(entry, &words) {
                    continue;
                }
                let item = parse_object_key(entry.key.as_str())
                    .and_then(|key| world::item(&registry, &key));
                let Some(item) = item else {
                    continue;
                };
                let read = objects::typed::<Labelled>(entry).unwrap_or_default();
                let labels = read.metadata.labels;
                if reserved(&item, &read.secret).is_none()
                    && is_template(&item, &labels)
                    && selected(identity, selectors, &item, &labels).is_some()
                {
                    found.insert(item, labels);
                }
            }
        }
        Ok(found)
    }

    fn decision(&self, item: &ItemKey) -> Result<Option<Decision>, Error> {
        let entry = self.snapshot.get(decision_key(item)?.as_str());
        Ok(entry.map(objects::typed).transpose()?)
    }

    /// What a distribution policy's objects come to.
    fn counted(&self, policy: &Policy) -> Result<Tally, Error> {
        let items = self.selected(&policy.identity, &policy.selectors)?;
        let bare = self.affinity_findings(policy);
        let mut tally = Tally {
            findings: self.hinting(policy.identity.viewpoint(), &bare),
            bare,
            selected: u32::try_from(items.len()).unwrap_or(u32::MAX),
            ..Tally::default()
        };
        for (item, labels) in &items {
            self.count(policy, item, labels, &mut tally)?;
        }
        let idle = items.is_empty();
        if let Some(finding) = self.selecting_nothing(&policy.selectors, idle) {
            tally.findings.insert(0, finding);
        }
        Ok(tally)
    }

    fn distribution(
        &self,
        policy: &Policy,
    ) -> Result<Option<(PolicyStatus, Vec<Condition>)>, Error> {
        let tally = self.counted(policy)?;
        if tally.undecided {
            return Ok(None);
        }
        let status = PolicyStatus {
            selected: tally.selected,
            claimed: tally.claimed,
            clusters: u32::try_from(tally.clusters.len()).unwrap_or(u32::MAX),
            ..PolicyStatus::default()
        };
        Ok(Some((status, vec![valid(), tally.placed(), tally.ready()])))
    }

    fn count(
        &self,
        policy: &Policy,
        item: &ItemKey,
        labels: &BTreeMap<String, String>,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let decision = self.decision(item)?;
        let held = decision.as_ref().and_then(|d| d.spec.policy.as_ref());
        let holder = held.map(|policy| policy.uid.as_str());
        let claims = &self.context.claims;
        let winner = claims.winner(self.world, item, labels, holder);
        if let Some(by) = winner.filter(|by| by.identity.uid != policy.identity.uid) {
            tally.findings.push(Finding::Outranked {
                template: item.to_string(),
                by: by.identity.to_string(),
            });
            return Ok(());
        }
        tally.claimed += 1;
        let decided = decision.filter(|decision| {
            let by = decision.spec.policy.as_ref();
            by.is_none_or(|by| {
                (by.uid.as_str(), by.generation)
                    == (policy.identity.uid.as_str(), policy.identity.generation)
            })
        });
        let Some(decision) = decided else {
            tally.undecided = true;
            return Ok(());
        };
        tally
            .clusters
            .extend(decision.spec.clusters.iter().map(|t| t.uid.clone()));
        if let Some(placed) = placed_of(&decision)
            && placed.status != ConditionStatus::True
        {
            let what = (
                item.to_string(),
                placed.reason.clone(),
                placed.message.clone(),
            );
            tally.unplaced.push(what);
        }
        let ready = condition::find(&decision.status.conditions, "Ready")
            .filter(|ready| ready.observed_generation == decision.metadata.generation);
        match ready {
            Some(ready) if ready.status == ConditionStatus::True => {}
            Some(ready) => {
                tally
                    .unready
                    .push((item.to_string(), ready.status, ready.message.clone()));
            }
            None => {
                let message = "is on its way".to_owned();
                tally
                    .unready
                    .push((item.to_string(), ConditionStatus::False, message));
            }
        }
        Ok(())
    }

    fn overriding(&self, overrides: &Overrides) -> Result<(PolicyStatus, Vec<Condition>), Error> {
        let identity = &overrides.identity;
        let items = self.selected(identity, &overrides.selectors)?;
        let readings: Vec<Reading<'_>> = overrides
            .rules
            .iter()
            .map(|rule| Reading::new(self.world, identity.viewpoint(), &rule.target))
            .collect();
        let mut tally = Tally {
            findings: self.override_findings(overrides, items.is_empty()),
            ..Tally::default()
        };
        for item in items.keys() {
            let Some(decision) = self.decision(item)? else {
                continue;
            };
            let touched = decision.spec.clusters.iter().filter(|t| {
                let cluster = self.world.cluster(&t.uid);
                cluster.is_some_and(|c| readings.iter().any(|r| r.judge(c).is_ok()))
            });
            tally.clusters.extend(touched.map(|t| t.uid.clone()));
            if decision
                .spec
                .overrides
                .iter()
                .any(|o| o.uid == identity.uid)
            {
                tally.claimed += 1;
            }
            let failed = placed_of(&decision).filter(|c| c.reason == "OverrideFailed");
            if let Some(failed) = failed.filter(|failed| blames(&failed.message, identity)) {
                let what = (
                    item.to_string(),
                    failed.reason.clone(),
                    failed.message.clone(),
                );
                tally.unplaced.push(what);
            }
        }
        let status = PolicyStatus {
            selected: u32::try_from(items.len()).unwrap_or(u32::MAX),
            claimed: tally.claimed,
            clusters: u32::try_from(tally.clusters.len()).unwrap_or(u32::MAX),
            ..PolicyStatus::default()
        };
        let mut applied = tally.placed();
        applied.kind = "Applied".to_owned();
        if applied.status == ConditionStatus::True {
            applied.reason = "Applied".to_owned();
            applied.message = "all it says is in effect".to_owned();
        }
        Ok((status, vec![valid(), applied]))
    }
}

/// Whether what failed on a template is a rule of this policy; one that is too long to be told whole may be.
fn blames(message: &str, identity: &roadstead_plan::policy::Identity) -> bool {
    message.contains(&format!("{identity} cannot be applied")) || message.ends_with('…')
}

fn valid() -> Condition {
    Condition::new("Valid", ConditionStatus::True, "Valid", "it was understood")
}
