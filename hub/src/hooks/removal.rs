//! The question before a large removal: a deletion that would take away more than a configured share
//! of what the fleet runs waits for an annotation that names exactly what goes.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_plan::confirmation::{Loss, command, token};
use roadstead_protocol::api::names::CONFIRM_REMOVAL_ANNOTATION;
use roadstead_rest::{Collection, Write};
use roadstead_store::Snapshot;
use roadstead_store::records::{
    LEDGER_PREFIX, LedgerEntry, LedgerState, ObjectKey, objects_prefix, parse_ledger_key,
    parse_object_key,
};
use serde_json::Value;

/// How much a single deletion may remove without being confirmed.
pub use roadstead_plan::Limits;

/// Most clusters that a refusal names.
const CLUSTERS_NAMED: usize = 5;
/// What stands for each object's name in the command that confirms the deletion of a collection.
const ALL: &str = "--all";

/// Refuses the write if what ends with `old` is too much and was not confirmed.
pub(super) fn check(limits: &Limits, write: &Write<'_>, old: &Value) -> Result<(), Status> {
    // What was let begin to end may end: with finalizers that is a write of its own.
    let begun = old.pointer("/metadata/deletionTimestamp").is_some();
    if write.judged || begun {
        return Ok(());
    }
    let toll = Toll::of(
        write.snapshot,
        &Ends::of(write.resource, std::iter::once(old)),
    );
    if !toll.is_large(limits) || borne(old) == Some(&toll.token()) {
        return Ok(());
    }
    let (resource, name) = (write.resource, write.name);
    let confirm = command(&kind(resource), write.namespace, name, &toll.token());
    let why = toll.refusal(write.snapshot, &confirm);
    Err(Status::forbidden(
        &resource.group,
        &resource.plural,
        name,
        &why,
    ))
}

/// Refuses the deletion of a collection if what ends with all of it is too much and was not
/// confirmed on each of its objects.
pub(super) fn check_all(limits: &Limits, collection: &Collection<'_>) -> Result<(), Status> {
    let (resource, objects) = (collection.resource, collection.objects);
    let toll = Toll::of(collection.snapshot, &Ends::of(resource, objects.iter()));
    let token = toll.token();
    if !toll.is_large(limits) || objects.iter().all(|o| borne(o) == Some(&token)) {
        return Ok(());
    }
    let confirm = command(&kind(resource), collection.namespace, ALL, &token);
    let confirm = format!("{confirm} (or each of those that are to go, instead of {ALL})");
    let why = toll.refusal(collection.snapshot, &confirm);
    Err(Status::forbidden(
        &resource.group,
        &resource.plural,
        "",
        &why,
    ))
}

/// The token that an object bears.
fn borne(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    let token = annotations.get(CONFIRM_REMOVAL_ANNOTATION)?;
    token.as_str().map(str::trim)
}

/// The kind as kubectl finds it, whatever else is called so.
fn kind(resource: &Resource) -> String {
    match resource.group.as_str() {
        "" => resource.kind.clone(),
        group => format!("{}.{group}", resource.kind),
    }
}

/// What the fleet runs, and what of that goes.
struct Toll {
    all: usize,
    losses: BTreeSet<Loss>,
}

impl Toll {
    fn of(snapshot: &Snapshot, ends: &Ends<'_>) -> Self {
        let (mut all, mut losses) = (0_usize, BTreeSet::new());
        for entry in snapshot.range(LEDGER_PREFIX) {
            let Ok(held) = serde_json::from_slice::<LedgerEntry>(&entry.value) else {
                continue;
            };
            if !matches!(held.state, LedgerState::Put { .. }) {
                continue;
            }
            all += 1;
            if ends.takes(&held)
                && let Some((cluster, item)) = parse_ledger_key(entry.key.as_str())
            {
                losses.insert(Loss {
                    cluster,
                    item,
                    template: held.template_uid,
                });
            }
        }
        Self { all, losses }
    }

    fn is_large(&self, limits: &Limits) -> bool {
        let count = self.losses.len();
        count > limits.removal_min as usize
            && count * 100 > self.all * limits.removal_percent as usize
    }

    fn token(&self) -> String {
        token(&self.losses)
    }

    fn refusal(&self, snapshot: &Snapshot, confirm: &str) -> String {
        let mut removed = BTreeMap::<&str, usize>::new();
        for loss in &self.losses {
            *removed.entry(&loss.cluster).or_default() += 1;
        }
        let (count, all) = (self.losses.len(), self.all);
        let named = named(&removed, snapshot);
        format!(
            "this would remove {count} of the fleet's {all} objects, from {named}; to confirm: {confirm}"
        )
    }
}

/// What ends with objects, by their UIDs.
#[derive(Default)]
struct Ends<'a> {
    /// The items of these templates.
    templates: BTreeSet<&'a str>,
    /// The items that these policies sent.
    policies: BTreeSet<&'a str>,
    /// The items of all templates in these namespaces.
    namespaces: BTreeSet<&'a str>,
}

impl<'a> Ends<'a> {
    fn of(resource: &Resource, objects: impl Iterator<Item = &'a Value>) -> Self {
        let mut ends = Self::default();
        for object in objects {
            let text = |pointer: &str| {
                let found = object.pointer(pointer).and_then(Value::as_str);
                found.unwrap_or_default()
            };
            let uid = text("/metadata/uid");
            if resource.kind == "Namespace" && resource.group.is_empty() {
                ends.namespaces.insert(text("/metadata/name"));
            } else if resource.template {
                ends.templates.insert(uid);
            } else {
                ends.policies.insert(uid);
            }
        }
        ends
    }

    fn takes(&self, held: &LedgerEntry) -> bool {
        self.templates.contains(held.template_uid.as_str())
            || self.namespaces.contains(held.decision.namespace.as_str())
            || held
                .policies
                .iter()
                .any(|p| self.policies.contains(p.as_str()))
    }
}

/// The clusters' names, by how many objects each would lose.
fn named(removed: &BTreeMap<&str, usize>, snapshot: &Snapshot) -> String {
    let mut names = BTreeMap::new();
    for entry in snapshot.range(&objects_prefix("cluster.kurator.dev", "attachedclusters")) {
        let Ok(object) = serde_json::from_slice::<Value>(&entry.value) else {
            continue;
        };
        let uid = object
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(ObjectKey { name, .. }) = parse_object_key(entry.key.as_str())
            && removed.contains_key(uid)
        {
            names.insert(uid.to_owned(), name);
        }
    }
    let mut each: Vec<(usize, &str)> = removed
        .iter()
        .map(|(uid, n)| (*n, names.get(*uid).map_or(*uid, String::as_str)))
        .collect();
    each.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let shown: Vec<String> = each
        .iter()
        .take(CLUSTERS_NAMED)
        .map(|(n, name)| format!("{name} ({n})"))
        .collect();
    match each.len().saturating_sub(CLUSTERS_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more clusters", shown.join(", ")),
    }
}
