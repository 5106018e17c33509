//! While faults happen: an agent deletes only what a user took away, and only as often (invariant 1),
//! never puts an older state over a newer one, nor one over a history that its hub does not know (3),
//! and touches only what its own cluster was ever to have, with content that a user wrote (5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Uri};
use roadstead_protocol::api::names::{OWNER_LABEL, STAMP_ANNOTATION};
use serde_json::Value;

use crate::check::agreement::of;
use crate::check::frozen;
use crate::check::history::{self, Applied};
use crate::check::{order as waiting, stages, swap};
use crate::gate::Asked;
use crate::model::{KINDS, Kind, Name};
use crate::user::Acts;
use crate::world::{Site, World, lock};

/// A write that is under way.
pub struct Seen {
    name: Name,
    version: Option<u64>,
    applied: Applied,
    /// It was sent by a life of the agent that is over.
    orphan: bool,
}

/// Looks at a request of an agent to its member.
pub fn watch(world: &World, site: &Site, asked: &Asked) -> Option<Seen> {
    let Asked {
        head, body, life, ..
    } = asked;
    if head.method == Method::GET || head.method == Method::HEAD {
        return None;
    }
    *lock(&world.checks.writes) += 1;
    let mut object: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = if head.method == Method::POST {
        created(head.uri.path(), &object)
    } else {
        named(head.uri.path())
    };
    let name = name?;
    frozen::write(
        world,
        site,
        asked.sent,
        &format!("{} {}", head.method, name.1),
    );
    if head.method == Method::DELETE {
        swap::deleting(world, site, &name);
        if !may_delete(world, site, &name) {
            let what = format!(
                "{} was deleted on {} though no user took it away",
                name.1, site.name
            );
            world.checks.violation("absence never deletes", &what);
        }
        return None;
    }
    let owner = object
        .pointer("/metadata/labels")
        .and_then(|l| l.get(OWNER_LABEL));
    if owner.is_none_or(Value::is_null) {
        return None;
    }
    let found = version(name.0, &object);
    let answered = wanted(world, site, &name, found);
    let annotations = object.pointer_mut("/metadata/annotations");
    let stamp = annotations
        .and_then(Value::as_object_mut)
        .and_then(|all| all.remove(STAMP_ANNOTATION));
    let stamp = stamp
        .as_ref()
        .and_then(Value::as_str)
        .and_then(history::parse)?;
    let part = |name: &str| object.get(name).cloned().unwrap_or_default();
    let content = serde_json::json!({"data": part("data"), "spec": part("spec")});
    let applied = Applied {
        stamp,
        content: vec![content],
    };
    // What lands after its sender is gone was right when it was sent; nobody can call it back.
    let orphan = *life != site.lives.load(std::sync::atomic::Ordering::Relaxed);
    let seen = Seen {
        name,
        version: found,
        applied,
        orphan,
    };
    if !orphan {
        stages::watch(world, site, &seen.name, seen.version);
        waiting::watch(world, site, &seen.name, seen.version);
    }
    if !orphan && !answered {
        order(world, site, &seen);
    }
    Some(seen)
}

/// Looks at whether a user wanted this there, with this content; whether one answered about it.
fn wanted(world: &World, site: &Site, name: &Name, found: Option<u64>) -> bool {
    let at = (site.name.clone(), name.clone());
    let user = lock(&world.user);
    if !user.histories().any(|acts| acts.ever.contains(&at)) {
        let what = format!(
            "{} was applied on {}, which was never to have it",
            name.1, site.name
        );
        world
            .checks
            .violation("an agent sees only its own cluster", &what);
    }
    if !user.histories().any(|acts| acts.allows(&at)) {
        let what = format!(
            "{} was applied on {}, which takes nothing new and never had it",
            name.1, site.name
        );
        let checker = "nothing new where there is to be none";
        world.checks.violation(checker, &what);
    }
    let written = |v: u64| {
        user.histories()
            .any(|a| a.written.contains(&(name.clone(), v)))
    };
    if !found.is_some_and(written) {
        let what = format!("{} on {}: {found:?}", name.1, site.name);
        world
            .checks
            .violation("members get what a user wrote", &what);
    }
    user.histories().any(|acts| acts.answered.contains(&at))
}

fn order(world: &World, site: &Site, seen: &Seen) {
    let at = (site.name.clone(), seen.name.clone());
    let all = lock(&world.checks.applied);
    let Some(before) = all.get(&at) else {
        return;
    };
    // Two hubs may both have taken it away, or both have given the same: the word of either stands
    // for it then.
    let gone = !of(site).contains_key(&seen.name);
    let user = lock(&world.user);
    if (gone && user.acts.taken.contains_key(&at)) || gave(&user.acts, &seen.name, before) {
        return;
    }
    // The agent may have had just that already from a hub that knew what is there.
    let wrote = |acts: &Acts| {
        let version = seen.version.map(|version| (seen.name.clone(), version));
        version.is_some_and(|at| acts.written.contains(&at))
    };
    let mut former = user.former.iter();
    if former.any(|acts| acts.knows(before.stamp) && wrote(acts)) {
        return;
    }
    drop(user);
    if let Some(fault) = lock(&world.checks.histories).fault(before, &seen.applied) {
        let what = format!("{} on {}: {fault}", seen.name.1, site.name);
        world.checks.violation("never backwards", &what);
    }
}

/// Notes that a write succeeded.
pub fn applied(world: &World, site: &Site, seen: Seen) {
    let at = (site.name.clone(), seen.name);
    if let Some(version) = seen.version {
        lock(&world.checks.held).insert((at.clone(), version));
    }
    if seen.orphan {
        // It may be there again after it was taken away, and goes again.
        for acts in lock(&world.user).histories_mut() {
            acts.taken.entry(at.clone()).and_modify(|left| *left += 1);
        }
    }
    lock(&world.checks.applied).insert(at, seen.applied);
}

/// Whether some user, of a hub that knew what is there, took it away.
fn may_delete(world: &World, site: &Site, name: &Name) -> bool {
    let there = there(world, site, name);
    let at = (site.name.clone(), name.clone());
    let user = lock(&world.user);
    user.histories().any(|acts| {
        let knows = knows(acts, name, there.as_ref());
        acts.answered.contains(&at) || (knows && acts.taken.contains_key(&at))
    })
}

/// What was applied there last.
fn there(world: &World, site: &Site, name: &Name) -> Option<Applied> {
    let at = (site.name.clone(), name.clone());
    lock(&world.checks.applied).get(&at).cloned()
}

/// Whether a hub knows what is there: by its stamp, or because it gave the same.
fn knows(acts: &Acts, name: &Name, there: Option<&Applied>) -> bool {
    there.is_none_or(|there| acts.knows(there.stamp) || gave(acts, name, there))
}

/// Whether users wrote to a hub what is there: the agent then takes the one's word for the other's.
fn gave(acts: &Acts, name: &Name, there: &Applied) -> bool {
    let version = there.content.first().and_then(|c| version(name.0, c));
    version.is_some_and(|v| acts.written.contains(&(name.clone(), v)))
}

/// Notes that an agent's deletion succeeded: each taking away allows for one.
pub fn deleted(world: &World, site: &Site, uri: &Uri) {
    let Some(name) = named(uri.path()) else {
        return;
    };
    let there = there(world, site, &name);
    let at = (site.name.clone(), name.clone());
    let mut user = lock(&world.user);
    for acts in user.histories_mut() {
        let knows = knows(acts, &name, there.as_ref());
        if acts.answered.contains(&at) {
            return;
        }
        let left = acts.taken.get_mut(&at).filter(|left| knows && **left > 0);
        if let Some(left) = left {
            *left -= 1;
            return;
        }
    }
    drop(user);
    let what = format!(
        "{} was deleted on {} more often than a user took it away",
        name.1, site.name
    );
    world.checks.violation("absence never deletes", &what);
}

/// The version of an object that a user wrote.
pub fn version(kind: Kind, object: &Value) -> Option<u64> {
    let text = |at: &str| object.pointer(at)?.as_str();
    match kind {
        Kind::ConfigMap | Kind::Shop => text("/data/version")?.parse().ok(),
        Kind::Deployment => {
            let image = text("/spec/template/spec/containers/0/image")?;
            image.strip_prefix("image:")?.parse().ok()
        }
        Kind::Part => {
            let bytes = STANDARD.decode(text("/data/version")?).ok()?;
            String::from_utf8(bytes).ok()?.parse().ok()
        }
    }
}

/// Whether what a cluster is given differs from what it was given before in no more than how many
/// replicas run.
pub fn scales(before: &Value, after: &Value) -> bool {
    let rest = |content: &Value| {
        let mut rest = content.clone();
        if let Some(spec) = rest.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("replicas");
        }
        rest
    };
    rest(before) == rest(after)
}

/// The object at a path, if it is one that users apply.
fn named(path: &str) -> Option<Name> {
    KINDS.iter().find_map(|kind| {
        let name = path.strip_prefix(kind.path())?.strip_prefix('/')?;
        (!name.is_empty() && !name.contains('/')).then(|| (*kind, name.to_owned()))
    })
}

/// The object that is made at a path, if it is one that users apply.
fn created(path: &str, object: &Value) -> Option<Name> {
    let kind = KINDS.into_iter().find(|kind| kind.path() == path)?;
    let name = object.pointer("/metadata/name")?.as_str()?;
    Some((kind, name.to_owned()))
}
