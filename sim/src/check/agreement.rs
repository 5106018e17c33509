//! After faults healed: every member holds exactly what the model says.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use roadstead_hub::member::Member;
use roadstead_protocol::api::names::OWNER_LABEL;
use roadstead_store::Store;
use roadstead_store::records::{LEDGER_PREFIX, LedgerEntry, LedgerState, decode, objects_prefix};
use serde_json::Value;

use crate::check::safety;
use crate::model::{KINDS, Kind, Model, Name};
use crate::world::{Site, World, lock};

/// What one member holds of ours.
pub type Held = BTreeMap<Name, Value>;

/// Compares all members with the model. How replicas are shared out depends on what was there when,
/// until a user asks for it to be done afresh; only their sum is looked at.
///
/// # Errors
/// The first difference.
pub fn agree(world: &World) -> Result<(), String> {
    compare(world, Model::sum_fault)
}

/// As [`agree`], and nothing is on its way any more that may still change something on a member.
///
/// # Errors
/// The first difference, or what is on its way.
pub fn rest(world: &World) -> Result<(), String> {
    let late = lock(&world.late).len();
    match (late, world.under_way.load(Ordering::Relaxed)) {
        (0, 0) => {}
        (late, more) => return Err(format!("{late} and {more} requests are under way")),
    }
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let snapshot = snapshot.ok_or("the hub is not up")?;
    for entry in snapshot.range(LEDGER_PREFIX) {
        let said = decode::<LedgerEntry>(entry).map(|entry| entry.state);
        if said.is_ok_and(|state| state == LedgerState::Tombstone) {
            return Err(format!("{} is still to go", entry.key.as_str()));
        }
    }
    agree(world)
}

/// As [`agree`], after a user asked for replicas to be shared out afresh.
///
/// # Errors
/// The first difference.
pub fn shared_out(world: &World) -> Result<(), String> {
    compare(world, Model::sum_fault)?;
    compare(world, Model::shares_fault)
}

/// What is shared out among several clusters has left this one.
///
/// # Errors
/// The first of which it still has a replica.
pub fn left(world: &World, cluster: &str) -> Result<(), String> {
    let model = lock(&world.user).model.clone();
    let Some(site) = world.site(cluster) else {
        return Ok(());
    };
    let held = of(site);
    for name in model.objects.keys().filter(|n| n.0 == Kind::Deployment) {
        let places = model.clusters(name);
        let elsewhere = places.iter().any(|place| *place != cluster);
        let here = held.get(name).and_then(|o| o.pointer("/spec/replicas"));
        let here = here.and_then(Value::as_i64).unwrap_or(0);
        if elsewhere && here > 0 {
            return Err(format!("{cluster} has {here} replicas of {}", name.1));
        }
    }
    Ok(())
}

fn compare(
    world: &World,
    fault: impl Fn(&Model, &Name, &BTreeMap<&str, i64>) -> Option<String>,
) -> Result<(), String> {
    let model = lock(&world.user).model.clone();
    let held: BTreeMap<&str, Held> = world
        .sites
        .iter()
        .map(|s| (s.name.as_str(), of(s)))
        .collect();
    for (cluster, held) in &held {
        one_cluster(&model, cluster, held)?;
    }
    for name in model.objects.keys().filter(|n| model.is_spread(n)) {
        let found = held.values().filter(|held| held.contains_key(name)).count();
        if let Some(fault) = model.spread_fault(name, found) {
            return Err(fault);
        }
    }
    for name in model.objects.keys().filter(|n| n.0 == Kind::Deployment) {
        let replicas = |h: &Held| {
            h.get(name)
                .and_then(|o| o.pointer("/spec/replicas"))
                .and_then(Value::as_i64)
        };
        let found: BTreeMap<&str, i64> = held
            .iter()
            .filter_map(|(c, h)| Some((*c, replicas(h)?)))
            .collect();
        if model.clusters(name).is_empty() {
            continue;
        }
        if let Some(fault) = fault(&model, name, &found) {
            return Err(fault);
        }
    }
    Ok(())
}

fn one_cluster(model: &Model, cluster: &str, held: &Held) -> Result<(), String> {
    for (name, object) in &model.objects {
        let found = held.get(name);
        let wanted = match name.0 {
            // With whoever names it, wherever that is.
            Kind::Part => {
                let requirer = model.requirer(name);
                requirer.is_some_and(|(requirer, _)| held.contains_key(&requirer))
            }
            Kind::ConfigMap | Kind::Deployment | Kind::Shop => {
                model.clusters(name).contains(cluster)
            }
        };
        // A Deployment whose share is none is not on the cluster, or is there with no replicas.
        let none = name.0 == Kind::Deployment || model.is_spread(name);
        match (wanted, found) {
            (true, None) if !none => return Err(format!("{cluster} lacks {}", name.1)),
            (false, Some(_)) => return Err(format!("{cluster} still has {}", name.1)),
            (true, Some(o)) => {
                let version = object.version.to_string();
                let image = format!("image:{version}");
                let is = |p: &str, v: &str| o.pointer(p).and_then(Value::as_str) == Some(v);
                let same = match name.0 {
                    Kind::ConfigMap | Kind::Shop | Kind::Part => {
                        safety::version(name.0, o) == Some(object.version)
                    }
                    Kind::Deployment => is("/spec/template/spec/containers/0/image", &image),
                };
                if !same {
                    return Err(format!(
                        "{cluster} has another version of {} than {version}",
                        name.1
                    ));
                }
                overridden(model, cluster, name, o)?;
            }
            (true | false, None) => {}
        }
    }
    match held.keys().find(|n| !model.objects.contains_key(n)) {
        Some(name) => Err(format!("{cluster} still has {}, which was deleted", name.1)),
        None => Ok(()),
    }
}

fn overridden(model: &Model, cluster: &str, name: &Name, o: &Value) -> Result<(), String> {
    let text = |p: &str| o.pointer(p).and_then(Value::as_str).map(str::to_owned);
    let (found, wanted) = (
        (text("/data/site"), text("/data/extra")),
        model.overridden(cluster, name),
    );
    if found == wanted {
        return Ok(());
    }
    let name = &name.1;
    Err(format!(
        "{name} says {found:?} on {cluster}, and not {wanted:?}"
    ))
}

/// What a site's member holds under our label.
pub fn of(site: &Site) -> Held {
    held(lock(&site.member).as_ref())
}

/// What a member holds under our label.
pub fn held(member: Option<&Member>) -> Held {
    let Some(member) = member else {
        return Held::new();
    };
    let snapshot = member.store.snapshot();
    let mut held = Held::new();
    for kind in KINDS {
        let (group, plural, namespace) = kind.place();
        for entry in snapshot.range(&objects_prefix(group, plural)) {
            let object: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
            let text = |p: &str| {
                object
                    .pointer(p)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let ours = object
                .pointer("/metadata/labels")
                .and_then(|l| l.get(OWNER_LABEL))
                .is_some();
            if ours && text("/metadata/namespace") == namespace {
                held.insert((kind, text("/metadata/name")), object);
            }
        }
    }
    held
}
