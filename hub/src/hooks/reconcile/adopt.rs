//! Adopting: the member's object as a template for the hub. It is given to the user, who writes it
//! as any other; that write ends the hold.

use roadstead_controllers::decision_key;
use roadstead_machinery::managed;
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_plan::render;
use roadstead_plan::template::needs_label;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::{OWN_PREFIX, TEMPLATE_LABEL};
use roadstead_protocol::api::reconciliation::{self, Action, Entry, Item, item_text};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::Snapshot;
use roadstead_store::records::{decode, object_key};
use serde_json::{Map, Value};

use super::list::waiting;
use super::{Cluster, Parts, done, fetch, find};

/// Gives the members' objects as templates.
pub(super) async fn adopt(
    parts: &Parts,
    cluster: &Cluster,
    items: &[Item],
) -> Result<reconciliation::Status, Status> {
    let (durable, reported) = (parts.store.snapshot(), parts.volatile.snapshot());
    let all = waiting(&durable, &reported, &parts.store.lineage(), cluster)?;
    let (mut chosen, mut problems) = (Vec::new(), Vec::new());
    for item in items {
        match find(&all, cluster, item).map(|w| (w, w.refusal(Action::Adopt))) {
            Ok((_, Some(problem))) | Err(problem) => problems.push(problem),
            Ok((waiting, None)) => {
                problems.extend(elsewhere(&durable, cluster, &waiting.key)?);
                chosen.push(waiting);
            }
        }
    }
    if !problems.is_empty() {
        return Err(cluster.conflict(&problems));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for waiting in chosen {
        let Some(resource) = parts
            .registry
            .by_kind(&waiting.key.group, &waiting.key.kind)
        else {
            let problem = format!(
                "{} is of no kind that the hub serves",
                item_text(&waiting.key)
            );
            return Err(cluster.conflict(&[problem]));
        };
        let object = fetch::fetch(parts, cluster, &waiting.key).await?;
        let template = template(resource, &waiting.key, &object);
        entries.push(Entry {
            object: Some(keep_ours(resource, &durable, &waiting.key, template)?),
            ..waiting.entry()
        });
    }
    Ok(done(entries))
}

/// What adopting from one cluster would change on others, or what would change it on the way back.
fn elsewhere(
    durable: &Snapshot,
    cluster: &Cluster,
    key: &ItemKey,
) -> Result<Option<String>, Status> {
    let at = decision_key(key).map_err(Status::internal)?;
    let Some(entry) = durable.get(at.as_str()) else {
        return Ok(None);
    };
    let decision: Decision = decode(entry).map_err(Status::internal)?;
    let text = item_text(key);
    let others = decision.spec.clusters.iter();
    let others = others.filter(|target| target.uid != cluster.uid).count();
    if others > 0 {
        return Ok(Some(format!(
            "{text} runs on {others} other clusters, too, and adopting it from {} would change it \
             there: edit the template, or --take-hub",
            cluster.name
        )));
    }
    Ok(decision.spec.overrides.first().map(|by| {
        format!(
            "{} {} changes {text} on the way to the cluster, so that it would not come out as it is \
             there: edit template and overrides, or --take-hub",
            by.kind, by.name
        )
    }))
}

/// The inverse of rendering: what people wrote, without what the member, its controllers and the
/// agent added.
pub(super) fn template(resource: &Resource, key: &ItemKey, object: &Value) -> Value {
    let written = managed::written(&resource.schema, resource.ty, object);
    let mut template = render::strip(written.as_ref().unwrap_or(object));
    if needs_label(&key.group, &key.kind, resource.namespaced) {
        let metadata = part(&mut template, "metadata");
        let labels = metadata.map(|metadata| map(metadata, "labels"));
        if let Some(labels) = labels.flatten() {
            labels.insert(TEMPLATE_LABEL.to_owned(), "true".into());
        }
    }
    template
}

/// What the hub's own copy says to the hub stays: labels and annotations that are never published.
fn keep_ours(
    resource: &Resource,
    durable: &Snapshot,
    key: &ItemKey,
    mut template: Value,
) -> Result<Value, Status> {
    let (group, plural) = &resource.storage;
    let at = object_key(group, plural, &key.namespace, &key.name).map_err(Status::internal)?;
    let Some(entry) = durable.get(at.as_str()) else {
        return Ok(template);
    };
    let there: Value = decode(entry).map_err(Status::internal)?;
    for field in ["labels", "annotations"] {
        let ours = there.get("metadata").and_then(|m| m.get(field));
        let ours = ours.and_then(Value::as_object).into_iter().flatten();
        for (name, value) in ours.filter(|(name, _)| name.starts_with(OWN_PREFIX)) {
            let metadata = part(&mut template, "metadata");
            if let Some(fields) = metadata.and_then(|metadata| map(metadata, field)) {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(template)
}

fn part<'v>(object: &'v mut Value, field: &str) -> Option<&'v mut Map<String, Value>> {
    map(object.as_object_mut()?, field)
}

fn map<'v>(object: &'v mut Map<String, Value>, field: &str) -> Option<&'v mut Map<String, Value>> {
    let there = object
        .entry(field)
        .or_insert_with(|| Value::Object(Map::new()));
    there.as_object_mut()
}
