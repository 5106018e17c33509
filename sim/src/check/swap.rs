//! New before old: what leaves a cluster that is drained or fenced, was silent, or did not run it, leaves
//! it once there is something in its place.
//!
//! Judged by what members really have, and only in runs in which nobody meddles with them: what was
//! there when the hub looked may be gone since. While an image changes a part of the replicas is on its
//! way, so half of them is enough. What a user took away goes because of that, however late, also where
//! it is wanted again by then. A share of nothing is in the place of nothing: that it goes takes nothing
//! away.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use roadstead_store::Store;
use serde_json::Value;

use crate::check::agreement::of;
use crate::model::{Kind, Model, Name};
use crate::trace;
use crate::world::{Site, World, lock};

/// By cluster and name, the hub's revision when its users had last taken something away.
pub type TakenAt = BTreeMap<(String, Name), u64>;

/// Notes what an act that was answered took away.
pub fn note(world: &World, before: &Model, after: &Model) {
    let revision = lock(&world.hub.store).as_ref().map(Store::revision);
    let (Some(revision), wanted) = (revision, after.everything()) else {
        return;
    };
    let gone = before.everything().into_iter();
    let gone = gone.filter(|at| !wanted.contains(at));
    let mut taken = lock(&world.checks.taken_at);
    taken.extend(gone.map(|at| (at, revision.0)));
}

/// Whether what is there is from before a user took it away.
fn was_taken(world: &World, at: &(String, Name)) -> bool {
    let there = lock(&world.checks.applied).get(at).map(|there| there.stamp);
    let taken = lock(&world.checks.taken_at).get(at).copied();
    let (there, taken) = (there.map(|stamp| stamp.revision.0), taken);
    taken.is_some() && there <= taken
}

/// A number that stands in what a site's member holds of an object.
fn figure(site: &Site, name: &Name, path: &str) -> Option<i64> {
    let held = of(site);
    let figure = held.get(name)?.pointer(path);
    figure.and_then(Value::as_i64)
}

/// Looks at an agent that deletes a Deployment.
pub fn deleting(world: &World, site: &Site, name: &Name) {
    if name.0 != Kind::Deployment || world.checks.meddled.load(Ordering::Relaxed) {
        return;
    }
    if was_taken(world, &(site.name.clone(), name.clone())) {
        return;
    }
    let wanted = {
        let user = lock(&world.user);
        let standing = user.model.standing.get(&site.name).copied();
        let silent = lock(&world.checks.silent).as_deref() == Some(&site.name);
        let stopped = lock(&world.checks.stopped);
        let stopped = stopped.as_ref().is_some_and(|all| all.is(&site.name));
        let displaced = silent || stopped || standing.is_some_and(|s| s.drained || s.fenced);
        let chosen = user.model.clusters(name).contains(site.name.as_str());
        let steady = user.pending.is_none() && user.former.is_empty();
        let now = user.model.objects.get(name).map(|object| object.replicas);
        let Some(now) = now.filter(|_| displaced && chosen && steady) else {
            return;
        };
        let least = user.acts.least.get(name).copied();
        least.map_or(now, |least| least.min(now))
    };
    let ready = |site: &Site| figure(site, name, "/status/readyReplicas");
    let others = world.sites.iter().filter(|other| other.name != site.name);
    let elsewhere: i64 = others.filter_map(ready).sum();
    trace::count("sometimes: something left a drained or fenced cluster");
    let asks = figure(site, name, "/spec/replicas");
    let takes = asks != Some(0) || ready(site).unwrap_or(0) > 0;
    if takes && elsewhere * 2 < wanted {
        let what = format!(
            "{} leaves {}, and elsewhere {elsewhere} of {wanted} replicas are ready",
            name.1, site.name
        );
        world.checks.violation("new before old", &what);
    }
}
