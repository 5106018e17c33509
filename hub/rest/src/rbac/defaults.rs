//! The roles and bindings that a hub begins with: facts in a table, written where they are missing.
//!
//! As in Kubernetes, what they lack is added at each start while they carry the annotation
//! `rbac.authorization.kubernetes.io/autoupdate: "true"`; what somebody added to them stays, and set to
//! `"false"` they are left alone. Nothing is written where nothing is missing.

use std::sync::Arc;

use roadstead_machinery::status::Status;
use serde_json::{Value, json};

use super::grants::role_of;
use super::{GROUP, Rule, covers, is_template};
use crate::decode::Decoded;
use crate::rest::Inner;
use crate::write::{Context, create, update_with};
use crate::{meta, storage};

/// The table.
const TABLE: &str = include_str!("defaults.yaml");
/// Who writes them.
const MANAGER: &str = "roadstead-rbac";
/// Says that what is missing is added at each start.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
/// Tells them from others, as in Kubernetes.
const LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");

/// The roles and bindings of the table, as they are written.
pub(super) fn table() -> Result<Vec<Value>, Status> {
    let all: Result<Vec<Value>, _> = serde_saphyr::from_str(TABLE);
    let mut all = all.map_err(|e| Status::internal(format!("the default roles: {e}")))?;
    for object in &mut all {
        meta::root(object).insert("apiVersion".to_owned(), format!("{GROUP}/v1").into());
        let metadata = meta::of(object);
        meta::map(metadata, "labels").insert(LABEL.0.to_owned(), LABEL.1.into());
        meta::map(metadata, "annotations").insert(AUTOUPDATE.to_owned(), "true".into());
    }
    Ok(all)
}

/// Writes what is missing of the table.
///
/// # Errors
/// When the store cannot write.
pub(crate) async fn grant(inner: &Arc<Inner>) -> Result<(), Status> {
    for object in table()? {
        let kind = object.get("kind").and_then(Value::as_str);
        let resource = inner.base.by_kind(GROUP, kind.unwrap_or_default());
        let Some(resource) = resource.cloned() else {
            continue;
        };
        let name = meta::name(&object).to_owned();
        let key = storage::key(&resource, None, &name)?;
        let there = storage::read(&inner.store.snapshot(), &resource, &key)?;
        let mut ctx = Context::internal(inner, &resource, None, None, MANAGER);
        let done = match there {
            None => {
                let decoded = Decoded {
                    object,
                    duplicates: Vec::new(),
                };
                create(&mut ctx, decoded).await.map(drop)
            }
            Some((live, _)) if completed(&live, &object).is_none() => {
                if is_template(&live) {
                    tracing::warn!(
                        role = name,
                        "is missing on the hub: a template for members has its name"
                    );
                }
                Ok(())
            }
            Some(_) => {
                let done = update_with(&mut ctx, &name, |_, live| {
                    Ok(completed(live, &object).unwrap_or_else(|| live.clone()))
                });
                done.await.map(drop)
            }
        };
        match done {
            // Another hub of the same store was quicker, or somebody took it away just now.
            Err(status) if !matches!(status.code, 404 | 409) => return Err(status),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// What `live` becomes where it lacks something of `wanted` and may be completed.
fn completed(live: &Value, wanted: &Value) -> Option<Value> {
    let annotations = meta::get(live, "annotations");
    let auto = annotations.and_then(|a| a.get(AUTOUPDATE)) == Some(&json!("true"));
    if !auto || is_template(live) || role_of(live) != role_of(wanted) {
        return None;
    }
    let own = Rule::all(live);
    let own: Vec<&Rule> = own.iter().collect();
    let list = |object: &Value, field: &str| -> Vec<Value> {
        let list = object.get(field).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let mut rules = list(wanted, "rules");
    rules.retain(|rule| covers::check(&own, &[Rule::read(rule)]).is_err());
    let there = list(live, "subjects");
    let mut subjects = list(wanted, "subjects");
    subjects.retain(|subject| !there.contains(subject));
    let mut object = live.clone();
    let labels = |object: &Value| meta::get(object, "labels").and_then(|l| l.as_object().cloned());
    let mut kept = labels(wanted).unwrap_or_default();
    kept.extend(labels(live).unwrap_or_default());
    let selectors = "/aggregationRule/clusterRoleSelectors";
    let gathers = wanted.pointer(selectors).is_some() && live.pointer(selectors).is_none();
    let same_labels = labels(live).unwrap_or_default() == kept;
    if rules.is_empty() && subjects.is_empty() && same_labels && !gathers {
        return None;
    }
    meta::of(&mut object).insert("labels".to_owned(), kept.into());
    if let Some(rule) = wanted.get("aggregationRule").filter(|_| gathers) {
        meta::root(&mut object).insert("aggregationRule".to_owned(), rule.clone());
    }
    for (field, missing) in [("rules", rules), ("subjects", subjects)] {
        let all: Vec<Value> = list(live, field).into_iter().chain(missing).collect();
        if !all.is_empty() {
            meta::root(&mut object).insert(field.to_owned(), all.into());
        }
    }
    Some(object)
}
