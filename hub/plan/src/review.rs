//! How much the edits that are on their way would remove, over all templates.

use std::collections::BTreeMap;

use crate::intent::intend;
use crate::removal::{Fate, Judge, Reason, responsible};
use crate::template::Template;
use crate::world::{Limits, World};

/// What the fleet runs, and what edits would take away from it, by policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    runs: u32,
    removals: BTreeMap<String, u32>,
}

impl Review {
    /// Counts one more template.
    pub fn add(&mut self, world: &World, template: &Template<'_>) {
        let intent = intend(world, template);
        let judge = Judge::new(world, template, &intent);
        for former in &template.former {
            self.runs = self.runs.saturating_add(1);
            if judge.fate(former) == Some(Fate::Remove(Reason::NotChosen)) {
                for uid in responsible(&intent, former) {
                    let count = self.removals.entry(uid.to_owned()).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
    }

    /// How many removals the edits of a policy would cause.
    pub fn pending(&self, policy: &str) -> u32 {
        self.removals.get(policy).copied().unwrap_or(0)
    }

    /// Whether any of these policies' edits would remove more than goes unconfirmed.
    pub(crate) fn exceeds(&self, limits: &Limits, policies: Vec<&str>) -> bool {
        let share = u64::from(self.runs) * u64::from(limits.removal_percent) / 100;
        let most = share.max(u64::from(limits.removal_min));
        policies
            .into_iter()
            .any(|uid| u64::from(self.pending(uid)) > most)
    }
}
