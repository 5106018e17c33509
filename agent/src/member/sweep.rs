//! Finding kinds that nobody named but that have objects under our label, as after the loss of a disk.
//!
//! Once after the start and once after each comparison with a hub: one small list per kind. What is
//! found is watched from then on, and so shown; nothing is ever removed because of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::client::Member;
use super::discovery::Resource;
use super::error::{Class, Error};
use crate::desk::Desk;
use crate::plan::Owner;

/// How long to wait before trying again after the member did not answer.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Kinds whose objects copy the labels of others: what is found there says nothing.
const COPIES: &[&str] = &["Endpoints", "EndpointSlice", "Event", "ControllerRevision"];

const METADATA: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// Sweeps when the desk says so, until it is dropped.
pub async fn run(member: Member, desk: Arc<Desk>) {
    loop {
        desk.sweep.notified().await;
        while let Err(error) = sweep(&member, &desk).await {
            tracing::debug!(%error, "what is unclaimed could not be looked for");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

async fn sweep(member: &Member, desk: &Desk) -> Result<(), Error> {
    let Some(owner) = desk.owner() else {
        return Ok(());
    };
    member.refresh(RETRY_AFTER).await?;
    for resource in member.catalogue().preferred() {
        let kind = (resource.group.clone(), resource.kind.clone());
        let listable = resource.can("list") && resource.can("watch") && resource.can("delete");
        if !listable || COPIES.contains(&resource.kind.as_str()) || desk.kinds().contains(&kind) {
            continue;
        }
        if any(member, &resource, &owner).await? {
            desk.watch_kind(kind);
        }
    }
    Ok(())
}

async fn any(member: &Member, resource: &Resource, owner: &Owner) -> Result<bool, Error> {
    let path = format!(
        "{}?labelSelector={}&limit=1",
        resource.list_path(""),
        owner.selector()
    );
    match member.fetch(&path, METADATA).await {
        Ok(list) => Ok(list
            .get("items")
            .and_then(Value::as_array)
            .is_some_and(|items| !items.is_empty())),
        Err(error) if error.class == Class::Unreachable => Err(error),
        // A kind that cannot be listed, or an aggregated server that is away, hides no other.
        Err(error) => {
            tracing::debug!(kind = %resource.kind, %error, "left out");
            Ok(false)
        }
    }
}
