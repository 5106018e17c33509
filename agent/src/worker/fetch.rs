//! Shows the hub an object as it is on the member, when it asks: one at a time, and only what this
//! agent has to do with.

use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::limits::CONTENT_BYTES_MAX;
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
    let object = found
        .map_err(words)?
        .ok_or_else(|| format!("{key} is not on the member"))?;
    shown(object)
}

/// The object as JSON, with who wrote which field: without that nobody could tell what people wrote
/// from what the member added. Where it is too long to travel so, it goes without.
fn shown(mut object: Value) -> Result<bytes::Bytes, String> {
    let json = |object: &Value| serde_json::to_vec(object).map_err(|e| e.to_string());
    let whole = json(&object)?;
    if whole.len() <= CONTENT_BYTES_MAX {
        return Ok(whole.into());
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Ok(json(&object)?.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_wrote_what_goes_along_where_there_is_room() {
        for (length, along) in [(10, true), (CONTENT_BYTES_MAX, false)] {
            let fields = json!([{"manager": "m".repeat(length)}]);
            let object = json!({"metadata": {"name": "a", "managedFields": fields}, "data": {}});
            let bytes = shown(object.clone()).unwrap();
            assert!(bytes.len() <= CONTENT_BYTES_MAX);
            let there: Value = serde_json::from_slice(&bytes).unwrap();
            let bare = json!({"metadata": {"name": "a"}, "data": {}});
            assert_eq!(there, if along { object } else { bare });
        }
    }
}
