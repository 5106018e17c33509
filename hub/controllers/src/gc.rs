//! Takes away what nothing needs any more: contents that no ledger names, deletion records that no
//! ledger waits for, ledgers of clusters that a user deleted, old events. Bounded per look.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use roadstead_plan::World;
use roadstead_plan::rollout::release::Release;
use roadstead_protocol::api::meta::parse_timestamp;
use roadstead_protocol::api::names::OWN_GROUP;
use roadstead_protocol::api::rollout::{ROLLOUTS, Rollout};
use roadstead_protocol::wire::Digest;
use roadstead_store::records::{
    ADMITTED_PREFIX, ANSWERS_PREFIX, APPROVALS_PREFIX, BUDGET_PREFIX, CONTENT_PREFIX,
    DELETIONS_PREFIX, DeletionRecord, FREEZE_PREFIX, LEDGER_PREFIX, LedgerEntry, LedgerState, Link,
    RELEASES_PREFIX, REQUIRES_PREFIX, ROLLOUT_PREFIX, SHOWN_PREFIX, SeenRecord, decode, ledger_key,
    objects_prefix, parse_answer_key, parse_content_key, parse_ledger_key, parse_of_policy,
    seen_key,
};
use roadstead_store::{Check, Entry, Snapshot, Txn};

use crate::error::Error;
use crate::events::SOURCE;
use crate::objects;
use crate::reconciler::Reconciler;
use crate::{approvals, world};

/// Most keys that one look takes away.
const BATCH_MAX: usize = 1000;
/// How long a deletion record is kept at least, whatever needs it.
const RECORD_AGE_MIN: SignedDuration = SignedDuration::from_mins(10);
/// How long an event is kept.
const EVENT_AGE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How often there is a look.
pub(crate) const INTERVAL: Duration = Duration::from_secs(120);

/// What the ledgers need.
#[derive(Default)]
struct Needed {
    digests: BTreeSet<Digest>,
    uids: BTreeSet<String>,
}

pub(crate) async fn reconcile(context: &Reconciler) -> Result<Option<Duration>, Error> {
    let more = context
        .commit(|snapshot| {
            let txn = sweep(context, snapshot)?;
            let more = txn.ops.len() == BATCH_MAX;
            Ok((Some(txn), more))
        })
        .await?;
    Ok(Some(if more {
        Duration::from_millis(1)
    } else {
        INTERVAL
    }))
}

fn sweep(context: &Reconciler, snapshot: &Snapshot) -> Result<Txn, Error> {
    let now = context.now();
    let world = context.world(snapshot)?;
    let mut needed = Needed::default();
    let mut stale: Vec<&Entry> = Vec::new();
    for entry in snapshot.range(LEDGER_PREFIX) {
        let Some((cluster, _)) = parse_ledger_key(entry.key.as_str()) else {
            continue;
        };
        let detached = world.cluster(&cluster).is_none() && world.deleted.contains(&cluster);
        if detached {
            stale.push(entry);
            needed.uids.insert(cluster);
            continue;
        }
        let record: LedgerEntry = decode(entry)?;
        needed.uids.extend(record.policies);
        needed.uids.insert(record.template_uid);
        if let LedgerState::Put { digest, .. } = record.state {
            needed.digests.insert(digest);
        }
    }
    for entry in snapshot.range(REQUIRES_PREFIX) {
        needed.uids.insert(decode::<Link>(entry)?.uid);
    }
    stale.extend(said(context, snapshot, &world, &mut needed)?);
    stale.extend(rollouts(snapshot, &world, &mut needed)?);
    stale.extend(context.groups.spent(snapshot)?);
    for entry in snapshot.range(CONTENT_PREFIX) {
        let digest = parse_content_key(entry.key.as_str());
        if digest.is_some_and(|digest| !needed.digests.contains(&digest)) {
            stale.push(entry);
        }
    }
    for entry in snapshot.range(DELETIONS_PREFIX) {
        let record: DeletionRecord = decode(entry)?;
        let old = now.duration_since(record.at) > RECORD_AGE_MIN;
        let needed = needed.uids.contains(&record.uid) || agent_needs(snapshot, &record);
        if old && !needed {
            stale.push(entry);
            context.forget(&record.uid);
        }
    }
    for entry in snapshot.range(&objects_prefix("", "events")) {
        let event = objects::object(entry)?;
        let ours = objects::text(&event, "/reportingComponent") == SOURCE;
        let last = parse_timestamp(objects::text(&event, "/lastTimestamp"));
        if ours && last.is_some_and(|last| now.duration_since(last) > EVENT_AGE_MAX) {
            stale.push(entry);
        }
    }
    let mut txn = Txn::new();
    for entry in stale.into_iter().take(BATCH_MAX) {
        txn = txn
            .check(Check::At(entry.key.clone(), entry.revision))
            .delete(entry.key.clone());
    }
    Ok(txn)
}

/// What is written of the rollouts of policies that a user deleted. What releases hold is needed.
fn rollouts<'s>(
    snapshot: &'s Snapshot,
    world: &World,
    needed: &mut Needed,
) -> Result<Vec<&'s Entry>, Error> {
    let mut stale = Vec::new();
    for prefix in [
        RELEASES_PREFIX,
        ADMITTED_PREFIX,
        ROLLOUT_PREFIX,
        BUDGET_PREFIX,
    ] {
        for entry in snapshot.range(prefix) {
            let path = entry.key.as_str();
            let of_policy = parse_of_policy(prefix, path).map(|(uid, _)| uid);
            let Some(uid) = of_policy.or_else(|| path.strip_prefix(prefix)) else {
                continue;
            };
            let there = world.policy(uid).is_some() || world.unreadable(uid).is_some();
            if !there && world.deleted.contains(uid) {
                stale.push(entry);
                needed.uids.insert(uid.to_owned());
            } else if prefix == RELEASES_PREFIX {
                let contents = decode::<Release>(entry)?.items.into_iter();
                let keys = contents.map(|item| format!("{CONTENT_PREFIX}{}", item.content));
                needed
                    .digests
                    .extend(keys.filter_map(|key| parse_content_key(&key)));
            }
        }
    }
    for entry in snapshot.range(&objects_prefix(OWN_GROUP, ROLLOUTS)) {
        // What cannot be read is kept.
        let Ok(rollout) = objects::typed::<Rollout>(entry) else {
            continue;
        };
        let uid = rollout.spec.policy.uid;
        let there = world.policy(&uid).is_some() || world.unreadable(&uid).is_some();
        if !there && world.deleted.contains(&uid) {
            stale.push(entry);
            needed.uids.insert(uid);
        }
    }
    Ok(stale)
}

/// What users said about clusters and policies, of which nothing follows any more.
fn said<'s>(
    context: &Reconciler,
    snapshot: &'s Snapshot,
    world: &World,
    needed: &mut Needed,
) -> Result<Vec<&'s Entry>, Error> {
    let gone = |uid: &str| world.cluster(uid).is_none() && world.deleted.contains(uid);
    let mut stale = Vec::new();
    for entry in snapshot.range(ANSWERS_PREFIX) {
        let Some((cluster, item)) = parse_answer_key(entry.key.as_str()) else {
            continue;
        };
        // An answer waits for an order as long as there is something to order.
        let template = world::locate(&context.registry(snapshot), &item)?;
        let template = template.and_then(|(key, _)| snapshot.get(key.as_str()));
        let ordered = snapshot.get(ledger_key(&cluster, &item)?.as_str());
        if gone(&cluster) || (template.is_none() && ordered.is_none()) {
            stale.push(entry);
            needed.uids.insert(cluster);
        }
    }
    for prefix in [FREEZE_PREFIX, SHOWN_PREFIX] {
        for entry in snapshot.range(prefix) {
            let uid = entry.key.as_str().strip_prefix(prefix);
            if let Some(uid) = uid.filter(|uid| gone(uid)) {
                stale.push(entry);
                needed.uids.insert(uid.to_owned());
            }
        }
    }
    if snapshot.range(APPROVALS_PREFIX).next().is_some() {
        let review = context.review(snapshot, world)?;
        stale.extend(approvals::done(snapshot, world, &review)?);
    }
    Ok(stale)
}

/// Whether an agent may still have to be told of this: that its cluster was deleted, and not merely
/// not known, stays on record until its identity is marked as revoked.
fn agent_needs(snapshot: &Snapshot, record: &DeletionRecord) -> bool {
    let revoked = || {
        let entry = snapshot.get(seen_key(&record.uid).ok()?.as_str())?;
        Some(decode::<SeenRecord>(entry).ok()?.revoked)
    };
    record.kind == "AttachedCluster" && revoked() != Some(true)
}

#[cfg(test)]
mod tests {
    use roadstead_store::records::encode;

    use super::*;
    use crate::tests::Hub;

    #[tokio::test(start_paused = true)]
    async fn that_a_cluster_was_deleted_is_kept_until_its_identity_is_revoked() {
        let hub = Hub::new(&[]).await;
        let record = |kind: &str| DeletionRecord {
            key: String::new(),
            group: String::new(),
            kind: kind.to_owned(),
            namespace: String::new(),
            name: String::new(),
            uid: "a1".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            preserve: false,
        };
        let check = |kind: &str, needed: bool| {
            let snapshot = hub.store.snapshot();
            assert_eq!(agent_needs(&snapshot, &record(kind)), needed, "{kind}");
        };
        check("AttachedCluster", true);
        check("DistributionPolicy", false);
        let revoked = SeenRecord {
            revoked: true,
            ..SeenRecord::default()
        };
        let txn = Txn::new().put(seen_key("a1").unwrap(), encode(&revoked).unwrap());
        hub.store.commit(txn).await.unwrap();
        check("AttachedCluster", false);
    }
}
