//! `roadstead rebalance`: divides the replicas of an object, or of all that a policy distributes, anew,
//! by what is free and open now.
//!
//! Writes an annotation that any client may write; the number in it only has to be another than before.

use roadstead_protocol::api::names::REBALANCE_ANNOTATION;
use serde_json::{Value, json};

use super::kinds::{find, named, path, served};
use crate::client::{Api, Error};
use crate::config::Rebalance;

/// Asks for it. Gives the text to print.
///
/// # Errors
/// When the kind or the object is not known, or the hub does not answer, or refuses.
pub async fn rebalance(args: &Rebalance) -> Result<String, Error> {
    let (kind, name) = named(&args.kind, args.name.as_deref())?;
    let hub = Api::connect(&args.target).await?;
    let resource = find(&served(&hub).await?, kind)?;
    let namespace = match resource.namespaced {
        true => args.namespace.as_ref().unwrap_or(&hub.namespace).as_str(),
        false => "",
    };
    let path = path(&resource, namespace, name);
    let object = hub.get(&path).await?;
    let patch = json!({
        "metadata": {
            "annotations": {REBALANCE_ANNOTATION: next(&object)},
            // What was read is what is written over: two at once are told so.
            "resourceVersion": object.pointer("/metadata/resourceVersion"),
        }
    });
    hub.merge(&format!("{path}?fieldManager=roadstead-rebalance"), &patch)
        .await?;
    Ok(format!(
        "{} {}: replicas are divided anew; `roadstead why` shows the shares",
        resource.kind, name
    ))
}

/// A value that the annotation does not have.
fn next(object: &Value) -> String {
    let annotations = object.pointer("/metadata/annotations");
    let now = annotations.and_then(|a| a.get(REBALANCE_ANNOTATION)?.as_str());
    let number: u64 = now.and_then(|text| text.parse().ok()).unwrap_or(0);
    number.saturating_add(1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_another_value_each_time() {
        let with =
            |value: &str| json!({"metadata": {"annotations": {REBALANCE_ANNOTATION: value}}});
        assert_eq!(next(&json!({})), "1");
        assert_eq!(next(&with("1")), "2");
        assert_eq!(next(&with("last tuesday")), "1");
    }
}
