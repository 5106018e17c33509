//! A change of what a policy rolls out one cluster at a time reaches no cluster before all that it was
//! sent to before have had it.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::Act;
use crate::model::{Kind, Name};
use crate::trace;
use crate::user::User;
use crate::world::{Site, World, lock};

/// The changes that go out in stages, and the clusters that each was sent to.
pub type Staged = BTreeMap<(Name, u64), BTreeSet<String>>;

/// Notes what an act makes of the changes that go out in stages, before it is sent.
pub fn note(world: &World, user: &User, act: &Act) {
    let mut staged = lock(&world.checks.staged);
    let group = |name: &Name| group(user, name);
    match act {
        Act::Put(name, object) => {
            // Any change of what the policy holds begins with the first stage anew.
            let groups = [
                user.model.objects.get(name).map(|o| o.group),
                Some(object.group),
            ];
            let same = |of: &Name| of.0 == name.0 && groups.contains(&group(of));
            staged.retain(|(of, _), _| !same(of));
            if goes_in_stages(world, user, name, object.group) {
                staged.insert((name.clone(), object.version), BTreeSet::new());
            }
        }
        Act::Delete(name) => {
            let gone = group(name);
            staged.retain(|(of, _), _| of.0 != name.0 || group(of) != gone);
        }
        Act::PutOverride(of, _) | Act::DeleteOverride(of) => {
            staged.retain(|(name, _), _| group(name) != Some(*of));
        }
        // Who has it from then on is no longer said by stages alone.
        Act::Stand(..) => staged.clear(),
        Act::PutPolicy(kind, group, _) | Act::DeletePolicy(kind, group) => {
            staged
                .retain(|(name, _), _| name.0 != *kind || self::group(user, name) != Some(*group));
        }
        Act::Scale(..) | Act::Rebalance(..) | Act::Freeze(..) => {}
    }
}

/// The group that an object is in.
fn group(user: &User, name: &Name) -> Option<u64> {
    user.model.objects.get(name).map(|object| object.group)
}

/// Whether a change of an object has to go out in stages: its policy says so, and each of its clusters
/// has the object and is open.
fn goes_in_stages(world: &World, user: &User, name: &Name, group: u64) -> bool {
    let model = &user.model;
    let before = model.objects.get(name).map(|object| object.group);
    let policy = model.policies.get(&(name.0, group));
    let Some(policy) = policy.filter(|policy| policy.rollout && policy.spread.is_none()) else {
        return false;
    };
    let held = lock(&world.checks.held);
    let has = |cluster: &str| {
        let at = (cluster.to_owned(), name.clone());
        held.range((at.clone(), 0)..=(at, u64::MAX))
            .next()
            .is_some()
    };
    let open = |cluster: &str| {
        let standing = model.standing.get(cluster).copied().unwrap_or_default();
        !standing.closed()
    };
    let chosen = model.chosen(policy);
    let all = chosen.keys().all(|cluster| has(cluster) && open(cluster));
    name.0 == Kind::ConfigMap && before == Some(group) && user.former.is_empty() && all
}

/// Looks at what the hub gives a cluster, and at a write of an agent.
pub fn watch(world: &World, site: &Site, name: &Name, version: Option<u64>) {
    let Some(version) = version.filter(|_| lock(&world.user).former.is_empty()) else {
        return;
    };
    let mut staged = lock(&world.checks.staged);
    let Some(sent) = staged.get_mut(&(name.clone(), version)) else {
        return;
    };
    // A member that lost what it had is given it again whatever the others have.
    if sent.contains(&site.name) {
        return;
    }
    let held = lock(&world.checks.held);
    let lacks = |at: &&String| !held.contains(&(((*at).clone(), name.clone()), version));
    let waits: Vec<&String> = sent.iter().filter(lacks).collect();
    if !waits.is_empty() {
        let what = format!(
            "version {version} of {} was applied on {} before {waits:?} had it",
            name.1, site.name
        );
        world.checks.violation("stages are kept in order", &what);
    } else if !sent.is_empty() {
        trace::count("sometimes: a change went out stage by stage");
    }
    sent.insert(site.name.clone());
}
