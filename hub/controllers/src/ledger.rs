//! What clusters were given of one item: reading it, and the operations that change it.

use std::collections::BTreeMap;

use roadstead_plan::removal::Manner;
use roadstead_plan::{Former, Placement, Target};
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::wire::item::Propagation;
use roadstead_protocol::wire::{Digest, ItemKey, Meta};
use roadstead_store::records::{
    LedgerEntry, LedgerState, ObjectRef, content_key, decode, encode, ledger_key,
};
use roadstead_store::{Check, Entry, Op, Snapshot, Txn};

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

/// What was given and is not taken back.
pub(crate) fn former(ledger: &Ledger, decision: &Decision) -> Vec<Former> {
    let target = |uid: &str| decision.spec.clusters.iter().find(|t| t.uid == uid);
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
                delete_contents: decision.spec.template.delete_contents,
            }
        })
        .collect()
}

/// What a decision is written with.
pub(crate) struct Writing<'a> {
    pub(crate) item: &'a ItemKey,
    pub(crate) decision: ObjectRef,
    pub(crate) template_uid: String,
    pub(crate) ledger: &'a Ledger,
}

/// Adds to `txn` what takes the ledgers from what they are to what `placement` says: contents, then
/// puts, then tombstones. Entries that say it already are left alone. Every entry that is changed
/// is asserted to be as it was read.
pub(crate) fn write(
    writing: &Writing<'_>,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let policies: Vec<String> = placement.policy.iter().map(|p| p.uid.clone()).collect();
    let mut contents: BTreeMap<Digest, &Target> = BTreeMap::new();
    let mut puts = Vec::new();
    for target in &placement.targets {
        let record = record(writing, target, policies.clone());
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
    Ok(())
}

fn record(writing: &Writing<'_>, target: &Target, policies: Vec<String>) -> LedgerEntry {
    let size = u64::try_from(target.content.bytes.len()).unwrap_or(u64::MAX);
    LedgerEntry {
        state: LedgerState::Put {
            digest: target.content.digest,
            size,
        },
        meta: if target.overwrite {
            vec![Meta::Overwrite]
        } else {
            Vec::new()
        },
        decision: writing.decision.clone(),
        template_uid: writing.template_uid.clone(),
        policies,
    }
}

fn tombstone(writing: &Writing<'_>, cluster: &str, manner: Manner) -> LedgerEntry {
    let former = writing.ledger.get(cluster).map(|held| &held.record);
    LedgerEntry {
        state: LedgerState::Tombstone,
        meta: match manner {
            Manner::Delete => Vec::new(),
            Manner::Release => vec![Meta::Release],
            // Without it an agent would let go of what holds others.
            Manner::DeleteContents => vec![Meta::Propagation(Propagation::Background)],
        },
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
    txn.checks.push(match writing.ledger.get(cluster) {
        Some(held) => Check::At(key.clone(), held.entry.revision),
        None => Check::Absent(key.clone()),
    });
    Ok(Op::Put {
        key,
        value: encode(record)?,
    })
}
