//! What a look at a policy's rollouts is made from, whoever looks: the hub, or a preview.

use std::sync::Arc;

use roadstead_plan::World;
use roadstead_plan::policy::Policy;
use roadstead_store::records::object_key;
use roadstead_store::{Entry, Snapshot};

use super::Look;
use crate::error::Error;
use crate::objects;
use crate::reconciler::Reconciler;
use crate::work::Name;

/// What a look at a policy's rollouts is made from.
pub(super) struct Ground {
    pub(super) entry: Entry,
    pub(super) policy: Policy,
    world: Arc<World>,
}

impl Ground {
    /// Reads it; `None` where there is no such policy, or it cannot be read: nothing follows from that.
    pub(super) fn read(
        context: &Reconciler,
        snapshot: &Snapshot,
        (group, plural): (&str, &str),
        name: &Name,
    ) -> Result<Option<Self>, Error> {
        let key = object_key(group, plural, &name.namespace, &name.name)?;
        let Some(entry) = snapshot.get(key.as_str()) else {
            return Ok(None);
        };
        let Ok(policy) = Policy::read(&objects::object(entry)?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            entry: entry.clone(),
            policy,
            world: context.world(snapshot)?,
        }))
    }

    /// The look; `None` of a policy without rollouts.
    pub(super) fn look<'a>(
        &'a self,
        context: &'a Reconciler,
        snapshot: &'a Snapshot,
    ) -> Option<Look<'a>> {
        Some(Look {
            context,
            snapshot,
            world: &self.world,
            entry: &self.entry,
            policy: &self.policy,
            rollout: self.policy.rollout.as_ref()?,
        })
    }
}
