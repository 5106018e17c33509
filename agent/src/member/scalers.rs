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
/// In one page of a list.
const PAGE: usize = 250;

/// Whether an autoscaler of the member owns the replicas of `key`.
///
/// # Errors
/// Whatever keeps the API from answering; a member that serves none, or shows none, has none.
pub async fn scaled(member: &Member, key: &ItemKey) -> Result<bool, Error> {
    let mut found = false;
    let mut each = |one: Value| found |= scaler::scales(&one, key);
    match list(member, &key.namespace, &mut each).await {
        Ok(()) => Ok(found),
        Err(error) if is_none(&error) => Ok(false),
        Err(error) => Err(error),
    }
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
            let listed = list(&member, &namespace, &mut each).await;
            let known = listed.is_ok() || listed.is_err_and(|error| is_none(&error));
            for key in keys.iter().filter(|_| known) {
                tracing::info!(%key, "nothing scales it any more: its replicas are as they are given");
                desk.scales(key, false);
            }
        }
    }
}

async fn list(
    member: &Member,
    namespace: &str,
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<(), Error> {
    let at = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
    let mut rest = String::new();
    let mut read = 0;
    while read < SCALERS_MAX {
        let path = format!("{at}?limit={PAGE}{rest}");
        let page = member.page(&path, "application/json", each).await?;
        if page.next.is_empty() {
            break;
        }
        read += PAGE;
        let token =
            percent_encoding::utf8_percent_encode(&page.next, percent_encoding::NON_ALPHANUMERIC);
        rest = format!("&continue={token}");
    }
    Ok(())
}

/// Whether an error says that there are none, or none that this agent may see.
fn is_none(error: &Error) -> bool {
    matches!(
        error.class,
        Class::Forbidden | Class::NotFound | Class::KindUnknown | Class::NamespaceMissing
    )
}
