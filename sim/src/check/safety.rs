//! While faults happen: an agent deletes only what a user took away, and only as often (invariant 1),
//! never puts an older state over a newer one (3), and touches only what its own cluster was ever to
//! have, with content that a user wrote (5).

use http::{Method, Uri};
use roadstead_protocol::api::names::{OWNER_LABEL, STAMP_ANNOTATION};
use serde_json::Value;

use crate::model::{Kind, Name};
use crate::world::{Site, World, lock};

/// Looks at a request of an agent to its member.
pub fn watch(world: &World, site: &Site, method: &Method, uri: &Uri, body: &[u8]) {
    if *method == Method::GET || *method == Method::HEAD {
        return;
    }
    *lock(&world.checks.writes) += 1;
    let Some(name) = object(uri.path()) else {
        return;
    };
    let at = (site.name.clone(), name.clone());
    if *method == Method::DELETE {
        if !lock(&world.user).taken.contains_key(&at) {
            let what = format!(
                "{} was deleted on {} though no user took it away",
                name.1, site.name
            );
            world.checks.violation("absence never deletes", &what);
        }
        return;
    }
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let Some(owner) = metadata.get("labels").and_then(|l| l.get(OWNER_LABEL)) else {
        return;
    };
    if owner.is_null() {
        return;
    }
    if !lock(&world.user).ever.contains(&at) {
        let what = format!(
            "{} was applied on {}, which was never to have it",
            name.1, site.name
        );
        world
            .checks
            .violation("an agent sees only its own cluster", &what);
    }
    let found = version(name.0, &object);
    if found.is_none_or(|v| !lock(&world.user).written.contains(&(name.clone(), v))) {
        let what = format!("{} on {}: {found:?}", name.1, site.name);
        world
            .checks
            .violation("members get what a user wrote", &what);
    }
    let stamp = metadata
        .get("annotations")
        .and_then(|a| a.get(STAMP_ANNOTATION));
    let revision = stamp
        .and_then(Value::as_str)
        .and_then(|s| s.rsplit_once('/'))
        .and_then(|(_, r)| r.parse().ok());
    let Some(revision) = revision else { return };
    let mut stamps = lock(&world.checks.stamps);
    let highest = stamps
        .entry((site.name.clone(), uri.path().to_owned()))
        .or_insert(revision);
    if revision < *highest {
        let what = format!(
            "{} on {}: revision {revision} after {highest}",
            name.1, site.name
        );
        world.checks.violation("never backwards", &what);
    }
    *highest = revision.max(*highest);
}

/// Notes that an agent's deletion succeeded: each taking away allows for one.
pub fn deleted(world: &World, site: &Site, uri: &Uri) {
    let Some(name) = object(uri.path()) else {
        return;
    };
    let mut user = lock(&world.user);
    let left = user.taken.get_mut(&(site.name.clone(), name.clone()));
    if left.is_some_and(|left| left.checked_sub(1).map(|less| *left = less).is_some()) {
        return;
    }
    drop(user);
    let what = format!(
        "{} was deleted on {} more often than a user took it away",
        name.1, site.name
    );
    world.checks.violation("absence never deletes", &what);
}

/// The version of an object that a user wrote.
fn version(kind: Kind, object: &Value) -> Option<u64> {
    let text = match kind {
        Kind::ConfigMap => object.pointer("/data/version")?.as_str()?,
        Kind::Deployment => object
            .pointer("/spec/template/spec/containers/0/image")?
            .as_str()?
            .strip_prefix("image:")?,
    };
    text.parse().ok()
}

/// The object at a path, if it is one that users apply.
fn object(path: &str) -> Option<Name> {
    [Kind::ConfigMap, Kind::Deployment]
        .into_iter()
        .find_map(|kind| {
            let name = path.strip_prefix(kind.path())?.strip_prefix('/')?;
            (!name.is_empty() && !name.contains('/')).then(|| (kind, name.to_owned()))
        })
}
