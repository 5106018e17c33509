//! Something vanishes from the hub's store without anyone deleting it, as by a bug or a bad hand, and
//! comes back as it was: nothing may follow from that.

use std::time::Duration;

use roadstead_protocol::api::names::POLICY_GROUP;
use roadstead_store::records::object_key;
use roadstead_store::{Check, CommitError, InvalidKey, Key, Store, Txn};

use crate::model::{Kind, Model};
use crate::trace;
use crate::world::{World, lock};
use crate::written::policy_name;

/// How long a store that cannot write is left alone.
const AGAIN: Duration = Duration::from_millis(500);
/// How long it stays away, in milliseconds: at least, and how much longer at most.
const AWAY_MS: (u64, u64) = (1_000, 7_000);

/// Takes one template or policy out of the store, waits, and puts it back.
pub async fn vanish(world: &World, store: &Store, which: u64) {
    let keys = keys(&lock(&world.user).model);
    let at = usize::try_from(which).unwrap_or_default() % keys.len().max(1);
    let Some(key) = keys.get(at) else { return };
    let Some(entry) = store.snapshot().get(key.as_str()).cloned() else {
        return;
    };
    lock(&world.user).vanished = Some((key.clone(), entry.value));
    let txn = Txn::new()
        .check(Check::At(key.clone(), entry.revision))
        .delete(key.clone());
    // Until it is known whether it is gone: a write that failed may still turn out to have landed.
    while let Err(error) = store.commit(txn.clone()).await {
        match error {
            CommitError::Closed => return,
            CommitError::Conflict { .. } => break,
            CommitError::TooLarge { .. } | CommitError::Unavailable(_) => {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    trace::count("sometimes: something vanished from the hub's store");
    let (least, more) = AWAY_MS;
    tokio::time::sleep(Duration::from_millis(least + which % more)).await;
    come_back(world, store).await;
}

/// Puts back what vanished, if anything did.
pub async fn come_back(world: &World, store: &Store) {
    let Some((key, value)) = lock(&world.user).vanished.clone() else {
        return;
    };
    while store.snapshot().get(key.as_str()).is_none() {
        let txn = Txn::new()
            .check(Check::Absent(key.clone()))
            .put(key.clone(), value.clone());
        match store.commit(txn).await {
            Ok(_) => break,
            // The next life of the hub puts it back.
            Err(CommitError::Closed) => return,
            Err(error) => {
                tracing::debug!(%key, %error, "what vanished was not put back yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    lock(&world.user).vanished = None;
}

/// The keys of everything that the user has on the hub.
fn keys(model: &Model) -> Vec<Key> {
    let object = |kind: Kind, name: &str| -> Result<Key, InvalidKey> {
        let (group, plural, namespace) = kind.place();
        object_key(group, plural, namespace, name)
    };
    let objects = model
        .objects
        .keys()
        .map(|(kind, name)| object(*kind, name).ok());
    let policies = model.policies.keys().map(|(kind, group)| {
        let name = policy_name(*kind, *group);
        match kind {
            Kind::ConfigMap | Kind::Deployment | Kind::Part => {
                object_key(POLICY_GROUP, "distributionpolicies", "default", &name).ok()
            }
            Kind::Shop => object_key(POLICY_GROUP, "clusterdistributionpolicies", "", &name).ok(),
        }
    });
    objects.chain(policies).flatten().collect()
}
