//! What each cluster should run, said slowly and obviously, from what users were answered.
//!
//! It never calls the planner. The users of a simulation keep to a part of the API for which the
//! right answer is plain: an object is in at most one group, a group has at most one policy, and a
//! policy names its clusters.

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
}

/// All of them.
pub const KINDS: [Kind; 3] = [Kind::ConfigMap, Kind::Deployment, Kind::Shop];

impl Kind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Shop => "ConfigMap",
            Self::Deployment => "Deployment",
        }
    }

    /// The version that it is served in.
    pub fn version(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Shop => "v1",
            Self::Deployment => "apps/v1",
        }
    }

    /// The collection's group and plural, and the namespace.
    pub fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("", "configmaps", "default"),
            Self::Deployment => ("apps", "deployments", "default"),
            Self::Shop => ("", "configmaps", "shop"),
        }
    }

    /// The collection's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::ConfigMap => "/api/v1/namespaces/default/configmaps",
            Self::Deployment => "/apis/apps/v1/namespaces/default/deployments",
            Self::Shop => "/api/v1/namespaces/shop/configmaps",
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

/// A policy as a user wrote it: clusters by name, with their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Clusters and weights.
    pub clusters: BTreeMap<String, u64>,
}

/// Everything that users have written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Objects by name.
    pub objects: BTreeMap<Name, Object>,
    /// Policies by group and kind.
    pub policies: BTreeMap<(Kind, u64), Policy>,
    /// Clusters that are to be frozen.
    pub frozen: BTreeSet<String>,
}

impl Model {
    /// The clusters that are to have an object.
    pub fn clusters(&self, name: &Name) -> BTreeSet<&str> {
        let Some(object) = self.objects.get(name) else {
            return BTreeSet::new();
        };
        let policy = self.policies.get(&(name.0, object.group));
        policy
            .into_iter()
            .flat_map(|p| p.clusters.keys().map(String::as_str))
            .collect()
    }

    /// Every (cluster, object) that is to be.
    pub fn everything(&self) -> BTreeSet<(String, Name)> {
        let each = self.objects.keys().map(|n| (n, self.clusters(n)));
        each.flat_map(|(n, cs)| cs.into_iter().map(|c| (c.to_owned(), n.clone())))
            .collect()
    }

    /// Says what is wrong with the replicas that clusters have of a Deployment: they must add up,
    /// and no cluster may be a whole replica away from its exact share.
    pub fn replicas_fault(&self, name: &Name, found: &BTreeMap<&str, i64>) -> Option<String> {
        let object = self.objects.get(name)?;
        let policy = self.policies.get(&(name.0, object.group))?;
        let sum: i64 = found.values().sum();
        if sum != object.replicas {
            return Some(format!(
                "{} has {sum} replicas in all, not {}",
                name.1, object.replicas
            ));
        }
        let weights: u64 = policy.clusters.values().sum();
        policy.clusters.iter().find_map(|(cluster, weight)| {
            let has = found.get(cluster.as_str()).copied().unwrap_or_default();
            // |has - replicas * weight / weights| < 1, without fractions. Webster's method may leave
            // the quota by more only with extreme weights, which users here do not choose.
            let weights = i64::try_from(weights).unwrap_or(i64::MAX);
            let weight = i64::try_from(*weight).unwrap_or(i64::MAX);
            let off = (has * weights - object.replicas * weight).abs();
            (off >= 2 * weights).then(|| format!("{cluster} has {has} of {}'s replicas", name.1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_things_are_to_be() {
        let mut model = Model::default();
        let name = (Kind::Deployment, "web".to_owned());
        model.objects.insert(
            name.clone(),
            Object {
                group: 1,
                version: 1,
                replicas: 20,
            },
        );
        assert!(model.everything().is_empty());
        let clusters = [("a".to_owned(), 90), ("b".to_owned(), 10)].into();
        model
            .policies
            .insert((Kind::Deployment, 1), Policy { clusters });
        assert_eq!(model.clusters(&name), ["a", "b"].into());
        let fault = |a, b| model.replicas_fault(&name, &[("a", a), ("b", b)].into());
        assert_eq!(fault(18, 2), None);
        assert!(fault(18, 1).is_some());
        assert!(fault(10, 10).is_some());
    }
}
