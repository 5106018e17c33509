//! The user who ends what is held or unclaimed: asks what waits on each cluster, and answers.

use roadstead_protocol::api::reconciliation::{Action, Entry, Item, Reconciliation};
use roadstead_rest::Rest;
use serde_json::{Value, json};

use crate::act::Act;
use crate::http::call;
use crate::model::{Kind, Model, Name};
use crate::shown;
use crate::trace;
use crate::work::{CLUSTERS, read};
use crate::world::{Site, World, lock};
use crate::written::{object_path, written_object};

const JSON: &str = "application/json";
/// What is said of an object from an attachment before.
const FROM_BEFORE: &str = "before this cluster was detached";
/// How often a user adopts what may be adopted.
const ADOPTS: [bool; 3] = [true, false, false];

/// Answers everything that waits once. Whether anything did.
pub async fn round(world: &World, rest: &Rest) -> bool {
    let mut waited = false;
    for site in &world.sites {
        waited |= one(world, rest, site).await;
    }
    waited
}

async fn one(world: &World, rest: &Rest, site: &Site) -> bool {
    let path = format!("{CLUSTERS}/{}/reconcile", site.name);
    let (status, answer) = call(rest, "GET", &path, JSON, &Value::Null).await;
    let listed: Reconciliation = serde_json::from_value(answer).unwrap_or_default();
    let entries = listed.status.unwrap_or_default().items;
    let mut waits = status != 200;
    for entry in entries {
        let Some(action) = choose(world, site, &entry) else {
            // A deletion that hangs: nobody can answer it here.
            continue;
        };
        waits = true;
        if entry.message.contains(FROM_BEFORE) {
            trace::count(
                "sometimes: what a detached cluster kept was shown once it was joined again",
            );
        }
        if let Some(kind) = Kind::of(&entry.item.kind, &entry.item.namespace) {
            let at = (site.name.clone(), (kind, entry.item.name.clone()));
            lock(&world.user).acts.answered.insert(at);
        }
        if action == Action::Adopt {
            adopt(world, rest, &path, &entry.item).await;
            continue;
        }
        let ask = json!({
            "apiVersion": "roadstead.dev/v1alpha1",
            "kind": "Reconciliation",
            "spec": {"action": action, "items": [entry.item], "deleteContents": true},
        });
        let (status, answer) = call(rest, "POST", &path, JSON, &ask).await;
        match (status, action) {
            (200 | 201, Action::TakeHub) => {
                trace::count("sometimes: a user took the hub's word for what was held");
            }
            (200 | 201, Action::Adopt | Action::Release | Action::Delete) => {
                trace::count("sometimes: a user let go of what was unclaimed");
            }
            _ => tracing::info!(status, %answer, "not reconciled, tried again"),
        }
    }
    waits
}

/// Asks for what a member has as a template, and writes it to the hub, as the command line does. What
/// is not a user's, or runs elsewhere too, is answered in another way the next time.
async fn adopt(world: &World, rest: &Rest, path: &str, item: &Item) {
    let ask = json!({
        "apiVersion": "roadstead.dev/v1alpha1",
        "kind": "Reconciliation",
        "spec": {"action": Action::Adopt, "items": [item]},
    });
    let (_, answer) = call(rest, "POST", path, JSON, &ask).await;
    let given: Reconciliation = serde_json::from_value(answer).unwrap_or_default();
    let given = given.status.unwrap_or_default().items.pop();
    let Some(mut template) = given.and_then(|entry| entry.object) else {
        return;
    };
    let Some((name, object)) = written_object(&template) else {
        return;
    };
    if let Some(data) = template.get_mut("data").and_then(Value::as_object_mut) {
        // What an override put there is no part of it.
        data.retain(|field, _| field == "version");
    }
    // To leave a policy for none would be held, which is right, but not what is modelled here.
    let group = (name.0, object.group);
    if !lock(&world.user).model.policies.contains_key(&group) {
        return;
    }
    let path = object_path(&name);
    let act = Act::Put(name.clone(), object);
    {
        let mut user = lock(&world.user);
        // Written anew it is an answer everywhere, as any other write of it.
        shown::answers(world, &mut user, &act);
        user.sending(&act);
    }
    let status = match read(rest, &path).await {
        Some(there) => {
            template["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
            call(rest, "PUT", &path, JSON, &template).await.0
        }
        None => {
            let collection = name.0.path();
            call(rest, "POST", collection, JSON, &template).await.0
        }
    };
    let done = matches!(status, 200 | 201);
    if done {
        trace::count("sometimes: a user adopted what was on a member");
    }
    let mut user = lock(&world.user);
    shown::answers(world, &mut user, &act);
    user.settled(done);
}

fn wanted(model: &Model, site: &Site, entry: &Entry) -> bool {
    let at = |name: &Name| {
        let place = (name.0.name(), name.0.place().2, name.1.as_str());
        place == (&*entry.item.kind, &*entry.item.namespace, &*entry.item.name)
    };
    let name = model.objects.keys().find(|name| at(name));
    name.is_some_and(|name| model.clusters(name).contains(site.name.as_str()))
}

/// At times what is there as the hub's; else the hub's word where it has one, else away with it. What
/// may be adopted from one cluster is let go on none: on the way back it would be somebody else's.
fn choose(world: &World, site: &Site, entry: &Entry) -> Option<Action> {
    let adopts = entry.item.name.ends_with(['0', '2', '4']);
    let mut user = lock(&world.user);
    let adopt = entry.actions.contains(&Action::Adopt) && adopts;
    if adopt && user.choose(&ADOPTS) == Some(true) {
        return Some(Action::Adopt);
    }
    if entry.actions.contains(&Action::TakeHub) {
        return Some(Action::TakeHub);
    }
    // What is wanted there and waits for its turn would not be ours any more.
    let away = if adopts || wanted(&user.model, site, entry) {
        Action::Delete
    } else {
        Action::Release
    };
    let away = [away, Action::Delete].into_iter();
    let drawn: Vec<Action> = away.filter(|a| entry.actions.contains(a)).collect();
    user.choose(&drawn)
}
