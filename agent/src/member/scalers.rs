//! The autoscalers of a namespace of the member: asked for when replicas are not as they were given, and,
//! while something is scaled, from time to time whether it still is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::wire::item::ItemKey;
use serde_json::Value;

use super::client::Member;
use super::error::{Class, Error};
use crate::desk::Desk;
use crate::plan::scaler;

/// How often it is asked whether what is scaled still is.
const EVERY: Duration = Duration::from_secs(60);
/// Most autoscalers that are looked at in a namespace.
const SCALERS_MAX: usize = 1_000;
/// What autoscalers are.
const GROUP: &str = "autoscaling";
const KIND: &str = "HorizontalPodAutoscaler";
/// In one page of a list.
const PAGE: usize = 250;

/// Whether an autoscaler of the member owns the replicas of `key`; `None` where the member does not say:
/// it shows its autoscalers not to this agent, or not all of them, or serves them just now not.
///
/// # Errors
/// Whatever keeps the API from answering.
pub async fn scaled(member: &Member, key: &ItemKey) -> Result<Option<bool>, Error> {
    let mut found = false;
    let mut each = |one: Value| found |= scaler::scales(&one, key);
    let whole = all(member, &key.namespace, &mut each).await?;
    Ok((found || whole).then_some(found))
}

/// Tells the desk when something is scaled no more, until it is dropped.
pub async fn run(member: Member, desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let mut by_namespace: BTreeMap<String, BTreeSet<ItemKey>> = BTreeMap::new();
        for key in desk.scaled() {
            let keys = by_namespace.entry(key.namespace.clone()).or_default();
            keys.insert(key);
        }
        for (namespace, mut keys) in by_namespace {
            let mut each = |one: Value| keys.retain(|key| !scaler::scales(&one, key));
            let listed = all(&member, &namespace, &mut each).await;
            // Without an answer what was known stays known.
            let whole = listed.is_ok_and(|whole| whole);
            for key in keys.iter().filter(|_| whole) {
                tracing::info!(%key, "nothing scales it any more: its replicas are as they are given");
                desk.scales(key, false);
            }
        }
    }
}

/// Reads the autoscalers of a namespace; whether these were all.
async fn all(
    member: &Member,
    namespace: &str,
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<bool, Error> {
    match list(member, namespace, each).await {
        Err(error) if error.class == Class::Forbidden => Ok(false),
        Err(error) if is_absence(&error) => serves_none(member).await,
        answer => answer,
    }
}

/// Whether the member says of itself that it serves no autoscalers, in no version.
async fn serves_none(member: &Member) -> Result<bool, Error> {
    member.refresh(EVERY).await?;
    let kinds = member.catalogue().preferred();
    let served = kinds.iter().any(|r| r.group == GROUP && r.kind == KIND);
    Ok(!served)
}

/// Reads the autoscalers of a namespace, and not more than are looked at; whether these were all.
async fn list(
    member: &Member,
    namespace: &str,
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<bool, Error> {
    let at = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
    let mut rest = String::new();
    let mut read = 0;
    while read < SCALERS_MAX {
        let path = format!("{at}?limit={PAGE}{rest}");
        let page = member.page(&path, "application/json", each).await?;
        if page.next.is_empty() {
            return Ok(true);
        }
        read += PAGE;
        let token =
            percent_encoding::utf8_percent_encode(&page.next, percent_encoding::NON_ALPHANUMERIC);
        rest = format!("&continue={token}");
    }
    Ok(false)
}

/// Whether an error may say that there are none: so does an API server that is only starting.
fn is_absence(error: &Error) -> bool {
    matches!(
        error.class,
        Class::NotFound | Class::KindUnknown | Class::NamespaceMissing
    )
}
