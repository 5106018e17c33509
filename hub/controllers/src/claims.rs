//! Who distributes which template, remembered for as long as the world is the same: of thousands of
//! policies over one object each asks the same question, and the answer looks at all of them.
//!
//! What is remembered is never the truth: it is given only for the very world, labels and holders for
//! which it was found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_plan::World;
use roadstead_plan::claim::winner;
use roadstead_plan::policy::Policy;
use roadstead_protocol::wire::ItemKey;

/// Of so many templates it is remembered who distributes them; beyond that it is begun anew.
const CLAIMS_MAX: usize = 4096;

/// See the module.
#[derive(Default)]
pub(crate) struct Claims {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    world: Option<Arc<World>>,
    winners: BTreeMap<ItemKey, Found>,
    /// How often all policies were looked at, for tests.
    looked: usize,
}

/// What was found, and for what.
struct Found {
    labels: BTreeMap<String, String>,
    holder: Option<String>,
    winner: Option<String>,
}

impl Claims {
    /// Who distributes a template with these labels, which the policy of the UID `holder` holds.
    pub(crate) fn winner<'w>(
        &self,
        world: &'w Arc<World>,
        item: &ItemKey,
        labels: &BTreeMap<String, String>,
        holder: Option<&str>,
    ) -> Option<&'w Policy> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known
            .world
            .as_ref()
            .is_some_and(|of| Arc::ptr_eq(of, world));
        if !same || known.winners.len() >= CLAIMS_MAX {
            known.world = Some(Arc::clone(world));
            known.winners.clear();
        }
        let found = known.winners.get(item);
        let found = found.filter(|f| f.labels == *labels && f.holder.as_deref() == holder);
        if let Some(found) = found {
            return found.winner.as_deref().and_then(|uid| world.policy(uid));
        }
        known.looked += 1;
        let holders: BTreeSet<&str> = holder.into_iter().collect();
        let policy = winner(world, item, labels, &holders);
        let found = Found {
            labels: labels.clone(),
            holder: holder.map(str::to_owned),
            winner: policy.map(|policy| policy.identity.uid.clone()),
        };
        known.winners.insert(item.clone(), found);
        policy
    }

    #[cfg(test)]
    pub(crate) fn looked(&self) -> usize {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .looked
    }
}
