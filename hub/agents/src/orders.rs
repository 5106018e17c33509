//! What users want of a cluster beside its ledger: that it is left as it is, or to see an object.
//!
//! One task follows both for all clusters and wakes the session concerned, which then reads what
//! there is: news that come in a crowd are read once.

use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::{Epoch, Meta, Stamp};
use roadstead_store::records::{self, FetchRequest, FreezeRecord};
use roadstead_store::{Event, Revision, Snapshot, Store, Watch, WatchEnd};

use crate::sessions::Sessions;

/// What is said where a freeze cannot be read: then it holds.
const UNREADABLE: &str = "the hub cannot read whether this cluster is frozen";

/// A cluster's freeze and the revision of its record, where there ever was one.
pub(crate) fn freeze(store: &Store, uid: &str) -> Option<(Revision, Freeze)> {
    let key = records::freeze_key(uid).ok()?;
    let snapshot = store.snapshot();
    let entry = snapshot.get(key.as_str())?;
    let record = records::decode::<FreezeRecord>(entry).unwrap_or_else(|error| {
        tracing::error!(cluster = uid, %error, "a freeze cannot be read; it counts as one");
        FreezeRecord {
            frozen: true,
            reason: UNREADABLE.to_owned(),
            replaces: None,
        }
    });
    let revision = entry.revision;
    // Of no epoch only if the history was cut; then the session names it and holds everything back.
    let stamp = store.lineage().stamp(revision).unwrap_or(Stamp {
        epoch: Epoch(0),
        revision,
    });
    let freeze = Freeze {
        stamp,
        frozen: record.frozen,
        reason: record.reason,
        meta: record.replaces.map(Meta::Replaces).into_iter().collect(),
    };
    Some((revision, freeze))
}

/// The objects of a cluster that are asked for and not answered yet, by the questions' ids. `None`
/// for a question that cannot be read.
pub(crate) fn questions(snapshot: &Snapshot, uid: &str) -> Vec<(u64, Option<FetchRequest>)> {
    let open = |id: &u64| {
        records::fetched_key(uid, *id).is_ok_and(|key| snapshot.get(key.as_str()).is_none())
    };
    snapshot
        .range(&records::fetches_prefix(uid))
        .filter_map(|entry| {
            let (_, id) = records::parse_fetch_key(entry.key.as_str())?;
            Some((id, records::decode(entry).ok()))
        })
        .filter(|(id, _)| open(id))
        .collect()
}

/// Wakes sessions whose orders changed, until a store closes.
pub(crate) async fn follow(store: Store, volatile: Store, sessions: &Sessions) {
    loop {
        let (Some(mut freezes), Some(mut fetches)) = (
            watch(&store, records::FREEZE_PREFIX),
            watch(&volatile, records::FETCHES_PREFIX),
        ) else {
            continue;
        };
        sessions.look_all();
        let end = loop {
            let event = tokio::select! {
                biased;
                event = freezes.next() => event,
                event = fetches.next() => event,
            };
            match event {
                Ok(event) => wake(sessions, &event),
                Err(end) => break end,
            }
        };
        match end {
            WatchEnd::Expired => {}
            WatchEnd::Closed => return,
        }
    }
}

/// From the newest snapshot on; `None` where the history was cut past it meanwhile.
fn watch(store: &Store, prefix: &str) -> Option<Watch> {
    store.watch(prefix, store.snapshot().revision()).ok()
}

fn wake(sessions: &Sessions, event: &Event) {
    let key = event.key.as_str();
    let uid = key
        .strip_prefix(records::FREEZE_PREFIX)
        .map(str::to_owned)
        .or_else(|| records::parse_fetch_key(key).map(|(uid, _)| uid));
    if let Some(uid) = uid {
        sessions.look(&uid);
    }
}
