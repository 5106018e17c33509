//! What users do, and what it makes of what they have written.

use crate::model::{Kind, Model, Name, Object, Policy, Standing};

/// One act of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Applies an object.
    Put(Name, Object),
    /// Deletes an object.
    Delete(Name),
    /// Says how many replicas a Deployment has, by its scale.
    Scale(Name, i64),
    /// Applies a policy.
    PutPolicy(Kind, u64, Policy),
    /// Deletes a policy.
    DeletePolicy(Kind, u64),
    /// Applies the override of a group's objects, with a value for one cluster.
    PutOverride(u64, u64),
    /// Deletes it.
    DeleteOverride(u64),
    /// Freezes a cluster, or lifts that.
    Freeze(String, bool),
    /// Says how a cluster stands.
    Stand(String, Standing),
    /// Asks for the replicas that a policy divides to be shared out afresh; with a number that was
    /// not used before.
    Rebalance(Kind, u64, u64),
}

impl Act {
    /// Makes of `model` what it is once this was answered with success.
    pub fn carry_out(&self, model: &mut Model) {
        match self {
            Self::Put(name, object) => drop(model.objects.insert(name.clone(), object.clone())),
            Self::Delete(name) => drop(model.objects.remove(name)),
            Self::Scale(name, replicas) => {
                if let Some(object) = model.objects.get_mut(name) {
                    object.replicas = *replicas;
                }
            }
            Self::PutPolicy(kind, group, policy) => {
                drop(model.policies.insert((*kind, *group), policy.clone()));
            }
            Self::DeletePolicy(kind, group) => drop(model.policies.remove(&(*kind, *group))),
            Self::PutOverride(group, value) => drop(model.overrides.insert(*group, *value)),
            Self::DeleteOverride(group) => drop(model.overrides.remove(group)),
            Self::Freeze(cluster, true) => drop(model.frozen.insert(cluster.clone())),
            Self::Freeze(cluster, false) => drop(model.frozen.remove(cluster)),
            Self::Stand(cluster, standing) => {
                model.standing.insert(cluster.clone(), *standing);
            }
            Self::Rebalance(..) => {}
        }
    }
}
