//! The user of a member who meddles with what is ours there.

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::api::names::OWNER_LABEL;
use serde_json::{Value, json};

use crate::http::call;
use crate::model::Kind;
use crate::trace;
use crate::world::{World, lock};

/// How often requests to meddle are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Meddles on members as the fault plan asks, for ever.
pub async fn serve(world: Arc<World>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let asked = std::mem::take(&mut *lock(&world.checks.drifts));
        for (site, how) in asked {
            meddle(&world, site, how).await;
        }
    }
}

/// Deletes or changes one of our objects on a member. Whether there was one.
async fn meddle(world: &World, site: usize, how: u64) {
    let Some(site) = world.sites.get(site) else {
        return;
    };
    let Some(rest) = lock(&site.member).as_ref().map(|m| m.rest.clone()) else {
        return;
    };
    let kind = if how.is_multiple_of(2) {
        Kind::ConfigMap
    } else {
        Kind::Deployment
    };
    let (_, list) = call(&rest, "GET", kind.path(), "application/json", &Value::Null).await;
    let ours = |o: &&Value| {
        o.pointer("/metadata/labels")
            .and_then(|l| l.get(OWNER_LABEL))
            .is_some()
    };
    let all: Vec<&Value> = list
        .get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(ours)
        .collect();
    let at = usize::try_from(how / 8).unwrap_or_default() % all.len().max(1);
    let Some(name) = all
        .get(at)
        .and_then(|o| o.pointer("/metadata/name"))
        .and_then(Value::as_str)
    else {
        return;
    };
    let path = format!("{}/{name}", kind.path());
    if (how / 2).is_multiple_of(2) {
        call(&rest, "DELETE", &path, "application/json", &Value::Null).await;
        trace::count("sometimes: a user of a member deleted one of our objects");
        return;
    }
    let patch = match kind {
        Kind::ConfigMap => json!({"data": {"version": "meddled"}}),
        Kind::Deployment => json!({"spec": {"replicas": 77}}),
    };
    call(
        &rest,
        "PATCH",
        &path,
        "application/merge-patch+json",
        &patch,
    )
    .await;
    trace::count("sometimes: a user of a member changed one of our objects");
}
