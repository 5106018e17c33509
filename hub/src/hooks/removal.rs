//! The question before a large removal: a deletion that would take away more than a configured share
//! of what the fleet runs waits for an annotation that names the number.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_machinery::status::Status;
use roadstead_protocol::api::names::CONFIRM_REMOVAL_ANNOTATION;
use roadstead_rest::Write;
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

/// Refuses the write if what ends with `old` is too much and was not confirmed.
pub(super) fn check(limits: &Limits, write: &Write<'_>, old: &Value) -> Result<(), Status> {
    let ends = Ends::of(write, old);
    let (mut all, mut removed) = (0_usize, BTreeMap::<String, usize>::new());
    for entry in write.snapshot.range(LEDGER_PREFIX) {
        let Ok(item) = serde_json::from_slice::<LedgerEntry>(&entry.value) else {
            continue;
        };
        if !matches!(item.state, LedgerState::Put { .. }) {
            continue;
        }
        all += 1;
        if ends.takes(&item)
            && let Some((cluster, _)) = parse_ledger_key(&entry.key.to_string())
        {
            *removed.entry(cluster).or_default() += 1;
        }
    }
    let count: usize = removed.values().sum();
    let small = count <= limits.removal_min as usize;
    let share = count * 100 <= all * limits.removal_percent as usize;
    let asked = old
        .pointer("/metadata/annotations")
        .and_then(|a| a.get(CONFIRM_REMOVAL_ANNOTATION));
    let asked = asked
        .and_then(Value::as_str)
        .and_then(|n| n.trim().parse::<usize>().ok());
    if small || share || asked.is_some_and(|n| n >= count) {
        return Ok(());
    }
    let kind = write.resource.kind.to_lowercase();
    let at = write
        .namespace
        .map(|n| format!("-n {n} "))
        .unwrap_or_default();
    let why = format!(
        "this would remove {count} of the fleet's {all} objects, from {}; to confirm: \
         kubectl {at}annotate {kind} {} {CONFIRM_REMOVAL_ANNOTATION}={count}",
        named(&removed, write.snapshot),
        write.name,
    );
    let resource = write.resource;
    Err(Status::forbidden(
        &resource.group,
        &resource.plural,
        write.name,
        &why,
    ))
}

/// What ends with an object.
enum Ends<'a> {
    /// The items of one template.
    Template(&'a str),
    /// The items that a policy sent.
    Policy(&'a str),
    /// The items of all templates in a namespace.
    Namespace(&'a str),
}

impl<'a> Ends<'a> {
    fn of(write: &Write<'a>, old: &'a Value) -> Self {
        let uid = old
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match write.resource.kind.as_str() {
            "Namespace" if write.resource.group.is_empty() => Self::Namespace(write.name),
            _ if write.resource.template => Self::Template(uid),
            _ => Self::Policy(uid),
        }
    }

    fn takes(&self, item: &LedgerEntry) -> bool {
        match self {
            Self::Template(uid) => item.template_uid == *uid,
            Self::Policy(uid) => item.policies.iter().any(|p| p == uid),
            Self::Namespace(name) => item.decision.namespace == *name,
        }
    }
}

/// The clusters' names, by how many objects each would lose.
fn named(removed: &BTreeMap<String, usize>, snapshot: &Snapshot) -> String {
    let wanted: BTreeSet<&String> = removed.keys().collect();
    let mut names = BTreeMap::new();
    for entry in snapshot.range(&objects_prefix("cluster.kurator.dev", "attachedclusters")) {
        let Ok(object) = serde_json::from_slice::<Value>(&entry.value) else {
            continue;
        };
        let uid = object
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(ObjectKey { name, .. }) = parse_object_key(&entry.key.to_string())
            && wanted.contains(&uid.to_owned())
        {
            names.insert(uid.to_owned(), name);
        }
    }
    let mut each: Vec<(usize, &str)> = removed
        .iter()
        .map(|(uid, n)| (*n, names.get(uid).map_or(uid.as_str(), String::as_str)))
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
