//! A hub that was restored from an old backup removes and overwrites nothing (invariants 1 and 3):
//! what members held before it came back, they hold as it was, but for what its users had done before
//! the backup and was not carried out then.

use roadstead_protocol::api::names::STAMP_ANNOTATION;
use serde_json::Value;

use crate::check::agreement::{Held, of};
use crate::check::{history, safety};
use crate::model::Name;
use crate::world::{World, lock};

/// What a user had done before the backup was made, and the hub had not carried out then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Explained {
    /// It was taken away.
    Gone,
    /// It was written in this version.
    Changed(u64),
}

/// What a user of the restored hub did to what is on a member, as far as that hub knows what is there:
/// what waited for something when the backup was made is carried out by whoever has it.
fn explains(world: &World, cluster: &str, name: &Name, there: &Value) -> Option<Explained> {
    let annotations = there.pointer("/metadata/annotations")?;
    let stamp = history::parse(annotations.get(STAMP_ANNOTATION)?.as_str()?)?;
    let user = lock(&world.user);
    // The same given by both is the one's as much as the other's.
    let version = safety::version(name.0, there)?;
    let gave = user.acts.written.contains(&(name.clone(), version));
    if !gave && !user.acts.knows(stamp) {
        return None;
    }
    let wanted = user.model.clusters(name).contains(cluster);
    let object = user.model.objects.get(name);
    let written = object.map(|object| Explained::Changed(object.version));
    written.filter(|_| wanted).or(Some(Explained::Gone))
}

/// What all members hold.
pub fn now(world: &World) -> Vec<Held> {
    world.sites.iter().map(of).collect()
}

/// Compares what members hold with what they held. More than that is no fault.
pub fn check(world: &World, before: &[Held]) {
    for (site, before) in world.sites.iter().zip(before) {
        let after = of(site);
        for (name, object) in before {
            let explained = explains(world, &site.name, name, object);
            let Some(found) = after.get(name) else {
                if explained == Some(Explained::Gone) {
                    continue;
                }
                let what = format!("a restored hub removed {} from {}", name.1, site.name);
                return world.checks.violation("absence never deletes", &what);
            };
            let same = ["/data", "/spec"]
                .iter()
                .all(|part| found.pointer(part) == object.pointer(part));
            if !same && explained != safety::version(name.0, found).map(Explained::Changed) {
                let what = format!("a restored hub overwrote {} on {}", name.1, site.name);
                return world.checks.violation("never backwards", &what);
            }
        }
    }
}
