//! What clusters were given of one item: reading it, and the operations that change it.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::removal::Manner;
use roadstead_plan::{Former, Placement, Target, World};
use roadstead_protocol::api::decision::{Decision, Target as Assigned};
use roadstead_protocol::api::policy::ConflictResolution;
use roadstead_protocol::wire::item::Propagation;
use roadstead_protocol::wire::{Digest, ItemKey, Meta, Stamp};
use roadstead_store::records::{
    ANSWERS_PREFIX, Answer, LedgerEntry, LedgerState, ObjectRef, answer_key, content_key, decode,
    encode, ledger_key,
};
use roadstead_store::{Check, Entry, Op, Snapshot, Txn};

use crate::counted;
use crate::error::Error;

/// One cluster's entry of an item.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) entry: Entry,
    pub(crate) record: LedgerEntry,
}

/// The entries of one item, by cluster UID.
pub(crate) type Ledger = BTreeMap<String, Held>;

/// Reads the entries of `item` in the ledgers of these clusters.
pub(crate) fn read<'a>(
    snapshot: &Snapshot,
    item: &ItemKey,
    clusters: impl Iterator<Item = &'a str>,
) -> Result<Ledger, Error> {
    let mut ledger = Ledger::new();
    for uid in clusters {
        let key = ledger_key(uid, item)?;
        if let Some(entry) = snapshot.get(key.as_str()) {
            let record = decode(entry)?;
            ledger.insert(
                uid.to_owned(),
                Held {
                    entry: entry.clone(),
                    record,
                },
            );
        }
    }
    Ok(ledger)
}

/// What users answered to holds on one item, by cluster UID.
pub(crate) type Answers = BTreeMap<String, (Entry, Answer)>;

/// Reads the answers about `item` on these clusters.
pub(crate) fn answers<'a>(
    snapshot: &Snapshot,
    item: &ItemKey,
    clusters: impl Iterator<Item = &'a str>,
) -> Result<Answers, Error> {
    let mut answers = Answers::new();
    if snapshot.range(ANSWERS_PREFIX).next().is_none() {
        return Ok(answers);
    }
    for uid in clusters {
        if let Some(entry) = snapshot.get(answer_key(uid, item)?.as_str()) {
            answers.insert(uid.to_owned(), (entry.clone(), decode(entry)?));
        }
    }
    Ok(answers)
}

/// What was given and is not taken back.
pub(crate) fn former(world: &World, ledger: &Ledger, decision: &Decision) -> Vec<Former> {
    let targets = decision.spec.clusters.iter().map(|t| (t.uid.as_str(), t));
    let targets: BTreeMap<&str, &Assigned> = targets.collect();
    let target = |uid: &str| targets.get(uid).copied();
    let seen = seen(world, decision);
    let given = ledger
        .iter()
        .filter_map(|(uid, held)| match held.record.state {
            LedgerState::Put { digest, .. } => Some((uid, held, digest)),
            LedgerState::Tombstone => None,
        });
    given
        .map(|(uid, held, digest)| {
            let target = target(uid);
            Former {
                cluster: uid.clone(),
                path: target
                    .map(|t| (t.namespace.clone(), t.name.clone()))
                    .unwrap_or_default(),
                template: held.record.template_uid.clone(),
                policies: held.record.policies.clone(),
                digest: Some(digest),
                replicas: target.and_then(|t| t.replicas),
                seen: target.and_then(|t| seen.get(&place(t)).copied()),
                pinned: target.and_then(|t| t.pinned),
                facts: target.map(|t| t.facts.clone()).unwrap_or_default(),
                expired: target.and_then(|t| t.tolerated_seconds),
                delete_contents: decision.spec.template.delete_contents,
                extra: target.map_or(0, |t| t.extra),
                arriving: target.is_some_and(|t| t.arriving),
                outside: target.is_some_and(|t| t.outside),
                given: target.and_then(|t| t.given),
            }
        })
        .collect()
}

/// Of how many replicas what the clusters say is free accounts, by their namespaces and names.
fn seen<'d>(world: &World, decision: &'d Decision) -> BTreeMap<(&'d str, &'d str), u32> {
    let targets = decision.spec.clusters.iter();
    let told = targets.map(|t| (place(t), world.cluster(&t.uid).map_or(0, |c| c.told)));
    let told: BTreeMap<(&str, &str), u64> = told.collect();
    let clusters = decision.status.clusters.iter();
    let seen = clusters.filter_map(|c| {
        let at = (c.namespace.as_str(), c.name.as_str());
        let replicas = counted::shown(c, told.get(&at).copied().unwrap_or(0))?;
        Some((at, u32::try_from(replicas).unwrap_or(u32::MAX)))
    });
    seen.collect()
}

fn place(target: &Assigned) -> (&str, &str) {
    (&target.namespace, &target.name)
}

/// What a decision is written with.
pub(crate) struct Writing<'a> {
    pub(crate) item: &'a ItemKey,
    pub(crate) decision: ObjectRef,
    pub(crate) template_uid: String,
    pub(crate) ledger: &'a Ledger,
    pub(crate) answers: &'a Answers,
}

impl Writing<'_> {
    /// What an entry of this cluster names as replaced: what the one before it named, and what was
    /// answered since. It is carried over because the agent may have missed the one before it.
    fn replaces(&self, cluster: &str) -> impl Iterator<Item = Meta> + use<> {
        let mut all = Answer::default();
        let former = self.ledger.get(cluster).map(|held| &held.record.meta);
        former
            .into_iter()
            .flatten()
            .filter_map(replaced)
            .for_each(|stamp| all.add(stamp));
        let answer = self.answers.get(cluster).map(|(_, answer)| answer);
        for stamp in answer.iter().flat_map(|answer| &answer.replaces) {
            // What is named already keeps its place, so that the same answer changes nothing.
            if !all.replaces.contains(stamp) {
                all.add(*stamp);
            }
        }
        all.replaces.into_iter().map(Meta::Replaces)
    }
}

fn replaced(meta: &Meta) -> Option<Stamp> {
    match meta {
        Meta::Replaces(stamp) => Some(*stamp),
        Meta::Release
        | Meta::Propagation(_)
        | Meta::ActAs { .. }
        | Meta::Overwrite
        | Meta::AdoptIfEqual
        | Meta::IgnoreFields(_) => None,
    }
}

/// Adds to `txn` what takes the ledgers from what they are to what `placement` says: contents, then
/// puts, then tombstones. Entries that say it already are left alone. Every entry that is changed
/// is asserted to be as it was read.
pub(crate) fn write(
    writing: &Writing<'_>,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let mut contents: BTreeMap<Digest, &Target> = BTreeMap::new();
    let mut puts = Vec::new();
    for target in &placement.targets {
        let record = record(writing, target);
        if writing
            .ledger
            .get(&target.cluster)
            .is_some_and(|held| held.record == record)
        {
            continue;
        }
        contents.insert(target.content.digest, target);
        puts.push(change(writing, &target.cluster, &record, txn)?);
    }
    for (digest, target) in contents {
        // Also where it is there already: that it was written again is what tells the sweep, which
        // asserts the revision it saw, that somebody needs it now.
        txn.ops.push(Op::Put {
            key: content_key(&digest)?,
            value: target.content.bytes.clone(),
        });
    }
    txn.ops.append(&mut puts);
    for removal in &placement.removals {
        let record = tombstone(writing, &removal.cluster, removal.manner);
        let op = change(writing, &removal.cluster, &record, txn)?;
        txn.ops.push(op);
    }
    for uid in &placement.forgotten {
        if let Some(held) = writing.ledger.get(uid) {
            txn.checks
                .push(Check::At(held.entry.key.clone(), held.entry.revision));
            txn.ops.push(Op::Delete {
                key: held.entry.key.clone(),
            });
        }
    }
    answered(writing, placement, txn)
}

/// Ends the answers about what clusters were given, or are given now. What nothing was said about is
/// said again with the answer. An answer about what a cluster was never given waits until it is.
fn answered(writing: &Writing<'_>, placement: &Placement, txn: &mut Txn) -> Result<(), Error> {
    let targets = placement.targets.iter().map(|t| t.cluster.as_str());
    let removals = placement.removals.iter().map(|r| r.cluster.as_str());
    let said: BTreeSet<&str> = targets.chain(removals).collect();
    for (cluster, (entry, _)) in writing.answers {
        let former = writing.ledger.get(cluster).map(|held| &held.record);
        if let Some(former) = former.filter(|_| !said.contains(cluster.as_str())) {
            if placement.forgotten.contains(cluster) {
                continue;
            }
            let kept = former.meta.iter().filter(|meta| replaced(meta).is_none());
            let again = LedgerEntry {
                meta: kept.cloned().chain(writing.replaces(cluster)).collect(),
                ..former.clone()
            };
            if again != *former {
                let op = change(writing, cluster, &again, txn)?;
                txn.ops.push(op);
            }
        } else if former.is_none() && !said.contains(cluster.as_str()) {
            continue;
        }
        txn.checks
            .push(Check::At(entry.key.clone(), entry.revision));
        txn.ops.push(Op::Delete {
            key: entry.key.clone(),
        });
    }
    Ok(())
}

fn record(writing: &Writing<'_>, target: &Target) -> LedgerEntry {
    let size = u64::try_from(target.content.bytes.len()).unwrap_or(u64::MAX);
    let left = !target.left.is_empty();
    LedgerEntry {
        state: LedgerState::Put {
            digest: target.content.digest,
            size,
        },
        meta: conflicts(target.conflicts)
            .into_iter()
            .chain(left.then(|| Meta::IgnoreFields(target.left.clone())))
            .chain(writing.replaces(&target.cluster))
            .collect(),
        decision: writing.decision.clone(),
        template_uid: writing.template_uid.clone(),
        policies: target.policies.clone(),
    }
}

/// How an agent is told what to do about what is there already; nothing where it leaves that alone.
fn conflicts(resolution: ConflictResolution) -> Option<Meta> {
    match resolution {
        ConflictResolution::Abort => None,
        ConflictResolution::AdoptIfEqual => Some(Meta::AdoptIfEqual),
        ConflictResolution::Overwrite => Some(Meta::Overwrite),
    }
}

fn tombstone(writing: &Writing<'_>, cluster: &str, manner: Manner) -> LedgerEntry {
    let former = writing.ledger.get(cluster).map(|held| &held.record);
    let how = match manner {
        Manner::Delete => None,
        Manner::Release => Some(Meta::Release),
        // Without it an agent would let go of what holds others.
        Manner::DeleteContents => Some(Meta::Propagation(Propagation::Background)),
    };
    LedgerEntry {
        state: LedgerState::Tombstone,
        meta: how.into_iter().chain(writing.replaces(cluster)).collect(),
        decision: writing.decision.clone(),
        template_uid: former.map(|f| f.template_uid.clone()).unwrap_or_default(),
        policies: former.map(|f| f.policies.clone()).unwrap_or_default(),
    }
}

fn change(
    writing: &Writing<'_>,
    cluster: &str,
    record: &LedgerEntry,
    txn: &mut Txn,
) -> Result<Op, Error> {
    let key = ledger_key(cluster, writing.item)?;
    txn.checks.push(Check::as_read(
        &key,
        writing.ledger.get(cluster).map(|held| &held.entry),
    ));
    Ok(Op::Put {
        key,
        value: encode(record)?,
    })
}
