//! What belongs to a template beside policies and clusters: what it needs and who needs it, what it
//! waits for and who waits for it. Read from the decisions of the others; keys lead to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_machinery::resource::{Origin, Registry};
use roadstead_plan::deps::order::{Awaited, Standing, circle};
use roadstead_plan::deps::read::{self, key, needs, requirer, undecided};
use roadstead_plan::deps::requirers::{Requirer, spent};
use roadstead_plan::peers::Peers;
use roadstead_plan::policy::Policy;
use roadstead_plan::template::is_template;
use roadstead_plan::{Around, Placement, World, claim::winner};
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::{Decision, ItemRef, Requirement, SAMPLES_MAX, Spec};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    AWAITS_PREFIX, LedgerState, Link, REQUIRES_PREFIX, decode, encode, link_key, links_prefix,
    parse_link_key,
};
use roadstead_store::{Check, Entry, Op, Snapshot, Txn};
use serde::Deserialize;
use serde_json::Value;

use crate::decision::{decision_key, is_about};
use crate::error::Error;
use crate::ledger::{self, Held};
use crate::{objects, world};

/// Reads what belongs to `item`, whose object and decision these are.
pub(crate) fn read(
    snapshot: &Snapshot,
    registry: &Registry,
    world: &World,
    item: &ItemKey,
    (object, decision): (Option<&Value>, &Decision),
) -> Result<Around, Error> {
    let custom = registry
        .by_kind(&item.group, &item.kind)
        .filter(|resource| resource.origin == Origin::Custom);
    Ok(Around {
        definition: custom.map(|r| format!("{}.{}", r.plural, r.group)),
        requires: needs(&decision.spec),
        requirers: requirers(snapshot, world, item)?,
        awaited: awaited(snapshot, registry, world, item, object)?,
        peers: Peers::new(),
    })
}

/// As a decision says what its template needs; `clusters` are the decision's.
pub(crate) fn requirements<'c>(
    placement: &Placement,
    clusters: impl Iterator<Item = &'c str>,
) -> Vec<Requirement> {
    let everywhere: BTreeSet<&str> = clusters.collect();
    let all = placement.requires.iter();
    all.map(|(item, needs)| {
        let all = needs
            .on
            .iter()
            .map(String::as_str)
            .eq(everywhere.iter().copied());
        Requirement {
            item: reference(item),
            clusters: (!all).then(|| needs.on.iter().cloned().collect()),
            released: needs.released.iter().cloned().collect(),
        }
    })
    .collect()
}

/// Some of those that need it.
pub(crate) fn required_by(placement: &Placement) -> Vec<ItemRef> {
    let by = placement.required_by.iter().take(SAMPLES_MAX);
    by.map(reference).collect()
}

/// What its policy has it wait for, as its decision says it.
pub(crate) fn awaits(around: &Around) -> Vec<ItemRef> {
    around.awaited.iter().map(|a| reference(&a.key)).collect()
}

fn reference(item: &ItemKey) -> ItemRef {
    ItemRef {
        group: item.group.clone(),
        kind: item.kind.clone(),
        namespace: item.namespace.clone(),
        name: item.name.clone(),
    }
}

/// Who needs `item` or did, as their decisions stand.
fn requirers(snapshot: &Snapshot, world: &World, item: &ItemKey) -> Result<Vec<Requirer>, Error> {
    let mut found = Vec::new();
    for (link, by) in links(snapshot, REQUIRES_PREFIX, item) {
        found.push(match decision(snapshot, &by)? {
            Some((_, decision)) => requirer(by, &decision.spec, item),
            None => {
                let clusters = world.clusters.iter().map(|c| c.uid.as_str());
                let ledger = ledger::read(snapshot, &by, clusters)?;
                let put = |held: &Held| matches!(held.record.state, LedgerState::Put { .. });
                let given = ledger.values().any(put);
                undecided(by, decode::<Link>(link)?.uid, given)
            }
        });
    }
    Ok(found)
}

/// The links of a sort that lead from `item`, with their entries.
pub(crate) fn links<'s>(
    snapshot: &'s Snapshot,
    prefix: &'s str,
    item: &ItemKey,
) -> impl Iterator<Item = (&'s Entry, ItemKey)> {
    let entries = snapshot.range(&links_prefix(prefix, item));
    entries.filter_map(move |entry| {
        let (_, by) = parse_link_key(prefix, entry.key.as_str())?;
        Some((entry, by))
    })
}

fn decision<'s>(
    snapshot: &'s Snapshot,
    item: &ItemKey,
) -> Result<Option<(&'s Entry, Decision)>, Error> {
    let entry = snapshot.get(decision_key(item)?.as_str());
    let read = |entry| Ok((entry, objects::typed(entry)?));
    entry.map(read).transpose()
}

/// What the policy of `item` has it wait for, and how that is.
fn awaited(
    snapshot: &Snapshot,
    registry: &Registry,
    world: &World,
    item: &ItemKey,
    object: Option<&Value>,
) -> Result<Vec<Awaited>, Error> {
    let waits = |item: &ItemKey, object: &Value| -> Vec<ItemKey> {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let labels = ObjectMeta::deserialize(metadata).unwrap_or_default().labels;
        let stands = decision(snapshot, item).ok().flatten();
        let holder = stands.and_then(|(_, decision)| decision.spec.policy);
        let holders = holder.iter().map(|policy| policy.uid.as_str()).collect();
        let winner = || winner(world, item, &labels, &holders);
        let policy = is_template(item, &labels).then(winner);
        let options = policy.flatten().map(|policy| &policy.options);
        let all = options.map(|options| options.awaited(item));
        let all = all.into_iter().flatten();
        all.map(|key| placed(registry, key)).collect()
    };
    let waits_for = |policy: &Arc<Policy>| !policy.options.depends_on.is_empty();
    let any = world.policies.iter().any(waits_for);
    let Some(object) = object.filter(|_| any) else {
        return Ok(Vec::new());
    };
    let further = |item: &ItemKey| {
        let located = world::locate(registry, item).ok().flatten();
        let entry = located.and_then(|(key, _)| snapshot.get(key.as_str()));
        let object = entry.and_then(|entry| objects::object(entry).ok());
        object
            .map(|object| waits(item, &object))
            .unwrap_or_default()
    };
    let mut found = Vec::new();
    for key in waits(item, object) {
        found.push(Awaited {
            clusters: standing(snapshot, registry, &key)?,
            circle: circle(&key, item, further).unwrap_or_default(),
            key,
        });
    }
    Ok(found)
}

/// `key` without a namespace where its kind has none.
fn placed(registry: &Registry, key: ItemKey) -> ItemKey {
    let resource = registry.by_kind(&key.group, &key.kind);
    match resource.is_some_and(|resource| !resource.namespaced) {
        true => ItemKey {
            namespace: String::new(),
            ..key
        },
        false => key,
    }
}

/// How far `item` got on each cluster that is to have it.
fn standing(
    snapshot: &Snapshot,
    registry: &Registry,
    item: &ItemKey,
) -> Result<BTreeMap<String, Standing>, Error> {
    let Some((_, decision)) = decision(snapshot, item)? else {
        return Ok(BTreeMap::new());
    };
    let located = world::locate(registry, item)?;
    let entry = located.and_then(|(key, _)| snapshot.get(key.as_str()));
    let object = entry.map(objects::object).transpose()?.unwrap_or_default();
    let decided = is_about(&decision.spec.template, &object);
    Ok(read::standing(&decision, decided))
}

/// Adds to `txn` the links that the decision about `item` needs, and takes away those that nothing
/// follows from any more.
pub(crate) fn link(
    snapshot: &Snapshot,
    item: &ItemKey,
    around: &Around,
    (uid, former, placement): (&str, &Spec, &Placement),
    txn: &mut Txn,
) -> Result<(), Error> {
    let link = Link {
        uid: uid.to_owned(),
    };
    let awaited: BTreeSet<&ItemKey> = around.awaited.iter().map(|a| &a.key).collect();
    let wanted = placement.requires.keys().map(|on| (REQUIRES_PREFIX, on));
    let wanted = wanted.chain(awaited.iter().map(|on| (AWAITS_PREFIX, *on)));
    for (prefix, on) in wanted {
        let key = link_key(prefix, on, item)?;
        let there = snapshot.get(key.as_str());
        txn.checks.push(Check::as_read(&key, there));
        let said = there.map(decode::<Link>).transpose()?;
        if said.as_ref() != Some(&link) {
            let value = encode(&link)?;
            txn.ops.push(Op::Put { key, value });
        }
    }
    let before = former.awaits.iter().map(key);
    for on in before.filter(|on| !awaited.contains(on)) {
        let key = link_key(AWAITS_PREFIX, &on, item)?;
        if let Some(entry) = snapshot.get(key.as_str()) {
            drop_link(entry, txn);
        }
    }
    Ok(())
}

/// Takes away the links to those from which nothing follows any more: `required` says whether some
/// cluster has `item`, or is to have it, because it is needed there. What they follow from is asserted.
pub(crate) fn unlink(
    snapshot: &Snapshot,
    world: &World,
    item: &ItemKey,
    (requirers, required): (&[Requirer], bool),
    txn: &mut Txn,
) -> Result<(), Error> {
    for (link, by) in links(snapshot, REQUIRES_PREFIX, item) {
        let found = requirers.iter().find(|r| r.key == by);
        let useless = found.is_some_and(|one| {
            let needed = !one.needs.is_empty() || !one.released.is_empty();
            (!required && !needed) || spent(world, requirers, one)
        });
        if !useless {
            continue;
        }
        let key = decision_key(&by)?;
        txn.checks
            .push(Check::as_read(&key, snapshot.get(key.as_str())));
        drop_link(link, txn);
    }
    Ok(())
}

/// Asserts that those that need `item`, or did, are as they were read.
pub(crate) fn assert(snapshot: &Snapshot, item: &ItemKey, txn: &mut Txn) -> Result<(), Error> {
    for (_, by) in links(snapshot, REQUIRES_PREFIX, item) {
        let key = decision_key(&by)?;
        let check = Check::as_read(&key, snapshot.get(key.as_str()));
        if !txn.checks.contains(&check) {
            txn.checks.push(check);
        }
    }
    Ok(())
}

fn drop_link(entry: &Entry, txn: &mut Txn) {
    txn.checks
        .push(Check::At(entry.key.clone(), entry.revision));
    txn.ops.push(Op::Delete {
        key: entry.key.clone(),
    });
}
