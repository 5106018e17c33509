//! What each cluster should run, said slowly and obviously, from what users were answered.
//!
//! It never calls the planner. The users of a simulation keep to a part of the API for which the
//! right answer is plain: an object is in at most one group, a group has at most one policy, and a
//! policy names its clusters, or chooses them by one label.

use std::collections::{BTreeMap, BTreeSet};

/// Kind and name of an object.
pub type Name = (Kind, String);

/// The kinds that simulated users apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sent whole to every cluster of its policy.
    ConfigMap,
    /// Its replicas are divided by weight.
    Deployment,
    /// A ConfigMap in a namespace of its own, which members get only because of it.
    Shop,
    /// A Secret that no policy selects: a Deployment names it, and takes it along.
    Part,
}

/// All of them.
pub const KINDS: [Kind; 4] = [Kind::ConfigMap, Kind::Deployment, Kind::Shop, Kind::Part];

impl Kind {
    /// The one whose objects are of a kind called so, and live in this namespace.
    pub fn of(kind: &str, namespace: &str) -> Option<Self> {
        let is = |of: &Self| (of.name(), of.place().2) == (kind, namespace);
        KINDS.into_iter().find(is)
    }

    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Shop => "ConfigMap",
            Self::Deployment => "Deployment",
            Self::Part => "Secret",
        }
    }

    /// The version that it is served in.
    pub fn version(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Shop | Self::Part => "v1",
            Self::Deployment => "apps/v1",
        }
    }

    /// The collection's group and plural, and the namespace.
    pub fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("", "configmaps", "default"),
            Self::Deployment => ("apps", "deployments", "default"),
            Self::Shop => ("", "configmaps", "shop"),
            Self::Part => ("", "secrets", "default"),
        }
    }

    /// The collection's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::ConfigMap => "/api/v1/namespaces/default/configmaps",
            Self::Deployment => "/apis/apps/v1/namespaces/default/deployments",
            Self::Shop => "/api/v1/namespaces/shop/configmaps",
            Self::Part => "/api/v1/namespaces/default/secrets",
        }
    }
}

/// An object as a user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Which policy's selector it matches.
    pub group: u64,
    /// A ConfigMap's data, a Deployment's image.
    pub version: u64,
    /// A Deployment's replicas.
    pub replicas: i64,
}

/// A policy as a user wrote it: clusters with their weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Clusters and weights.
    pub clusters: BTreeMap<String, u64>,
    /// Where it does not name the clusters: only those of them that are in this pool.
    pub pool: Option<u64>,
    /// Whether taints are no obstacle.
    pub tolerates: bool,
    /// At most so many clusters.
    pub spread: Option<u64>,
    /// Whether clusters have the weight of the room that they have.
    pub dynamic: bool,
    /// Whether what its objects name goes along.
    pub deps: bool,
    /// Whether changes reach one cluster, and then the others, one at a time.
    pub rollout: bool,
    /// Whether its objects fail over, also from clusters of which nothing is heard.
    pub failover: bool,
    /// On how many clusters something of it may be unwell, by its disruption budget.
    pub budget: Option<u64>,
    /// The number of what is everywhere that its objects come after.
    pub awaits: Option<u64>,
}

/// How a cluster stands, as users said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The pool that its label names; 0 where it has none.
    pub pool: u64,
    /// Whether it is cordoned.
    pub cordoned: bool,
    /// Whether it is drained: what is there goes elsewhere, where there is another place for it.
    pub drained: bool,
    /// Whether it was declared that it is stopped: what is there counts no more.
    pub fenced: bool,
    /// Its taint, if it has one.
    pub taint: Option<Effect>,
}

/// What a taint does to what does not tolerate it; nothing here does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing new goes there.
    NoSchedule,
    /// Nothing stays there.
    NoExecute,
}

impl Standing {
    /// Whether it takes nothing that it did not have before.
    pub fn closed(self) -> bool {
        self.shut() || self.taint.is_some()
    }

    /// Whether it takes nothing new, whatever is tolerated.
    pub fn shut(self) -> bool {
        self.cordoned || self.drained || self.fenced
    }

    /// The same, open for what is new, though nothing comes back that a taint drove away.
    #[must_use]
    pub fn opened(self) -> Self {
        let stays = self.taint.filter(|effect| *effect == Effect::NoExecute);
        Self {
            cordoned: false,
            drained: false,
            fenced: false,
            taint: stays,
            ..self
        }
    }
}

/// The cluster that overrides have a value of its own for.
pub const SPECIAL: &str = "cluster-1";

/// Everything that users have written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Objects by name.
    pub objects: BTreeMap<Name, Object>,
    /// Policies by group and kind.
    pub policies: BTreeMap<(Kind, u64), Policy>,
    /// Overrides of ConfigMaps by group: each says on every cluster which one it is, and on one a value.
    pub overrides: BTreeMap<u64, u64>,
    /// Clusters that are to be frozen.
    pub frozen: BTreeSet<String>,
    /// How clusters stand, where anything was said.
    pub standing: BTreeMap<String, Standing>,
}

/// The name of the Deployment that takes this along, if any may.
pub fn takes_along(part: &Name) -> Option<Name> {
    let number = part.1.strip_prefix("part-");
    let number = number.filter(|_| part.0 == Kind::Part)?;
    Some((Kind::Deployment, format!("app-{number}")))
}

impl Model {
    /// The Deployment that takes this along, and its policy, where that says so.
    pub fn requirer(&self, part: &Name) -> Option<(Name, &Policy)> {
        let name = takes_along(part)?;
        let policy = (self.policies).get(&(name.0, self.objects.get(&name)?.group))?;
        policy.deps.then_some((name, policy))
    }

    /// What an object has on a cluster beside what its user wrote: the cluster's name, and the value for
    /// this one.
    pub fn overridden(&self, cluster: &str, name: &Name) -> (Option<String>, Option<String>) {
        let group = self.objects.get(name).map(|object| object.group);
        let value = group.and_then(|group| self.overrides.get(&group));
        let Some(value) = value.filter(|_| name.0 == Kind::ConfigMap) else {
            return (None, None);
        };
        let here = (cluster == SPECIAL).then(|| value.to_string());
        (Some(cluster.to_owned()), here)
    }

    /// The clusters that are to have an object: at most these, where it is spread or goes along.
    pub fn clusters(&self, name: &Name) -> BTreeSet<&str> {
        if name.0 == Kind::Part {
            let there = self.objects.contains_key(name);
            let requirer = self.requirer(name).filter(|_| there);
            return requirer
                .map(|(_, policy)| self.chosen(policy).into_keys().collect())
                .unwrap_or_default();
        }
        let Some(object) = self.objects.get(name) else {
            return BTreeSet::new();
        };
        let policy = self.policies.get(&(name.0, object.group));
        let chosen = policy.map(|policy| self.chosen(policy));
        chosen.unwrap_or_default().into_keys().collect()
    }

    /// The clusters that a policy chooses, with their weights.
    pub fn chosen<'a>(&self, policy: &'a Policy) -> BTreeMap<&'a str, u64> {
        let stands = |cluster: &str| self.standing.get(cluster).copied().unwrap_or_default();
        let takes = |cluster: &str| {
            let standing = stands(cluster);
            let meant = policy.pool.is_none_or(|pool| pool == standing.pool);
            meant && (policy.tolerates || standing.taint != Some(Effect::NoExecute))
        };
        let all = policy.clusters.iter().map(|(c, w)| (c.as_str(), *w));
        all.filter(|(cluster, _)| takes(cluster)).collect()
    }

    /// Every (cluster, object) that is to be.
    pub fn everything(&self) -> BTreeSet<(String, Name)> {
        let each = self.objects.keys().map(|n| (n, self.clusters(n)));
        each.flat_map(|(n, cs)| cs.into_iter().map(|c| (c.to_owned(), n.clone())))
            .collect()
    }

    /// Whether taints are no obstacle for an object.
    pub fn tolerates(&self, name: &Name) -> bool {
        let requirer = self.requirer(name);
        let name = requirer.as_ref().map_or(name, |(requirer, _)| requirer);
        let group = self.objects.get(name).map(|object| object.group);
        let policy = group.and_then(|group| self.policies.get(&(name.0, group)));
        policy.is_some_and(|policy| policy.tolerates)
    }

    /// Whether an object is to be on at most so many of the clusters that its policy chooses.
    pub fn is_spread(&self, name: &Name) -> bool {
        let group = self.objects.get(name).map(|object| object.group);
        let policy = group.and_then(|group| self.policies.get(&(name.0, group)));
        policy.is_some_and(|policy| policy.spread.is_some())
    }

    /// Says what is wrong with how many clusters have an object that is to be on at most so many.
    pub fn spread_fault(&self, name: &Name, found: usize) -> Option<String> {
        let policy = self
            .policies
            .get(&(name.0, self.objects.get(name)?.group))?;
        let most = usize::try_from(policy.spread?).unwrap_or(usize::MAX);
        let most = most.min(self.chosen(policy).len());
        (found > most || (found == 0 && most > 0))
            .then(|| format!("{} is on {found} clusters, and not on 1 to {most}", name.1))
    }

    /// Says what is wrong with the number of replicas that clusters have of a Deployment in all.
    pub fn sum_fault(&self, name: &Name, found: &BTreeMap<&str, i64>) -> Option<String> {
        let wanted = self.objects.get(name)?.replicas;
        let sum: i64 = found.values().sum();
        (sum != wanted).then(|| format!("{} has {sum} replicas in all, not {wanted}", name.1))
    }

    /// Says what is wrong with how replicas are shared out, once a user asked for that to be done
    /// afresh: by Webster's method nobody's claim to one more may be better than somebody's to its last.
    pub fn shares_fault(&self, name: &Name, found: &BTreeMap<&str, i64>) -> Option<String> {
        let object = self.objects.get(name)?;
        let policy = self.policies.get(&(name.0, object.group))?;
        if policy.dynamic {
            return None;
        }
        let chosen = self.chosen(policy);
        let shares: Vec<(&str, i64, i64)> = chosen
            .into_iter()
            .map(|(cluster, weight)| {
                let has = found.get(cluster).copied().unwrap_or_default();
                (cluster, i64::try_from(weight).unwrap_or(i64::MAX), has)
            })
            .collect();
        // weight / (2 * has + 1) of whoever wants one more, weight / (2 * has - 1) of whoever has it.
        shares.iter().find_map(|(has_it, theirs, last)| {
            let wants = |(_, weight, has): &&(&str, i64, i64)| {
                weight.saturating_mul(2 * last - 1) > theirs.saturating_mul(2 * has + 1)
            };
            let claim = shares.iter().filter(|_| *last > 0).find(wants);
            claim.map(|(wants_it, _, has)| {
                format!(
                    "{has_it} has {last} replicas of {}, and {wants_it}, which has {has}, has a \
                     better claim to the last of them",
                    name.1
                )
            })
        })
    }
}

#[cfg(test)]
mod tests;
