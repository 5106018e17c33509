//! Asks a cluster's agent for an object as it is there, over the session: a request and its result
//! meet in the store in memory.

use std::time::Duration;

use roadstead_machinery::status::Status;
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::frame::features;
use roadstead_store::records::{
    FETCHES_WAITING_MAX, FetchRequest, FetchResult, Liveness, decode, encode, fetch_key,
    fetched_key, fetches_prefix, liveness_key,
};
use roadstead_store::{Key, Txn};
use serde_json::Value;

use super::{Cluster, Parts};

/// How long an agent has to answer.
const WITHIN: Duration = Duration::from_secs(20);

/// The object as the member's API gives it.
///
/// # Errors
/// 503 where the agent is away, too many ask, or it does not answer in time; 409 with the agent's own
/// words where there is no such object to be had.
pub(super) async fn fetch(
    parts: &Parts,
    cluster: &Cluster,
    item: &ItemKey,
) -> Result<Value, Status> {
    let snapshot = parts.volatile.snapshot();
    let liveness = liveness_key(&cluster.uid).map_err(Status::internal)?;
    let liveness = snapshot.get(liveness.as_str()).map(decode::<Liveness>);
    let liveness = liveness.and_then(Result::ok).filter(|l| l.connected);
    let name = &cluster.name;
    let Some(liveness) = liveness else {
        return Err(Status::unavailable(format!(
            "the agent of {name} is away, so that its object cannot be read; try again when it is Ready"
        )));
    };
    if liveness.features & features::FETCH == 0 {
        let problem = format!(
            "the agent of {name} is of release {}, which cannot give objects; upgrade it first",
            liveness.release
        );
        return Err(cluster.conflict(&[problem]));
    }
    if snapshot.range(&fetches_prefix(&cluster.uid)).count() >= FETCHES_WAITING_MAX {
        let why = format!(
            "{FETCHES_WAITING_MAX} objects of this cluster are asked for already; try again"
        );
        return Err(Status::unavailable(why));
    }
    let id = u64::from_le_bytes(parts.env.random());
    let request = fetch_key(&cluster.uid, id).map_err(Status::internal)?;
    let result = fetched_key(&cluster.uid, id).map_err(Status::internal)?;
    let asked = FetchRequest { key: item.clone() };
    let asked = encode(&asked).map_err(Status::internal)?;
    let put = Txn::new().put(request.clone(), asked);
    let before = parts.volatile.revision();
    parts.volatile.commit(put).await.map_err(unavailable)?;
    let answer = tokio::time::timeout(WITHIN, wait(parts, &result, before)).await;
    let clean = Txn::new().delete(request).delete(result);
    if let Err(error) = parts.volatile.commit(clean).await {
        tracing::debug!(%error, "a request for an object was not taken back");
    }
    match answer {
        Ok(Ok(FetchResult::Content(raw))) => {
            serde_json::from_str(raw.get()).map_err(Status::internal)
        }
        Ok(Ok(FetchResult::Problem(problem))) => Err(cluster.conflict(&[problem])),
        Ok(Err(status)) => Err(status),
        Err(_) => Err(Status::unavailable(format!(
            "the agent of {} did not give the object within {} s",
            cluster.name,
            WITHIN.as_secs()
        ))),
    }
}

/// The result, once it is there.
async fn wait(
    parts: &Parts,
    result: &Key,
    after: roadstead_store::Revision,
) -> Result<FetchResult, Status> {
    let watch = parts.volatile.watch(result.as_str(), after);
    let mut watch = watch.map_err(Status::internal)?;
    loop {
        let event = watch.next().await;
        let event = event.map_err(|_| Status::unavailable("the hub stops"))?;
        if let Some(entry) = event.new.filter(|entry| entry.key == *result) {
            return decode(&entry).map_err(Status::internal);
        }
    }
}

fn unavailable(error: impl std::error::Error + 'static) -> Status {
    Status::unavailable(crate::chain(&error))
}
