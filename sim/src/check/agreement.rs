//! After faults healed: every member holds exactly what the model says.

use std::collections::BTreeMap;

use roadstead_hub::member::Member;
use roadstead_protocol::api::names::OWNER_LABEL;
use roadstead_store::records::objects_prefix;
use serde_json::Value;

use crate::model::{KINDS, Kind, Model, Name};
use crate::world::{Site, World, lock};

/// What one member holds of ours.
pub type Held = BTreeMap<Name, Value>;

/// Compares all members with the model.
///
/// # Errors
/// The first difference.
pub fn agree(world: &World) -> Result<(), String> {
    let model = lock(&world.user).model.clone();
    let held: BTreeMap<&str, Held> = world
        .sites
        .iter()
        .map(|s| (s.name.as_str(), of(s)))
        .collect();
    for (cluster, held) in &held {
        one_cluster(&model, cluster, held)?;
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
        if let Some(fault) = model.replicas_fault(name, &found) {
            return Err(fault);
        }
    }
    Ok(())
}

fn one_cluster(model: &Model, cluster: &str, held: &Held) -> Result<(), String> {
    for (name, object) in &model.objects {
        let wanted = model.clusters(name).contains(cluster);
        let found = held.get(name);
        // A Deployment whose share is none is not on the cluster, or is there with no replicas.
        let none = name.0 == Kind::Deployment;
        match (wanted, found) {
            (true, None) if !none => return Err(format!("{cluster} lacks {}", name.1)),
            (false, Some(_)) => return Err(format!("{cluster} still has {}", name.1)),
            (true, Some(o)) => {
                let version = object.version.to_string();
                let image = format!("image:{version}");
                let is = |p: &str, v: &str| o.pointer(p).and_then(Value::as_str) == Some(v);
                let same = match name.0 {
                    Kind::ConfigMap | Kind::Shop => is("/data/version", &version),
                    Kind::Deployment => is("/spec/template/spec/containers/0/image", &image),
                };
                if !same {
                    return Err(format!(
                        "{cluster} has another version of {} than {version}",
                        name.1
                    ));
                }
            }
            (true | false, None) => {}
        }
    }
    match held.keys().find(|n| !model.objects.contains_key(n)) {
        Some(name) => Err(format!("{cluster} still has {}, which was deleted", name.1)),
        None => Ok(()),
    }
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
