//! What the users of one hub have done, as far as it allows for what agents do.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::wire::{Lineage, Stamp};

use crate::act::Act;
use crate::model::{Kind, Model, Name, Standing, takes_along};

/// What the users of one hub have done, answered or not.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    /// Everything that any act ever wanted somewhere.
    pub ever: BTreeSet<(String, Name)>,
    /// Everything that any act took away again, and how many deletions of it may still come. Begins
    /// anew once all members agree with what was answered.
    pub taken: BTreeMap<(String, Name), u64>,
    /// Every version of an object that was ever sent.
    pub written: BTreeSet<(Name, u64)>,
    /// The clusters that take nothing new, with what is no news to them.
    closed: BTreeMap<String, Closed>,
    /// Everything that taints were ever to be no obstacle for.
    tolerant: BTreeSet<Name>,
    /// How many replicas Deployments were to have at least since a cluster was drained or fenced.
    pub least: BTreeMap<Name, i64>,
    /// What users answered about after it was shown to be held: the hub may act over it.
    pub answered: BTreeSet<(String, Name)>,
    /// The hub's history, as it was when it started last.
    pub lineage: Lineage,
}

/// A cluster that takes nothing new.
#[derive(Clone, Debug, Default)]
struct Closed {
    /// What it may have had when that was answered.
    had: BTreeSet<Name>,
    /// Whether also what tolerates taints is not taken: it is cordoned, drained or fenced.
    cordoned: bool,
}

impl Acts {
    /// Whether a cluster may be given this, as far as it takes what is new.
    pub fn allows(&self, at: &(String, Name)) -> bool {
        let Some(closed) = self.closed.get(&at.0) else {
            return true;
        };
        let allows = |name: &Name| {
            let tolerates = !closed.cordoned && self.tolerant.contains(name);
            tolerates || closed.had.contains(name)
        };
        // What goes along goes wherever it is needed.
        allows(&at.1) || takes_along(&at.1).is_some_and(|name| allows(&name))
    }

    /// Notes how a cluster stands from now on; before it is known to stand so, only what that allows.
    pub(crate) fn stands(&mut self, cluster: &str, standing: Standing, answered: bool) {
        if !standing.closed() {
            self.closed.remove(cluster);
            return;
        }
        let known = self.closed.get_mut(cluster);
        if let Some(closed) = known.filter(|_| !standing.shut()) {
            closed.cordoned = false;
            return;
        }
        if !answered {
            return;
        }
        let there = self.ever.iter().filter(|(at, _)| at == cluster);
        let there: BTreeSet<Name> = there.map(|(_, name)| name.clone()).collect();
        let closed = self.closed.entry(cluster.to_owned());
        let fresh = matches!(closed, std::collections::btree_map::Entry::Vacant(_));
        let closed = closed.or_default();
        if fresh || (standing.shut() && !closed.cordoned) {
            closed.had.extend(there);
        }
        closed.cordoned = standing.shut();
    }

    /// Notes what an act may bring about that makes `after` of `before`.
    pub(crate) fn sending(&mut self, act: &Act, (before, after): (&Model, &Model)) {
        let (was, is) = (before.everything(), after.everything());
        for gone in was.difference(&is) {
            *self.taken.entry(gone.clone()).or_default() += 1;
        }
        let leaving = self.leaving_with(act, after, &is);
        self.ever.extend(is);
        let tolerant = after.objects.keys().filter(|name| after.tolerates(name));
        self.tolerant.extend(tolerant.cloned());
        for at in leaving {
            *self.taken.entry(at.clone()).or_default() += 1;
            self.ever.insert(at);
        }
        for name in moving(act, before, after) {
            let all = self.ever.iter().filter(|(_, known)| *known == name);
            let all: Vec<(String, Name)> = all.cloned().collect();
            for at in all {
                *self.taken.entry(at).or_default() += 1;
            }
        }
        if let Act::Stand(cluster, standing) = act
            && (standing.drained || standing.fenced)
        {
            self.fails(cluster);
        }
        for model in [before, after] {
            for (name, object) in &model.objects {
                let least = self.least.entry(name.clone()).or_insert(object.replicas);
                *least = object.replicas.min(*least);
            }
        }
        if let Act::Put(name, object) = act {
            self.written.insert((name.clone(), object.version));
        }
        if let Act::Stand(cluster, standing) = act {
            self.stands(cluster, *standing, false);
        }
    }

    /// What a cluster has may come up elsewhere, and goes then.
    pub(crate) fn fails(&mut self, cluster: &str) {
        self.least.clear();
        let all = self.ever.iter().filter(|(at, _)| at == cluster);
        let all: Vec<(String, Name)> = all.cloned().collect();
        for at in all {
            *self.taken.entry(at).or_default() += 1;
        }
    }

    /// What goes along to where it is not to be for long: what takes it along is still there, and leaves
    /// once what replaces that has come up elsewhere. Only what this act brings there, or brings anew.
    fn leaving_with(
        &self,
        act: &Act,
        after: &Model,
        is: &BTreeSet<(String, Name)>,
    ) -> Vec<(String, Name)> {
        let parts = after.objects.keys().filter(|name| name.0 == Kind::Part);
        let mut found = Vec::new();
        for part in parts {
            let Some((requirer, _)) = after.requirer(part) else {
                continue;
            };
            let anew = matches!(act, Act::Put(about, _) if about == part);
            let there = self.ever.iter().filter(|(_, name)| *name == requirer);
            for with in there {
                let at = (with.0.clone(), part.clone());
                // Of a cluster that is drained or fenced it goes too, though it is to be there.
                let leaves = !is.contains(&at) || self.taken.contains_key(with);
                if leaves && (anew || !self.ever.contains(&at)) {
                    found.push(at);
                }
            }
        }
        found
    }

    /// Whether the hub knows what carries this stamp.
    pub fn knows(&self, stamp: Stamp) -> bool {
        self.lineage.contains(stamp)
    }
}

/// What an act may take from any cluster, because nobody here says on which ones it is: what is spread
/// over some of those that are chosen, and what goes along with something.
fn moving(act: &Act, before: &Model, after: &Model) -> BTreeSet<Name> {
    let all = before.objects.keys().chain(after.objects.keys());
    let moves = |name: &&Name| {
        let group = |model: &Model| model.objects.get(*name).map(|o| o.group);
        let groups = [group(before), group(after)];
        let spread = before.is_spread(name) || after.is_spread(name);
        let part = name.0 == Kind::Part;
        match act {
            Act::Stand(..) => spread || part,
            Act::PutPolicy(kind, group, _) | Act::DeletePolicy(kind, group) => {
                let own = *kind == name.0 && groups.contains(&Some(*group));
                (spread && own) || (part && *kind == Kind::Deployment)
            }
            Act::Put(about, _) | Act::Delete(about) => {
                (spread && about == *name) || (part && about.0 == Kind::Deployment)
            }
            Act::Scale(..) | Act::Rebalance(..) => part,
            Act::PutOverride(..) | Act::DeleteOverride(_) | Act::Freeze(..) => false,
        }
    };
    all.filter(moves).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Effect, Object, Policy};

    #[test]
    fn what_goes_along_goes_also_where_what_takes_it_along_is_still() {
        let (app, part) = ((Kind::Deployment, "app-7"), (Kind::Part, "part-7"));
        let named = |(kind, name): (Kind, &str)| (kind, name.to_owned());
        let put = |name, group| {
            let object = Object {
                group,
                version: 1,
                replicas: 1,
            };
            Act::Put(named(name), object)
        };
        let policy = |cluster: &str| {
            let policy = Policy {
                clusters: BTreeMap::from([(cluster.to_owned(), 1)]),
                deps: true,
                ..Policy::default()
            };
            Act::PutPolicy(Kind::Deployment, 3, policy)
        };
        let (mut acts, mut model) = (Acts::default(), Model::default());
        let mut done = |act: Act, acts: &mut Acts| {
            let mut after = model.clone();
            act.carry_out(&mut after);
            acts.sending(&act, (&model, &after));
            model = after;
        };
        done(policy("old"), &mut acts);
        done(put(app, 3), &mut acts);
        let at = |cluster: &str| (cluster.to_owned(), named(part));
        done(policy("new"), &mut acts);
        assert!(
            !acts.ever.contains(&at("old")),
            "there is nothing that goes along"
        );
        done(put(part, 9), &mut acts);
        assert!(acts.ever.contains(&at("old")), "it may be there still");
        assert!(acts.taken.contains_key(&at("old")), "and leaves with it");
        assert!(acts.ever.contains(&at("new")));
        assert!(!acts.ever.contains(&at("other")));
        assert!(!acts.taken.contains_key(&at("new")));
        let drained = Standing {
            drained: true,
            ..Standing::default()
        };
        done(Act::Delete(named(part)), &mut acts);
        acts.taken.remove(&at("new"));
        done(Act::Stand("new".to_owned(), drained), &mut acts);
        acts.taken.remove(&at("new"));
        done(put(part, 9), &mut acts);
        assert!(
            acts.taken.contains_key(&at("new")),
            "its cluster is drained"
        );
    }

    #[test]
    fn a_closed_cluster_is_given_what_it_had_and_what_tolerates_taints() {
        let mut acts = Acts::default();
        let name = |n: &str| (Kind::ConfigMap, n.to_owned());
        let at = |n: &str| ("a".to_owned(), name(n));
        let standing = |cordoned, taint| Standing {
            cordoned,
            taint,
            ..Standing::default()
        };
        acts.ever.insert(at("old"));
        acts.tolerant.insert(name("tolerant"));
        let allowed = |acts: &Acts| ["old", "new", "tolerant"].map(|n| acts.allows(&at(n)));
        assert_eq!(allowed(&acts), [true; 3]);
        let tainted = standing(false, Some(Effect::NoSchedule));
        acts.stands("a", tainted, false);
        assert_eq!(allowed(&acts), [true; 3], "nobody was answered yet");
        acts.stands("a", tainted, true);
        assert_eq!(allowed(&acts), [true, false, true]);
        let part = ("a".to_owned(), (Kind::Part, "part-7".to_owned()));
        assert!(!acts.allows(&part));
        acts.tolerant.insert((Kind::Deployment, "app-7".to_owned()));
        assert!(acts.allows(&part), "it goes along");
        acts.stands("a", standing(true, tainted.taint), true);
        assert_eq!(allowed(&acts), [true, false, false]);
        acts.stands("a", tainted, false);
        assert_eq!(allowed(&acts), [true, false, true]);
        acts.stands("a", standing(false, None), false);
        assert_eq!(allowed(&acts), [true; 3]);
    }
}
