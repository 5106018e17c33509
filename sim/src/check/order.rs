//! What waits for something comes after it: no cluster is given a change before it had what the policy
//! of that waited for when the change was written, as that was written then or later.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::Act;
use crate::model::Name;
use crate::order::everywhere;
use crate::trace;
use crate::user::User;
use crate::world::{Site, World, lock};

/// By name and version of what waits, what it waits for, in any of these versions.
pub type Waiting = BTreeMap<(Name, u64), (Name, BTreeSet<u64>)>;

/// Notes what an act lets wait, before it is sent.
pub fn note(world: &World, user: &User, act: &Act) {
    let mut waiting = lock(&world.checks.waiting);
    match act {
        Act::Put(name, object) => {
            waiting.retain(|(of, _), _| of != name);
            for (on, versions) in waiting.values_mut() {
                if on == name {
                    versions.insert(object.version);
                }
            }
            let policy = user.model.policies.get(&(name.0, object.group));
            let on = policy.and_then(|policy| policy.awaits).map(everywhere);
            let there = on.as_ref().and_then(|on| user.model.objects.get(on));
            if let (Some(on), Some(there)) = (on, there) {
                let versions = BTreeSet::from([there.version]);
                waiting.insert((name.clone(), object.version), (on, versions));
            }
        }
        Act::Delete(name) => waiting.retain(|(of, _), _| of != name),
        Act::PutPolicy(kind, group, _) | Act::DeletePolicy(kind, group) => {
            let of = |name: &Name| user.model.objects.get(name).map(|object| object.group);
            waiting.retain(|(name, _), _| name.0 != *kind || of(name) != Some(*group));
        }
        Act::Stand(..)
        | Act::Scale(..)
        | Act::Rebalance(..)
        | Act::PutOverride(..)
        | Act::DeleteOverride(_)
        | Act::Freeze(..) => {}
    }
}

/// Looks at a write of an agent.
pub fn watch(world: &World, site: &Site, name: &Name, version: Option<u64>) {
    let Some(version) = version.filter(|_| lock(&world.user).former.is_empty()) else {
        return;
    };
    let waiting = lock(&world.checks.waiting);
    let Some((on, versions)) = waiting.get(&(name.clone(), version)) else {
        return;
    };
    let held = lock(&world.checks.held);
    let has = |v: &u64| held.contains(&((site.name.clone(), on.clone()), *v));
    if versions.iter().any(has) {
        trace::count("sometimes: something came after what it waited for");
        return;
    }
    let what = format!(
        "version {version} of {} was applied on {}, which never had {} in any of {versions:?}",
        name.1, site.name, on.1
    );
    let checker = "what waits for something comes after it";
    world.checks.violation(checker, &what);
}
