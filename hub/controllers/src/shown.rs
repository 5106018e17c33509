//! What was shown of the clusters, over a start of the hub: the extract of what waits for users is in
//! memory, and an agent that is away does not say it again.

use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    HoldRecord, SHOWN_MAX, SHOWN_PREFIX, ShownRecord, decode, encode, hold_key, report_key,
    shown_key,
};
use roadstead_store::{Check, Op, Snapshot, Store, Txn};

use crate::error::Error;

/// Most clusters of which something is brought back by one transaction.
const BATCH: usize = 100;
/// How often it is tried anew after agents got in between.
const ATTEMPTS_MAX: usize = 64;

/// Brings back what was shown, where nothing newer is known.
pub(crate) async fn recall(durable: &Store, volatile: &Store) {
    for _ in 0..ATTEMPTS_MAX {
        match try_recall(durable, volatile).await {
            Ok(()) => return,
            Err(error) if error.overtaken() => {}
            Err(error) => {
                tracing::warn!(%error, "what waited for users is not shown until agents say it");
                return;
            }
        }
    }
}

async fn try_recall(durable: &Store, volatile: &Store) -> Result<(), Error> {
    let snapshot = durable.snapshot();
    let entries: Vec<_> = snapshot.range(SHOWN_PREFIX).collect();
    for batch in entries.chunks(BATCH) {
        let mut txn = Txn::new();
        for entry in batch {
            let Some(uid) = entry.key.as_str().strip_prefix(SHOWN_PREFIX) else {
                continue;
            };
            let record: ShownRecord = decode(entry)?;
            let known = volatile.snapshot();
            for (item, hold) in &record.holds {
                let key = hold_key(uid, item)?;
                let said = known.get(report_key(uid, item)?.as_str()).is_some();
                if !said && known.get(key.as_str()).is_none() {
                    txn.checks.push(Check::Absent(key.clone()));
                    let value = encode(hold)?;
                    txn.ops.push(Op::Put { key, value });
                }
            }
        }
        if !txn.ops.is_empty() {
            volatile.commit(txn).await?;
        }
    }
    Ok(())
}

/// The operation that remembers what is shown of a cluster, where that is news.
pub(crate) fn remember<'h>(
    snapshot: &Snapshot,
    uid: &str,
    holds: impl Iterator<Item = (&'h ItemKey, &'h HoldRecord)>,
) -> Result<Option<(Check, Op)>, Error> {
    let holds = holds.take(SHOWN_MAX);
    let record = ShownRecord {
        holds: holds.map(|(k, h)| (k.clone(), h.clone())).collect(),
    };
    let key = shown_key(uid)?;
    let there = snapshot.get(key.as_str());
    let former: ShownRecord = there.map(decode).transpose()?.unwrap_or_default();
    if former == record {
        return Ok(None);
    }
    let check = Check::as_read(&key, there);
    let op = if record.holds.is_empty() {
        Op::Delete { key }
    } else {
        let value = encode(&record)?;
        Op::Put { key, value }
    };
    Ok(Some((check, op)))
}

/// What takes away holds that were brought back, and that the agent has not said again.
pub(crate) fn unsaid<'h>(
    volatile: &Snapshot,
    uid: &str,
    holds: impl Iterator<Item = &'h ItemKey>,
) -> Result<Txn, Error> {
    let mut txn = Txn::new();
    for item in holds {
        let report = report_key(uid, item)?;
        let hold = hold_key(uid, item)?;
        let there = volatile.get(hold.as_str());
        if let Some(there) = there.filter(|_| volatile.get(report.as_str()).is_none()) {
            txn = txn
                .check(Check::Absent(report))
                .check(Check::At(hold.clone(), there.revision))
                .delete(hold);
        }
    }
    Ok(txn)
}
