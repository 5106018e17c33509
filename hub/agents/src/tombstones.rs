//! Tombstones that an agent has acknowledged leave the ledger, and a floor remembers how far.
//!
//! The floor, `/floor/<cluster-uid>`, is a revision: an agent that stands before it may lack a
//! tombstone that is no longer there, and compares instead of resuming.

use roadstead_protocol::wire::frame::Hello;
use roadstead_store::{Check, CommitError, InvalidKey, Key, Revision, Snapshot, Store, Txn};

use crate::admission;

/// Most tombstones that leave in one transaction.
pub(crate) const TOMBSTONES_TXN_MAX: usize = 256;
/// Attempts at one transaction when something else is written at the same time.
const ATTEMPTS_MAX: usize = 8;

fn floor_key(uid: &str) -> Result<Key, InvalidKey> {
    Key::parse(&format!("/floor/{uid}"))
}

/// How far a cluster's ledger was cut; zero where it never was.
pub(crate) fn floor(snapshot: &Snapshot, uid: &str) -> Revision {
    let Ok(key) = floor_key(uid) else {
        return Revision(0);
    };
    let text = snapshot
        .get(key.as_str())
        .and_then(|entry| std::str::from_utf8(&entry.value).ok());
    // A floor that cannot be read is above everything: the agent compares, which is always right.
    text.map_or(Revision(0), |text| {
        Revision(text.parse().unwrap_or(u64::MAX))
    })
}

/// Removes tombstones that are still as the agent that said `hello` acknowledged them, as long as no
/// other start of it was noted: that one may stand before them, as after its disk went back, and was
/// told the floor. How many were.
pub(crate) async fn remove(
    store: &Store,
    uid: &str,
    hello: &Hello,
    mut acked: Vec<(Key, Revision)>,
) -> Result<usize, CommitError> {
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = store.snapshot();
        let Some(latest) = admission::latest(&snapshot, uid, hello) else {
            return Ok(0);
        };
        // What a newer entry has superseded stays.
        acked.retain(|(key, revision)| {
            snapshot
                .get(key.as_str())
                .is_some_and(|entry| entry.revision == *revision)
        });
        let Some(last) = acked.iter().map(|(_, revision)| *revision).max() else {
            return Ok(0);
        };
        let Ok(floor_key) = floor_key(uid) else {
            return Ok(0);
        };
        let there = snapshot.get(floor_key.as_str()).map(|entry| entry.revision);
        let check = there.map_or_else(
            || Check::Absent(floor_key.clone()),
            |revision| Check::At(floor_key.clone(), revision),
        );
        let raised = floor(&snapshot, uid).max(last);
        let mut txn = Txn::new()
            .check(latest)
            .check(check)
            .put(floor_key, raised.to_string());
        for (key, revision) in &acked {
            txn = txn
                .check(Check::At(key.clone(), *revision))
                .delete(key.clone());
        }
        match store.commit(txn).await {
            Ok(_) => return Ok(acked.len()),
            Err(CommitError::Conflict { .. }) => {}
            Err(
                error @ (CommitError::TooLarge { .. }
                | CommitError::Unavailable(_)
                | CommitError::Closed),
            ) => {
                return Err(error);
            }
        }
    }
    Ok(0)
}
