//! Which clusters there are, by UID, followed from the store: an identity is worth something only
//! while its cluster's object is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_authority::{Authority, is_detached};
use roadstead_protocol::api::names;
use roadstead_store::records;
use roadstead_store::{Entry, Event, Key, Snapshot, Store, Watch, WatchEnd};
use serde::Deserialize;

use crate::sessions::{Command, Sessions};

/// The clusters that are there.
pub(crate) struct Directory {
    store: Store,
    known: Mutex<BTreeMap<String, Key>>,
}

/// The part of an object that matters here.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

impl Directory {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a cluster with this UID is there. One that was made a moment ago is found too.
    pub(crate) fn contains(&self, uid: &str) -> bool {
        self.lock().contains_key(uid) || all(&self.store.snapshot()).contains_key(uid)
    }

    /// Keeps up with the store until it closes. Sessions of clusters that go are told; the identities
    /// of those that a user detached are revoked.
    pub(crate) async fn follow(self: Arc<Self>, sessions: Arc<Sessions>, authority: Authority) {
        loop {
            let (mut watch, gone) = self.reload();
            for uid in gone {
                self.lost(&sessions, &authority, &uid).await;
            }
            loop {
                match watch.next().await {
                    Ok(event) => {
                        if let Some(uid) = self.apply(&event) {
                            self.lost(&sessions, &authority, &uid).await;
                        }
                    }
                    Err(WatchEnd::Expired) => break,
                    Err(WatchEnd::Closed) => return,
                }
            }
        }
    }

    /// A cluster is not there any more.
    async fn lost(&self, sessions: &Sessions, authority: &Authority, uid: &str) {
        if !is_detached(&self.store.snapshot(), uid) {
            tracing::warn!(
                cluster = uid,
                "a cluster is gone although nobody deleted it: its agent is told to wait"
            );
            return sessions.tell(uid, Command::Unknown);
        }
        sessions.tell(uid, Command::Detached);
        if let Err(error) = authority.revoke(uid).await {
            // The record of the deletion says the same.
            tracing::warn!(cluster = uid, %error, "failed to mark the identity of a detached cluster as revoked");
        }
    }

    /// Reads everything anew. What was known and is no longer there is returned.
    fn reload(&self) -> (Watch, Vec<String>) {
        loop {
            let snapshot = self.store.snapshot();
            // Between the two lines the history can only be cut past a snapshot by a very busy
            // store; the next snapshot is newer.
            let Ok(watch) = self.store.watch(&prefix(), snapshot.revision()) else {
                continue;
            };
            let now = all(&snapshot);
            let before = std::mem::replace(&mut *self.lock(), now);
            let known = self.lock();
            let gone = before
                .into_keys()
                .filter(|uid| !known.contains_key(uid))
                .collect();
            return (watch, gone);
        }
    }

    /// Takes a change in. The UID of the cluster that is gone by it, if one is.
    fn apply(&self, event: &Event) -> Option<String> {
        let before = event.previous.as_ref().and_then(uid_of);
        let after = event.new.as_ref().and_then(uid_of);
        let mut known = self.lock();
        if let Some(uid) = &after {
            known.insert(uid.clone(), event.key.clone());
        }
        let gone = before.filter(|uid| after.as_ref() != Some(uid))?;
        known.remove(&gone).map(|_| gone)
    }
}

fn prefix() -> String {
    records::objects_prefix(names::CLUSTER_GROUP, names::ATTACHED_CLUSTERS)
}

fn all(snapshot: &Snapshot) -> BTreeMap<String, Key> {
    snapshot
        .range(&prefix())
        .filter_map(|entry| Some((uid_of(entry)?, entry.key.clone())))
        .collect()
}

/// The UID of a cluster's object that is there to stay.
fn uid_of(entry: &Entry) -> Option<String> {
    let Object { metadata } = records::decode::<Object>(entry).ok()?;
    (metadata.deletion_timestamp.is_none() && !metadata.uid.is_empty()).then_some(metadata.uid)
}
