//! How much the edits that are on their way would remove, over all templates, and what of that was
//! confirmed on the policies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::confirmation::{Loss, borne, token};
use crate::intent::intend;
use crate::removal::{Fate, Judge, Reason, responsible};
use crate::template::Template;
use crate::world::{Limits, World};

/// What one template adds to a review. It is the same as long as the world, the template and its
/// decision are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    runs: u32,
    losses: Vec<Losing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Losing {
    loss: Loss,
    /// UIDs of the policies whose edit it would be.
    by: Vec<String>,
    /// Whether it waits whatever else is edited.
    waits: bool,
    /// Whether it counts as an edit.
    edit: bool,
}

impl Part {
    /// What `template` adds.
    pub fn of(world: &World, template: &Template<'_>) -> Self {
        // What is to leave in time counts as if it left now: more waits, never less.
        let intent = intend(world, template, Duration::MAX);
        let judge = Judge::new(world, template, &intent);
        let mut part = Self::default();
        let mut stays = !intent.targets.is_empty();
        for former in &template.former {
            part.runs = part.runs.saturating_add(1);
            let fate = judge.fate(former);
            let kept = fate.and_then(Fate::kept);
            stays |= kept.is_some_and(|cause| cause.runs());
            let edit = fate == Some(Fate::Remove(Reason::NotChosen));
            let waits = kept.is_some_and(|cause| cause.confirmable());
            if edit || waits {
                let by = responsible(&intent, former);
                part.losses.push(Losing {
                    loss: former.loss(&template.key),
                    by: by.into_iter().map(str::to_owned).collect(),
                    waits,
                    edit,
                });
            }
        }
        if !stays {
            part.losses
                .iter_mut()
                .for_each(|losing| losing.waits = true);
        }
        part
    }
}

/// What the fleet runs, what edits would take away from it by policy, and what was confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    runs: u32,
    edits: BTreeMap<String, u32>,
    waits: BTreeMap<String, BTreeSet<Loss>>,
    approved: Approvals,
}

/// What was confirmed on policies, by their UIDs.
pub type Approvals = BTreeMap<String, Approved>;

/// What was confirmed on a policy, from when its token was right until all of it is done. Whoever
/// carries out a part of it keeps this where it survives a restart: of what is left the token says
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// What the policy bore.
    pub token: String,
    /// The [marks](Loss::mark) of what it confirmed.
    pub losses: BTreeSet<String>,
}

impl Review {
    /// Adds up what all templates add. A confirmation that `former` took goes on while what is left
    /// of it is carried out, template by template; anything new among it ends it.
    pub fn of<'p>(
        world: &World,
        parts: impl IntoIterator<Item = &'p Part>,
        former: &Approvals,
    ) -> Self {
        let parts: Vec<&Part> = parts.into_iter().collect();
        let mut review = Self::default();
        for part in &parts {
            review.runs = review.runs.saturating_add(part.runs);
            for uid in part.losses.iter().filter(|l| l.edit).flat_map(|l| &l.by) {
                let count = review.edits.entry(uid.clone()).or_default();
                *count = count.saturating_add(1);
            }
        }
        for losing in parts.iter().flat_map(|part| &part.losses) {
            let by = || losing.by.iter().map(String::as_str);
            if losing.waits || review.exceeds(&world.limits, by()) {
                for uid in by() {
                    let waits = review.waits.entry(uid.to_owned()).or_default();
                    waits.insert(losing.loss.clone());
                }
            }
        }
        for policy in &world.policies {
            let identity = &policy.identity;
            if let Some(token) = borne(&identity.annotations)
                && let Some(approved) = review.approve(&identity.uid, token, former)
            {
                review.approved.insert(identity.uid.clone(), approved);
            }
        }
        review
    }

    fn approve(&self, policy: &str, borne: &str, former: &Approvals) -> Option<Approved> {
        let waits = self.waits.get(policy)?;
        if token(waits) == borne {
            return Some(Approved {
                token: borne.to_owned(),
                losses: waits.iter().map(Loss::mark).collect(),
            });
        }
        let before = former.get(policy).filter(|before| before.token == borne)?;
        let known = |loss: &Loss| before.losses.contains(&loss.mark());
        waits.iter().all(known).then(|| before.clone())
    }

    /// What is confirmed on policies and not all carried out.
    pub fn approvals(&self) -> &Approvals {
        &self.approved
    }

    /// What waits for a confirmation of a policy's edits, over all templates.
    pub fn waiting(&self, policy: &str) -> Option<&BTreeSet<Loss>> {
        self.waits.get(policy)
    }

    /// Whether it was confirmed on the policy.
    pub(crate) fn approves(&self, policy: &str, loss: &Loss) -> bool {
        self.approved
            .get(policy)
            .is_some_and(|approved| approved.losses.contains(&loss.mark()))
    }

    /// Whether any of these policies' edits would remove more than goes unconfirmed.
    pub(crate) fn exceeds<'p>(
        &self,
        limits: &Limits,
        policies: impl IntoIterator<Item = &'p str>,
    ) -> bool {
        let share = u64::from(self.runs) * u64::from(limits.removal_percent) / 100;
        let most = share.max(u64::from(limits.removal_min));
        let edits = |uid| self.edits.get(uid).copied().unwrap_or(0);
        policies.into_iter().any(|uid| u64::from(edits(uid)) > most)
    }
}
