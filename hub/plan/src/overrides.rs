//! Applies override policies to what one cluster is given.

use serde_json::Value;

use crate::affinity::Reading;
use crate::cluster::Cluster;
use crate::pointer;
use crate::policy::{Act, Change, Overrides, Rule};
use crate::world::World;

/// A change that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{policy} cannot be applied")]
pub struct Error {
    /// The policy.
    pub policy: String,
    /// Its UID.
    pub uid: String,
    /// Why not.
    #[source]
    pub source: pointer::Error,
}

/// The override policies of one template, with their clusters' names understood.
#[derive(Clone, Debug)]
pub struct Overriding<'a> {
    policies: Vec<(&'a Overrides, Vec<(Reading<'a>, &'a Rule)>)>,
}

impl<'a> Overriding<'a> {
    /// Prepares `policies`, which are applied in this order.
    pub fn new(world: &'a World, policies: &[&'a Overrides]) -> Self {
        let policies = policies.iter().map(|policy| {
            let from = policy.identity.viewpoint();
            let rules = policy.rules.iter();
            let rules = rules.map(|rule| (Reading::new(world, from, &rule.target), rule));
            (*policy, rules.collect())
        });
        Self {
            policies: policies.collect(),
        }
    }

    /// Whether any change is for `cluster`.
    pub fn concern(&self, cluster: &Cluster) -> bool {
        let mut rules = self.policies.iter().flat_map(|(_, rules)| rules);
        rules.any(|(target, rule)| !rule.changes.is_empty() && target.judge(cluster).is_ok())
    }

    /// Changes `object` to what `cluster` is to have, and says which policies had a part in it.
    ///
    /// # Errors
    /// At the first change that cannot be made; `object` is then half changed and of no use.
    pub fn apply(
        &self,
        cluster: &Cluster,
        object: &mut Value,
    ) -> Result<Vec<&'a Overrides>, Error> {
        let mut applied = Vec::new();
        for (policy, rules) in &self.policies {
            let rules = rules
                .iter()
                .filter(|(target, _)| target.judge(cluster).is_ok());
            let mut changes = rules.flat_map(|(_, rule)| &rule.changes).peekable();
            if changes.peek().is_some() {
                applied.push(*policy);
            }
            for change in changes {
                make(change, object).map_err(|source| Error {
                    policy: policy.identity.to_string(),
                    uid: policy.identity.uid.clone(),
                    source,
                })?;
            }
        }
        Ok(applied)
    }
}

fn make(change: &Change, object: &mut Value) -> Result<(), pointer::Error> {
    match &change.act {
        Act::Set(value) => change.pointer.set(object, value.clone()),
        Act::Add(value) => change.pointer.add(object, value.clone()),
        Act::Replace(value) => change.pointer.replace(object, value.clone()),
        Act::Remove => {
            change.pointer.remove(object);
            Ok(())
        }
    }
}
