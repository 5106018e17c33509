//! Shows the hub an object as it is on the member, when it asks: one at a time, and only what this
//! agent has to do with.

use roadstead_protocol::wire::item::ItemKey;
use serde_json::Value;

use super::Workshop;
use crate::desk::fetches::Fetched;
use crate::member::Error;

/// Answers until it is dropped.
pub async fn run(shop: Workshop) {
    loop {
        let Some(asked) = shop.desk.take_fetch() else {
            shop.desk.fetch.notified().await;
            continue;
        };
        let content = look(&shop, &asked.key).await;
        shop.desk.fetched(Fetched {
            id: asked.id,
            key: asked.key,
            content,
        });
    }
}

async fn look(shop: &Workshop, key: &ItemKey) -> Result<bytes::Bytes, String> {
    if !shop.desk.concerns(key) {
        return Err(format!(
            "{key} is neither given to this cluster nor on it under our label"
        ));
    }
    let words = |error: Error| error.message;
    let resource = shop.member.resource(&key.group, &key.kind, None).await;
    let found = shop.member.get(&resource.map_err(words)?, key).await;
    let mut object = found
        .map_err(words)?
        .ok_or_else(|| format!("{key} is not on the member"))?;
    // Who owns which field says nothing elsewhere, and is often longer than the object.
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let json = serde_json::to_vec(&object).map_err(|e| e.to_string())?;
    Ok(json.into())
}
