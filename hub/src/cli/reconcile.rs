//! `roadstead reconcile`: what is held or unclaimed on a cluster, and what ends it.
//!
//! The hub decides what may be done and does it; adopting gives the object back, and it is written
//! here as any user writes it.

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_protocol::api;
use roadstead_protocol::api::reconciliation::{
    Action, Entry, ITEMS_MAX, Item, Reconciliation, Spec, Status, item_text, parse_item,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::status::{plain, trimmed};
use crate::client::{Api, Error};
use crate::config::{Output, Reconcile};

/// Lists, or acts. Gives the text to print.
///
/// # Errors
/// When an item is none of what waits, the hub does not answer, or refuses.
pub async fn reconcile(args: &Reconcile) -> Result<String, Error> {
    fits(args)?;
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| hub.namespace.clone());
    at(&hub, &namespace, args).await
}

async fn at(hub: &Api, namespace: &str, args: &Reconcile) -> Result<String, Error> {
    let path = format!(
        "/apis/cluster.kurator.dev/v1alpha1/namespaces/{namespace}/attachedclusters/{}/reconcile",
        args.cluster
    );
    let waits = status(hub.get(&path).await?)?;
    let Some(action) = args.action() else {
        return Ok(match args.output {
            Output::Json => format!("{:#}", json!(waits)),
            Output::Text => listed(namespace, &args.cluster, &waits),
        });
    };
    let (items, skipped) = chosen(args, action, &waits)?;
    let more = if args.all { waits.more } else { 0 };
    if items.is_empty() {
        return Ok(format!(
            "There is nothing on {} to be done with {}.{}",
            args.cluster,
            action.flag(),
            left(&skipped, more)
        ));
    }
    at_once(action, items.len(), more)?;
    let mut done = Vec::new();
    let all = act(hub, &path, args, (action, &items), &mut done).await;
    match (all, args.output) {
        (Ok(()), Output::Json) => Ok(format!(
            "{:#}",
            json!({"done": done, "skipped": skipped, "more": more})
        )),
        (Ok(()), Output::Text) => Ok(format!("{}{}", done.join("\n"), left(&skipped, more))),
        (Err(error), _) if done.is_empty() => Err(error),
        (Err(error), _) => Err(Error::Partly(done.join("\n"), Box::new(error))),
    }
}

/// A deletion is judged, and confirmed, as a whole: it does not come in parts.
fn at_once(action: Action, count: usize, more: usize) -> Result<(), Error> {
    if action != Action::Delete || (count <= ITEMS_MAX && more == 0) {
        return Ok(());
    }
    let unlisted = match more {
        0 => String::new(),
        more => format!(", and {more} more wait that were not listed"),
    };
    Err(Error::Flag(format!(
        "--delete deletes at most {ITEMS_MAX} objects at a time, which are confirmed as a whole; \
         these are {count}{unlisted}. Nothing was deleted: name the objects instead of --all, \
         at most {ITEMS_MAX} in one step"
    )))
}

/// Acts, in parts, and says what was done also where it ends with an error.
async fn act(
    hub: &Api,
    path: &str,
    args: &Reconcile,
    (action, items): (Action, &[Item]),
    done: &mut Vec<String>,
) -> Result<(), Error> {
    for part in items.chunks(ITEMS_MAX) {
        let spec = Spec {
            action: Some(action),
            items: part.to_vec(),
            delete_contents: args.delete_contents,
            confirm: args.confirm.clone().unwrap_or_default(),
        };
        let request = json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Reconciliation", "spec": spec,
        });
        let answer = status(hub.post(path, &request).await?)?;
        for entry in answer.items {
            done.push(match action {
                Action::Adopt => write(hub, &entry).await?,
                Action::TakeHub | Action::Release | Action::Delete => said(action, &entry),
            });
        }
    }
    Ok(())
}

/// Whether what is only for `--delete` stands beside it.
fn fits(args: &Reconcile) -> Result<(), Error> {
    if args.delete || (!args.delete_contents && args.confirm.is_none()) {
        return Ok(());
    }
    let why = "--delete-contents and --confirm are for --delete only";
    Err(Error::Flag(why.to_owned()))
}

fn status(answer: Value) -> Result<Status, Error> {
    let answer = Reconciliation::deserialize(answer);
    answer
        .map(|answer| answer.status.unwrap_or_default())
        .map_err(|e| Error::Flag(format!("the hub's answer cannot be read: {e}")))
}

/// The items that are acted on, with the stamps that were shown, and with `--all` those that cannot be.
fn chosen(
    args: &Reconcile,
    action: Action,
    waits: &Status,
) -> Result<(Vec<Item>, Vec<String>), Error> {
    if args.all {
        let (can, cannot): (Vec<&Entry>, Vec<&Entry>) = waits
            .items
            .iter()
            .partition(|entry| entry.actions.contains(&action));
        let can = can.into_iter().map(|entry| entry.item.clone()).collect();
        let cannot = cannot.iter().map(|e| item_text(&e.item.key())).collect();
        return Ok((can, cannot));
    }
    if args.items.is_empty() {
        return Err(Error::Flag(format!(
            "{}: name the objects as KIND[.GROUP]/[NAMESPACE/]NAME, or say --all",
            action.flag()
        )));
    }
    let mut items = Vec::new();
    for text in &args.items {
        let Some(key) = parse_item(text) else {
            return Err(Error::Flag(format!(
                "{text}: an object is named as KIND[.GROUP]/[NAMESPACE/]NAME, as in Deployment/shop/web"
            )));
        };
        // The group may be left out where the kind says it all.
        let named = |entry: &&Entry| {
            let is = &entry.item;
            let same =
                (&is.kind, &is.namespace, &is.name) == (&key.kind, &key.namespace, &key.name);
            same && (key.group.is_empty() || key.group == is.group)
        };
        let mut found = waits.items.iter().filter(named);
        match (found.next(), found.next()) {
            (Some(entry), None) => items.push(entry.item.clone()),
            (Some(one), Some(other)) => {
                return Err(Error::Flag(format!(
                    "{text} may be {} or {}: name the group, too",
                    item_text(&one.item.key()),
                    item_text(&other.item.key())
                )));
            }
            // The hub says what is wrong with it.
            (None, _) => items.push(Item::new(&key, String::new())),
        }
    }
    Ok((items, Vec::new()))
}

fn said(action: Action, entry: &Entry) -> String {
    let text = item_text(&entry.item.key());
    match action {
        Action::TakeHub => format!("{text}: what the hub says about it is on its way"),
        Action::Release => format!("{text}: to be let go of, and left as it is"),
        Action::Delete => format!("{text}: to be deleted"),
        Action::Adopt => format!("{text}: adopted"),
    }
}

/// Writes an adopted object to the hub, as its user.
async fn write(hub: &Api, entry: &Entry) -> Result<String, Error> {
    let key = entry.item.key();
    let text = item_text(&key);
    let (Some(object), Some(resource)) = (&entry.object, resource(&key)?) else {
        return Err(Error::Flag(format!(
            "{text}: the hub gave no template of it"
        )));
    };
    let collection = collection(&resource, &key.namespace);
    let at = format!("{collection}/{}", key.name);
    let manager = "fieldManager=roadstead-adopt";
    let post = format!("{collection}?{manager}");
    match hub.get(&at).await {
        Ok(there) => {
            let mut object = object.clone();
            object["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
            hub.put(&format!("{at}?{manager}"), &object).await?;
        }
        Err(error) if is_missing(&error) => {
            if let Err(error) = hub.post(&post, object).await {
                if !is_missing(&error) || key.namespace.is_empty() {
                    return Err(error);
                }
                // Its namespace is not there yet.
                let namespace = json!({
                    "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.namespace},
                });
                hub.post(&format!("/api/v1/namespaces?{manager}"), &namespace)
                    .await?;
                hub.post(&post, object).await?;
            }
        }
        Err(error) => return Err(error),
    }
    let next = if entry.hub.is_empty() {
        "; it runs on as soon as a policy sends it there"
    } else {
        ""
    };
    Ok(format!("{text}: adopted as the hub's template{next}"))
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Refused(status) if status.code == 404)
}

fn resource(key: &roadstead_protocol::wire::ItemKey) -> Result<Option<Resource>, Error> {
    let registry = Registry::hub(api::CRDS)
        .map_err(|e| Error::Flag(format!("the kinds of this program are damaged: {e}")))?;
    let resource = registry.by_kind(&key.group, &key.kind);
    Ok(resource.map(|resource| Resource::clone(resource)))
}

fn collection(resource: &Resource, namespace: &str) -> String {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    match namespace {
        "" => format!("{root}/{}", resource.plural),
        namespace => format!("{root}/namespaces/{namespace}/{}", resource.plural),
    }
}

/// What `--all` left.
fn left(skipped: &[String], more: usize) -> String {
    let mut text = String::new();
    if !skipped.is_empty() {
        text.push_str(&format!("\nNot to be done with: {}", skipped.join(", ")));
    }
    if more > 0 {
        text.push_str(&format!(
            "\n… and {more} more wait that were not listed: say it again for them"
        ));
    }
    text
}

fn listed(namespace: &str, cluster: &str, waits: &Status) -> String {
    if waits.items.is_empty() {
        return format!("Nothing is held or unclaimed on {cluster}.");
    }
    let mut table = plain(&["ITEM", "STATE", "REASON", "HUB", "WAYS OUT", "WHY"]);
    for entry in &waits.items {
        let ways: Vec<&str> = entry.actions.iter().map(|action| action.flag()).collect();
        let hub = match entry.hub.as_str() {
            "Put" => "wants it",
            "Tombstone" => "wants it gone",
            _ => "-",
        };
        table.add_row(vec![
            item_text(&entry.item.key()),
            entry.state.clone(),
            entry.reason.clone(),
            hub.to_owned(),
            ways.join(" "),
            entry.message.clone(),
        ]);
    }
    let more = match waits.more {
        0 => String::new(),
        n => format!("\n… and {n} more"),
    };
    format!(
        "{}{more}\n\nEnd it: roadstead reconcile -n {namespace} {cluster} --take-hub|--adopt|--release|--delete ITEM… or --all",
        trimmed(&table)
    )
}

#[cfg(test)]
mod tests;
