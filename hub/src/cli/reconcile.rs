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
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let path = format!(
        "/apis/cluster.kurator.dev/v1alpha1/namespaces/{namespace}/attachedclusters/{}/reconcile",
        args.cluster
    );
    let waits = status(hub.get(&path).await?)?;
    let Some(action) = args.action() else {
        return Ok(match args.output {
            Output::Json => format!("{:#}", json!(waits)),
            Output::Text => listed(&args.cluster, &waits),
        });
    };
    let (items, skipped) = chosen(args, action, &waits)?;
    if items.is_empty() {
        return Ok(format!(
            "There is nothing on {} to be done with {}.{}",
            args.cluster,
            action.flag(),
            left(&skipped)
        ));
    }
    let mut done = Vec::new();
    // What is confirmed is confirmed as a whole; the rest may come in parts.
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
        let answer = status(hub.post(&path, &request).await?)?;
        for entry in answer.items {
            done.push(match action {
                Action::Adopt => write(&hub, &entry).await?,
                Action::TakeHub | Action::Release | Action::Delete => said(action, &entry),
            });
        }
    }
    Ok(match args.output {
        Output::Json => format!("{:#}", json!({"done": done, "skipped": skipped})),
        Output::Text => format!("{}{}", done.join("\n"), left(&skipped)),
    })
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
fn left(skipped: &[String]) -> String {
    if skipped.is_empty() {
        return String::new();
    }
    format!("\nNot to be done with: {}", skipped.join(", "))
}

fn listed(cluster: &str, waits: &Status) -> String {
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
        "{}{more}\n\nEnd it: roadstead reconcile {cluster} --take-hub|--adopt|--release|--delete ITEM… or --all",
        trimmed(&table)
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Cli, Command};

    fn args(line: &str) -> Result<Reconcile, String> {
        let cli = Cli::try_parse_from(line.split(' ')).map_err(|e| e.to_string())?;
        let Command::Reconcile(args) = cli.command else {
            return Err("another command".to_owned());
        };
        Ok(args)
    }

    fn waits() -> Status {
        let entry = |group: &str, kind: &str, actions: &[Action]| Entry {
            item: Item {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
                stamp: "1/2".to_owned(),
            },
            actions: actions.to_vec(),
            ..Entry::default()
        };
        Status {
            items: vec![
                entry("apps", "Deployment", &[Action::TakeHub]),
                entry("", "ConfigMap", &[Action::Delete]),
                entry("a.example", "Thing", &[Action::Delete]),
                entry("b.example", "Thing", &[Action::Delete]),
            ],
            more: 0,
        }
    }

    #[test]
    fn one_action_and_objects_or_all() {
        for wrong in [
            "roadstead reconcile edge --all",
            "roadstead reconcile edge Deployment/shop/web",
            "roadstead reconcile edge --adopt --delete --all",
            "roadstead reconcile edge --adopt --all Deployment/shop/web",
        ] {
            assert!(args(wrong).is_err(), "{wrong}");
        }
        assert_eq!(args("roadstead reconcile edge").unwrap().action(), None);
        let stray = args("roadstead reconcile edge --adopt --confirm x --all").unwrap();
        assert!(fits(&stray).is_err());
        let bare = args("roadstead reconcile edge --release").unwrap();
        let error = chosen(&bare, Action::Release, &waits()).unwrap_err();
        assert!(error.to_string().contains("--all"), "{error}");
    }

    #[test]
    fn objects_are_found_by_what_was_shown() {
        let check = |items: &str, expected: &[(&str, &str)]| {
            let args = args(&format!("roadstead reconcile edge --delete {items}")).unwrap();
            let (found, _) = chosen(&args, Action::Delete, &waits()).unwrap();
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|item| (item.group.as_str(), item.stamp.as_str()))
                .collect();
            assert_eq!(found, expected, "{items}");
        };
        check("Deployment/shop/web", &[("apps", "1/2")]);
        check("Thing.b.example/shop/web", &[("b.example", "1/2")]);
        check("Secret/shop/web", &[("", "")]);
        check(
            "--all",
            &[("", "1/2"), ("a.example", "1/2"), ("b.example", "1/2")],
        );
        let twice = args("roadstead reconcile edge --delete Thing/shop/web").unwrap();
        let error = chosen(&twice, Action::Delete, &waits())
            .unwrap_err()
            .to_string();
        assert!(error.contains("name the group"), "{error}");
    }
}
