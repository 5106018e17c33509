//! What a user's write answers: whoever writes an object, or a policy that distributes or changes it,
//! after it was shown as held means that the hub's word goes.
//!
//! A write that changes nothing says less: pipelines apply what they have over and over, and nobody
//! looked at the hold. It stands by an object that the hub wants there, and removes nothing.
//!
//! Looks at the holds that agents report, which are none in a healthy fleet. Writes answers; what
//! becomes of them is the controllers' business.

use std::collections::BTreeSet;

use roadstead_machinery::resource::{Origin, Resource};
use roadstead_machinery::status::Status;
use roadstead_plan::policy::{Identity, Overrides, Policy};
use roadstead_plan::template::selected;
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::names::{APPS_GROUP, POLICY_GROUP};
use roadstead_protocol::api::policy::ResourceSelector;
use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::{ItemKey, Stamp};
use roadstead_rest::{Verb, Write};
use roadstead_store::records::{
    Answer, HOLDS_PREFIX, HoldRecord, LedgerEntry, LedgerState, answer_key, decode, encode,
    hold_key, holds_prefix, ledger_key, object_key, parse_hold_key,
};
use roadstead_store::{Op, Snapshot};
use serde::Deserialize;
use serde_json::Value;

/// Most holds that one write of a policy answers; the others stay, and are shown.
const ANSWERED_MAX: usize = 10_000;

/// The answers that go with a write.
pub(super) fn of(
    write: &Write<'_>,
    reported: &Snapshot,
    kinds: impl Fn(&ItemKey) -> Option<(String, String)>,
) -> Result<Vec<Op>, Status> {
    let by_user = matches!(write.subresource, None | Some("scale")) || write.verb == Verb::Delete;
    if !by_user || write.dry_run || reported.range(HOLDS_PREFIX).next().is_none() {
        return Ok(Vec::new());
    }
    let resource = write.resource;
    let policies = [POLICY_GROUP, APPS_GROUP];
    let held = if resource.origin == Origin::Own && policies.contains(&resource.group.as_str()) {
        of_policy(write, reported, kinds)
    } else if resource.template {
        of_template(write, reported)
    } else {
        Vec::new()
    };
    kept(write.snapshot, held)
}

/// The answers that go with a write that changes nothing: none about a policy, and none by which
/// something would be removed.
pub(super) fn again(write: &Write<'_>, reported: &Snapshot) -> Result<Vec<Op>, Status> {
    let by_user = matches!(write.subresource, None | Some("scale"));
    if !by_user || write.dry_run || !write.resource.template {
        return Ok(Vec::new());
    }
    let mut held = of_template(write, reported);
    held.retain(|(cluster, item, _)| !goes(write.snapshot, cluster, item));
    kept(write.snapshot, held)
}

fn kept(snapshot: &Snapshot, held: Vec<Held>) -> Result<Vec<Op>, Status> {
    held.into_iter()
        .take(ANSWERED_MAX)
        .map(|(cluster, item, stamp)| answer(snapshot, &cluster, &item, stamp))
        .collect()
}

/// Whether the hub's word about an item is that it goes; one that cannot be read may be that.
fn goes(snapshot: &Snapshot, cluster: &str, item: &ItemKey) -> bool {
    let Ok(key) = ledger_key(cluster, item) else {
        return true;
    };
    let record = snapshot.get(key.as_str()).map(decode::<LedgerEntry>);
    record.is_some_and(|record| record.map_or(true, |r| r.state == LedgerState::Tombstone))
}

/// The operation by which a user's answer is kept.
pub(super) fn answer(
    snapshot: &Snapshot,
    cluster: &str,
    item: &ItemKey,
    stamp: Stamp,
) -> Result<Op, Status> {
    let key = answer_key(cluster, item).map_err(Status::internal)?;
    let former = snapshot.get(key.as_str()).map(decode::<Answer>);
    let mut answer = former.and_then(Result::ok).unwrap_or_default();
    answer.add(stamp);
    let value = encode(&answer).map_err(Status::internal)?;
    Ok(Op::Put { key, value })
}

/// A hold: cluster, item, and what is on the spot.
type Held = (String, ItemKey, Stamp);

fn hold(entry: &roadstead_store::Entry) -> Option<Held> {
    let (cluster, item) = parse_hold_key(entry.key.as_str())?;
    let record: HoldRecord = decode(entry).ok()?;
    let counts = record.is_hold() && item != Freeze::key();
    counts.then_some((cluster, item, record.stamp))
}

fn of_template(write: &Write<'_>, reported: &Snapshot) -> Vec<Held> {
    let item = item(write.resource, write.namespace, write.name);
    let mut held = Vec::new();
    for cluster in clusters(reported) {
        let entry = hold_key(&cluster, &item).ok();
        let entry = entry.and_then(|key| reported.get(key.as_str()));
        held.extend(entry.and_then(hold));
    }
    held
}

/// The clusters that report holds, each found by one step.
fn clusters(reported: &Snapshot) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut after: Option<String> = None;
    while let Some(entry) = reported.range_from(HOLDS_PREFIX, after.as_deref()).next() {
        let Some((cluster, _)) = parse_hold_key(entry.key.as_str()) else {
            after = Some(entry.key.to_string());
            continue;
        };
        // Behind everything of this cluster.
        after = Some(format!("{}\u{10ffff}", holds_prefix(&cluster)));
        found.insert(cluster);
    }
    found
}

fn of_policy(
    write: &Write<'_>,
    reported: &Snapshot,
    kinds: impl Fn(&ItemKey) -> Option<(String, String)>,
) -> Vec<Held> {
    let policies: Vec<Selecting> = write
        .old
        .into_iter()
        .chain(write.new.as_deref())
        .filter_map(Selecting::read)
        .collect();
    let uids: BTreeSet<&str> = policies.iter().map(|p| p.0.uid.as_str()).collect();
    let snapshot = write.snapshot;
    let concerned = |(cluster, item, _): &Held| {
        let ledger = ledger_key(cluster, item).ok();
        let ledger = ledger.and_then(|key| snapshot.get(key.as_str()));
        let record = ledger.and_then(|entry| decode::<LedgerEntry>(entry).ok());
        let sent = record.is_some_and(|r| r.policies.iter().any(|uid| uids.contains(uid.as_str())));
        sent || template(snapshot, item, &kinds)
            .is_some_and(|labels| policies.iter().any(|p| p.selects(item, &labels.labels)))
    };
    reported
        .range(HOLDS_PREFIX)
        .filter_map(hold)
        .filter(concerned)
        .collect()
}

/// The metadata of an item's template on the hub.
fn template(
    snapshot: &Snapshot,
    item: &ItemKey,
    kinds: impl Fn(&ItemKey) -> Option<(String, String)>,
) -> Option<ObjectMeta> {
    let (group, plural) = kinds(item)?;
    let key = object_key(&group, &plural, &item.namespace, &item.name).ok()?;
    let object: Value = decode(snapshot.get(key.as_str())?).ok()?;
    ObjectMeta::deserialize(object.get("metadata")?).ok()
}

/// What a policy of any kind selects.
struct Selecting(Identity, Vec<ResourceSelector>);

impl Selecting {
    fn read(object: &Value) -> Option<Self> {
        let distribution = Policy::read(object).map(|p| Self(p.identity, p.selectors));
        let other = || Overrides::read(object).map(|p| Self(p.identity, p.selectors));
        distribution.or_else(|_| other()).ok()
    }

    fn selects(&self, item: &ItemKey, labels: &std::collections::BTreeMap<String, String>) -> bool {
        selected(&self.0, &self.1, item, labels).is_some()
    }
}

fn item(resource: &Resource, namespace: Option<&str>, name: &str) -> ItemKey {
    ItemKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: namespace.unwrap_or_default().to_owned(),
        name: name.to_owned(),
    }
}
