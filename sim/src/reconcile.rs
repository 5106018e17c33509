//! The user who ends what is held or unclaimed: asks what waits on each cluster, and answers.

use roadstead_protocol::api::reconciliation::{Action, Reconciliation};
use roadstead_rest::Rest;
use serde_json::{Value, json};

use crate::http::call;
use crate::model::{KINDS, Kind};
use crate::trace;
use crate::work::CLUSTERS;
use crate::world::{Site, World, lock};

const JSON: &str = "application/json";

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
        let Some(action) = choose(world, &entry.actions) else {
            // A deletion that hangs: nobody can answer it here.
            continue;
        };
        waits = true;
        let kind = KINDS.into_iter().find(|kind: &Kind| {
            (kind.name(), kind.place().2) == (&*entry.item.kind, &*entry.item.namespace)
        });
        if let Some(kind) = kind {
            let at = (site.name.clone(), (kind, entry.item.name.clone()));
            lock(&world.user).acts.answered.insert(at);
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

/// The hub's word where it has one, else away with it.
fn choose(world: &World, allowed: &[Action]) -> Option<Action> {
    if allowed.contains(&Action::TakeHub) {
        return Some(Action::TakeHub);
    }
    let mut user = lock(&world.user);
    let away = [Action::Release, Action::Delete];
    let drawn = away
        .into_iter()
        .filter(|a| allowed.contains(a))
        .collect::<Vec<_>>();
    user.choose(&drawn)
}
